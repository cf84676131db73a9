//! Priority classes.

use api::Tree;
use api::scheduling::v1::PriorityClass;
use serde_json::Value;

use super::age::Now;
use super::cells;

pub fn priority_class(object: &Tree, now: Now) -> Vec<Value> {
    let class = PriorityClass::of(object);
    let meta = class.metadata();
    cells![
        meta.name(),
        class.value(),
        class.global_default(),
        now.since(meta.creation_timestamp()),
        class.preemption_policy().unwrap_or_default(),
    ]
}
