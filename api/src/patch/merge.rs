//! JSON merge patch. <https://www.rfc-editor.org/rfc/rfc7386>

use serde_json::{Map, Value};

/// Merges `patch` into `document`: null removes, objects merge, everything else replaces.
pub(super) fn apply(document: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *document = patch;
        return;
    };
    if !document.is_object() {
        *document = Value::Object(Map::new());
    }
    let Value::Object(target) = document else {
        return;
    };
    for (key, value) in patch {
        if value.is_null() {
            target.shift_remove(&key);
        } else {
            apply(target.entry(key).or_insert(Value::Null), value);
        }
    }
    // As upstream's: what a patch touches is written with sorted names, which messages show.
    target.sort_keys();
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The cases of the RFC's appendix.
    #[test]
    fn the_rfcs_examples_hold() {
        for (document, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": "b"}),
                json!({"b": "c"}),
                json!({"a": "b", "b": "c"}),
            ),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (
                json!({"a": "b", "b": "c"}),
                json!({"a": null}),
                json!({"b": "c"}),
            ),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (
                json!({"a": [{"b": "c"}]}),
                json!({"a": [1]}),
                json!({"a": [1]}),
            ),
            (
                json!({"e": null}),
                json!({"a": 1}),
                json!({"e": null, "a": 1}),
            ),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ] {
            let mut merged = document.clone();
            apply(&mut merged, patch.clone());
            assert_eq!(merged, result, "{document} with {patch}");
        }
    }
}
