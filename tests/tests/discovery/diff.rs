//! Where two JSON documents differ.

use std::collections::BTreeSet;

use serde_json::Value;

/// Every place where they differ, with both values.
pub fn differences(theirs: &Value, ours: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk("", theirs, ours, &mut found);
    found
}

fn walk(path: &str, theirs: &Value, ours: &Value, found: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let missing = Value::String("(absent)".to_owned());
                walk(
                    &format!("{path}/{key}"),
                    a.get(key).unwrap_or(&missing),
                    b.get(key).unwrap_or(&missing),
                    found,
                );
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                walk(&format!("{path}/{index}"), a, b, found);
            }
        }
        _ if theirs == ours => {}
        _ => found.push(format!(
            "{path}: upstream {}, ours {}",
            short(theirs),
            short(ours)
        )),
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}

/// Fails with the first of the differences, if there are any.
#[track_caller]
pub fn assert_none(what: &str, differences: &[String]) {
    let shown = differences
        .iter()
        .take(20)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n  ");
    assert!(
        differences.is_empty(),
        "{what}: {} differences\n  {shown}",
        differences.len()
    );
}
