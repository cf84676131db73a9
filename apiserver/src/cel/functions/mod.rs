//! The functions and operators, one file for each area: what they are called with, and what they do.
//!
//! Upstream's environment has more; what is missing is known by name, so that who uses it is told so.

mod conversion;
mod lists;
mod operators;
mod optional;
mod quantity;
mod regex;
mod sets;
mod strings;
mod time;

use std::collections::HashMap;
use std::sync::LazyLock;

pub use lists::sort_by_key;

use super::budget::Budget;
use super::error::Error;
use super::value::Value;

/// The type of a parameter or a result.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // As in Type; A and B are parameters.
pub enum T {
    Dyn,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Timestamp,
    Duration,
    Type,
    List(&'static T),
    Map(&'static T, &'static T),
    Optional(&'static T),
    Opaque(&'static str),
    A,
    B,
}

/// What an overload does with its arguments, whose types are right.
pub type Run = fn(&[Value], &mut Budget) -> Result<Value, Error>;

/// One overload of a function.
#[derive(Debug)]
pub struct Function {
    /// The name; an operator's is like `_+_`.
    pub name: &'static str,
    /// Whether it is called on its first argument.
    pub member: bool,
    /// The types of its arguments.
    pub params: &'static [T],
    /// The type of its result.
    pub result: T,
    /// What it does.
    pub run: Run,
}

const fn global(name: &'static str, params: &'static [T], result: T, run: Run) -> Function {
    Function {
        name,
        member: false,
        params,
        result,
        run,
    }
}

const fn member(name: &'static str, params: &'static [T], result: T, run: Run) -> Function {
    Function {
        name,
        member: true,
        params,
        result,
        run,
    }
}

/// What upstream has and we do not.
const LACKING: &[&str] = &[
    "authorizer",
    "url",
    "isURL",
    "ip",
    "isIP",
    "ip.isCanonical",
    "cidr",
    "isCIDR",
    "semver",
    "isSemver",
    "format",
    "format.named",
    "format.dns1123Label",
    "format.dns1123Subdomain",
    "format.dns1035Label",
    "format.qualifiedName",
    "format.dns1123LabelPrefix",
    "format.dns1123SubdomainPrefix",
    "format.dns1035LabelPrefix",
    "format.labelValue",
    "format.uri",
    "format.uuid",
    "format.byte",
    "format.date",
    "format.datetime",
    "strings.quote",
];

static BY_NAME: LazyLock<HashMap<&'static str, Vec<&'static Function>>> = LazyLock::new(|| {
    let tables = [
        operators::FUNCTIONS,
        conversion::FUNCTIONS,
        strings::FUNCTIONS,
        lists::FUNCTIONS,
        sets::FUNCTIONS,
        regex::FUNCTIONS,
        optional::FUNCTIONS,
        quantity::FUNCTIONS,
        time::FUNCTIONS,
    ];
    let mut by_name: HashMap<&'static str, Vec<&'static Function>> = HashMap::new();
    for function in tables.into_iter().flatten().copied().flatten() {
        by_name.entry(function.name).or_default().push(function);
    }
    by_name
});

/// The overloads of a function.
pub fn named(name: &str) -> &'static [&'static Function] {
    BY_NAME.get(name).map_or(&[], Vec::as_slice)
}

/// Whether upstream has something of that name that is missing here.
pub fn is_lacking(name: &str) -> bool {
    LACKING.contains(&name) && named(name).is_empty()
}

impl T {
    /// Whether a value is of the type, as far as an overload is chosen by it.
    pub fn admits(self, value: &Value) -> bool {
        match (self, value) {
            (T::Dyn | T::A | T::B, _)
            | (T::Null, Value::Null)
            | (T::Bool, Value::Bool(_))
            | (T::Int, Value::Int(_))
            | (T::Uint, Value::Uint(_))
            | (T::Double, Value::Double(_))
            | (T::String, Value::String(_))
            | (T::Bytes, Value::Bytes(_))
            | (T::Timestamp, Value::Timestamp(_))
            | (T::Duration, Value::Duration(_))
            | (T::Type, Value::Type(_))
            | (T::List(_), Value::List(_))
            | (T::Map(..), Value::Map(_))
            | (T::Optional(_), Value::Optional(_)) => true,
            (T::Opaque(name), value) => value.type_name() == name,
            _ => false,
        }
    }
}

/// Calls a function by the overload that fits the arguments.
pub fn call(
    name: &str,
    overloads: &[&'static Function],
    args: &[Value],
    budget: &mut Budget,
) -> Result<Value, Error> {
    let fits = |function: &&&'static Function| {
        let mut pairs = function.params.iter().zip(args);
        pairs.all(|(wanted, value)| wanted.admits(value))
    };
    match overloads.iter().find(fits) {
        Some(function) => (function.run)(args, budget),
        None => Err(no_overload(name, args)),
    }
}

/// What upstream says, which binds an operator once: to what its first operand is able to do, whatever the other one is.
fn no_overload(name: &str, args: &[Value]) -> Error {
    let is_able = |first: &Value| match (name, first) {
        // Bound to whatever comes; they refuse it themselves.
        ("!_", _) | ("-_", Value::Bool(_)) => true,
        _ => named(name)
            .iter()
            .any(|overload| overload.params.first().is_some_and(|of| of.admits(first))),
    };
    let is_operator = !name.starts_with(|c: char| c.is_ascii_alphabetic());
    if is_operator && args.first().is_some_and(is_able) {
        Error::NoSuchOverload
    } else if is_operator || matches!(name, "size" | "matches") {
        Error::NoOverloadOf(name.to_owned())
    } else {
        let types: Vec<&str> = args.iter().map(Value::type_name).collect();
        Error::NoOverloadFor {
            function: name.to_owned(),
            types: types.join(", "),
        }
    }
}

/// The text of an argument.
fn text(args: &[Value], at: usize) -> Result<&str, Error> {
    match args.get(at) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(Error::NoSuchOverload),
    }
}

/// The number of an argument.
fn int(args: &[Value], at: usize) -> Result<i64, Error> {
    match args.get(at) {
        Some(Value::Int(value)) => Ok(*value),
        _ => Err(Error::NoSuchOverload),
    }
}

/// The elements of an argument.
fn items(args: &[Value], at: usize) -> Result<&[Value], Error> {
    match args.get(at) {
        Some(Value::List(list)) => Ok(list),
        _ => Err(Error::NoSuchOverload),
    }
}
