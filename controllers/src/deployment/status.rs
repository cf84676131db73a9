//! A Deployment's status and conditions, from what its ReplicaSets say. Pure.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use runtime::Object;
use serde_json::{Value, json};

use super::model::{Deployment, Status};
use crate::object::{
    condition::{self, Condition},
    replica_set::ReplicaSet,
};

pub(super) const PROGRESSING: &str = "Progressing";
const AVAILABLE: &str = "Available";
const REPLICA_FAILURE: &str = "ReplicaFailure";

pub(super) const TIMED_OUT: &str = "ProgressDeadlineExceeded";
pub(super) const PAUSED: &str = "DeploymentPaused";
pub(super) const RESUMED: &str = "DeploymentResumed";
const COMPLETE: &str = "NewReplicaSetAvailable";

type Set = Arc<Object<ReplicaSet>>;

/// A condition of a Deployment, confirmed now.
pub(super) fn condition(
    r#type: &str,
    status: &str,
    reason: &str,
    message: String,
    now: Timestamp,
) -> Condition {
    Condition {
        last_update: Some(now),
        ..Condition::new(r#type, status, reason, message, now)
    }
}

/// The counts, and whether enough is available.
pub(super) fn counts(
    deployment: &Deployment,
    new: Option<&Set>,
    old: &[Set],
    now: Timestamp,
) -> Status {
    let sum =
        |count: fn(&ReplicaSet) -> i32| old.iter().chain(new).map(|s| count(&s.value)).sum::<i32>();
    let available = sum(|s| s.status.available);
    // A set that its controller has not seen yet has no pods on their way out; one that does not say makes the sum unknown.
    let terminating = old
        .iter()
        .chain(new)
        .filter(|s| s.value.status.observed_generation != 0 || s.value.status.terminating.is_some())
        .map(|s| s.value.status.terminating)
        .sum::<Option<i32>>();
    let mut conditions = deployment.status.conditions.clone();
    let enough = available >= deployment.replicas - deployment.bounds().unavailable;
    let (status, reason, message) = if enough {
        (
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
        )
    } else {
        (
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        )
    };
    condition::set(
        &mut conditions,
        condition(AVAILABLE, status, reason, message.to_owned(), now),
    );
    Status {
        observed_generation: deployment.generation,
        replicas: sum(|s| s.status.replicas),
        updated: new.map_or(0, |s| s.value.status.replicas),
        ready: sum(|s| s.status.ready),
        available,
        unavailable: (sum(|s| s.replicas) - available).max(0),
        terminating,
        collisions: deployment.status.collisions,
        conditions,
    }
}

/// All that is wanted runs, is new, and is available, and nothing else does.
pub(super) fn is_complete(deployment: &Deployment, status: &Status) -> bool {
    status.updated == deployment.replicas
        && status.replicas == deployment.replicas
        && status.available == deployment.replicas
        && status.observed_generation >= deployment.generation
}

/// Whether something came nearer to the end since the stored status.
fn progressed(old: &Status, new: &Status) -> bool {
    new.updated > old.updated
        || new.replicas - new.updated < old.replicas - old.updated
        || new.ready > old.ready
        || new.available > old.available
}

/// Whether nothing came nearer to the end for longer than allowed.
fn timed_out(deployment: &Deployment, status: &Status, now: Timestamp) -> bool {
    let Some(current) = condition::find(&status.conditions, PROGRESSING) else {
        return false;
    };
    match current.reason.as_str() {
        COMPLETE => false,
        TIMED_OUT => true,
        _ => deadline(deployment, current).is_some_and(|deadline| deadline < now),
    }
}

fn deadline(deployment: &Deployment, progressing: &Condition) -> Option<Timestamp> {
    let seconds = SignedDuration::from_secs(deployment.progress_deadline?.into());
    progressing.last_update?.checked_add(seconds).ok()
}

/// The whole status in the midst of an update: counts, progress, and failures to create pods.
pub(super) fn rollout(
    deployment: &Deployment,
    name: &str,
    new: Option<&Set>,
    old: &[Set],
    now: Timestamp,
) -> Status {
    let mut status = counts(deployment, new, old, now);
    let current = condition::find(&deployment.status.conditions, PROGRESSING).cloned();
    if deployment.progress_deadline.is_none() {
        condition::remove(&mut status.conditions, PROGRESSING);
    } else if !(status.replicas == status.updated
        && current.as_ref().is_some_and(|c| c.reason == COMPLETE))
    {
        let subject = match new {
            Some(set) => format!("ReplicaSet \"{}\"", set.key.name()),
            None => format!("Deployment \"{name}\""),
        };
        if is_complete(deployment, &status) {
            let message = format!("{subject} has successfully progressed.");
            condition::set(
                &mut status.conditions,
                condition(PROGRESSING, "True", COMPLETE, message, now),
            );
        } else if progressed(&deployment.status, &status) {
            let message = format!("{subject} is progressing.");
            let mut progress = condition(PROGRESSING, "True", "ReplicaSetUpdated", message, now);
            // Each step confirms the condition anew, even where its reason stays.
            if let Some(current) = current.filter(|c| c.status == "True") {
                progress.last_transition = current.last_transition;
            }
            condition::remove(&mut status.conditions, PROGRESSING);
            status.conditions.push(progress);
        } else if timed_out(deployment, &status, now) {
            let message = format!("{subject} has timed out progressing.");
            condition::set(
                &mut status.conditions,
                condition(PROGRESSING, "False", TIMED_OUT, message, now),
            );
        }
    }
    let failures = new
        .into_iter()
        .chain(old)
        .find_map(|s| condition::find(&s.value.status.conditions, REPLICA_FAILURE));
    match failures {
        Some(failure) => {
            let copied = Condition {
                last_update: failure.last_transition,
                ..failure.clone()
            };
            condition::set(&mut status.conditions, copied);
        }
        None => condition::remove(&mut status.conditions, REPLICA_FAILURE),
    }
    status
}

/// How long until the deadline must be checked; `None` if there is none to check.
pub(super) fn next_check(
    deployment: &Deployment,
    status: &Status,
    now: Timestamp,
) -> Option<std::time::Duration> {
    let current = condition::find(&status.conditions, PROGRESSING)?;
    if is_complete(deployment, status) || matches!(current.reason.as_str(), TIMED_OUT | COMPLETE) {
        return None;
    }
    let left = deadline(deployment, current)?.duration_since(now);
    // A second more, so that the check comes after the deadline and not with it.
    std::time::Duration::try_from(left + SignedDuration::from_secs(1))
        .ok()
        .or(Some(std::time::Duration::from_secs(1)))
}

/// The patch that brings the stored status there, if the Deployment is still at this revision. `revision` is written along:
/// the status is the one place where annotations change without a new generation.
pub(super) fn patch(status: &Status, resource_version: &str, revision: Option<&str>) -> Value {
    let mut patch = json!({
        "metadata": {"resourceVersion": resource_version},
        "status": {
            "observedGeneration": status.observed_generation,
            "replicas": status.replicas,
            "updatedReplicas": status.updated,
            "readyReplicas": status.ready,
            "availableReplicas": status.available,
            "unavailableReplicas": status.unavailable,
            "terminatingReplicas": status.terminating,
            "collisionCount": status.collisions,
            "conditions": status.conditions.iter().map(Condition::json).collect::<Vec<_>>(),
        },
    });
    if let Some(revision) = revision {
        patch["metadata"]["annotations"] = json!({super::revision::REVISION: revision});
    }
    patch
}
