//! What a pod may ask for that this node does not do: refused by name, never ignored.

use api::core::v1::{Container, Pod, Probe, Volume};
use api::names::is_native_resource;
use api::tree::Tree;

use crate::volume::is_supported_key;

/// The fields of the pod that are not supported, as paths with what they hold. Empty for a pod that can be run. `selinux` says
/// whether the node has it: where it has not, labels of it bind nobody, as upstream.
pub fn refused(tree: &Tree, selinux: bool) -> Vec<String> {
    let pod = Pod::of(tree);
    let spec = pod.spec();
    let mut list = Vec::new();
    let mut refuse = |path: String, when: bool| {
        if when {
            list.push(path);
        }
    };
    refuse(
        "spec.shareProcessNamespace".into(),
        spec.share_process_namespace() == Some(true),
    );
    refuse(
        "spec.hostUsers: false".into(),
        spec.host_users() == Some(false),
    );
    refuse(
        "spec.runtimeClassName".into(),
        spec.runtime_class_name().is_some(),
    );
    refuse(
        "spec.resourceClaims".into(),
        !spec.resource_claims().is_empty(),
    );
    refuse("spec.resources".into(), spec.resources().is_some());
    refuse(
        "spec.hostnameOverride".into(),
        spec.hostname_override().is_some(),
    );
    refuse(
        "spec.os.name".into(),
        spec.os().is_some_and(|os| os.name() != "linux"),
    );
    if let Some(security) = spec.security_context() {
        let at = "spec.securityContext";
        refuse(
            format!("{at}.seLinuxOptions"),
            selinux && security.se_linux_options().is_some(),
        );
        refuse(
            format!("{at}.windowsOptions"),
            security.windows_options().is_some(),
        );
        refuse(
            app_armor(at, security.app_armor_profile().map(|p| p.type_())),
            confined(security.app_armor_profile().map(|p| p.type_())),
        );
        for sysctl in security.sysctls() {
            refuse(
                format!("{at}.sysctls: {}", sysctl.name()),
                !is_safe_sysctl(sysctl.name()),
            );
        }
    }
    for volume in spec.volumes() {
        list.extend(volume_refused(volume));
    }
    for (kind, containers) in [
        ("initContainers", spec.init_containers()),
        ("containers", spec.containers()),
    ] {
        for container in containers {
            let at = format!("spec.{kind}[{}]", container.name());
            list.extend(container_refused(&at, container, selinux));
        }
    }
    list
}

/// Settings that belong to a namespace of the pod's own: upstream's safe list.
fn is_safe_sysctl(name: &str) -> bool {
    const SAFE: [&str; 12] = [
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
    ];
    SAFE.contains(&name)
}

fn confined(kind: Option<&str>) -> bool {
    kind.is_some_and(|kind| kind != "Unconfined")
}

fn app_armor(at: &str, kind: Option<&str>) -> String {
    format!("{at}.appArmorProfile.type: {}", kind.unwrap_or_default())
}

fn volume_refused(volume: Volume<'_>) -> Option<String> {
    let supported = volume.config_map().is_some()
        || volume.secret().is_some()
        || volume.downward_api().is_some()
        || volume.projected().is_some()
        || volume.host_path().is_some()
        || volume.empty_dir().is_some()
        || volume.image().is_some();
    if !supported {
        let source = api::view::View::node(volume);
        let field = source.and_then(|node| {
            let ty = node.ty()?;
            node.fields()
                .map(|(field, _)| ty.field_at(field).name.to_string())
                .find(|name| name != "name")
        });
        return Some(format!(
            "spec.volumes[{}].{}",
            volume.name(),
            field.unwrap_or_default()
        ));
    }
    let at = format!("spec.volumes[{}]", volume.name());
    if let Some(empty) = volume.empty_dir()
        && !["", "Memory"].contains(&empty.medium())
    {
        return Some(format!("{at}.emptyDir.medium: {}", empty.medium()));
    }
    if let Some(path) = volume.host_path()
        && [
            "Socket",
            "CharDevice",
            "BlockDevice",
            "File",
            "FileOrCreate",
            "Directory",
            "DirectoryOrCreate",
            "",
        ]
        .iter()
        .all(|known| *known != path.type_().unwrap_or_default())
    {
        return Some(format!(
            "{at}.hostPath.type: {}",
            path.type_().unwrap_or_default()
        ));
    }
    for source in volume
        .projected()
        .iter()
        .flat_map(|projected| projected.sources())
    {
        if let Some(certificate) = source.pod_certificate()
            && !is_supported_key(certificate.key_type())
        {
            return Some(format!(
                "{at}.projected.sources.podCertificate.keyType: {}",
                certificate.key_type()
            ));
        }
    }
    None
}

/// The fields of one container that are not supported; `at` is its path. Those of an ephemeral container keep only itself from
/// being started: its pod runs already.
pub fn container_refused(at: &str, container: Container<'_>, selinux: bool) -> Vec<String> {
    let mut list = Vec::new();
    let mut refuse = |path: &str, when: bool| {
        if when {
            list.push(format!("{at}.{path}"));
        }
    };
    refuse("volumeDevices", !container.volume_devices().is_empty());
    refuse(
        "restartPolicyRules",
        !container.restart_policy_rules().is_empty(),
    );
    refuse(
        "restartPolicy",
        container
            .restart_policy()
            .is_some_and(|policy| policy != "Always"),
    );
    refuse(
        "resources.claims",
        !container.resources().claims().is_empty(),
    );
    for (name, _) in container.resources().limits() {
        // Of what somebody else counts out on the node there is nothing to set up in a container; whether the node has it is
        // asked when the pod comes.
        let counted_by_others = !is_native_resource(name);
        refuse(
            &format!("resources.limits[{name}]"),
            !["cpu", "memory", "ephemeral-storage"].contains(&name) && !counted_by_others,
        );
    }
    for variable in container.env() {
        let file = variable
            .value_from()
            .is_some_and(|source| source.file_key_ref().is_some());
        refuse(
            &format!("env[{}].valueFrom.fileKeyRef", variable.name()),
            file,
        );
    }
    for mount in container.volume_mounts() {
        refuse(
            "volumeMounts.recursiveReadOnly",
            mount
                .recursive_read_only()
                .is_some_and(|mode| mode != "Disabled"),
        );
        refuse(
            "volumeMounts.bindMountOptions",
            !mount.bind_mount_options().is_empty(),
        );
    }
    let probes = [
        container.liveness_probe(),
        container.readiness_probe(),
        container.startup_probe(),
    ];
    let tls = |probe: &Option<Probe<'_>>| {
        let grpc = probe.and_then(|probe| probe.grpc());
        grpc.is_some_and(|grpc| grpc.mode() == Some("TLS"))
    };
    for (name, probe) in ["livenessProbe", "readinessProbe", "startupProbe"]
        .iter()
        .zip(&probes)
    {
        refuse(&format!("{name}.grpc.mode: TLS"), tls(probe));
    }
    if let Some(security) = container.security_context() {
        refuse(
            "securityContext.seLinuxOptions",
            selinux && security.se_linux_options().is_some(),
        );
        refuse(
            "securityContext.windowsOptions",
            security.windows_options().is_some(),
        );
        let profile = security.app_armor_profile().map(|profile| profile.type_());
        refuse(&app_armor("securityContext", profile), confined(profile));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::codec::json::{self, Strict};
    use api::schema::Schema;

    fn pod(spec: &str) -> Tree {
        let text = format!(r#"{{"apiVersion":"v1","kind":"Pod","spec":{spec}}}"#);
        let mut strict = Strict::default();
        json::decode(
            Schema::builtin(),
            Pod::TYPE,
            bytes::Bytes::from(text),
            &mut strict,
        )
        .unwrap()
    }

    #[test]
    fn certificates_for_keys_that_cannot_be_made_are_refused() {
        let of = |key: &str| {
            let spec = format!(
                r#"{{"volumes": [{{"name": "v", "projected": {{"sources": [
                    {{"clusterTrustBundle": {{"name": "b", "path": "b"}}}},
                    {{"podCertificate": {{"signerName": "a.b/c", "keyType": "{key}", "keyPath": "k"}}}}]}}}}]}}"#
            );
            refused(&pod(&spec), false)
        };
        for key in ["ECDSAP256", "ECDSAP384", "ED25519"] {
            assert_eq!(of(key), Vec::<String>::new());
        }
        for key in ["RSA3072", "RSA4096", "ECDSAP521"] {
            let path = "spec.volumes[v].projected.sources.podCertificate.keyType";
            assert_eq!(of(key), [format!("{path}: {key}")]);
        }
    }

    #[test]
    fn labels_of_selinux_are_refused_only_where_it_is() {
        let pod = pod(
            r#"{"securityContext": {"seLinuxOptions": {"level": "s0"}}, "containers": [
                {"name": "a", "securityContext": {"seLinuxOptions": {"level": "s0"}}}]}"#,
        );
        assert_eq!(refused(&pod, false), Vec::<String>::new());
        assert_eq!(
            refused(&pod, true),
            [
                "spec.securityContext.seLinuxOptions",
                "spec.containers[a].securityContext.seLinuxOptions"
            ]
        );
    }
}
