//! Events: `v1` and `events.k8s.io/v1` name some fields differently.

use serde_json::Value;

/// Fields of `v1` Event, and their names in `events.k8s.io/v1`.
const NAMES: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

pub(super) fn to_events(document: &mut Value) {
    NAMES
        .iter()
        .for_each(|(core, events)| rename(document, core, events));
}

pub(super) fn to_core(document: &mut Value) {
    NAMES
        .iter()
        .for_each(|(core, events)| rename(document, events, core));
}

fn rename(document: &mut Value, old: &str, new: &str) {
    if let Value::Object(fields) = document
        && let Some(value) = fields.shift_remove(old)
    {
        fields.insert(new.to_owned(), value);
    }
}
