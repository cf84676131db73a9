//! Values from JSON and to JSON: objects of the API come and go by this way, so that they look in an expression as they do to a
//! client.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use super::error::Error;
use super::value::{Key, Value};
use super::when;

/// How many values one may have within, and bytes of text, that becomes JSON.
const MAX_SIZE: usize = 4 << 20;

/// A value that JSON has no form for.
#[derive(Debug, thiserror::Error)]
pub enum NoJson {
    /// Of this type, or with one of it within.
    #[error("unsupported type conversion from '{0}' to JSON")]
    Type(String),
    /// Larger than any object may be.
    #[error("the value is too large")]
    TooLarge,
}

/// A value out of JSON.
///
/// # Errors
/// If it nests too deep.
pub fn from_json(json: &Json) -> Result<Value, Error> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(value) => Value::Int(value),
            None => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => {
            let items: Result<Vec<Value>, Error> = items.iter().map(from_json).collect();
            Value::list(items?)?
        }
        Json::Object(entries) => {
            let entry =
                |(key, value): (&String, &Json)| Ok((Key::from(key.as_str()), from_json(value)?));
            let entries: Result<_, Error> = entries.iter().map(entry).collect();
            Value::map(entries?)?
        }
    })
}

/// A value as JSON.
///
/// # Errors
/// If it has no form in JSON, or a very long one.
pub fn to_json(value: &Value) -> Result<Json, NoJson> {
    let mut left = MAX_SIZE;
    json(value, &mut left)
}

fn json(value: &Value, left: &mut usize) -> Result<Json, NoJson> {
    let size = match value {
        Value::String(text) => text.len() + 1,
        Value::Bytes(bytes) => bytes.len() + 1,
        _ => 1,
    };
    *left = left.checked_sub(size).ok_or(NoJson::TooLarge)?;
    Ok(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Uint(value) => (*value).into(),
        Value::Double(value) => (*value).into(),
        Value::String(text) => (**text).into(),
        Value::Bytes(bytes) => STANDARD.encode(bytes).into(),
        Value::Timestamp(time) => time.to_string().into(),
        Value::Duration(nanos) => when::show_duration(*nanos).into(),
        Value::List(items) => {
            let items: Result<Vec<Json>, NoJson> =
                items.iter().map(|item| json(item, left)).collect();
            items?.into()
        }
        Value::Map(entries) => {
            let mut object = serde_json::Map::new();
            for (key, value) in entries.iter() {
                object.insert(key.value().to_string(), json(value, left)?);
            }
            object.into()
        }
        Value::Struct(made) => {
            let mut object = serde_json::Map::new();
            for (field, value) in made.fields() {
                object.insert(field.to_string(), json(value, left)?);
            }
            object.into()
        }
        other => return Err(NoJson::Type(other.type_name().to_owned())),
    })
}
