//! The extension point for indexes that are made of objects of several kinds: RBAC, owners, Service addresses, the node
//! graph, quota.

use std::sync::Arc;

use super::{Event, Object};

/// An index that is kept up to date where the view applies a change.
///
/// It is told of every object at load ([`Event::old`] none) and of every change after, in the log's order, before readers
/// are shown the revision. It must not block, and must not ask the view.
pub trait Derived: Send + Sync + 'static {
    /// Whether the index wants the changes of the resource at `prefix`.
    fn wants(&self, prefix: &str) -> bool;

    /// One change.
    fn apply(&self, prefix: &str, event: &Event);

    /// What was applied so far may be shown.
    fn publish(&self) {}
}

/// The indexes, by resource.
#[derive(Clone, Default)]
pub(super) struct DerivedSet(pub(super) Vec<Arc<dyn Derived>>);

impl DerivedSet {
    pub(super) fn apply(&self, prefix: &str, event: &Event) {
        for derived in self.0.iter().filter(|d| d.wants(prefix)) {
            derived.apply(prefix, event);
        }
    }

    pub(super) fn load(&self, prefix: &str, object: &Arc<Object>) {
        if self.0.iter().any(|d| d.wants(prefix)) {
            self.apply(
                prefix,
                &Event::new(object.revision(), None, Some(Arc::clone(object))),
            );
        }
    }

    pub(super) fn publish(&self) {
        for derived in &self.0 {
            derived.publish();
        }
    }
}
