//! Lists taken as sets.

use super::{Function, T, global, items};
use crate::cel::budget::Budget;
use crate::cel::error::Error;
use crate::cel::value::Value;

const LISTS: &[T] = &[T::List(&T::A), T::List(&T::A)];

/// See the module.
pub const FUNCTIONS: &[&[Function]] = &[&[
    global("sets.contains", LISTS, T::Bool, |args, budget| {
        let (all, some) = (items(args, 0)?, items(args, 1)?);
        within(some, all, budget).map(Value::Bool)
    }),
    global("sets.equivalent", LISTS, T::Bool, |args, budget| {
        let (a, b) = (items(args, 0)?, items(args, 1)?);
        Ok(Value::Bool(within(a, b, budget)? && within(b, a, budget)?))
    }),
    global("sets.intersects", LISTS, T::Bool, |args, budget| {
        let (a, b) = (items(args, 0)?, items(args, 1)?);
        for item in a {
            if has(b, item, budget)? {
                return Ok(Value::Bool(true));
            }
        }
        Ok(Value::Bool(false))
    }),
]];

fn within(some: &[Value], all: &[Value], budget: &mut Budget) -> Result<bool, Error> {
    for item in some {
        if !has(all, item, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn has(all: &[Value], item: &Value, budget: &mut Budget) -> Result<bool, Error> {
    let mut work = 0;
    let found = all.iter().any(|other| other.equal(item, &mut work));
    budget.spend(work as u64 + 1)?;
    Ok(found)
}
