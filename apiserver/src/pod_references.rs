//! What a pod names of the API: secrets, ConfigMaps, claims (upstream: `pkg/api/pod/util.go`). It must not know who may read
//! them.

use api::Ref;

/// The annotation of a pod that a node runs by itself and shows to the API.
pub const MIRROR: &str = "kubernetes.io/config.mirror";
/// Where the sources of volumes name a secret of the pod's namespace.
const SECRETS_OF_VOLUMES: [(&str, &str); 10] = [
    ("secret", "secretName"),
    ("azureFile", "secretName"),
    ("cephfs", "secretRef.name"),
    ("cinder", "secretRef.name"),
    ("flexVolume", "secretRef.name"),
    ("iscsi", "secretRef.name"),
    ("rbd", "secretRef.name"),
    ("scaleIO", "secretRef.name"),
    ("storageos", "secretRef.name"),
    ("csi", "nodePublishSecretRef.name"),
];
/// The sources of volumes that ask the API for something.
const ASKING_VOLUMES: [(&str, &str); 7] = [
    ("configMap", "configmaps (via configmap volumes)"),
    ("secret", "secrets (via secret volumes)"),
    ("csi", "csidrivers (via CSI volumes)"),
    ("glusterfs", "endpoints (via glusterFS volumes)"),
    ("persistentVolumeClaim", "persistentvolumeclaims"),
    (
        "ephemeral",
        "persistentvolumeclaims (via ephemeral volumes)",
    ),
    ("azureFile", "secrets (via azureFile volumes)"),
];
/// The sources of projected volumes that do.
const ASKING_SOURCES: [(&str, &str); 5] = [
    ("configMap", "configmaps (via projected volumes)"),
    ("secret", "secrets (via projected volumes)"),
    (
        "serviceAccountToken",
        "serviceaccounts (via projected volumes)",
    ),
    ("clusterTrustBundle", "clustertrustbundles"),
    ("podCertificate", "podcertificates"),
];

/// The names of the secrets that a pod of this spec refers to, some several times.
pub fn secrets(spec: Ref<'_>) -> Vec<&str> {
    let pulled = list(spec, "imagePullSecrets").filter_map(|secret| secret.get("name"));
    let mounted = list(spec, "volumes").flat_map(|volume| {
        let named = SECRETS_OF_VOLUMES
            .iter()
            .filter_map(move |(source, name)| volume.get(source)?.path(name));
        named.chain(projected(volume, "secret"))
    });
    let used = in_environments(spec, "secretRef", "secretKeyRef");
    names(pulled.chain(mounted).chain(used))
}

/// The names of the ConfigMaps that a pod of this spec refers to, some several times.
pub fn config_maps(spec: Ref<'_>) -> Vec<&str> {
    let mounted = list(spec, "volumes").flat_map(|volume| {
        let named = volume.path("configMap.name").into_iter();
        named.chain(projected(volume, "configMap"))
    });
    names(mounted.chain(in_environments(spec, "configMapRef", "configMapKeyRef")))
}

/// The names of the claims that the pod of this name and spec mounts.
pub fn claims(pod: &str, spec: Ref<'_>) -> Vec<String> {
    let claim = |volume: Ref<'_>| {
        let text = |path: &str| Some(volume.path(path)?.as_str()?.to_owned());
        match volume.get("ephemeral") {
            // The claim that is made for the pod.
            Some(_) => Some(format!("{pod}-{}", text("name")?)),
            None => text("persistentVolumeClaim.claimName"),
        }
    };
    list(spec, "volumes").filter_map(claim).collect()
}

/// What a pod of this spec would read of the API, in upstream's words; `None` if it could run without one
/// (`HasAPIObjectReference`).
pub fn asks_for(spec: Ref<'_>) -> Option<&'static str> {
    let account = spec.get("serviceAccountName").and_then(Ref::as_str);
    if account.is_some_and(|account| !account.is_empty()) {
        return Some("serviceaccounts");
    }
    if !secrets(spec).is_empty() {
        return Some("secrets");
    }
    if !config_maps(spec).is_empty() {
        return Some("configmaps");
    }
    if list(spec, "resourceClaims").next().is_some() {
        return Some("resourceclaims");
    }
    let named = |of: Ref<'_>, table: &[(&str, &'static str)]| {
        let found = table.iter().find(|(source, _)| of.get(source).is_some());
        found.map(|(_, what)| *what)
    };
    list(spec, "volumes").find_map(|volume| {
        let sources = volume.path("projected.sources").into_iter();
        named(volume, &ASKING_VOLUMES).or_else(|| {
            sources
                .flat_map(Ref::items)
                .find_map(|source| named(source, &ASKING_SOURCES))
        })
    })
}

fn list<'a>(of: Ref<'a>, field: &str) -> impl Iterator<Item = Ref<'a>> {
    of.get(field).into_iter().flat_map(Ref::items)
}

/// What the sources of a projected volume name.
fn projected<'a>(volume: Ref<'a>, source: &'static str) -> impl Iterator<Item = Ref<'a>> {
    let sources = volume.path("projected.sources").into_iter();
    let sources = sources.flat_map(Ref::items);
    sources.filter_map(move |s| s.get(source)?.get("name"))
}

/// What the environments of all containers name, whole (`envFrom`) and by key.
fn in_environments<'a>(
    spec: Ref<'a>,
    whole: &'static str,
    key: &'static str,
) -> impl Iterator<Item = Ref<'a>> {
    let containers = ["initContainers", "containers", "ephemeralContainers"]
        .into_iter()
        .flat_map(move |field| list(spec, field));
    containers.flat_map(move |container| {
        let all = list(container, "envFrom").filter_map(move |from| from.get(whole)?.get("name"));
        let some = list(container, "env")
            .filter_map(move |env| env.get("valueFrom")?.get(key)?.get("name"));
        all.chain(some)
    })
}

fn names<'a>(found: impl Iterator<Item = Ref<'a>>) -> Vec<&'a str> {
    let texts = found.filter_map(Ref::as_str);
    texts.filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::Tree;
    use api::core::v1::Pod;

    fn pod(spec: &str) -> Tree {
        let json = format!("{{\"spec\":{spec}}}");
        let schema = api::Schema::builtin();
        let mut strict = api::codec::json::Strict::new();
        api::codec::json::decode(schema, Pod::TYPE, json.into_bytes(), &mut strict).unwrap()
    }

    fn spec(pod: &Tree) -> Ref<'_> {
        pod.root().get("spec").unwrap()
    }

    #[test]
    fn names_are_found_wherever_a_pod_can_have_them() {
        let pod = pod(r#"{"imagePullSecrets":[{"name":"pull"},{}],
            "initContainers":[{"name":"i","env":[{"name":"a","valueFrom":{"secretKeyRef":{"name":"init","key":"k"}}}]}],
            "containers":[{"name":"c","envFrom":[{"configMapRef":{"name":"whole"}},{"secretRef":{"name":"from"}}]}],
            "ephemeralContainers":[{"name":"e","env":[{"name":"a","valueFrom":{"configMapKeyRef":{"name":"debug","key":"k"}}}]}],
            "volumes":[{"name":"s","secret":{"secretName":"mounted"}},{"name":"m","configMap":{"name":"map"}},
              {"name":"p","projected":{"sources":[{"secret":{"name":"projected"}},{"configMap":{"name":"part"}}]}},
              {"name":"x","csi":{"driver":"d","nodePublishSecretRef":{"name":"publish"}}},
              {"name":"r","rbd":{"monitors":["m"],"image":"i","secretRef":{"name":"block"}}},
              {"name":"own","persistentVolumeClaim":{"claimName":"kept"}},{"name":"tmp","ephemeral":{}}]}"#);
        let mut found = secrets(spec(&pod));
        found.sort_unstable();
        let all = [
            "block",
            "from",
            "init",
            "mounted",
            "projected",
            "publish",
            "pull",
        ];
        assert_eq!(found, all);
        let mut found = config_maps(spec(&pod));
        found.sort_unstable();
        assert_eq!(found, ["debug", "map", "part", "whole"]);
        assert_eq!(claims("web", spec(&pod)), ["kept", "web-tmp"]);
    }

    #[test]
    fn a_pod_may_run_without_an_api_or_not() {
        for (text, what) in [
            (r#"{"containers":[{"name":"c","image":"i"}]}"#, None),
            (
                r#"{"volumes":[{"name":"h","hostPath":{"path":"/"}},{"name":"p","projected":{"sources":[{"downwardAPI":{}}]}}]}"#,
                None,
            ),
            (r#"{"serviceAccountName":"a"}"#, Some("serviceaccounts")),
            (
                r#"{"containers":[{"name":"c","envFrom":[{"configMapRef":{"name":"x"}}]}]}"#,
                Some("configmaps"),
            ),
            (
                r#"{"volumes":[{"name":"d","ephemeral":{}}]}"#,
                Some("persistentvolumeclaims (via ephemeral volumes)"),
            ),
            (
                r#"{"volumes":[{"name":"p","projected":{"sources":[{"serviceAccountToken":{"path":"t"}}]}}]}"#,
                Some("serviceaccounts (via projected volumes)"),
            ),
            (
                r#"{"resourceClaims":[{"name":"gpu"}]}"#,
                Some("resourceclaims"),
            ),
        ] {
            assert_eq!(asks_for(spec(&pod(text))), what, "{text}");
        }
    }
}
