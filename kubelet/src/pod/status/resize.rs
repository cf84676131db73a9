//! The conditions that say how it stands with a resize: there while it is, and gone when it is done.

use api::core::v1::Pod;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::seconds;

const PENDING: &str = "PodResizePending";
const IN_PROGRESS: &str = "PodResizeInProgress";

/// A resize that is not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// `Deferred` or `Infeasible`.
    pub reason: &'static str,
    /// Why.
    pub message: String,
    /// The pod's generation that asks for it.
    pub generation: i64,
}

/// A resize that is granted and not wholly in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InProgress {
    /// What keeps it from being in force.
    pub error: Option<String>,
    /// The pod's generation that asked for it.
    pub generation: i64,
}

/// How it stands with the resize of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resize {
    /// One that is asked for, and not granted.
    pub pending: Option<Pending>,
    /// One that is granted.
    pub in_progress: Option<InProgress>,
    /// Conditions were told, so that they have to be taken back.
    pub told: bool,
}

impl Resize {
    /// The conditions, and what takes those back that hold no more: the status is written as a strategic merge patch.
    pub(super) fn conditions(&self, pod: Pod<'_>, now: Timestamp) -> Vec<Value> {
        let pending = self.pending.as_ref().map(|pending| {
            let message = Some(pending.message.as_str());
            (Some(pending.reason), message, pending.generation)
        });
        let in_progress = self.in_progress.as_ref().map(|resize| {
            let error = resize.error.as_deref();
            (error.map(|_| "Error"), error, resize.generation)
        });
        let all = [(PENDING, pending), (IN_PROGRESS, in_progress)];
        all.into_iter()
            .filter_map(|(kind, state)| {
                let old = pod.status().conditions().iter().find(|c| c.type_() == kind);
                let Some((reason, message, generation)) = state else {
                    let there = self.told || old.is_some();
                    return there.then(|| json!({"type": kind, "$patch": "delete"}));
                };
                let since = old
                    .filter(|old| old.reason() == reason.unwrap_or_default())
                    .and_then(|old| old.last_transition_time())
                    .map_or(now, |since| since.timestamp());
                // Absent would leave an old reason in place.
                Some(json!({
                    "type": kind,
                    "status": "True",
                    "lastProbeTime": null,
                    "lastTransitionTime": seconds(since),
                    "observedGeneration": generation,
                    "reason": reason,
                    "message": message,
                }))
            })
            .collect()
    }
}
