//! What is written together with an object: the seam for resources that take something from a pool (Services take addresses and
//! node ports).
//!
//! A companion keeps no state. It reads what is free from the view, changes the object, and returns operations that fail if
//! somebody took it meanwhile; they join the object's own append, so that both are there or neither is, whichever server of the
//! cluster writes. After a conflict the view is waited for and everything runs again: nothing is ever rolled back.

use std::collections::HashMap;
use std::sync::Arc;

use api::Tree;
use store::Op;

use super::{Api, Call};
use crate::status::Status;

/// What goes with the objects of one resource. The object's own operation is not among those returned.
pub trait Companion: Send + Sync + 'static {
    /// With a new object, before its strategy and validation; `new` has defaults, name and UID.
    fn create(&self, api: &Api, call: &Call<'_>, new: &mut Tree) -> Result<Vec<Op>, Status>;

    /// With a changed object, before its strategy and validation.
    fn update(
        &self,
        api: &Api,
        call: &Call<'_>,
        new: &mut Tree,
        old: &Tree,
    ) -> Result<Vec<Op>, Status>;

    /// With an object that goes.
    fn delete(&self, api: &Api, old: &Tree) -> Vec<Op>;
}

/// The companions, by `group/resource`.
#[derive(Clone, Default)]
pub struct Companions(HashMap<String, Arc<dyn Companion>>);

impl Companions {
    /// Gives a resource its companion.
    pub fn insert(&mut self, group: &str, resource: &str, companion: Arc<dyn Companion>) {
        self.0.insert(format!("{group}/{resource}"), companion);
    }

    fn of(&self, call: &Call<'_>) -> Option<&Arc<dyn Companion>> {
        if self.0.is_empty() {
            return None;
        }
        let resource = &call.kind.resource;
        self.0.get(&format!("{}/{}", resource.group, resource.name))
    }
}

/// What goes with a new object, which may be changed.
pub(super) async fn create(api: &Api, call: &Call<'_>, new: &mut Tree) -> Result<Vec<Op>, Status> {
    let Some(companion) = api.companions.of(call) else {
        return Ok(Vec::new());
    };
    let asked = new.clone();
    match companion.create(api, call, new) {
        Ok(ops) => Ok(ops),
        Err(status) => {
            // Refused for what may be out of date: another server may have given something back.
            look_again(api, status).await?;
            *new = asked;
            companion.create(api, call, new)
        }
    }
}

/// What goes with a changed object, which may be changed further.
pub(super) async fn update(
    api: &Api,
    call: &Call<'_>,
    new: &mut Tree,
    old: &Tree,
) -> Result<Vec<Op>, Status> {
    let Some(companion) = api
        .companions
        .of(call)
        .filter(|_| call.subresource().is_empty())
    else {
        return Ok(Vec::new());
    };
    let asked = new.clone();
    match companion.update(api, call, new, old) {
        Ok(ops) => Ok(ops),
        Err(status) => {
            look_again(api, status).await?;
            *new = asked;
            companion.update(api, call, new, old)
        }
    }
}

/// What goes with an object that goes.
pub(super) fn delete(api: &Api, call: &Call<'_>, old: &Tree) -> Vec<Op> {
    api.companions
        .of(call)
        .map(|companion| companion.delete(api, old))
        .unwrap_or_default()
}

/// Lets the view catch up; gives `status` back if it was up to date.
async fn look_again(api: &Api, status: Status) -> Result<(), Status> {
    let before = api.view.applied();
    match api.view.fresh().await {
        Ok(_) if api.view.applied() != before => Ok(()),
        _ => Err(status),
    }
}
