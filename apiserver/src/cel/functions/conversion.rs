//! Conversions between types.

use super::{Function, T, global};
use crate::cel::budget::Budget;
use crate::cel::error::Error;
use crate::cel::value::Value;
use crate::cel::when;

/// See the module.
pub const FUNCTIONS: &[&[Function]] = &[&[
    global("int", &[T::Int], T::Int, int),
    global("int", &[T::Uint], T::Int, int),
    global("int", &[T::Double], T::Int, int),
    global("int", &[T::String], T::Int, int),
    global("int", &[T::Timestamp], T::Int, int),
    global("uint", &[T::Int], T::Uint, uint),
    global("uint", &[T::Uint], T::Uint, uint),
    global("uint", &[T::Double], T::Uint, uint),
    global("uint", &[T::String], T::Uint, uint),
    global("double", &[T::Int], T::Double, double),
    global("double", &[T::Uint], T::Double, double),
    global("double", &[T::Double], T::Double, double),
    global("double", &[T::String], T::Double, double),
    global("bool", &[T::Bool], T::Bool, bool),
    global("bool", &[T::String], T::Bool, bool),
    global("string", &[T::String], T::String, string),
    global("string", &[T::Bool], T::String, string),
    global("string", &[T::Int], T::String, string),
    global("string", &[T::Uint], T::String, string),
    global("string", &[T::Double], T::String, string),
    global("string", &[T::Bytes], T::String, string),
    global("string", &[T::Timestamp], T::String, string),
    global("string", &[T::Duration], T::String, string),
    global("bytes", &[T::Bytes], T::Bytes, bytes),
    global("bytes", &[T::String], T::Bytes, bytes),
    global("type", &[T::A], T::Type, type_of),
    global("dyn", &[T::A], T::Dyn, |args, budget| {
        budget.spend(1)?;
        Ok(args[0].clone())
    }),
]];

fn overflow(what: &str) -> Error {
    Error::failed(format!("{what} overflow"))
}

fn wrong(what: &str) -> Error {
    Error::failed(format!("type conversion error from 'string' to '{what}'"))
}

fn int(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    budget.spend(1)?;
    let value = match &args[0] {
        Value::Int(value) => *value,
        Value::Uint(value) => i64::try_from(*value).map_err(|_| overflow("integer"))?,
        // Beyond these the cast would not give the value back.
        Value::Double(value) if value.abs() < 9.2e18 => *value as i64,
        Value::Double(_) => return Err(overflow("integer")),
        Value::String(text) => text.parse().map_err(|_| wrong("int"))?,
        Value::Timestamp(time) => time.as_second(),
        _ => return Err(Error::NoSuchOverload),
    };
    Ok(Value::Int(value))
}

fn uint(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    budget.spend(1)?;
    let value = match &args[0] {
        Value::Uint(value) => *value,
        Value::Int(value) => u64::try_from(*value).map_err(|_| overflow("unsigned integer"))?,
        Value::Double(value) if (0.0..1.8e19).contains(value) => *value as u64,
        Value::Double(_) => return Err(overflow("unsigned integer")),
        Value::String(text) => text.parse().map_err(|_| wrong("uint"))?,
        _ => return Err(Error::NoSuchOverload),
    };
    Ok(Value::Uint(value))
}

fn double(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    budget.spend(1)?;
    let value = match &args[0] {
        Value::Double(value) => *value,
        Value::Int(value) => *value as f64,
        Value::Uint(value) => *value as f64,
        Value::String(text) => text.parse().map_err(|_| wrong("double"))?,
        _ => return Err(Error::NoSuchOverload),
    };
    Ok(Value::Double(value))
}

fn bool(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    budget.spend(1)?;
    match &args[0] {
        Value::Bool(value) => Ok(Value::Bool(*value)),
        Value::String(text) => match &**text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => Err(wrong("bool")),
        },
        _ => Err(Error::NoSuchOverload),
    }
}

fn string(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    budget.walk(args[0].size())?;
    Ok(match &args[0] {
        value @ Value::String(_) => value.clone(),
        Value::Bytes(bytes) => {
            let text = std::str::from_utf8(bytes);
            let wrong = || Error::failed("invalid UTF-8 in bytes, cannot convert to string");
            Value::from(text.map_err(|_| wrong())?)
        }
        Value::Timestamp(time) => Value::from(time.to_string()),
        Value::Duration(nanos) => Value::from(when::show_duration(*nanos)),
        other => Value::from(other.to_string()),
    })
}

fn bytes(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    budget.walk(args[0].size())?;
    match &args[0] {
        value @ Value::Bytes(_) => Ok(value.clone()),
        Value::String(text) => Ok(Value::Bytes(text.as_bytes().into())),
        _ => Err(Error::NoSuchOverload),
    }
}

fn type_of(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    budget.spend(1)?;
    Ok(Value::Type(args[0].type_name().into()))
}
