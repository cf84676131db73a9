//! What controllers know of a namespace.

use api::{core::v1 as core, tree::Tree};
use runtime::Projection;

/// A namespace, as controllers see it.
#[derive(Debug, Clone, Copy)]
pub struct Namespace {
    /// Deletion was asked for.
    pub deleting: bool,
    /// It is not on its way out: objects can be made in it.
    pub active: bool,
}

impl Projection for Namespace {
    fn project(object: &Tree) -> Self {
        let namespace = core::Namespace::of(object);
        let deleting = namespace.metadata().deletion_timestamp().is_some();
        Namespace {
            deleting,
            active: !deleting && namespace.status().phase() != "Terminating",
        }
    }
}
