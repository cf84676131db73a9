//! Attempts at one write: the view tells what the object is, and it may lag behind what others wrote.

use std::sync::Arc;

use store::{Op, Revision};

use super::commit::Refused;
use super::{Api, Call};
use crate::status::Status;
use crate::view::Object;

/// How often a write is tried again after somebody else's came first.
pub const ATTEMPTS: usize = 5;

/// Why one attempt did not come to an end.
pub enum Stop<T> {
    /// Somebody else's write came first; the view must reach this revision.
    Again(Revision),
    /// The request is refused.
    Refused(Status),
    /// Nothing would change, if the view is up to date.
    Unchanged(T),
}

impl<T> From<Status> for Stop<T> {
    fn from(status: Status) -> Stop<T> {
        Stop::Refused(status)
    }
}

/// The attempts at a write of one object.
pub struct Attempts<'a> {
    api: &'a Api,
    call: &'a Call<'a>,
    name: &'a str,
    key: &'a str,
    current: Option<Arc<Object>>,
    /// The current object was read from the store. The view shows all that this server acknowledged; what others did it may not
    /// show yet.
    certain: bool,
    lost: usize,
}

impl<'a> Attempts<'a> {
    /// The first looks at the object as the view has it.
    pub fn new(api: &'a Api, call: &'a Call<'a>, name: &'a str, key: &'a str) -> Attempts<'a> {
        Attempts {
            api,
            call,
            name,
            key,
            current: api.current(call.kind, key),
            certain: false,
            lost: 0,
        }
    }

    /// The object that this attempt looks at; none if it is not there.
    pub fn current(&self) -> Option<&Arc<Object>> {
        self.current.as_ref()
    }

    /// What an attempt that stopped comes to; nothing if there is to be another.
    ///
    /// # Errors
    /// What refused it; 409 when others' writes came first too often; what reading the store says.
    pub async fn after<T>(&mut self, stop: Stop<T>) -> Result<Option<T>, Status> {
        let kind = self.call.kind;
        let verdict = match stop {
            Stop::Again(head) => {
                self.lost += 1;
                if self.lost > ATTEMPTS {
                    return Err(Status::modified(kind.qualified(), self.name));
                }
                let _ = self.api.view.reach(head).await;
                self.current = self.api.current(kind, self.key);
                return Ok(None);
            }
            Stop::Refused(status) if !may_be_late(&status) => return Err(status),
            Stop::Refused(status) => Err(status),
            Stop::Unchanged(done) => Ok(Some(done)),
        };
        if self.certain {
            return verdict;
        }
        let fresh = self.api.fresh(self.call.cx, kind, self.key).await?;
        let revision = |object: &Option<Arc<Object>>| object.as_ref().map(|o| o.revision());
        if revision(&fresh) == revision(&self.current) {
            return verdict;
        }
        self.current = fresh;
        self.certain = true;
        Ok(None)
    }
}

/// Whether a refusal may come of looking at an object that others have changed since.
fn may_be_late(status: &Status) -> bool {
    matches!(status.code(), 404 | 409 | 422)
}

/// Appends what an attempt comes to.
///
/// # Errors
/// Somebody else's write came first, or the store refuses.
pub async fn append<T>(
    api: &Api,
    call: &Call<'_>,
    verb: &'static str,
    ops: Vec<Op>,
) -> Result<Revision, Stop<T>> {
    match api.append(call.cx, call.kind, verb, ops).await {
        Ok(revision) => Ok(revision),
        Err(Refused::Conflict(conflict)) => Err(Stop::Again(conflict.head)),
        Err(Refused::Failed(status)) => Err(Stop::Refused(status)),
    }
}
