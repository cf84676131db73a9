//! A configuration merged into an object by who owns nothing: what a mutating policy does. What would replace a whole list, map or
//! struct is refused, since whoever writes the configuration seldom means it.

use serde_json::Value;

use super::document;
use super::form::{Form, Place};
use crate::codec::json::{self, DecodeError, Strict};
use crate::schema::Shape;
use crate::tree::Tree;

/// Why a configuration was not merged; the words are upstream's.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// It does not fit the schema.
    #[error("failed to convert patch object to typed object: {}", listed(.0))]
    Typed(Vec<String>),
    /// It has a value of something that is replaced whole.
    #[error("invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {}", .0.join(", "))]
    Atomic(Vec<String>),
    /// What came out is no object of its kind.
    #[error("failed to convert typed object to object: {0}")]
    Decode(#[from] DecodeError),
    /// What went in could not be read back: a mistake of the encoder.
    #[error("failed to convert original object to typed object: {0}")]
    Json(#[from] serde_json::Error),
}

fn listed(problems: &[String]) -> String {
    match problems {
        [only] => only.clone(),
        all => {
            let lines: Vec<String> = all.iter().map(|problem| format!("  {problem}")).collect();
            format!("errors:\n{}", lines.join("\n"))
        }
    }
}

/// The object with a configuration merged into it. Nobody comes to own anything.
///
/// # Errors
/// If the configuration is none of the object's kind, or replaces something whole.
pub fn merge_configuration(object: &Tree, configuration: &Value) -> Result<Tree, MergeError> {
    let shape = Shape::Message(object.type_id());
    let place = Place {
        schema: object.schema(),
        shape: &shape,
        field: None,
    };
    let problems = document::problems(place, configuration);
    if !problems.is_empty() {
        return Err(MergeError::Typed(problems));
    }
    let mut atomics = Vec::new();
    find(place, configuration, &mut String::new(), &mut atomics);
    if !atomics.is_empty() {
        return Err(MergeError::Atomic(atomics));
    }
    let live: Value = serde_json::from_slice(&json::to_vec(object))?;
    let merged = document::merge(place, Some(&live), Some(configuration)).unwrap_or(live);
    let bytes = merged.to_string().into_bytes();
    let (schema, ty) = (object.schema(), object.type_id());
    Ok(json::decode(schema, ty, bytes, &mut Strict::new())?)
}

/// The places in a configuration that are replaced whole.
fn find(place: Place<'_>, value: &Value, path: &mut String, found: &mut Vec<String>) {
    let is_whole = matches!(place.form(), Form::Leaf) && !matches!(place.shape, Shape::Scalar(_));
    if is_whole && (value.is_object() || value.is_array()) {
        found.push(path.clone());
    }
    let mut below = |place, value, step: &str| {
        let length = path.len();
        path.push_str(step);
        find(place, value, path, found);
        path.truncate(length);
    };
    match (place.shape, value) {
        (Shape::Message(id), Value::Object(fields)) => {
            let ty = place.schema.ty(*id);
            for (name, value) in fields {
                if let Some(field) = ty.field(name) {
                    below(place.field(ty.field_at(field)), value, &format!(".{name}"));
                }
            }
        }
        (Shape::List(_), Value::Array(items)) => {
            for (at, item) in items.iter().enumerate() {
                below(place.element(), item, &format!("[{at}]"));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::Schema;

    fn merged(configuration: &Value) -> Result<Value, String> {
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "labels": {"a": "1"}},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "1"}}, "template": {"spec": {"containers": [
                {"name": "c", "image": "i"}]}}}});
        let schema = Schema::builtin();
        let ty = schema.type_of_kind("apps", "v1", "Deployment").unwrap();
        let bytes = object.to_string().into_bytes();
        let object = json::decode(schema, ty, bytes, &mut Strict::new()).unwrap();
        let merged = merge_configuration(&object, configuration).map_err(|e| e.to_string())?;
        Ok(serde_json::from_slice(&json::to_vec(&merged)).unwrap())
    }

    #[test]
    fn maps_and_keyed_lists_are_merged() {
        let merged = merged(
            &json!({"metadata": {"labels": {"b": "2"}}, "spec": {"replicas": 3, "template": {"spec": {
            "containers": [{"name": "c", "env": [{"name": "E", "value": "v"}]}, {"name": "d", "image": "j"}]}}}}),
        );
        let merged = merged.unwrap();
        assert_eq!(merged["metadata"]["labels"], json!({"a": "1", "b": "2"}));
        assert_eq!(merged["spec"]["replicas"], 3);
        let containers = &merged["spec"]["template"]["spec"]["containers"];
        assert_eq!(
            (&containers[0]["image"], &containers[1]["name"]),
            (&json!("i"), &json!("d"))
        );
    }

    #[test]
    fn what_is_replaced_whole_is_refused() {
        let refusal =
            merged(&json!({"spec": {"selector": {"matchLabels": {"a": "2"}}}})).unwrap_err();
        assert_eq!(
            refusal,
            "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.selector"
        );
        let command = json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "command": ["x"]}]}}}});
        let refusal = merged(&command).unwrap_err();
        assert!(
            refusal.ends_with(": .spec.template.spec.containers[0].command"),
            "{refusal}"
        );
        let refusal = merged(&json!({"spec": {"replicas": "x", "bogus": 1}})).unwrap_err();
        assert!(
            refusal.contains("errors:\n  .spec.replicas: expected numeric"),
            "{refusal}"
        );
    }
}
