//! What `-o` chooses: the forms in which objects are printed.

use std::io::Write;

use api::codec::{json, yaml};
use serde_json::Value;

use crate::error::{Error, Result};

pub mod columns;
pub mod jsonpath;
pub mod style;
pub mod table;

/// A form of output.
#[derive(Clone, Debug)]
pub enum Format {
    /// The server's columns.
    Table {
        /// With those of lower priority.
        wide: bool,
    },
    /// YAML.
    Yaml,
    /// JSON.
    Json,
    /// `kind/name`.
    Name,
    /// A kubectl JSONPath template.
    JsonPath(jsonpath::Template),
    /// Columns of the user's own.
    Columns(columns::Columns),
}

/// Reads the value of `-o`.
pub fn parse(text: Option<&str>) -> Result<Format> {
    let text = text.unwrap_or_default();
    let (name, argument) = text.split_once('=').unwrap_or((text, ""));
    let from_file = || {
        std::fs::read_to_string(argument).map_err(|source| Error::File {
            path: argument.to_owned(),
            source,
        })
    };
    match name {
        "" => Ok(Format::Table { wide: false }),
        "wide" => Ok(Format::Table { wide: true }),
        "yaml" => Ok(Format::Yaml),
        "json" => Ok(Format::Json),
        "name" => Ok(Format::Name),
        "jsonpath" => Ok(Format::JsonPath(jsonpath::Template::parse(argument)?)),
        "jsonpath-file" => Ok(Format::JsonPath(jsonpath::Template::parse(&from_file()?)?)),
        "custom-columns" => Ok(Format::Columns(columns::Columns::parse(argument)?)),
        "custom-columns-file" => Ok(Format::Columns(
            columns::Columns::parse_file(&from_file()?)?,
        )),
        _ => Err(Error::Usage(format!(
            "-o {text}: take one of wide, yaml, json, name, jsonpath=TEMPLATE, jsonpath-file=FILE, custom-columns=SPEC, custom-columns-file=FILE"
        ))),
    }
}

/// Several objects as one, as templates and YAML see them: a single object stays itself.
pub fn as_one(mut objects: Vec<Value>, always_list: bool) -> Value {
    if objects.len() == 1 && !always_list {
        return objects.remove(0);
    }
    serde_json::json!({"apiVersion": "v1", "items": objects, "kind": "List", "metadata": {"resourceVersion": ""}})
}

/// Takes out what only machines read: `managedFields`.
pub fn without_managed_fields(object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
}

/// Prints a value as YAML, byte for byte as kubectl does: readers of YAML 1.1 would take a time without quotes for a date.
pub fn yaml(out: &mut dyn Write, value: &Value) -> Result<()> {
    let json = serde_json::to_vec(value).map_err(|error| Error::Protocol(error.to_string()))?;
    let tree = json::decode_untyped(json, &mut json::Strict::new())
        .map_err(|error| Error::Protocol(error.to_string()))?;
    out.write_all(yaml::to_string(&tree).as_bytes())?;
    Ok(())
}

/// Prints a value as JSON of four columns' indentation, as kubectl does.
pub fn json(out: &mut dyn Write, value: &Value) -> Result<()> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    serde::Serialize::serialize(&sorted(value), &mut serializer)
        .map_err(|error| Error::Protocol(error.to_string()))?;
    bytes.push(b'\n');
    out.write_all(&bytes)?;
    Ok(())
}

/// The same value with every object's keys in order.
pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            Value::Object(
                entries
                    .into_iter()
                    .map(|(key, value)| (key.clone(), sorted(value)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}
