//! The condition `Unused` of a bound claim: since when no pod has it
//! ([KEP-5541](https://github.com/kubernetes/enhancements/issues/5541)).

use api::{
    Time,
    core::v1::{PersistentVolumeClaim, PersistentVolumeClaimMut},
};
use jiff::Timestamp;
use runtime::{Client, Key, ReconcileError, Resource};

const TYPE: &str = "Unused";

/// What the condition says of a claim; none if it is not there.
pub(super) fn read(claim: PersistentVolumeClaim<'_>) -> Option<bool> {
    let mut conditions = claim.status().conditions().iter();
    let found = conditions.find(|condition| condition.type_() == TYPE)?;
    Some(found.status() == "True")
}

/// Sets it, with the present as its time.
pub(super) async fn set(
    client: &Client,
    resource: &Resource,
    key: &Key,
    unused: bool,
    now: Timestamp,
) -> Result<(), ReconcileError> {
    let mut claim = match client.get(resource, key).await {
        Err(error) if error.is_not_found() => return Ok(()),
        claim => claim?,
    };
    let (status, reason, message) = match unused {
        true => ("True", "NoPodsUsingPVC", "no pod uses this claim"),
        false => ("False", "PodUsingPVC", "a pod uses this claim"),
    };
    let mut view = PersistentVolumeClaimMut::of(&mut claim);
    let mut all = view.status_mut();
    let at = (all.view().conditions().iter()).position(|condition| condition.type_() == TYPE);
    let mut condition = match at {
        Some(at) => all.conditions_mut(at),
        None => all.push_conditions(),
    };
    condition.set_type(TYPE);
    condition.set_status(status);
    condition.set_last_transition_time(Time::from(now));
    condition.set_reason(reason);
    condition.set_message(message);
    match client.update_status(resource, &claim).await {
        Err(error) if error.is_not_found() => Ok(()),
        written => Ok(written.map(drop)?),
    }
}
