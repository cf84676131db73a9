//! Values. They are immutable, and copying one is cheap.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use api::Quantity;
use jiff::Timestamp;

use super::error::Error;

/// How deep lists, maps, objects and optionals nest at most; what walks a value may recurse.
const MAX_NESTING: u32 = 600;

/// A value.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // The names are the language's own.
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
    Timestamp(Timestamp),
    /// Nanoseconds.
    Duration(i64),
    List(Arc<List>),
    Map(Arc<Map>),
    Struct(Arc<Struct>),
    Optional(Option<Arc<Held>>),
    Quantity(Quantity),
    Type(Arc<str>),
}

/// A list's elements.
#[derive(Debug)]
pub struct List {
    items: Vec<Value>,
    nesting: u32,
}

/// A map's entries.
#[derive(Debug)]
pub struct Map {
    entries: BTreeMap<Key, Value>,
    nesting: u32,
}

/// An object that an expression made: a type's name, and fields.
#[derive(Debug)]
pub struct Struct {
    /// The name of its type: `Object.spec`.
    pub name: Arc<str>,
    fields: BTreeMap<Arc<str>, Value>,
    nesting: u32,
}

/// The value of an optional that has one.
#[derive(Debug)]
pub struct Held {
    value: Value,
    nesting: u32,
}

/// A map's key. Numbers of equal value are the same key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // The names are the language's own.
pub enum Key {
    Bool(bool),
    Int(i64),
    /// Beyond what an integer can hold.
    Uint(u64),
    String(Arc<str>),
}

impl std::ops::Deref for List {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.items
    }
}

impl std::ops::Deref for Map {
    type Target = BTreeMap<Key, Value>;

    fn deref(&self) -> &BTreeMap<Key, Value> {
        &self.entries
    }
}

impl Struct {
    /// Its fields, by name.
    pub fn fields(&self) -> &BTreeMap<Arc<str>, Value> {
        &self.fields
    }
}

impl Key {
    /// The key that a value is, if it can be one.
    pub fn of(value: &Value) -> Option<Key> {
        Some(match value {
            Value::Bool(key) => Key::Bool(*key),
            Value::Int(key) => Key::Int(*key),
            Value::Uint(key) => i64::try_from(*key).map_or(Key::Uint(*key), Key::Int),
            // Only whole numbers that both can hold are equal to one of the others.
            Value::Double(key) if key.fract() == 0.0 && key.abs() < 9e15 => Key::Int(*key as i64),
            Value::String(key) => Key::String(Arc::clone(key)),
            _ => return None,
        })
    }

    /// The key as a value.
    pub fn value(&self) -> Value {
        match self {
            Key::Bool(key) => Value::Bool(*key),
            Key::Int(key) => Value::Int(*key),
            Key::Uint(key) => Value::Uint(*key),
            Key::String(key) => Value::String(Arc::clone(key)),
        }
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Key {
        Key::String(text.into())
    }
}

fn deeper(below: impl Iterator<Item = u32>) -> Result<u32, Error> {
    match below.max().unwrap_or_default() + 1 {
        nesting if nesting > MAX_NESTING => Err(Error::TooDeep),
        nesting => Ok(nesting),
    }
}

impl Value {
    /// A list.
    ///
    /// # Errors
    /// If it would nest too deep.
    pub fn list(items: Vec<Value>) -> Result<Value, Error> {
        let nesting = deeper(items.iter().map(Value::nesting))?;
        Ok(Value::List(Arc::new(List { items, nesting })))
    }

    /// A map.
    ///
    /// # Errors
    /// If it would nest too deep.
    pub fn map(entries: BTreeMap<Key, Value>) -> Result<Value, Error> {
        let nesting = deeper(entries.values().map(Value::nesting))?;
        Ok(Value::Map(Arc::new(Map { entries, nesting })))
    }

    /// An object of a named type.
    ///
    /// # Errors
    /// If it would nest too deep.
    pub fn object(name: &Arc<str>, fields: BTreeMap<Arc<str>, Value>) -> Result<Value, Error> {
        let nesting = deeper(fields.values().map(Value::nesting))?;
        Ok(Value::Struct(Arc::new(Struct {
            name: Arc::clone(name),
            fields,
            nesting,
        })))
    }

    /// An optional that has a value.
    ///
    /// # Errors
    /// If it would nest too deep.
    pub fn some(value: Value) -> Result<Value, Error> {
        let nesting = deeper(std::iter::once(value.nesting()))?;
        Ok(Value::Optional(Some(Arc::new(Held { value, nesting }))))
    }

    /// An optional.
    ///
    /// # Errors
    /// If it would nest too deep.
    pub fn optional(value: Option<Value>) -> Result<Value, Error> {
        value.map_or(Ok(Value::Optional(None)), Value::some)
    }

    fn nesting(&self) -> u32 {
        match self {
            Value::List(list) => list.nesting,
            Value::Map(map) => map.nesting,
            Value::Struct(object) => object.nesting,
            Value::Optional(Some(held)) => held.nesting,
            _ => 0,
        }
    }

    /// The value of an optional, if it has one; of anything else, itself.
    pub fn held(&self) -> Option<&Value> {
        match self {
            Value::Optional(held) => held.as_ref().map(|held| &held.value),
            other => Some(other),
        }
    }

    /// The value of a map's entry, or of an object's field.
    pub fn get(&self, name: &Arc<str>) -> Option<Value> {
        match self {
            Value::Map(map) => map.get(&Key::String(Arc::clone(name))).cloned(),
            Value::Struct(object) => object.fields.get(name).cloned(),
            _ => None,
        }
    }

    /// The name of its type.
    pub fn type_name(&self) -> &str {
        match self {
            Value::Null => "null_type",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Uint(_) => "uint",
            Value::Double(_) => "double",
            Value::String(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::Timestamp(_) => "google.protobuf.Timestamp",
            Value::Duration(_) => "google.protobuf.Duration",
            Value::List(_) => "list",
            Value::Map(_) => "map",
            Value::Struct(object) => &object.name,
            Value::Optional(_) => "optional_type",
            Value::Quantity(_) => "kubernetes.Quantity",
            Value::Type(_) => "type",
        }
    }

    /// How many characters, bytes, elements or entries it has; 1 for anything else.
    pub fn size(&self) -> usize {
        match self {
            Value::String(text) => text.chars().count(),
            Value::Bytes(bytes) => bytes.len(),
            Value::List(list) => list.len(),
            Value::Map(map) => map.len(),
            Value::Optional(Some(held)) => held.value.size(),
            _ => 1,
        }
    }

    /// Whether it is what a variable of its type would be without having been set.
    pub fn is_zero(&self) -> bool {
        match self {
            Value::Null | Value::Optional(None) => true,
            Value::Bool(value) => !value,
            Value::Int(value) | Value::Duration(value) => *value == 0,
            Value::Uint(value) => *value == 0,
            Value::Double(value) => *value == 0.0,
            Value::String(text) => text.is_empty(),
            Value::Bytes(bytes) => bytes.is_empty(),
            Value::List(list) => list.is_empty(),
            Value::Map(map) => map.is_empty(),
            Value::Struct(object) => object.fields.is_empty(),
            _ => false,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::String(text.into())
    }
}

/// As messages show it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Uint(value) => write!(f, "{value}"),
            Value::Double(value) => write!(f, "{value}"),
            Value::String(text) => f.write_str(text),
            Value::Type(name) => f.write_str(name),
            other => f.write_str(other.type_name()),
        }
    }
}
