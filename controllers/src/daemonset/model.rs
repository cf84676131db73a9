//! What the controller keeps of a DaemonSet.

use api::{
    IntOrString,
    apps::v1::DaemonSet as View,
    core::v1::{PodMut, PodTemplateSpec},
    defaults::DEPRECATED_TEMPLATE_GENERATION as GENERATION,
    tree::Tree,
    view::View as _,
};
use runtime::Projection;

use super::{eligibility::Needs, tolerations};
use crate::{
    object::{
        Texts,
        owner::Owner,
        pod::{Pod, REVISION_LABEL},
        selector::Selector,
        template::TemplateDigest,
        texts,
    },
    pods,
};

/// The label of pods that says the same.
const GENERATION_LABEL: &str = "pod-template-generation";

/// A DaemonSet, as its controller sees it.
#[derive(Debug, Clone)]
pub(super) struct DaemonSet {
    pub annotations: Texts,
    pub deleting: bool,
    pub generation: i64,
    pub selector: Selector,
    pub needs: Needs,
    template: Tree,
    pub digest: TemplateDigest,
    pub strategy: Strategy,
    pub min_ready_seconds: i32,
    /// `None` for all of them.
    pub history_limit: Option<i32>,
    /// How often the template has changed; `None` where nobody counts.
    template_generation: Option<i64>,
    pub status: Status,
}

/// How pods of an older revision give way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Strategy {
    /// When somebody deletes them.
    OnDelete,
    /// Some at a time.
    RollingUpdate {
        max_surge: Option<IntOrString>,
        max_unavailable: Option<IntOrString>,
    },
}

/// A DaemonSet's status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub observed_generation: i64,
    pub desired: i32,
    pub current: i32,
    pub misscheduled: i32,
    pub ready: i32,
    pub updated: i32,
    pub available: i32,
    pub unavailable: i32,
    pub collisions: Option<i32>,
}

impl Projection for DaemonSet {
    fn project(object: &Tree) -> Self {
        let view = View::of(object);
        let (metadata, spec, status) = (view.metadata(), view.spec(), view.status());
        let strategy = spec.update_strategy();
        let rolling = strategy.rolling_update();
        let mut template = (spec.template().node())
            .map_or_else(|| Tree::new(PodTemplateSpec::TYPE), Tree::copy_of);
        template.compact();
        let annotations = texts(metadata.annotations());
        DaemonSet {
            deleting: metadata.deletion_timestamp().is_some(),
            generation: metadata.generation(),
            selector: spec.selector().map(Selector::read).unwrap_or_default(),
            needs: Needs::read(spec.template().spec()),
            template,
            digest: TemplateDigest::whole(spec.template()),
            strategy: match strategy.type_() {
                "OnDelete" => Strategy::OnDelete,
                _ => Strategy::RollingUpdate {
                    max_surge: rolling.and_then(|r| r.max_surge()),
                    max_unavailable: rolling.and_then(|r| r.max_unavailable()),
                },
            },
            min_ready_seconds: spec.min_ready_seconds(),
            history_limit: spec.revision_history_limit(),
            template_generation: annotations.get(GENERATION).and_then(|g| g.parse().ok()),
            annotations,
            status: Status {
                observed_generation: status.observed_generation(),
                desired: status.desired_number_scheduled(),
                current: status.current_number_scheduled(),
                misscheduled: status.number_misscheduled(),
                ready: status.number_ready(),
                updated: status.updated_number_scheduled(),
                available: status.number_available(),
                unavailable: status.number_unavailable(),
                collisions: status.collision_count(),
            },
        }
    }
}

impl DaemonSet {
    /// What its pods look like.
    pub(super) fn template(&self) -> PodTemplateSpec<'_> {
        PodTemplateSpec::of(&self.template)
    }

    /// Whether a pod is of the template as it is, whose revision has one of these hashes.
    pub(super) fn is_updated(&self, pod: &Pod, hashes: &[&str]) -> bool {
        let label = |name: &str| pod.labels.get(name).map(String::as_str);
        label(REVISION_LABEL).is_some_and(|hash| hashes.contains(&hash))
            || self
                .template_generation
                .is_some_and(|g| label(GENERATION_LABEL) == Some(&*g.to_string()))
    }

    /// A pod for a node. Its affinity says which: the scheduler brings it there.
    pub(super) fn pod(
        &self,
        namespace: &str,
        (prefix, name): (&str, &str),
        owner: &Owner,
        hash: &str,
        node: &str,
    ) -> Tree {
        let mut tree = pods::from_template(self.template(), namespace, prefix, name, owner);
        let mut pod = PodMut::of(&mut tree);
        let mut metadata = pod.metadata_mut();
        metadata.labels_mut().insert(REVISION_LABEL, hash);
        if let Some(generation) = self.template_generation {
            let generation = generation.to_string();
            metadata.labels_mut().insert(GENERATION_LABEL, &generation);
        }
        let mut spec = pod.spec_mut();
        tolerations::add(&mut spec);
        let mut affinity = spec.affinity_mut();
        let mut affinity = affinity.node_affinity_mut();
        let mut required = affinity.required_during_scheduling_ignored_during_execution_mut();
        required.remove_node_selector_terms();
        let mut term = required.push_node_selector_terms();
        let mut field = term.push_match_fields();
        field.set_key("metadata.name");
        field.set_operator("In");
        field.push_values(node);
        tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{
        codec::json::{self, Strict},
        schema::Schema,
    };
    use serde_json::{Value, json};

    #[test]
    fn a_pod_says_its_node_and_bears_what_befalls_nodes() {
        let object = json!({
            "metadata": {"name": "log", "annotations": {GENERATION: "3"}},
            "spec": {"template": {"metadata": {"labels": {"app": "log"}}, "spec": {
                "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}],
                "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}}},
            }}},
        });
        let body = object.to_string().into_bytes();
        let tree =
            json::decode(Schema::builtin(), View::TYPE, body, &mut Strict::new()).expect("fits");
        let set = DaemonSet::project(&tree);
        let owner = Owner {
            api_version: "apps/v1".into(),
            kind: "DaemonSet".into(),
            name: "log".into(),
            uid: "u".into(),
            controller: true,
            blocks_deletion: true,
        };
        let tree = set.pod("shop", ("log-", "log-x"), &owner, "abc", "n1");
        let pod: Value = serde_json::from_slice(&json::to_vec(&tree)).expect("JSON");
        assert_eq!(
            pod["metadata"]["labels"],
            json!({"app": "log", "controller-revision-hash": "abc", "pod-template-generation": "3"})
        );
        assert_eq!(
            pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"],
            json!({"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]})
        );
        let tolerations = pod["spec"]["tolerations"].as_array().expect("some");
        assert_eq!(tolerations.len(), 6);
        assert_eq!(
            tolerations[0],
            json!({"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"})
        );
        let pod = Pod::project(&tree);
        assert_eq!(pod.target_node(), Some("n1"));
        assert!(set.is_updated(&pod, &["abc"]) && set.is_updated(&pod, &[]));
        let other = DaemonSet {
            template_generation: Some(4),
            ..set
        };
        assert!(!other.is_updated(&pod, &["abd"]));
    }
}
