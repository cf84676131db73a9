//! Priority and fairness.

use api::Tree;
use api::flowcontrol::v1::{FlowSchema, PriorityLevelConfiguration};
use serde_json::Value;

use super::age::Now;
use super::cells;
use super::text::NONE;

pub fn flow_schema(object: &Tree, now: Now) -> Vec<Value> {
    let schema = FlowSchema::of(object);
    let (meta, spec) = (schema.metadata(), schema.spec());
    let dangling = schema
        .status()
        .conditions()
        .iter()
        .find(|c| c.type_() == "Dangling");
    cells![
        meta.name(),
        spec.priority_level_configuration().name(),
        spec.matching_precedence(),
        spec.distinguisher_method()
            .map_or(NONE, |method| method.type_()),
        now.since(meta.creation_timestamp()),
        dangling.map_or("?", |c| c.status()),
    ]
}

pub fn priority_level(object: &Tree, now: Now) -> Vec<Value> {
    let level = PriorityLevelConfiguration::of(object);
    let (meta, spec) = (level.metadata(), level.spec());
    let queuing = spec
        .limited()
        .and_then(|limited| limited.limit_response().queuing());
    let of_queues = |value: Option<i32>| value.map_or_else(|| NONE.into(), Value::from);
    cells![
        meta.name(),
        spec.type_(),
        of_queues(
            spec.limited()
                .map(|limited| limited.nominal_concurrency_shares().unwrap_or_default())
        ),
        of_queues(queuing.map(|queuing| queuing.queues())),
        of_queues(queuing.map(|queuing| queuing.hand_size())),
        of_queues(queuing.map(|queuing| queuing.queue_length_limit())),
        now.since(meta.creation_timestamp()),
    ]
}
