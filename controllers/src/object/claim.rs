//! What controllers know of a PersistentVolumeClaim that they make for a pod.

use api::{core::v1::PersistentVolumeClaim, tree::Tree};
use runtime::Projection;

use super::owner::Owner;

/// A claim, as the controller that made it sees it.
#[derive(Debug, Clone)]
pub struct Claim {
    /// All its owners: with the last of them it goes.
    pub owners: Vec<Owner>,
    /// Deletion was asked for.
    pub deleting: bool,
}

impl Projection for Claim {
    fn project(object: &Tree) -> Self {
        let metadata = PersistentVolumeClaim::of(object).metadata();
        Claim {
            owners: Owner::all(metadata),
            deleting: metadata.deletion_timestamp().is_some(),
        }
    }
}
