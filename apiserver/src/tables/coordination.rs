//! Leases.

use api::Tree;
use api::coordination::v1::Lease;
use serde_json::Value;

use super::age::Now;
use super::cells;

pub fn lease(object: &Tree, now: Now) -> Vec<Value> {
    let lease = Lease::of(object);
    let meta = lease.metadata();
    cells![
        meta.name(),
        lease.spec().holder_identity().unwrap_or_default(),
        now.since(meta.creation_timestamp())
    ]
}
