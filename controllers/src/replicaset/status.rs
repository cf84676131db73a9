//! A set's status, from what is seen of its pods. Pure.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use runtime::{Error, Object};
use serde_json::{Value, json};

use crate::object::{
    condition::{self, Condition},
    pod::Pod,
    replica_set::{ReplicaSet, Status},
};

const REPLICA_FAILURE: &str = "ReplicaFailure";

/// The status as it should be. `current` says that all pods which were asked for have been seen: only then is a generation
/// counted as observed, since others go by it (a Deployment makes new pods when the old ones are known to be fewer).
/// Pods that were asked to go (`going`, by uid) are not counted on, though they may become available before they are seen going.
/// `terminating` is for kinds whose status has a place for it.
pub(super) fn calculate(
    set: &ReplicaSet,
    current: bool,
    pods: &[Arc<Object<Pod>>],
    going: &BTreeSet<String>,
    terminating: Option<usize>,
    failure: Option<&Error>,
    now: Timestamp,
) -> Status {
    let count =
        |test: &dyn Fn(&Pod) -> bool| as_i32(pods.iter().filter(|p| test(&p.value)).count());
    let staying = |test: &dyn Fn(&Pod) -> bool| {
        let stay = pods.iter().filter(|p| !going.contains(&*p.uid));
        as_i32(stay.filter(|p| test(&p.value)).count())
    };
    let mut conditions = set.status.conditions.clone();
    match failure {
        Some(error) if condition::find(&conditions, REPLICA_FAILURE).is_none() => {
            let wanted = usize::try_from(set.replicas).unwrap_or(0);
            let reason = if pods.len() < wanted {
                "FailedCreate"
            } else {
                "FailedDelete"
            };
            let failed = Condition::new(REPLICA_FAILURE, "True", reason, error.to_string(), now);
            condition::set(&mut conditions, failed);
        }
        Some(_) => {}
        None => condition::remove(&mut conditions, REPLICA_FAILURE),
    }
    Status {
        replicas: as_i32(pods.len()),
        fully_labeled: count(&|p| {
            set.template_labels
                .iter()
                .all(|(k, v)| p.labels.get(k) == Some(v))
        }),
        ready: staying(&|p| p.is_ready),
        available: staying(&|p| p.is_available(set.min_ready_seconds, now)),
        terminating: terminating.map(as_i32),
        observed_generation: if current {
            set.generation
        } else {
            set.status.observed_generation
        },
        conditions,
    }
}

/// The patch that brings a stored status there, if it is still at this revision.
pub(super) fn patch(status: &Status, resource_version: &str) -> Value {
    let mut patch = json!({
        "metadata": {"resourceVersion": resource_version},
        "status": {
            "replicas": status.replicas,
            "fullyLabeledReplicas": status.fully_labeled,
            "readyReplicas": status.ready,
            "availableReplicas": status.available,
            "observedGeneration": status.observed_generation,
            "conditions": status.conditions.iter().map(Condition::json).collect::<Vec<_>>(),
        },
    });
    if let Some(terminating) = status.terminating {
        patch["status"]["terminatingReplicas"] = terminating.into();
    }
    patch
}

/// When the next pod that is ready will have been so for long enough.
pub(super) fn next_availability(
    set: &ReplicaSet,
    pods: &[Arc<Object<Pod>>],
    now: Timestamp,
) -> Option<Duration> {
    pods.iter()
        .filter_map(|p| p.value.available_in(set.min_ready_seconds, now))
        .min()
}

fn as_i32(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
