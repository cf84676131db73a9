//! Pods and their templates.

use super::cluster::{claim_spec, whole_bytes};
use super::{Warnings, address, containers, labels, overlap};
use crate::core::v1::{
    Pod, PodAffinityTerm, PodSpec, PodTemplateSpec, Volume, WeightedPodAffinityTerm,
};
use crate::field::Path;
use crate::view::{List, MapRef};

/// Annotations that have no effect any more.
const ANNOTATIONS: &[(&str, &str)] = &[
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        r#"non-functional in v1.16+; use the "priorityClassName" field instead"#,
    ),
    (
        "security.alpha.kubernetes.io/sysctls",
        r#"non-functional in v1.11+; use the "sysctls" field instead"#,
    ),
    (
        "security.alpha.kubernetes.io/unsafe-sysctls",
        r#"non-functional in v1.11+; use the "sysctls" field instead"#,
    ),
];

pub(super) fn pod(out: &mut Warnings, pod: Pod<'_>) {
    let annotations = pod.metadata().annotations();
    check(out, &Path::root(), pod.spec(), annotations, false);
}

pub(super) fn template(out: &mut Warnings, path: &Path<'_>, template: PodTemplateSpec<'_>) {
    let annotations = template.metadata().annotations();
    check(out, path, template.spec(), annotations, true);
}

fn check(
    out: &mut Warnings,
    path: &Path<'_>,
    spec: PodSpec<'_>,
    annotations: MapRef<'_, str>,
    template: bool,
) {
    let annotated = path.child("metadata.annotations");
    let path = path.child("spec");
    placement(out, &path, spec);
    for (key, why) in ANNOTATIONS {
        if annotations.contains_key(key) {
            out.push(format!("{}: {why}", annotated.key(key)));
        }
    }
    let place = path.child("volumes");
    for (at, volume) in spec.volumes().iter().enumerate() {
        given_up(out, &place.index(at), volume);
    }
    for volume in spec.volumes() {
        overlap::volume(out, volume);
    }
    let place = path.child("hostAliases");
    let aliases = spec.host_aliases().iter().map(|alias| alias.ip());
    twice(out, &place, "ip", aliases);
    let place = path.child("imagePullSecrets");
    let secrets = spec.image_pull_secrets();
    twice(out, &place, "name", secrets.iter().map(|one| one.name()));
    for (at, secret) in secrets.iter().enumerate() {
        if secret.name().is_empty() {
            let place = place.index(at);
            out.push(format!("{}: invalid empty name \"\"", place.child("name")));
        }
    }
    let place = path.child("overhead");
    for name in ["memory", "ephemeral-storage"] {
        if let Some(amount) = spec.overhead().get(name) {
            whole_bytes(out, &place.key(name), amount);
        }
    }
    containers::check(out, &path, &annotated, spec, annotations, template);
    if spec
        .termination_grace_period_seconds()
        .is_some_and(|seconds| seconds < 0)
    {
        out.push(format!(
            "{}: must be >= 0; negative values are invalid and will be treated as 1",
            path.child("terminationGracePeriodSeconds")
        ));
    }
    beside_others(out, &path.child("affinity"), spec);
    if let Some(dns) = spec.dns_config() {
        let place = path.child("dnsConfig.nameservers");
        for (at, server) in dns.nameservers().iter().enumerate() {
            address::ip(out, &place.index(at), server);
        }
    }
    let place = path.child("hostAliases");
    for (at, alias) in spec.host_aliases().iter().enumerate() {
        address::ip(out, &place.index(at).child("ip"), alias.ip());
    }
}

/// Which nodes a pod may go to.
fn placement(out: &mut Warnings, path: &Path<'_>, spec: PodSpec<'_>) {
    let place = path.child("nodeSelector");
    for label in spec.node_selector().keys() {
        if let Some(why) = labels::deprecated(label) {
            out.push(format!("{}: {why}", place.key(label)));
        }
    }
    if let Some(affinity) = spec.affinity().and_then(|a| a.node_affinity()) {
        let place = path.child("affinity.nodeAffinity");
        if let Some(required) = affinity.required_during_scheduling_ignored_during_execution() {
            let place =
                place.child("requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms");
            for (at, term) in required.node_selector_terms().iter().enumerate() {
                labels::term(out, &place.index(at), term, false);
            }
        }
        let place = place.child("preferredDuringSchedulingIgnoredDuringExecution");
        let preferred = affinity.preferred_during_scheduling_ignored_during_execution();
        for (at, term) in preferred.iter().enumerate() {
            let place = place.index(at);
            labels::term(out, &place.child("preference"), term.preference(), true);
        }
    }
    let place = path.child("topologySpreadConstraints");
    for (at, constraint) in spec.topology_spread_constraints().iter().enumerate() {
        let place = place.index(at);
        let key = constraint.topology_key();
        if let Some(why) = labels::deprecated(key) {
            out.push(format!("{}: {key} is {why}", place.child("topologyKey")));
        }
        if constraint.label_selector().is_none() {
            matches_nothing(out, &place.child("labelSelector"));
        }
    }
}

fn matches_nothing(out: &mut Warnings, path: &Path<'_>) {
    out.push(format!(
        "{path}: a null labelSelector results in matching no pod"
    ));
}

/// Which pods a pod wants beside itself, or not.
fn beside_others(out: &mut Warnings, path: &Path<'_>, spec: PodSpec<'_>) {
    let Some(affinity) = spec.affinity() else {
        return;
    };
    let required = |out: &mut Warnings, path: &Path<'_>, list: List<'_, PodAffinityTerm<'_>>| {
        for (at, term) in list.iter().enumerate() {
            if term.label_selector().is_none() {
                matches_nothing(out, &path.index(at).child("labelSelector"));
            }
        }
    };
    let preferred =
        |out: &mut Warnings, path: &Path<'_>, list: List<'_, WeightedPodAffinityTerm<'_>>| {
            for (at, term) in list.iter().enumerate() {
                if term.pod_affinity_term().label_selector().is_none() {
                    let path = path.index(at);
                    matches_nothing(out, &path.child("podAffinityTerm.labelSelector"));
                }
            }
        };
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    if let Some(to) = affinity.pod_affinity() {
        let path = path.child("podAffinity");
        let list = to.required_during_scheduling_ignored_during_execution();
        required(out, &path.child(REQUIRED), list);
        let list = to.preferred_during_scheduling_ignored_during_execution();
        preferred(out, &path.child(PREFERRED), list);
    }
    if let Some(from) = affinity.pod_anti_affinity() {
        let path = path.child("podAntiAffinity");
        let list = from.required_during_scheduling_ignored_during_execution();
        required(out, &path.child(REQUIRED), list);
        let list = from.preferred_during_scheduling_ignored_during_execution();
        preferred(out, &path.child(PREFERRED), list);
    }
}

/// Sources of volumes that are no more.
fn given_up(out: &mut Warnings, path: &Path<'_>, volume: Volume<'_>) {
    let gone = |out: &mut Warnings, field: &str, since: &str, gone: &str| {
        out.push(format!(
            "{}: deprecated in v{since}, non-functional in v{gone}+",
            path.child(field)
        ));
    };
    if volume.photon_persistent_disk().is_some() {
        gone(out, "photonPersistentDisk", "1.11", "1.16");
    }
    if volume.git_repo().is_some() {
        out.push(format!(
            "{}: deprecated in v1.11, and disabled by default in v1.33+",
            path.child("gitRepo")
        ));
    }
    if volume.scale_io().is_some() {
        gone(out, "scaleIO", "1.16", "1.22");
    }
    if volume.flocker().is_some() {
        gone(out, "flocker", "1.22", "1.25");
    }
    if volume.storageos().is_some() {
        gone(out, "storageOS", "1.22", "1.25");
    }
    if volume.quobyte().is_some() {
        gone(out, "quobyte", "1.22", "1.25");
    }
    if volume.glusterfs().is_some() {
        gone(out, "glusterfs", "1.25", "1.26");
    }
    if let Some(template) = volume.ephemeral().and_then(|e| e.volume_claim_template()) {
        let place = path.child("ephemeral.volumeClaimTemplate.spec");
        claim_spec(out, &place, template.spec());
    }
    if volume.cephfs().is_some() {
        gone(out, "cephfs", "1.28", "1.31");
    }
    if volume.rbd().is_some() {
        gone(out, "rbd", "1.28", "1.31");
    }
}

/// Elements that have been there before.
fn twice<'a>(
    out: &mut Warnings,
    path: &Path<'_>,
    field: &str,
    values: impl Iterator<Item = &'a str>,
) {
    let mut seen = Vec::new();
    for (at, value) in values.enumerate() {
        if seen.contains(&value) {
            let place = path.index(at);
            out.push(format!(
                "{}: duplicate {field} \"{value}\"",
                place.child(field)
            ));
        }
        seen.push(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json;
    use crate::schema::Schema;

    fn of(pod: &str) -> Vec<String> {
        let mut strict = json::Strict::default();
        let tree = json::decode(Schema::builtin(), Pod::TYPE, pod.to_owned(), &mut strict).unwrap();
        crate::warnings::create(&tree)
    }

    #[test]
    fn a_pod_that_says_things_twice_is_told_so() {
        let said = of(r#"{"metadata":{"name":"a.b"},"spec":{
            "containers":[{"name":"a","env":[{"name":"X","value":"1"},{"name":"X","value":"2"}],
                "ports":[{"containerPort":80,"protocol":"TCP"},{"containerPort":80,"protocol":"TCP","hostIP":"1.2.3.4"}]}],
            "imagePullSecrets":[{"name":"s"},{"name":"s"},{}],
            "nodeSelector":{"beta.kubernetes.io/os":"linux"}}}"#);
        assert_eq!(said.len(), 7, "{said:#?}");
        assert!(said[0].starts_with("metadata.name: this is used in the Pod's hostname"));
        assert_eq!(
            said[1..],
            [
                r#"spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead"#,
                r#"spec.imagePullSecrets[1].name: duplicate name "s""#,
                r#"spec.imagePullSecrets[2].name: invalid empty name """#,
                r#"spec.containers[0].env[1]: hides previous definition of "X", which may be dropped when using apply"#,
                "spec.containers[0].ports[1]: hostIP set without hostPort: {Name: HostPort:0 ContainerPort:80 Protocol:TCP HostIP:1.2.3.4}",
                "spec.containers[0].ports[1]: overlapping port definition with spec.containers[0].ports[0]",
            ]
        );
    }

    #[test]
    fn files_of_a_volume_that_lie_upon_one_another_are_told() {
        let said = of(
            r#"{"metadata":{"name":"a"},"spec":{"volumes":[{"name":"v","projected":{"sources":[
            {"configMap":{"name":"m","items":[{"key":"k","path":"a/b"}]}},{"secret":{"name":"s","items":[{"key":"k","path":"a"}]}},{}]}}]}}"#,
        );
        assert_eq!(
            said,
            [
                r#"volume "v" (Projected): overlapping paths: "a" (Secret "s") with "a/b" (ConfigMap "m")"#,
                r#"volume "v" (Projected) has no sources provided"#,
            ]
        );
    }
}
