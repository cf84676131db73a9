//! What a pod has by its ordinal: its name, its labels, its host name and its claims.

use api::{
    core::v1::{PersistentVolumeClaim, PersistentVolumeClaimMut, PodMut, PodTemplateSpec},
    tree::Tree,
    view::View as _,
};
use runtime::Object;
use serde_json::{Value, json};

use super::model::StatefulSet;
use crate::{
    object::{
        owner::Owner,
        pod::{Pod, REVISION_LABEL},
    },
    pods,
};

/// The label that holds the pod's name, so that a Service can select one pod.
const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
/// The label that holds the pod's ordinal.
const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

/// The name of the pod of an ordinal.
pub(super) fn pod_name(set: &str, ordinal: i32) -> String {
    format!("{set}-{ordinal}")
}

/// The name of a claim of the pod of an ordinal.
pub(super) fn claim_name(claim: &str, set: &str, ordinal: i32) -> String {
    format!("{claim}-{set}-{ordinal}")
}

/// A pod of the set.
pub(super) fn pod(
    set: &Object<StatefulSet>,
    template: PodTemplateSpec<'_>,
    revision: &str,
    ordinal: i32,
    owner: &Owner,
) -> Tree {
    let (name, namespace) = (set.key.name(), set.key.namespace());
    let pod_name = pod_name(name, ordinal);
    let prefix = pods::prefix(name);
    let mut tree = pods::from_template(template, namespace, &prefix, &pod_name, owner);
    let mut pod = PodMut::of(&mut tree);
    let mut metadata = pod.metadata_mut();
    for (key, value) in labels(&pod_name, ordinal) {
        metadata.labels_mut().insert(key, &value);
    }
    metadata.labels_mut().insert(REVISION_LABEL, revision);
    let mut spec = pod.spec_mut();
    spec.set_hostname(&pod_name);
    spec.set_subdomain(&set.value.service);
    let is_claim = |volume: &str| set.value.claims().any(|c| c.metadata().name() == volume);
    if set.value.claims().next().is_some() {
        // The claims' volumes take the place of the template's of the same names.
        spec.remove_volumes();
        for claim in set.value.claims() {
            let claim = claim.metadata().name();
            let mut volume = spec.push_volumes();
            volume.set_name(claim);
            volume
                .persistent_volume_claim_mut()
                .set_claim_name(&claim_name(claim, name, ordinal));
        }
        for volume in template.spec().volumes().iter() {
            if !is_claim(volume.name())
                && let Some(node) = volume.node()
            {
                append_volume(&mut tree, node);
            }
        }
    }
    tree
}

fn append_volume(pod: &mut Tree, volume: api::Ref<'_>) {
    let mut root = pod.root_mut();
    let mut spec = root.get("spec");
    if let Some(mut volumes) = spec.as_mut().and_then(|spec| spec.get("volumes")) {
        volumes.push_copy(volume);
    }
}

fn labels(pod_name: &str, ordinal: i32) -> [(&'static str, String); 2] {
    [
        (POD_NAME, pod_name.to_owned()),
        (POD_INDEX, ordinal.to_string()),
    ]
}

/// The patch that gives a pod what it has by its ordinal, if it lacks it: an orphan may have been adopted.
pub(super) fn mend(set: &Object<StatefulSet>, pod: &Object<Pod>, ordinal: i32) -> Option<Value> {
    let name = set.key.name();
    let named = pod.value.labels.get(POD_NAME).map(String::as_str) == Some(pod.key.name());
    let missing: Vec<Value> = set
        .value
        .claims()
        .map(|c| c.metadata().name().to_owned())
        .map(|volume| (claim_name(&volume, name, ordinal), volume))
        .filter(|(claim, volume)| {
            let mut claims = pod.value.claims.iter();
            !claims.any(|(v, c)| v == volume && c == claim)
        })
        .map(|(claim, volume)| {
            json!({"name": volume, "persistentVolumeClaim": {"claimName": claim}})
        })
        .collect();
    if named && missing.is_empty() {
        return None;
    }
    let mut patch = json!({"metadata": {
        "uid": &*pod.uid,
        "labels": labels(pod.key.name(), ordinal).into_iter().collect::<std::collections::BTreeMap<_, _>>(),
    }});
    if !missing.is_empty() {
        patch["spec"] = json!({"volumes": missing});
    }
    Some(patch)
}

/// A claim of the pod of an ordinal, made from its template.
pub(super) fn claim(
    set: &Object<StatefulSet>,
    template: PersistentVolumeClaim<'_>,
    ordinal: i32,
    owner: Option<&Owner>,
) -> Tree {
    let mut tree = template
        .node()
        .map_or_else(|| Tree::new(PersistentVolumeClaim::TYPE), Tree::copy_of);
    let mut claim = PersistentVolumeClaimMut::of(&mut tree);
    let mut metadata = claim.metadata_mut();
    metadata.set_name(&claim_name(
        template.metadata().name(),
        set.key.name(),
        ordinal,
    ));
    metadata.set_namespace(set.key.namespace());
    for (key, value) in &set.value.match_labels {
        metadata.labels_mut().insert(key, value);
    }
    if let Some(owner) = owner {
        owner.write(metadata.push_owner_references());
    }
    tree
}

/// A pod as an owner of claims.
pub(super) fn pod_owner(pod: &Object<Pod>) -> Owner {
    Owner {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        name: pod.key.name().to_owned(),
        uid: pod.uid.to_string(),
        controller: true,
        blocks_deletion: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{
        apps::v1::StatefulSet as View,
        codec::json::{self, Strict},
        schema::Schema,
    };

    #[test]
    fn a_pod_gets_its_identity_and_claims_by_its_ordinal() {
        let object = json!({
            "metadata": {"name": "web", "namespace": "shop", "uid": "u"},
            "spec": {
                "serviceName": "svc",
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"volumes": [{"name": "data", "emptyDir": {}}, {"name": "other", "emptyDir": {}}]},
                },
                "volumeClaimTemplates": [{"metadata": {"name": "data", "labels": {"tier": "a"}}}],
            },
        });
        let body = object.to_string().into_bytes();
        let tree =
            json::decode(Schema::builtin(), View::TYPE, body, &mut Strict::new()).expect("fits");
        let set = Object::<StatefulSet>::read(&tree);
        let owner = Owner {
            api_version: "apps/v1".into(),
            kind: "StatefulSet".into(),
            name: "web".into(),
            uid: "u".into(),
            controller: true,
            blocks_deletion: true,
        };
        let made = pod(&set, set.value.template(), "web-1a", 2, &owner);
        let made: Value = serde_json::from_slice(&json::to_vec(&made)).expect("JSON");
        assert_eq!(
            made["metadata"]["labels"],
            json!({
                "app": "web", "statefulset.kubernetes.io/pod-name": "web-2", "apps.kubernetes.io/pod-index": "2",
                "controller-revision-hash": "web-1a",
            })
        );
        assert_eq!(made["metadata"]["generateName"], "web-");
        assert_eq!(
            made["metadata"]["ownerReferences"][0]["kind"],
            "StatefulSet"
        );
        assert_eq!(made["spec"]["hostname"], "web-2");
        assert_eq!(made["spec"]["subdomain"], "svc");
        assert_eq!(
            made["spec"]["volumes"],
            json!([
                {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-2"}},
                {"name": "other", "emptyDir": {}},
            ])
        );
        let template = set.value.claims().next().expect("one");
        let claim = claim(&set, template, 2, Some(&owner));
        let claim: Value = serde_json::from_slice(&json::to_vec(&claim)).expect("JSON");
        assert_eq!(claim["metadata"]["name"], "data-web-2");
        assert_eq!(
            claim["metadata"]["labels"],
            json!({"tier": "a", "app": "web"})
        );
        assert_eq!(claim["metadata"]["ownerReferences"][0]["uid"], "u");
    }
}
