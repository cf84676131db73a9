//! Devices.

use api::Tree;
use api::resource::v1::{DeviceTaintRule, ResourceClaim, ResourceSlice};
use serde_json::Value;

use super::age::Now;
use super::cells;
use super::text::joined;

pub fn claim(object: &Tree, now: Now) -> Vec<Value> {
    let claim = ResourceClaim::of(object);
    let (meta, status) = (claim.metadata(), claim.status());
    let mut states = Vec::new();
    let deleted = meta.deletion_timestamp().is_some();
    if deleted {
        states.push("deleted");
    }
    match status.allocation() {
        None if deleted => {}
        None => states.push("pending"),
        Some(_) => {
            states.push("allocated");
            if !status.reserved_for().is_empty() {
                states.push("reserved");
            }
        }
    }
    cells![
        meta.name(),
        joined(states),
        now.since(meta.creation_timestamp())
    ]
}

pub fn slice(object: &Tree, now: Now) -> Vec<Value> {
    let slice = ResourceSlice::of(object);
    let (meta, spec) = (slice.metadata(), slice.spec());
    cells![
        meta.name(),
        spec.node_name().unwrap_or_default(),
        spec.driver(),
        spec.pool().name(),
        now.since(meta.creation_timestamp()),
    ]
}

pub fn taint_rule(object: &Tree, now: Now) -> Vec<Value> {
    let rule = DeviceTaintRule::of(object);
    let (meta, taint) = (rule.metadata(), rule.spec().taint());
    let added = match taint.time_added() {
        None => String::new(),
        added => now.since(added),
    };
    cells![
        meta.name(),
        taint.key(),
        taint.value(),
        taint.effect(),
        added,
        now.since(meta.creation_timestamp())
    ]
}
