//! How far a rollout is, from the object alone.

use serde_json::Value;

/// How far a rollout is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It goes on; the text says what is waited for.
    Underway(String),
    /// All is rolled out.
    Done(String),
    /// It will not get there by itself.
    Failed(String),
}

fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// Where the controller has not yet seen the newest spec, its status says nothing about it.
fn unseen(object: &Value) -> Option<Progress> {
    (number(object, "/status/observedGeneration") < number(object, "/metadata/generation"))
        .then(|| Progress::Underway("Waiting for the newest spec to be observed...".to_owned()))
}

/// Progress of a Deployment.
pub fn deployment(object: &Value) -> Progress {
    if let Some(progress) = unseen(object) {
        return progress;
    }
    let name = name(object);
    let expired = object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|condition| {
            condition["type"] == "Progressing" && condition["reason"] == "ProgressDeadlineExceeded"
        });
    if expired {
        return Progress::Failed(format!(
            "deployment {name:?} exceeded its progress deadline"
        ));
    }
    let wanted = object
        .pointer("/spec/replicas")
        .and_then(Value::as_i64)
        .unwrap_or(1);
    let (all, updated, available) = (
        number(object, "/status/replicas"),
        number(object, "/status/updatedReplicas"),
        number(object, "/status/availableReplicas"),
    );
    let waiting = |what: String| {
        Progress::Underway(format!(
            "Waiting for deployment {name:?} rollout to finish: {what}..."
        ))
    };
    if updated < wanted {
        waiting(format!(
            "{updated} out of {wanted} new replicas have been updated"
        ))
    } else if all > updated {
        waiting(format!(
            "{} old replicas are pending termination",
            all - updated
        ))
    } else if available < updated {
        waiting(format!(
            "{available} of {updated} updated replicas are available"
        ))
    } else {
        Progress::Done(format!("deployment {name:?} successfully rolled out"))
    }
}

/// Progress of a DaemonSet.
pub fn daemon_set(object: &Value) -> Progress {
    if let Some(progress) = unseen(object) {
        return progress;
    }
    let name = name(object);
    let wanted = number(object, "/status/desiredNumberScheduled");
    let (updated, available) = (
        number(object, "/status/updatedNumberScheduled"),
        number(object, "/status/numberAvailable"),
    );
    let waiting = |what: String| {
        Progress::Underway(format!(
            "Waiting for daemon set {name:?} rollout to finish: {what}..."
        ))
    };
    if updated < wanted {
        waiting(format!(
            "{updated} out of {wanted} new pods have been updated"
        ))
    } else if available < wanted {
        waiting(format!(
            "{available} of {wanted} updated pods are available"
        ))
    } else {
        Progress::Done(format!("daemon set {name:?} successfully rolled out"))
    }
}

/// Progress of a StatefulSet.
pub fn stateful_set(object: &Value) -> Progress {
    if let Some(progress) = unseen(object) {
        return progress;
    }
    let name = name(object);
    let wanted = object
        .pointer("/spec/replicas")
        .and_then(Value::as_i64)
        .unwrap_or(1);
    let ready = number(object, "/status/readyReplicas");
    if ready < wanted {
        return Progress::Underway(format!(
            "Waiting for {} pods to be ready...",
            wanted - ready
        ));
    }
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition");
    let updated = number(object, "/status/updatedReplicas");
    if updated < wanted - partition {
        return Progress::Underway(format!(
            "Waiting for {} pods to be updated...",
            wanted - partition - updated
        ));
    }
    Progress::Done(format!(
        "statefulset rolling update complete: {name:?} has {updated} updated pods"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn web(replicas: i64, status: Value) -> Value {
        json!({"metadata": {"name": "web", "generation": 2}, "spec": {"replicas": replicas}, "status": status})
    }

    fn waits(progress: &Progress, part: &str) -> bool {
        matches!(progress, Progress::Underway(text) if text.contains(part))
    }

    #[test]
    fn a_deployment_is_followed_through_its_stages() {
        let stage = |replicas, updated, available| {
            deployment(&web(
                3,
                json!({"observedGeneration": 2, "replicas": replicas, "updatedReplicas": updated, "availableReplicas": available}),
            ))
        };
        assert!(waits(
            &deployment(&web(3, json!({"observedGeneration": 1}))),
            "newest spec"
        ));
        assert!(waits(&stage(3, 1, 3), "1 out of 3 new replicas"));
        assert!(waits(&stage(4, 3, 4), "1 old replicas"));
        assert!(waits(&stage(3, 3, 2), "2 of 3 updated"));
        assert!(matches!(stage(3, 3, 3), Progress::Done(_)));
    }

    #[test]
    fn a_deadline_that_passed_is_a_failure() {
        let status = json!({"observedGeneration": 2, "conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]});
        assert!(matches!(deployment(&web(3, status)), Progress::Failed(_)));
    }

    #[test]
    fn a_partition_ends_a_stateful_sets_rollout_early() {
        let mut set = web(
            3,
            json!({"observedGeneration": 2, "readyReplicas": 3, "updatedReplicas": 1}),
        );
        assert!(waits(&stateful_set(&set), "2 pods to be updated"));
        set["spec"]["updateStrategy"] = json!({"rollingUpdate": {"partition": 2}});
        assert!(matches!(stateful_set(&set), Progress::Done(_)));
    }
}
