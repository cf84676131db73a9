//! What can be written at one place.

use crate::schema::{Scalar, Shape};

/// A leaf, or an empty container, to be written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// JSON's null (untyped values only).
    Null,
    /// true or false.
    Bool(bool),
    /// An integer; also for int-or-string.
    Int(i64),
    /// A float.
    Float(f64),
    /// Text; also for int-or-string, and for quantities in canonical form.
    Str(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Seconds since 1970.
    Time(i64),
    /// Microseconds since 1970.
    MicroTime(i64),
    /// Nanoseconds.
    Duration(i64),
    /// JSON, kept as it is (raw extension, fieldsV1).
    Raw(&'a [u8]),
    /// An empty list (untyped).
    List,
    /// An empty object (untyped).
    Map,
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Value<'a> {
        Value::Str(text)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<i32> for Value<'_> {
    fn from(value: i32) -> Self {
        Value::Int(i64::from(value))
    }
}

impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Value::Float(value)
    }
}

/// Whether a value is of a shape.
pub(super) fn fits(shape: &Shape, value: Value<'_>) -> bool {
    let Shape::Scalar(scalar) = shape else {
        return false;
    };
    match scalar {
        Scalar::String | Scalar::Quantity => matches!(value, Value::Str(_)),
        Scalar::Bool => matches!(value, Value::Bool(_)),
        Scalar::Int32 => matches!(value, Value::Int(value) if i32::try_from(value).is_ok()),
        Scalar::Int64 => matches!(value, Value::Int(_)),
        Scalar::IntOrString => {
            matches!(value, Value::Str(_))
                || matches!(value, Value::Int(value) if i32::try_from(value).is_ok())
        }
        Scalar::Double => matches!(value, Value::Float(_)),
        Scalar::Bytes => matches!(value, Value::Bytes(_) | Value::Null),
        Scalar::Time => matches!(value, Value::Time(_)),
        Scalar::MicroTime => matches!(value, Value::MicroTime(_)),
        Scalar::Duration => matches!(value, Value::Duration(_)),
        Scalar::RawExtension | Scalar::FieldsV1 => matches!(value, Value::Raw(_)),
        Scalar::Json => true,
    }
}
