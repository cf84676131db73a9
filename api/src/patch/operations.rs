//! JSON patch. <https://www.rfc-editor.org/rfc/rfc6902>
//!
//! As upstream's: an index may be negative, counting from the end, and `test` against null holds where there is nothing.

use serde_json::Value;

use super::{MAX_COPIED, PatchError};
use crate::go_format::json_name;

/// Refuses what is no list of operations.
pub(super) fn check(operations: &[Value]) -> Result<(), PatchError> {
    let wrong = |value: &Value, place: &str| {
        let found = json_name(value);
        Err(PatchError::Malformed(format!(
            "error decoding patch: json: cannot unmarshal {found} into Go {place}"
        )))
    };
    for operation in operations {
        match operation {
            Value::Object(fields) => {
                for name in ["op", "path", "from"] {
                    match fields.get(name) {
                        None | Some(Value::Null | Value::String(_)) => {}
                        Some(other) => {
                            return wrong(
                                other,
                                &format!("struct field jsonPatchOp.{name} of type string"),
                            );
                        }
                    }
                }
            }
            Value::Null => {}
            other => return wrong(other, "value of type handlers.jsonPatchOp"),
        }
    }
    Ok(())
}

/// Applies the operations in their order; the first that does not apply ends it.
pub(super) fn apply(document: &mut Value, operations: &[Value]) -> Result<(), PatchError> {
    let mut copied = 0;
    sort(document);
    for operation in operations {
        let text = |field: &str| operation.get(field).and_then(Value::as_str);
        let name = text("op").unwrap_or("unknown");
        let path = || {
            text("path")
                .map(Pointer)
                .ok_or_else(|| missing(name, "path"))
        };
        let from = || {
            text("from")
                .map(Pointer)
                .ok_or_else(|| missing(name, "from"))
        };
        let value = || operation.get("value").cloned();
        match name {
            "add" => add(document, path()?, value().unwrap_or(Value::Null), name)?,
            "remove" => drop(remove(document, path()?, name)?),
            "replace" => replace(document, path()?, value().unwrap_or(Value::Null))?,
            "move" => {
                let value = remove(document, from()?, name)?;
                add(document, path()?, value, name)?;
            }
            "copy" => {
                let from = from()?;
                let found = from.find(document).cloned();
                let value = match found {
                    Some(value) => value,
                    // As upstream's: what an object lacks is copied as null.
                    None if matches!(from.parent(document), Some((Value::Object(_), _))) => {
                        Value::Null
                    }
                    None => {
                        return Err(failed(format!(
                            "copy operation does not apply: doc is missing from path: {}: missing value",
                            from.0
                        )));
                    }
                };
                copied += value.to_string().len();
                if copied > MAX_COPIED {
                    return Err(failed(format!(
                        "Unable to complete the copy, the accumulated size increase of copy is {copied}, exceeding the limit {MAX_COPIED}"
                    )));
                }
                add(document, path()?, value, name)?;
            }
            "test" => {
                let path = path()?;
                let holds = match (path.find(document), value()) {
                    (found, None | Some(Value::Null)) => found.is_none_or(Value::is_null),
                    (found, Some(expected)) => found.is_some_and(|found| equal(found, &expected)),
                };
                if !holds {
                    return Err(failed(format!(
                        "testing value {} failed: test failed",
                        path.0
                    )));
                }
            }
            other => return Err(failed(format!("Unexpected kind: {other}"))),
        }
        if let Some((holder, _)) = path()?.parent(document) {
            sort(holder);
        }
    }
    Ok(())
}

fn failed(text: String) -> PatchError {
    PatchError::Inapplicable(text)
}

fn missing(operation: &str, field: &str) -> PatchError {
    failed(format!(
        "{operation} operation failed to decode path: operation missing {field} field: missing value"
    ))
}

/// Numbers are equal by value, whatever way they are written.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || left.as_f64() == right.as_f64()
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, value)| right.get(key).is_some_and(|other| equal(value, other)))
        }
        _ => left == right,
    }
}

/// A JSON pointer. <https://www.rfc-editor.org/rfc/rfc6901>
#[derive(Clone, Copy)]
struct Pointer<'a>(&'a str);

impl<'a> Pointer<'a> {
    fn unescape(part: &str) -> String {
        part.replace("~1", "/").replace("~0", "~")
    }

    /// Where it points to.
    fn find(self, document: &Value) -> Option<&Value> {
        self.0
            .split('/')
            .skip(1)
            .try_fold(document, |value, part| match value {
                Value::Object(map) => map.get(&Self::unescape(part)),
                Value::Array(items) => items.get(index(part, items.len()).ok()?),
                _ => None,
            })
    }

    /// The object or list that holds what it points to, and the last part.
    fn parent(self, document: &mut Value) -> Option<(&mut Value, String)> {
        let (parents, last) = self.0.rsplit_once('/')?;
        let mut holder = document;
        for part in parents.split('/').skip(1) {
            sort(holder);
            holder = match holder {
                Value::Object(map) => map.get_mut(&Self::unescape(part))?,
                Value::Array(items) => {
                    let at = index(part, items.len()).ok()?;
                    items.get_mut(at)?
                }
                _ => return None,
            };
        }
        matches!(holder, Value::Object(_) | Value::Array(_)).then(|| (holder, Self::unescape(last)))
    }
}

/// As upstream's: what a patch walks through is written with sorted names, which messages show.
fn sort(value: &mut Value) {
    if let Value::Object(map) = value {
        map.sort_keys();
    }
}

/// A list index; negative ones count from the end.
fn index(text: &str, length: usize) -> Result<usize, String> {
    let number: i64 =
        text.parse().map_err(|_| format!("value was not a proper array index: '{text}': strconv.Atoi: parsing \"{text}\": invalid syntax"))?;
    let wrong = || format!("Unable to access invalid index: {number}: invalid index referenced");
    if number >= 0 {
        return usize::try_from(number).map_err(|_| wrong());
    }
    let back = usize::try_from(number.unsigned_abs()).map_err(|_| wrong())?;
    length.checked_sub(back).ok_or_else(wrong)
}

fn add(
    document: &mut Value,
    path: Pointer<'_>,
    value: Value,
    operation: &str,
) -> Result<(), PatchError> {
    if path.0.is_empty() {
        if !value.is_object() {
            return Err(failed(format!("{operation} operation makes it no object")));
        }
        *document = value;
        return Ok(());
    }
    let Some((holder, key)) = path.parent(document) else {
        let what = if operation == "add" {
            format!("doc is missing path: \"{}\"", path.0)
        } else {
            format!("doc is missing destination path: {}", path.0)
        };
        return Err(failed(format!(
            "{operation} operation does not apply: {what}: missing value"
        )));
    };
    match holder {
        Value::Object(map) => {
            map.insert(key, value);
        }
        Value::Array(items) => {
            let at = match key.as_str() {
                "-" => items.len(),
                // One past the end is a place to add to, so negative ones count from there.
                _ => index(&key, items.len() + 1).map_err(|error| {
                    failed(format!(
                        "error in {operation} for path: '{}': {error}",
                        path.0
                    ))
                })?,
            };
            if at > items.len() {
                return Err(failed(format!(
                    "error in {operation} for path: '{}': Unable to access invalid index: {at}: invalid index referenced",
                    path.0
                )));
            }
            items.insert(at, value);
        }
        _ => {}
    }
    Ok(())
}

fn remove(document: &mut Value, path: Pointer<'_>, operation: &str) -> Result<Value, PatchError> {
    let Some((holder, key)) = path.parent(document) else {
        let what = if operation == "move" {
            format!("doc is missing from path: {}", path.0)
        } else {
            format!("doc is missing path: \"{}\"", path.0)
        };
        return Err(failed(format!(
            "{operation} operation does not apply: {what}: missing value"
        )));
    };
    let wrong = |error: String| {
        failed(format!(
            "error in {operation} for path: '{}': {error}",
            path.0
        ))
    };
    match holder {
        Value::Object(map) => map.shift_remove(&key).ok_or_else(|| {
            wrong(format!(
                "Unable to remove nonexistent key: {key}: missing value"
            ))
        }),
        Value::Array(items) => {
            let at = index(&key, items.len()).map_err(wrong)?;
            if at >= items.len() {
                return Err(wrong(format!(
                    "Unable to access invalid index: {at}: invalid index referenced"
                )));
            }
            Ok(items.remove(at))
        }
        _ => Ok(Value::Null),
    }
}

fn replace(document: &mut Value, path: Pointer<'_>, value: Value) -> Result<(), PatchError> {
    if path.0.is_empty() {
        return add(document, path, value, "replace");
    }
    let Some((holder, key)) = path.parent(document) else {
        return Err(failed(format!(
            "replace operation does not apply: doc is missing path: {}: missing value",
            path.0
        )));
    };
    let slot = match holder {
        // As upstream's: what an object lacks may be replaced, too.
        Value::Object(map) => Some(map.entry(key).or_insert(Value::Null)),
        Value::Array(items) => index(&key, items.len())
            .ok()
            .and_then(|at| items.get_mut(at)),
        _ => None,
    };
    match slot {
        Some(slot) => {
            *slot = value;
            Ok(())
        }
        None => Err(failed(format!(
            "replace operation does not apply: doc is missing key: {}: missing value",
            path.0
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(operations: Value) -> Result<Value, String> {
        let mut document = json!({"a": {"b/c": 1}, "list": [1, 2, 3]});
        let Value::Array(operations) = operations else {
            panic!()
        };
        apply(&mut document, &operations)
            .map(|()| document)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_operation_does_what_the_rfc_says() {
        for (operation, place, result) in [
            (
                json!({"op": "add", "path": "/x", "value": 7}),
                "/x",
                json!(7),
            ),
            (
                json!({"op": "add", "path": "/list/-", "value": 4}),
                "/list",
                json!([1, 2, 3, 4]),
            ),
            (
                json!({"op": "add", "path": "/list/1", "value": 9}),
                "/list",
                json!([1, 9, 2, 3]),
            ),
            (
                json!({"op": "add", "path": "/list/-1", "value": 9}),
                "/list",
                json!([1, 2, 3, 9]),
            ),
            (json!({"op": "remove", "path": "/a/b~1c"}), "/a", json!({})),
            (
                json!({"op": "remove", "path": "/list/-1"}),
                "/list",
                json!([1, 2]),
            ),
            (
                json!({"op": "replace", "path": "/list/0", "value": null}),
                "/list",
                json!([null, 2, 3]),
            ),
            (
                json!({"op": "move", "from": "/list/0", "path": "/y"}),
                "/y",
                json!(1),
            ),
            (
                json!({"op": "copy", "from": "/a", "path": "/z"}),
                "/z",
                json!({"b/c": 1}),
            ),
            (
                json!({"op": "test", "path": "/list", "value": [1.0, 2, 3]}),
                "/list",
                json!([1, 2, 3]),
            ),
            (
                json!({"op": "test", "path": "/nothing", "value": null}),
                "/list",
                json!([1, 2, 3]),
            ),
        ] {
            assert_eq!(
                patched(json!([operation])).unwrap().pointer(place),
                Some(&result),
                "{operation}"
            );
        }
    }

    #[test]
    fn what_does_not_apply_says_why_as_upstream_does() {
        for (operation, message) in [
            (
                json!({"op": "test", "path": "/a", "value": 1}),
                "testing value /a failed: test failed",
            ),
            (
                json!({"op": "add", "path": "/q/r", "value": 1}),
                "add operation does not apply: doc is missing path: \"/q/r\": missing value",
            ),
            (
                json!({"op": "remove", "path": "/q"}),
                "error in remove for path: '/q': Unable to remove nonexistent key: q: missing value",
            ),
            (
                json!({"op": "replace", "path": "/list/7", "value": 1}),
                "replace operation does not apply: doc is missing key: /list/7: missing value",
            ),
            (
                json!({"op": "remove", "path": "/list/7"}),
                "error in remove for path: '/list/7': Unable to access invalid index: 7: invalid index referenced",
            ),
            (
                json!({"op": "nonsense", "path": "/a"}),
                "Unexpected kind: nonsense",
            ),
        ] {
            assert_eq!(patched(json!([operation])).unwrap_err(), message);
        }
    }

    #[test]
    fn copies_may_not_blow_a_document_up() {
        let mut operations =
            vec![json!({"op": "add", "path": "/big", "value": "x".repeat(1 << 20)})];
        operations.extend(
            (0..4)
                .map(|turn| json!({"op": "copy", "from": "/big", "path": format!("/copy{turn}")})),
        );
        assert!(
            patched(operations.into())
                .unwrap_err()
                .contains("exceeding the limit")
        );
    }
}
