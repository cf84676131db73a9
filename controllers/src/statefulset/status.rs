//! A StatefulSet's status, from what is seen of its pods. Pure.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use runtime::Object;
use serde_json::{Value, json};

use super::model::{StatefulSet, Status};
use crate::object::{
    condition::Condition,
    pod::{Phase, Pod, REVISION_LABEL},
};

/// The status as it should be. `given_up` pods of the current revision have just been deleted for the update.
pub(super) fn calculate(
    set: &StatefulSet,
    pods: &[Arc<Object<Pod>>],
    current: &str,
    update: &str,
    collisions: i32,
    given_up: i32,
    now: Timestamp,
) -> Status {
    let count = |test: &dyn Fn(&Pod) -> bool| {
        i32::try_from(pods.iter().filter(|p| test(&p.value)).count()).unwrap_or(i32::MAX)
    };
    let of = |revision: &str| {
        count(&|p| {
            p.deletion.is_none() && p.labels.get(REVISION_LABEL).is_some_and(|r| r == revision)
        })
    };
    let mut status = Status {
        observed_generation: set.generation,
        replicas: count(&|_| true),
        ready: count(&is_running_and_ready),
        current: of(current) - given_up,
        updated: of(update),
        available: count(&|p| {
            is_running_and_ready(p) && p.is_available(set.min_ready_seconds, now)
        }),
        current_revision: current.to_owned(),
        update_revision: update.to_owned(),
        collisions: Some(collisions),
        conditions: set.status.conditions.clone(),
    };
    // The update is complete: what it went to is what it comes from next time.
    if [status.updated, status.ready, status.replicas] == [set.replicas; 3] {
        status.current = status.updated;
        status.current_revision.clone_from(&status.update_revision);
    }
    status
}

/// Whether a pod counts as ready.
pub(super) fn is_running_and_ready(pod: &Pod) -> bool {
    pod.phase == Phase::Running && pod.is_ready
}

/// The patch that brings a stored status there, if it is still at this revision.
pub(super) fn patch(status: &Status, resource_version: &str) -> Value {
    json!({
        "metadata": {"resourceVersion": resource_version},
        "status": {
            "observedGeneration": status.observed_generation,
            "replicas": status.replicas,
            "readyReplicas": status.ready,
            "currentReplicas": status.current,
            "updatedReplicas": status.updated,
            "availableReplicas": status.available,
            "currentRevision": status.current_revision,
            "updateRevision": status.update_revision,
            "collisionCount": status.collisions,
            "conditions": status.conditions.iter().map(Condition::json).collect::<Vec<_>>(),
        },
    })
}

/// When the next pod that is ready will have been so for long enough.
pub(super) fn next_availability(
    set: &StatefulSet,
    pods: &[Arc<Object<Pod>>],
    now: Timestamp,
) -> Option<Duration> {
    pods.iter()
        .filter_map(|p| p.value.available_in(set.min_ready_seconds, now))
        .min()
}
