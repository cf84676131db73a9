//! What the controller keeps of a Deployment.

use api::{IntOrString, apps::v1::Deployment as View, tree::Tree};
use runtime::Projection;

use super::arithmetic::Bounds;
use crate::object::{
    Texts, condition::Condition, selector::Selector, template::TemplateDigest, texts, timestamp,
};

/// A Deployment, as its controller sees it. The template itself is read anew when a ReplicaSet is made from it.
#[derive(Debug, Clone)]
pub(super) struct Deployment {
    pub annotations: Texts,
    pub deleting: bool,
    pub generation: i64,
    pub replicas: i32,
    pub selector: Selector,
    pub digest: TemplateDigest,
    pub paused: bool,
    pub strategy: Strategy,
    pub min_ready_seconds: i32,
    /// `None` for no deadline.
    pub progress_deadline: Option<i32>,
    /// `None` for all of them.
    pub history_limit: Option<i32>,
    pub status: Status,
}

/// How old pods give way to new ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Strategy {
    Recreate,
    RollingUpdate {
        max_surge: Option<IntOrString>,
        max_unavailable: Option<IntOrString>,
    },
    /// One that we do not know.
    Other(String),
}

/// A Deployment's status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub observed_generation: i64,
    pub replicas: i32,
    pub updated: i32,
    pub ready: i32,
    pub available: i32,
    pub unavailable: i32,
    pub terminating: Option<i32>,
    pub collisions: Option<i32>,
    pub conditions: Vec<Condition>,
}

impl Projection for Deployment {
    fn project(object: &Tree) -> Self {
        let view = View::of(object);
        let (metadata, spec, status) = (view.metadata(), view.spec(), view.status());
        // The greatest number stands for "none" in both.
        let limit = |value: Option<i32>| value.filter(|v| *v != i32::MAX);
        let strategy = spec.strategy();
        Deployment {
            annotations: texts(metadata.annotations()),
            deleting: metadata.deletion_timestamp().is_some(),
            generation: metadata.generation(),
            replicas: spec.replicas().unwrap_or(1),
            selector: spec.selector().map(Selector::read).unwrap_or_default(),
            digest: TemplateDigest::of(spec.template()),
            paused: spec.paused(),
            strategy: match strategy.type_() {
                "Recreate" => Strategy::Recreate,
                "RollingUpdate" | "" => Strategy::RollingUpdate {
                    max_surge: strategy.rolling_update().and_then(|r| r.max_surge()),
                    max_unavailable: strategy.rolling_update().and_then(|r| r.max_unavailable()),
                },
                other => Strategy::Other(other.to_owned()),
            },
            min_ready_seconds: spec.min_ready_seconds(),
            progress_deadline: limit(spec.progress_deadline_seconds()),
            history_limit: limit(spec.revision_history_limit()),
            status: Status {
                observed_generation: status.observed_generation(),
                replicas: status.replicas(),
                updated: status.updated_replicas(),
                ready: status.ready_replicas(),
                available: status.available_replicas(),
                unavailable: status.unavailable_replicas(),
                terminating: status.terminating_replicas(),
                collisions: status.collision_count(),
                conditions: status
                    .conditions()
                    .iter()
                    .map(|c| Condition {
                        r#type: c.type_().to_owned(),
                        status: c.status().to_owned(),
                        reason: c.reason().to_owned(),
                        message: c.message().to_owned(),
                        last_transition: timestamp(c.last_transition_time()),
                        last_update: timestamp(c.last_update_time()),
                    })
                    .collect(),
            },
        }
    }
}

impl Deployment {
    /// How many pods more or fewer there may be meanwhile.
    pub(super) fn bounds(&self) -> Bounds {
        match &self.strategy {
            Strategy::RollingUpdate {
                max_surge,
                max_unavailable,
            } => Bounds::resolve(max_surge.as_ref(), max_unavailable.as_ref(), self.replicas),
            _ => Bounds {
                surge: 0,
                unavailable: 0,
            },
        }
    }
}
