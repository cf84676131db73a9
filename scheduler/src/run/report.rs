//! Telling people why a pod is not placed: the condition `PodScheduled=False` in its status.

use jiff::Timestamp;
use runtime::client::Patch;
use runtime::{Client, Error, Key, Resource, ResultExt};
use serde_json::json;

use crate::run::project::{PodProjection, ScheduledCondition};

/// Why a pod is not placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// No node can take it.
    Unschedulable,
    /// Something went wrong.
    SchedulerError,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Reason::Unschedulable => "Unschedulable",
            Reason::SchedulerError => "SchedulerError",
        }
    }
}

/// The patch that makes the pod's condition say so, and on which node room is kept for it; None when it does already.
pub(super) fn patch(
    pod: &PodProjection,
    reason: Reason,
    message: &str,
    nominated: Option<&str>,
    now: Timestamp,
) -> Option<Patch> {
    let wanted = ScheduledCondition {
        status: "False".into(),
        reason: reason.as_str().into(),
        message: message.into(),
        observed_generation: pod.generation,
    };
    let before = pod.condition.as_deref();
    let nominated_before = pod.view.nominated.as_deref();
    if before == Some(&wanted) && nominated_before == nominated {
        return None;
    }
    let mut condition = json!({
        "type": "PodScheduled", "status": wanted.status, "reason": wanted.reason, "message": wanted.message,
        "observedGeneration": wanted.observed_generation,
    });
    // The time stays that of the last change between True and False.
    if before.is_none_or(|before| before.status != wanted.status) {
        condition["lastTransitionTime"] = to_the_second(now).into();
    }
    // With the uid, a pod of the same name that came later is not touched.
    let mut status = json!({"conditions": [condition]});
    if nominated_before != nominated {
        status["nominatedNodeName"] = json!(nominated);
    }
    Some(Patch::Strategic(
        json!({"metadata": {"uid": &*pod.view.uid}, "status": status}),
    ))
}

/// A time as conditions have it.
pub(super) fn to_the_second(now: Timestamp) -> String {
    let second = Timestamp::from_second(now.as_second());
    second.unwrap_or(now).to_string()
}

/// Sends it. That the pod is gone, or another one, is no error.
pub(super) async fn send(
    client: &Client,
    pods: &Resource,
    key: &Key,
    patch: &Patch,
) -> Result<(), Error> {
    match client.patch_status(pods, key, patch).await.optional() {
        Ok(_) => Ok(()),
        Err(error) if error.is_conflict() => Ok(()),
        Err(error) => Err(error),
    }
}
