//! What a client may not change, by the part of an object that a change is about.

use api::Tree;

use super::create::match_namespace;
use super::{Api, Call, meta, rules, strategy};
use crate::status::Status;

/// Which part of an object an update is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepare {
    /// The object, without its status.
    Main,
    /// Its status.
    Status,
    /// A namespace's `spec.finalizers`.
    Finalize,
    /// A pod's ephemeral containers.
    EphemeralContainers,
    /// What a pod's containers may use.
    Resize,
    /// Whether a certificate is to be signed.
    Approval,
    /// A pod's node.
    Binding,
}

impl Prepare {
    /// The part that a subresource stands for.
    pub fn of(subresource: &str) -> Prepare {
        match subresource {
            "status" => Prepare::Status,
            "finalize" => Prepare::Finalize,
            "ephemeralcontainers" => Prepare::EphemeralContainers,
            "resize" => Prepare::Resize,
            "approval" => Prepare::Approval,
            _ => Prepare::Main,
        }
    }
}

/// What a client may not change is put back (upstream: `rest.BeforeUpdate`).
pub fn before_update(
    api: &Api,
    call: &Call<'_>,
    prepare: Prepare,
    new: &mut Tree,
    old: &Tree,
) -> Result<(), Status> {
    let (kind, old_meta) = (call.kind, meta::of(old));
    match_namespace(call.namespace(), new)?;
    let now = api.env.now().as_second();
    match prepare {
        Prepare::Main => kind.strategy.prepare_update(new, old),
        Prepare::Status => kind.strategy.prepare_status(new, old, now),
        Prepare::Binding => meta::of_mut(new).set("generation", old_meta.generation()),
        Prepare::Finalize => strategy::keep(new, old, "status"),
        Prepare::Approval => strategy::prepare_approval(new, old, now),
        Prepare::EphemeralContainers => {
            strategy::prepare_ephemeral_containers(new, old);
            kind.strategy.count_generation(new, old);
        }
        Prepare::Resize => {
            strategy::prepare_resize(new, old);
            kind.strategy.count_generation(new, old);
        }
    }
    rules::drop_disabled(new, Some(old));
    let mut new_meta = meta::of_mut(new);
    new_meta.remove("selfLink");
    if let Some(created) = old_meta.created() {
        new_meta.set_time("creationTimestamp", created);
    }
    if let Some(deletion) = old_meta.deletion() {
        new_meta.set_time("deletionTimestamp", deletion);
    }
    let (no_uid, no_grace) = (
        meta::of(new).uid().is_empty(),
        meta::of(new).grace().is_none(),
    );
    let mut new_meta = meta::of_mut(new);
    if no_uid {
        new_meta.set("uid", old_meta.uid());
    }
    if let Some(grace) = old_meta.grace().filter(|_| no_grace) {
        new_meta.set("deletionGracePeriodSeconds", grace);
    }
    Ok(())
}
