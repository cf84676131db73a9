//! The changes of mutating policies: configurations and JSON patches, made by expressions.

use api::Tree;
use api::apply;
use api::codec::json::Strict;
use api::patch::{self, PatchError};
use serde_json::{Map, Value as Json};

use super::subject::as_json;
use crate::cel::{Value, to_json};
use crate::status::Status;

/// Why a change was not made.
#[derive(Debug)]
pub enum Failure {
    /// It matters, unless the policy says otherwise.
    Policy(String),
    /// The request cannot be served.
    Request(Status),
}

impl From<String> for Failure {
    fn from(why: String) -> Failure {
        Failure::Policy(why)
    }
}

/// The object with a configuration merged into it, as server-side apply would, but that nobody comes to own anything.
///
/// # Errors
/// If it is none of the object's kind.
pub fn applied(object: &Tree, made: &Value) -> Result<Tree, Failure> {
    let mut configuration = to_json(made).map_err(|error| error.to_string())?;
    named_from(made, "Object")?;
    let own = as_json(object)?;
    for field in ["apiVersion", "kind"] {
        configuration[field] = own[field].clone();
    }
    apply::merge_configuration(object, &configuration)
        .map_err(|error| format!("error applying patch: {error}").into())
}

/// Refuses an object of which anything is not named by its place below `root`.
fn named_from(made: &Value, root: &str) -> Result<(), String> {
    let mut problems = Vec::new();
    names_match(made, &mut vec![root.to_owned()], &mut problems);
    match problems.is_empty() {
        true => Ok(()),
        false => Err(format!("type mismatch: {}", problems.join("\n"))),
    }
}

/// An object that an expression makes is named by its place: `Object.spec` stands at `spec`.
fn names_match(value: &Value, path: &mut Vec<String>, problems: &mut Vec<String>) {
    match value {
        Value::Struct(object) => {
            let expected = path.join(".");
            if *object.name != *expected {
                problems.push(format!(
                    "unexpected type name \"{}\", expected \"{expected}\", which matches field name path from root Object type",
                    object.name
                ));
            }
            for (field, value) in object.fields() {
                path.push(field.to_string());
                names_match(value, path, problems);
                path.pop();
            }
        }
        Value::List(items) => items
            .iter()
            .for_each(|item| names_match(item, path, problems)),
        Value::Map(entries) => entries
            .values()
            .for_each(|value| names_match(value, path, problems)),
        _ => {}
    }
}

/// The object with the operations done that an expression made. Where a test among them does not hold, the object as it was.
///
/// # Errors
/// If they cannot be done, or what comes out is no object.
pub fn patched(object: &Tree, made: &Value) -> Result<Tree, Failure> {
    let Value::List(made) = made else {
        let why = "type mismatch: JSONPatchType.expression should evaluate to array";
        return Err(why.to_owned().into());
    };
    let operations: Result<Vec<Json>, String> = made.iter().map(operation).collect();
    let operations = Json::from(operations?).to_string();
    let mut strict = Strict::new();
    match patch::json(object, operations.as_bytes(), &mut strict) {
        Ok(patched) if strict.is_empty() => Ok(patched),
        Ok(_) => {
            let errors: Vec<String> = strict.errors().iter().map(ToString::to_string).collect();
            let why = format!("strict decoding error: {}", errors.join(", "));
            Err(Failure::Request(Status::internal(why)))
        }
        Err(PatchError::Inapplicable(why)) if why.ends_with(": test failed") => Ok(object.clone()),
        Err(PatchError::Decode { why, .. }) => Err(Failure::Request(Status::internal(why))),
        Err(why) => Err(format!("JSON Patch: {why}").into()),
    }
}

fn operation(made: &Value) -> Result<Json, String> {
    let Value::Struct(made) = made else {
        return Err(format!(
            "type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch, got element of {}",
            made.type_name()
        ));
    };
    let mut operation = Map::new();
    for (field, value) in made.fields() {
        let wrong = |error| {
            format!(
                "JSONPath valueExpression evaluated to a type that could not marshal to JSON: {error}"
            )
        };
        operation.insert(field.to_string(), to_json(value).map_err(wrong)?);
        if let Value::Struct(object) = value {
            // Where it is put the path says; what is below it says so by its name.
            named_from(value, &object.name)?;
        }
    }
    Ok(operation.into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn object(name: &str, fields: &[(&str, Value)]) -> Value {
        let fields = fields
            .iter()
            .map(|(name, value)| ((*name).into(), value.clone()));
        Value::object(&name.into(), fields.collect::<BTreeMap<_, _>>()).unwrap()
    }

    #[test]
    fn objects_are_named_by_their_place() {
        let container = object("Object.spec.containers", &[]);
        let list = Value::list(vec![container]).unwrap();
        let spec = object("Object.spec", &[("containers", list.clone())]);
        let mut problems = Vec::new();
        let mut check = |value: &Value| {
            names_match(value, &mut vec!["Object".to_owned()], &mut problems);
            std::mem::take(&mut problems)
        };
        assert!(check(&object("Object", &[("spec", spec)])).is_empty());
        let wrong = object("Object.wrong", &[("containers", list)]);
        assert_eq!(
            check(&object("Object", &[("spec", wrong)])),
            [
                "unexpected type name \"Object.wrong\", expected \"Object.spec\", which matches field name path from root Object type"
            ]
        );
    }

    #[test]
    fn an_operation_has_what_it_was_given() {
        let made = object(
            "JSONPatch",
            &[
                ("op", "add".into()),
                ("path", "/a".into()),
                ("value", Value::Null),
            ],
        );
        let expected = serde_json::json!({"op": "add", "path": "/a", "value": null});
        assert_eq!(operation(&made).unwrap(), expected);
        assert!(operation(&Value::Int(1)).is_err());
    }
}
