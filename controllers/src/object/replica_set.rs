//! What controllers know of a ReplicaSet, or of a ReplicationController: the older kind of the same thing.

use api::{
    apps::v1::ReplicaSet as View,
    core::v1::{PodTemplateSpec, ReplicationController},
    tree::Tree,
    view::{View as _, metadata},
};
use jiff::Timestamp;
use runtime::{Object, Projection};

use super::{
    Texts, condition::Condition, owner::Owner, selector::Selector, template::TemplateDigest, texts,
    timestamp,
};

/// The index of ReplicaSets by the uid of the owner that manages them; of those without one by `orphans/namespace`.
pub const BY_OWNER: &str = "owner";

/// A ReplicaSet or a ReplicationController, as controllers see it.
#[derive(Debug, Clone)]
pub struct ReplicaSet {
    /// Labels.
    pub labels: Texts,
    /// Annotations.
    pub annotations: Texts,
    /// The owner that manages it.
    pub controller: Option<Owner>,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Deletion was asked for.
    pub deleting: bool,
    /// The generation of its spec.
    pub generation: i64,
    /// How many pods it wants.
    pub replicas: i32,
    /// How long a pod must be ready before it counts as available.
    pub min_ready_seconds: i32,
    /// Which pods are its own.
    pub selector: Selector,
    /// What its pods look like.
    pub digest: TemplateDigest,
    /// The template itself: kept only while pods are made from it.
    pub template: Option<Tree>,
    /// The template's labels.
    pub template_labels: Texts,
    /// What it says of itself.
    pub status: Status,
}

/// A ReplicaSet's status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Pods that count.
    pub replicas: i32,
    /// Those of them that have all labels of the template.
    pub fully_labeled: i32,
    /// Those of them that are ready.
    pub ready: i32,
    /// Those of them that have been ready for long enough.
    pub available: i32,
    /// Pods on their way out; `None` where the controller does not say: a ReplicationController never does.
    pub terminating: Option<i32>,
    /// The generation that the rest is about.
    pub observed_generation: i64,
    /// `ReplicaFailure`.
    pub conditions: Vec<Condition>,
}

/// Reads a status. The views of the two kinds have the same fields, but are types of their own.
macro_rules! status {
    ($status:expr, terminating: $terminating:expr) => {
        Status {
            replicas: $status.replicas(),
            fully_labeled: $status.fully_labeled_replicas(),
            ready: $status.ready_replicas(),
            available: $status.available_replicas(),
            terminating: $terminating,
            observed_generation: $status.observed_generation(),
            conditions: $status
                .conditions()
                .iter()
                .map(|c| Condition {
                    r#type: c.type_().to_owned(),
                    status: c.status().to_owned(),
                    reason: c.reason().to_owned(),
                    message: c.message().to_owned(),
                    last_transition: timestamp(c.last_transition_time()),
                    last_update: None,
                })
                .collect(),
        }
    };
}

/// What the two kinds say in different places.
struct Said<'a> {
    replicas: Option<i32>,
    min_ready_seconds: i32,
    selector: Selector,
    template: PodTemplateSpec<'a>,
    status: Status,
}

impl<'a> Said<'a> {
    fn by_replica_set(object: &'a Tree) -> Self {
        let set = View::of(object);
        let (spec, status) = (set.spec(), set.status());
        Said {
            replicas: spec.replicas(),
            min_ready_seconds: spec.min_ready_seconds(),
            selector: spec.selector().map(Selector::read).unwrap_or_default(),
            template: spec.template(),
            status: status!(status, terminating: status.terminating_replicas()),
        }
    }

    fn by_replication_controller(object: &'a Tree) -> Self {
        let controller = ReplicationController::of(object);
        let (spec, status) = (controller.spec(), controller.status());
        Said {
            replicas: spec.replicas(),
            min_ready_seconds: spec.min_ready_seconds(),
            selector: Selector::of_labels(spec.selector()),
            template: spec.template().unwrap_or(PodTemplateSpec::at(None)),
            status: status!(status, terminating: None),
        }
    }
}

impl Projection for ReplicaSet {
    fn project(object: &Tree) -> Self {
        let said = if object.type_id() == ReplicationController::TYPE {
            Said::by_replication_controller(object)
        } else {
            Said::by_replica_set(object)
        };
        let metadata = metadata(object);
        let replicas = said.replicas.unwrap_or(1);
        let template = (replicas > 0).then(|| said.template.node()).flatten();
        ReplicaSet {
            labels: texts(metadata.labels()),
            annotations: texts(metadata.annotations()),
            controller: Owner::controller_of(metadata),
            created: timestamp(metadata.creation_timestamp()),
            deleting: metadata.deletion_timestamp().is_some(),
            generation: metadata.generation(),
            replicas,
            min_ready_seconds: said.min_ready_seconds,
            selector: said.selector,
            digest: TemplateDigest::of(said.template),
            template: template.map(|t| {
                let mut tree = Tree::copy_of(t);
                tree.compact();
                tree
            }),
            template_labels: texts(said.template.metadata().labels()),
            status: said.status,
        }
    }
}

impl ReplicaSet {
    /// The values of the index [`BY_OWNER`].
    pub fn owner_values(set: &Object<ReplicaSet>) -> Vec<String> {
        vec![match &set.value.controller {
            Some(owner) => owner.uid.clone(),
            None => format!("{}{}", super::pod::ORPHANS, set.key.namespace()),
        }]
    }

    /// An annotation that is a number and not negative.
    pub fn count_annotation(&self, name: &str) -> Option<i32> {
        self.annotations.get(name)?.parse().ok().filter(|n| *n >= 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{
        codec::json::{self, Strict},
        schema::{Schema, TypeId},
    };
    use serde_json::{Value, json};

    fn projected(ty: TypeId, selector: Value) -> ReplicaSet {
        let labels = json!({"app": "web"});
        let object = json!({
            "metadata": {
                "name": "web", "namespace": "shop", "generation": 7, "labels": labels,
                "ownerReferences": [{"apiVersion": "v1", "kind": "Thing", "name": "a", "uid": "1", "controller": true}],
            },
            "spec": {
                "replicas": 3, "minReadySeconds": 5, "selector": selector,
                "template": {"metadata": {"labels": labels}, "spec": {"nodeName": "n1"}},
            },
            "status": {
                "replicas": 4, "fullyLabeledReplicas": 3, "readyReplicas": 2, "availableReplicas": 1,
                "observedGeneration": 6,
                "conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "no"}],
            },
        });
        let body = object.to_string().into_bytes();
        let tree = json::decode(Schema::builtin(), ty, body, &mut Strict::new()).expect("fits");
        ReplicaSet::project(&tree)
    }

    #[test]
    fn both_kinds_are_read_alike() {
        let set = projected(View::TYPE, json!({"matchLabels": {"app": "web"}}));
        let controller = projected(ReplicationController::TYPE, json!({"app": "web"}));
        assert_eq!(
            (set.replicas, set.min_ready_seconds, set.generation),
            (3, 5, 7)
        );
        let status = &set.status;
        let counts = [
            status.replicas,
            status.fully_labeled,
            status.ready,
            status.available,
        ];
        assert_eq!(counts, [4, 3, 2, 1]);
        assert_eq!(status.conditions.len(), 1);
        assert!(set.selector.matches(&set.template_labels) && !set.selector.is_empty());
        let template = |set: &ReplicaSet| json::to_vec(set.template.as_ref().expect("wanted"));
        assert_eq!(template(&set), template(&controller));
        assert_eq!(
            format!(
                "{:?}",
                ReplicaSet {
                    template: None,
                    ..set
                }
            ),
            format!(
                "{:?}",
                ReplicaSet {
                    template: None,
                    ..controller
                }
            ),
        );
    }

    #[test]
    fn a_controller_without_a_template_has_none() {
        let tree = Tree::new(ReplicationController::TYPE);
        let controller = ReplicaSet::project(&tree);
        assert!(controller.template.is_none() && controller.selector.is_empty());
        assert_eq!(controller.replicas, 1, "the default");
    }
}
