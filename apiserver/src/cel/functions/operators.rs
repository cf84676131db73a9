//! Operators, and what is asked of any value: arithmetic, comparisons, `in`, `size`.

use std::cmp::Ordering;

use super::{Function, T, global, member};
use crate::cel::budget::Budget;
use crate::cel::error::Error;
use crate::cel::value::{Key, Value};

/// The overloads of a comparison: of all numbers with one another, and of what has an order with its like.
macro_rules! comparison {
    ($name:literal, $run:expr) => {
        [
            global($name, &[T::Int, T::Int], T::Bool, $run),
            global($name, &[T::Int, T::Uint], T::Bool, $run),
            global($name, &[T::Int, T::Double], T::Bool, $run),
            global($name, &[T::Uint, T::Int], T::Bool, $run),
            global($name, &[T::Uint, T::Uint], T::Bool, $run),
            global($name, &[T::Uint, T::Double], T::Bool, $run),
            global($name, &[T::Double, T::Int], T::Bool, $run),
            global($name, &[T::Double, T::Uint], T::Bool, $run),
            global($name, &[T::Double, T::Double], T::Bool, $run),
            global($name, &[T::Bool, T::Bool], T::Bool, $run),
            global($name, &[T::String, T::String], T::Bool, $run),
            global($name, &[T::Bytes, T::Bytes], T::Bool, $run),
            global($name, &[T::Timestamp, T::Timestamp], T::Bool, $run),
            global($name, &[T::Duration, T::Duration], T::Bool, $run),
        ]
    };
}

const LESS: [Function; 14] = comparison!("_<_", |a, b| compare(a, b, Ordering::is_lt));
const LESS_EQUAL: [Function; 14] = comparison!("_<=_", |a, b| compare(a, b, Ordering::is_le));
const GREATER: [Function; 14] = comparison!("_>_", |a, b| compare(a, b, Ordering::is_gt));
const GREATER_EQUAL: [Function; 14] = comparison!("_>=_", |a, b| compare(a, b, Ordering::is_ge));

/// See the module.
pub const FUNCTIONS: &[&[Function]] = &[
    &LESS,
    &LESS_EQUAL,
    &GREATER,
    &GREATER_EQUAL,
    &[
        global("_==_", &[T::A, T::A], T::Bool, |a, b| {
            equal(a, b).map(Value::Bool)
        }),
        global("_!=_", &[T::A, T::A], T::Bool, |a, b| {
            equal(a, b).map(|same| Value::Bool(!same))
        }),
        global("@in", &[T::A, T::List(&T::A)], T::Bool, in_list),
        global("@in", &[T::A, T::Map(&T::A, &T::B)], T::Bool, in_map),
        global("!_", &[T::Bool], T::Bool, not),
        global("-_", &[T::Int], T::Int, negate),
        global("-_", &[T::Double], T::Double, negate),
        global("_+_", &[T::Int, T::Int], T::Int, add),
        global("_+_", &[T::Uint, T::Uint], T::Uint, add),
        global("_+_", &[T::Double, T::Double], T::Double, add),
        global("_+_", &[T::String, T::String], T::String, concat),
        global("_+_", &[T::Bytes, T::Bytes], T::Bytes, concat),
        global(
            "_+_",
            &[T::List(&T::A), T::List(&T::A)],
            T::List(&T::A),
            concat,
        ),
        global("_-_", &[T::Int, T::Int], T::Int, subtract),
        global("_-_", &[T::Uint, T::Uint], T::Uint, subtract),
        global("_-_", &[T::Double, T::Double], T::Double, subtract),
        global("_*_", &[T::Int, T::Int], T::Int, multiply),
        global("_*_", &[T::Uint, T::Uint], T::Uint, multiply),
        global("_*_", &[T::Double, T::Double], T::Double, multiply),
        global("_/_", &[T::Int, T::Int], T::Int, divide),
        global("_/_", &[T::Uint, T::Uint], T::Uint, divide),
        global("_/_", &[T::Double, T::Double], T::Double, divide),
        global("_%_", &[T::Int, T::Int], T::Int, modulo),
        global("_%_", &[T::Uint, T::Uint], T::Uint, modulo),
        global("size", &[T::String], T::Int, size),
        global("size", &[T::Bytes], T::Int, size),
        global("size", &[T::List(&T::A)], T::Int, size),
        global("size", &[T::Map(&T::A, &T::B)], T::Int, size),
        member("size", &[T::String], T::Int, size),
        member("size", &[T::Bytes], T::Int, size),
        member("size", &[T::List(&T::A)], T::Int, size),
        member("size", &[T::Map(&T::A, &T::B)], T::Int, size),
    ],
];

fn compare(
    args: &[Value],
    budget: &mut Budget,
    holds: fn(Ordering) -> bool,
) -> Result<Value, Error> {
    let (a, b) = (&args[0], &args[1]);
    let length = |value: &Value| match value {
        Value::String(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 1,
    };
    budget.walk(length(a).min(length(b)))?;
    // A number that is none is in no order with any other.
    Ok(Value::Bool(a.compare(b).is_some_and(holds)))
}

fn equal(args: &[Value], budget: &mut Budget) -> Result<bool, Error> {
    let mut work = 0;
    let same = args[0].equal(&args[1], &mut work);
    budget.walk(work)?;
    Ok(same)
}

fn in_list(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    let list = super::items(args, 1)?;
    let mut work = 0;
    let found = list.iter().any(|item| item.equal(&args[0], &mut work));
    budget.walk(work)?;
    budget.spend(list.len() as u64)?;
    Ok(Value::Bool(found))
}

fn in_map(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    budget.spend(1)?;
    let Value::Map(map) = &args[1] else {
        return Err(Error::NoSuchOverload);
    };
    let key = Key::of(&args[0]);
    Ok(Value::Bool(key.is_some_and(|key| map.contains_key(&key))))
}

fn not(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    budget.spend(1)?;
    match args {
        [Value::Bool(value)] => Ok(Value::Bool(!value)),
        _ => Err(Error::NoSuchOverload),
    }
}

fn negate(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    budget.spend(1)?;
    match args {
        [Value::Int(value)] => int(value.checked_neg()),
        [Value::Double(value)] => Ok(Value::Double(-value)),
        _ => Err(Error::NoSuchOverload),
    }
}

fn int(value: Option<i64>) -> Result<Value, Error> {
    let overflow = || Error::failed("integer overflow");
    value.map(Value::Int).ok_or_else(overflow)
}

fn uint(value: Option<u64>) -> Result<Value, Error> {
    let overflow = || Error::failed("unsigned integer overflow");
    value.map(Value::Uint).ok_or_else(overflow)
}

fn add(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    budget.spend(1)?;
    match args {
        [Value::Int(a), Value::Int(b)] => int(a.checked_add(*b)),
        [Value::Uint(a), Value::Uint(b)] => uint(a.checked_add(*b)),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a + b)),
        _ => Err(Error::NoSuchOverload),
    }
}

/// What is long is paid for before it is made.
fn concat(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    match args {
        [Value::String(a), Value::String(b)] => {
            budget.walk(a.len() + b.len())?;
            Ok(Value::String(format!("{a}{b}").into()))
        }
        [Value::Bytes(a), Value::Bytes(b)] => {
            budget.walk(a.len() + b.len())?;
            Ok(Value::Bytes([&**a, &**b].concat().into()))
        }
        [Value::List(a), Value::List(b)] => {
            budget.walk(a.len() + b.len())?;
            Value::list(a.iter().chain(b.iter()).cloned().collect())
        }
        _ => Err(Error::NoSuchOverload),
    }
}

fn subtract(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    budget.spend(1)?;
    match args {
        [Value::Int(a), Value::Int(b)] => int(a.checked_sub(*b)),
        [Value::Uint(a), Value::Uint(b)] => uint(a.checked_sub(*b)),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a - b)),
        _ => Err(Error::NoSuchOverload),
    }
}

fn multiply(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    budget.spend(1)?;
    match args {
        [Value::Int(a), Value::Int(b)] => int(a.checked_mul(*b)),
        [Value::Uint(a), Value::Uint(b)] => uint(a.checked_mul(*b)),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a * b)),
        _ => Err(Error::NoSuchOverload),
    }
}

fn divide(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    budget.spend(1)?;
    match args {
        [Value::Int(_), Value::Int(0)] | [Value::Uint(_), Value::Uint(0)] => {
            Err(Error::failed("division by zero"))
        }
        [Value::Int(a), Value::Int(b)] => int(a.checked_div(*b)),
        [Value::Uint(a), Value::Uint(b)] => uint(a.checked_div(*b)),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a / b)),
        _ => Err(Error::NoSuchOverload),
    }
}

fn modulo(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    budget.spend(1)?;
    match args {
        [Value::Int(_), Value::Int(0)] | [Value::Uint(_), Value::Uint(0)] => {
            Err(Error::failed("modulus by zero"))
        }
        [Value::Int(a), Value::Int(b)] => int(a.checked_rem(*b)),
        [Value::Uint(a), Value::Uint(b)] => uint(a.checked_rem(*b)),
        _ => Err(Error::NoSuchOverload),
    }
}

fn size(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    budget.spend(1)?;
    if let [Value::String(text)] = args {
        // Characters have to be counted.
        budget.walk(text.len())?;
    }
    let size = i64::try_from(args[0].size());
    int(size.ok())
}
