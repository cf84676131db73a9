//! What the controllers of pods do alike: adopt and release, create and delete, and note what they have asked for. Which pods
//! there should be is each controller's own affair.

mod claim;
mod create;
mod delete;
mod make;
mod seen;

use runtime::{Context, Expectations, Informer, Key, Object, Resource, events::ObjectRef};

use crate::object::{owner::Owner, pod::Pod};

pub(crate) use claim::may_adopt;
pub use make::{from_template, prefix};
pub use seen::{seen, strike_off};

/// Pods created or deleted in one go at most: upstream's number.
pub const BURST: usize = 500;

/// How often a request is sent whose fate is unknown.
const ATTEMPTS: u32 = 6;

/// A controller's hand on the pods of one owner.
pub struct PodControl<'a> {
    cx: &'a Context,
    pods: &'a Informer<Pod>,
    expectations: &'a Expectations,
    resource: &'a Resource,
    key: &'a Key,
    uid: &'a str,
    owner: Owner,
    finalizer: Option<&'static str>,
}

impl<'a> PodControl<'a> {
    /// The hand on the pods of `owner`, which is of `resource`.
    pub fn new<P>(
        cx: &'a Context,
        pods: &'a Informer<Pod>,
        expectations: &'a Expectations,
        resource: &'a Resource,
        owner: &'a Object<P>,
    ) -> Self {
        PodControl {
            cx,
            pods,
            expectations,
            resource,
            key: &owner.key,
            uid: &owner.uid,
            owner: Owner::controller(resource, owner),
            finalizer: None,
        }
    }

    /// Pods carry this finalizer as long as they are the owner's and it has not done with them: those that are adopted get it,
    /// those that are released lose it.
    #[must_use]
    pub fn with_finalizer(mut self, finalizer: &'static str) -> Self {
        self.finalizer = Some(finalizer);
        self
    }

    /// The owner as its pods name it.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The owner as events name it.
    pub fn reference(&self) -> ObjectRef {
        ObjectRef::new(self.resource, self.key, self.uid)
    }
}
