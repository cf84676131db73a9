//! Optionals.

use super::{Function, T, global, items, member};
use crate::cel::budget::Budget;
use crate::cel::error::Error;
use crate::cel::value::Value;

const OF_A: T = T::Optional(&T::A);

/// See the module.
pub const FUNCTIONS: &[&[Function]] = &[&[
    global("optional.of", &[T::A], OF_A, |args, budget| {
        budget.spend(1)?;
        Value::some(args[0].clone())
    }),
    global("optional.none", &[], OF_A, |_, budget| {
        budget.spend(1)?;
        Ok(Value::Optional(None))
    }),
    global("optional.ofNonZeroValue", &[T::A], OF_A, |args, budget| {
        budget.spend(1)?;
        match args[0].is_zero() {
            true => Ok(Value::Optional(None)),
            false => Value::some(args[0].clone()),
        }
    }),
    member("hasValue", &[OF_A], T::Bool, |args, budget| {
        budget.spend(1)?;
        Ok(Value::Bool(args[0].held().is_some()))
    }),
    member("value", &[OF_A], T::A, value),
    member("or", &[OF_A, OF_A], OF_A, |args, budget| {
        budget.spend(1)?;
        let own = args[0].held().is_some();
        Ok(args[usize::from(!own)].clone())
    }),
    member("orValue", &[OF_A, T::A], T::A, |args, budget| {
        budget.spend(1)?;
        Ok(args[0].held().unwrap_or(&args[1]).clone())
    }),
    member("first", &[T::List(&T::A)], OF_A, |args, budget| {
        budget.spend(1)?;
        Value::optional(items(args, 0)?.first().cloned())
    }),
    member("last", &[T::List(&T::A)], OF_A, |args, budget| {
        budget.spend(1)?;
        Value::optional(items(args, 0)?.last().cloned())
    }),
    global(
        "optional.unwrap",
        &[T::List(&OF_A)],
        T::List(&T::A),
        unwrapped,
    ),
    member("unwrapOpt", &[T::List(&OF_A)], T::List(&T::A), unwrapped),
]];

fn value(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    budget.spend(1)?;
    let none = || Error::failed("optional.none() dereference");
    args[0].held().cloned().ok_or_else(none)
}

/// What those have that have something.
fn unwrapped(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    let mut held = Vec::new();
    for item in items(args, 0)? {
        budget.spend(1)?;
        match item {
            Value::Optional(_) => held.extend(item.held().cloned()),
            other => return Err(Error::failed(format!("value {other} is not optional"))),
        }
    }
    Value::list(held)
}
