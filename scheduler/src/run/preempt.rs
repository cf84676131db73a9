//! Telling a pod to go for one of higher priority.

use jiff::Timestamp;
use runtime::client::{DeleteOptions, Patch};
use runtime::{Client, Error, Key, Resource, ResultExt};
use serde_json::json;

use crate::preemption::Victim;
use crate::run::report::to_the_second;

/// Says in the pod's status for what it goes, so that who made it does not count it as failed, and deletes it with the time
/// that it asks for. That it is gone, or another one, is no error.
pub(super) async fn end(
    client: &Client,
    pods: &Resource,
    victim: &Victim,
    scheduler: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let key = Key::new(&victim.key.namespace, &victim.key.name);
    let condition = json!({
        "type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler",
        "message": format!("{scheduler}: preempting to accommodate a higher priority pod"),
        "lastTransitionTime": to_the_second(now),
    });
    let status = json!({"conditions": [condition]});
    let patch = json!({"metadata": {"uid": &*victim.uid}, "status": status});
    let patch = Patch::Strategic(patch);
    let told = client.patch_status(pods, &key, &patch).await;
    match told.optional() {
        Ok(Some(_)) => {}
        Ok(None) => return Ok(()),
        Err(error) if error.is_conflict() => return Ok(()),
        Err(error) => return Err(error),
    }
    let options = DeleteOptions {
        uid: Some(victim.uid.to_string()),
        ..DeleteOptions::default()
    };
    match client.delete(pods, &key, &options).await.optional() {
        Ok(_) => Ok(()),
        Err(error) if error.is_conflict() => Ok(()),
        Err(error) => Err(error),
    }
}
