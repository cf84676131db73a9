//! What a change of a pod means to the controller of its owner.

use runtime::{Change, Expectations, Informer, Key, Projection, Queue};

use crate::object::pod::Pod;

/// Strikes off what the change shows of what was asked for, and makes dirty the owners of the kind that the pod has or had; of
/// an orphan those that may want to adopt it, by its labels.
pub fn seen<P: Projection>(
    change: Change<'_, Pod>,
    owners: &Informer<P>,
    expectations: &Expectations,
    selects: impl Fn(&P, &Pod) -> bool,
    queue: &Queue<Key>,
) {
    let resource = owners.resource();
    for (key, uid) in Pod::owners_of_kind(change, resource.group(), resource.kind()) {
        strike_off(change, &uid, expectations);
        queue.add(key);
    }
    if let Some(new) = change.new
        && new.value.controller.is_none()
        && new.value.deletion.is_none()
    {
        for owner in owners.in_namespace(new.key.namespace()) {
            if selects(&owner.value, &new.value) {
                queue.add(owner.key.clone());
            }
        }
    }
}

/// Strikes off what the change shows of what the owner with this uid, which the pod has or had, has asked for.
pub fn strike_off(change: Change<'_, Pod>, uid: &str, expectations: &Expectations) {
    let pod = change.latest();
    let owner = pod.value.controller.as_ref();
    if change.old.is_none() && owner.is_some_and(|owner| owner.uid == uid) {
        expectations.created(uid, pod.key.name());
    }
    if change.new.is_none() || pod.value.deletion.is_some() {
        expectations.deleted(uid, &pod.uid);
    }
}
