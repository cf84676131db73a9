//! Runtime classes.

use api::Tree;
use api::node::v1::RuntimeClass;
use serde_json::Value;

use super::age::Now;
use super::cells;

pub fn runtime_class(object: &Tree, now: Now) -> Vec<Value> {
    let class = RuntimeClass::of(object);
    let meta = class.metadata();
    cells![
        meta.name(),
        class.handler(),
        now.since(meta.creation_timestamp())
    ]
}
