//! What the controller writes: a Job's status, and pods without their finalizer.

use jiff::Timestamp;
use runtime::{Context, Error, Object, Patch, Resource, client::WriteOptions, object::Meta};
use serde_json::{Map, Value, json};

use super::look::Look;
use crate::object::{
    condition::{self, Condition},
    job::Status,
    pod::Pod,
    rfc3339,
    work::FINALIZER,
};

impl Look<'_> {
    /// Stores the status, if it is another than the stored one and that is still at the revision that this was decided on.
    pub(super) async fn write(&mut self) -> Result<(), Error> {
        let (stored, revision) = &self.stored;
        if self.status == *stored {
            return Ok(());
        }
        let patch = Patch::Strategic(patch(&self.status, stored, revision));
        let (resource, key) = (self.jobs.jobs.resource(), &self.job.key);
        match self.cx.client.patch_status(resource, key, &patch).await {
            Ok(tree) => {
                let revision = Meta::of(&tree).resource_version;
                self.jobs.written.at(key, key, revision);
                self.stored = (self.status.clone(), revision.to_owned());
                Ok(())
            }
            Err(error) => {
                if error.may_have_taken_effect() {
                    self.jobs.written.unknown(key, key);
                }
                Err(error)
            }
        }
    }
}

/// The patch from one status to another. Conditions that do not change are left as they are, with what we do not know of them.
fn patch(status: &Status, stored: &Status, revision: &str) -> Value {
    let mut fields = Map::new();
    let uncounted = json!({
        "succeeded": list(&status.uncounted.succeeded),
        "failed": list(&status.uncounted.failed),
    });
    let text = |text: &str| {
        if text.is_empty() {
            Value::Null
        } else {
            json!(text)
        }
    };
    let values = [
        ("active", json!(status.active)),
        ("succeeded", json!(status.succeeded)),
        ("failed", json!(status.failed)),
        ("ready", json!(status.ready)),
        ("terminating", json!(status.terminating)),
        ("startTime", json!(status.started.map(rfc3339))),
        ("completionTime", json!(status.completed.map(rfc3339))),
        ("completedIndexes", text(&status.completed_indexes)),
        ("failedIndexes", json!(status.failed_indexes)),
        ("uncountedTerminatedPods", uncounted),
    ];
    for (name, value) in values {
        fields.insert(name.to_owned(), value);
    }
    let changed: Vec<Value> = status
        .conditions
        .iter()
        .filter(|condition| !stored.conditions.contains(condition))
        .map(|condition| {
            let mut value = condition.json();
            value["lastProbeTime"] = json!(condition.last_transition.map(rfc3339));
            value
        })
        .collect();
    if !changed.is_empty() {
        // New ones would come first otherwise.
        let order = status.conditions.iter().map(|c| json!({"type": c.r#type}));
        fields.insert("$setElementOrder/conditions".to_owned(), order.collect());
        fields.insert("conditions".to_owned(), Value::Array(changed));
    }
    json!({"metadata": {"resourceVersion": revision}, "status": fields})
}

fn list(uids: &[String]) -> Value {
    if uids.is_empty() {
        Value::Null
    } else {
        json!(uids)
    }
}

/// Sets a condition, and tells whether that changed anything. One that was never there is not begun as false.
pub(super) fn ensure(
    status: &mut Status,
    r#type: &str,
    is: &str,
    reason: &str,
    message: &str,
    now: Timestamp,
) -> bool {
    let condition = Condition::new(r#type, is, reason, message, now);
    match condition::find(&status.conditions, r#type) {
        None if is == "False" => return false,
        None => status.conditions.push(condition),
        Some(known) => {
            let same = known.status == is && known.reason == reason && known.message == message;
            if same {
                return false;
            }
            for slot in &mut status.conditions {
                if slot.r#type == r#type {
                    slot.clone_from(&condition);
                }
            }
        }
    }
    true
}

/// Lets a pod go that has been counted, or need not be.
pub(super) async fn take_off_finalizer(
    cx: &Context,
    pods: &Resource,
    pod: &Object<Pod>,
) -> Result<(), Error> {
    let patch = json!({
        "metadata": {"uid": &*pod.uid, "$deleteFromPrimitiveList/finalizers": [FINALIZER]},
    });
    let options = WriteOptions::default();
    let done = cx
        .client
        .patch(pods, &pod.key, &Patch::Strategic(patch), &options)
        .await;
    done.map(drop).or_else(|error| {
        // Gone, or another of that name.
        if error.is_not_found() || error.is_conflict() {
            Ok(())
        } else {
            Err(error)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    #[test]
    fn a_condition_changes_when_anything_in_it_does() {
        let mut status = Status::default();
        assert!(!ensure(
            &mut status,
            "Suspended",
            "False",
            "JobResumed",
            "",
            at(1)
        ));
        assert!(ensure(
            &mut status,
            "Suspended",
            "True",
            "JobSuspended",
            "",
            at(2)
        ));
        assert!(!ensure(
            &mut status,
            "Suspended",
            "True",
            "JobSuspended",
            "",
            at(3)
        ));
        assert_eq!(status.conditions[0].last_transition, Some(at(2)));
        assert!(ensure(
            &mut status,
            "Suspended",
            "False",
            "JobResumed",
            "",
            at(4)
        ));
        assert_eq!(status.conditions.len(), 1);
        assert_eq!(status.conditions[0].last_transition, Some(at(4)));
    }

    #[test]
    fn a_patch_names_its_revision_and_only_conditions_that_change() {
        let mut stored = Status::default();
        ensure(&mut stored, "Suspended", "True", "JobSuspended", "", at(1));
        let mut status = stored.clone();
        ensure(
            &mut status,
            "FailureTarget",
            "True",
            "Why",
            "Because",
            at(2),
        );
        status.ready = Some(0);
        let patch = patch(&status, &stored, "7");
        assert_eq!(patch["metadata"]["resourceVersion"], "7");
        let conditions = patch["status"]["conditions"].as_array().expect("a list");
        assert_eq!(conditions.len(), 1);
        assert_eq!(conditions[0]["type"], "FailureTarget");
        assert_eq!(conditions[0]["lastProbeTime"], "1970-01-01T00:00:02Z");
        let order = json!([{"type": "Suspended"}, {"type": "FailureTarget"}]);
        assert_eq!(patch["status"]["$setElementOrder/conditions"], order);
        assert_eq!(patch["status"]["ready"], 0);
        assert_eq!(patch["status"]["startTime"], Value::Null);
        assert_eq!(
            patch["status"]["uncountedTerminatedPods"]["failed"],
            Value::Null
        );
    }
}
