//! What the controller keeps of a PodDisruptionBudget, and of those who keep pods.

use std::collections::BTreeMap;

use api::{
    IntOrString,
    apps::v1::{Deployment, ReplicaSet, StatefulSet},
    core::v1::ReplicationController,
    policy::v1::PodDisruptionBudget as View,
    tree::Tree,
    view::metadata,
};
use jiff::Timestamp;
use runtime::Projection;

use crate::object::{condition::Condition, owner::Owner, selector::Selector, timestamp};

/// A PodDisruptionBudget, as its controller sees it.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    pub generation: i64,
    /// `None` selects nothing, an empty one all pods.
    pub selector: Option<Selector>,
    pub bound: Bound,
    pub status: Status,
}

/// What must be left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bound {
    /// So many pods stay healthy.
    MinAvailable(IntOrString),
    /// So many of those that there should be may be missing.
    MaxUnavailable(IntOrString),
    /// Nothing is said: nothing must be left.
    None,
}

/// A budget's status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub observed_generation: i64,
    /// Pods whose eviction was allowed, and when, until they are seen going.
    pub disrupted: BTreeMap<String, Timestamp>,
    pub allowed: i32,
    pub healthy: i32,
    pub desired: i32,
    pub expected: i32,
    /// Conditions, and the generation that each is about.
    pub conditions: Vec<(Condition, i64)>,
}

impl Projection for Budget {
    fn project(object: &Tree) -> Self {
        let view = View::of(object);
        let (spec, status) = (view.spec(), view.status());
        let min = spec.min_available().map(Bound::MinAvailable);
        let max = spec.max_unavailable().map(Bound::MaxUnavailable);
        Budget {
            generation: view.metadata().generation(),
            selector: spec.selector().map(Selector::read),
            bound: max.or(min).unwrap_or(Bound::None),
            status: Status {
                observed_generation: status.observed_generation(),
                disrupted: status
                    .disrupted_pods()
                    .iter()
                    .filter_map(|(pod, at)| Some((pod.to_owned(), timestamp(Some(at))?)))
                    .collect(),
                allowed: status.disruptions_allowed(),
                healthy: status.current_healthy(),
                desired: status.desired_healthy(),
                expected: status.expected_pods(),
                conditions: status
                    .conditions()
                    .iter()
                    .map(|c| {
                        let condition = Condition {
                            r#type: c.type_().to_owned(),
                            status: c.status().to_owned(),
                            reason: c.reason().to_owned(),
                            message: c.message().to_owned(),
                            last_transition: timestamp(c.last_transition_time()),
                            last_update: None,
                        };
                        (condition, c.observed_generation())
                    })
                    .collect(),
            },
        }
    }
}

/// Somebody who keeps a number of pods.
#[derive(Debug, Clone)]
pub(super) struct Keeper {
    /// How many there should be.
    pub replicas: i32,
    /// Who manages it.
    pub controller: Option<Owner>,
}

impl Projection for Keeper {
    fn project(object: &Tree) -> Self {
        let kind = object.type_id();
        let replicas = if kind == Deployment::TYPE {
            Deployment::of(object).spec().replicas()
        } else if kind == ReplicaSet::TYPE {
            ReplicaSet::of(object).spec().replicas()
        } else if kind == StatefulSet::TYPE {
            StatefulSet::of(object).spec().replicas()
        } else if kind == ReplicationController::TYPE {
            ReplicationController::of(object).spec().replicas()
        } else {
            None
        };
        Keeper {
            replicas: replicas.unwrap_or(1),
            controller: Owner::controller_of(metadata(object)),
        }
    }
}
