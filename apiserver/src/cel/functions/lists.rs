//! Lists.

use std::cmp::Ordering;

use super::{Function, T, global, int, items, member};
use crate::cel::budget::Budget;
use crate::cel::error::Error;
use crate::cel::value::Value;

const OF_A: T = T::List(&T::A);
/// How many numbers `lists.range` makes at most.
const RANGE_MAX: i64 = 1_000_000;

/// See the module.
pub const FUNCTIONS: &[&[Function]] = &[&[
    member("isSorted", &[OF_A], T::Bool, is_sorted),
    member("sum", &[T::List(&T::Int)], T::Int, sum),
    member("sum", &[T::List(&T::Uint)], T::Uint, sum),
    member("sum", &[T::List(&T::Double)], T::Double, sum),
    member("sum", &[T::List(&T::Duration)], T::Duration, sum),
    member("min", &[OF_A], T::A, |args, budget| {
        extreme(args, budget, "min", Ordering::Less)
    }),
    member("max", &[OF_A], T::A, |args, budget| {
        extreme(args, budget, "max", Ordering::Greater)
    }),
    member("indexOf", &[OF_A, T::A], T::Int, |args, budget| {
        let items = items(args, 0)?;
        place(&args[1], items.iter().enumerate(), budget)
    }),
    member("lastIndexOf", &[OF_A, T::A], T::Int, |args, budget| {
        let items = items(args, 0)?;
        place(&args[1], items.iter().enumerate().rev(), budget)
    }),
    member("slice", &[OF_A, T::Int, T::Int], OF_A, slice),
    member("flatten", &[T::List(&OF_A)], OF_A, flatten),
    member(
        "flatten",
        &[T::List(&T::Dyn), T::Int],
        T::List(&T::Dyn),
        flatten,
    ),
    member("sort", &[OF_A], OF_A, sort),
    member("distinct", &[OF_A], OF_A, distinct),
    member("reverse", &[OF_A], OF_A, |args, budget| {
        let items = items(args, 0)?;
        budget.walk(items.len())?;
        Value::list(items.iter().rev().cloned().collect())
    }),
    global("lists.range", &[T::Int], T::List(&T::Int), range),
]];

/// How two elements compare; all of a list have to be of one type.
fn compare(a: &Value, b: &Value, budget: &mut Budget) -> Result<Ordering, Error> {
    budget.walk(a.size().min(b.size()))?;
    a.compare(b).ok_or(Error::NoSuchOverload)
}

fn is_sorted(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    for pair in items(args, 0)?.windows(2) {
        if compare(&pair[0], &pair[1], budget)?.is_gt() {
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(true))
}

fn sum(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    let items = items(args, 0)?;
    budget.spend(items.len() as u64)?;
    let mut sum = items.first().cloned().unwrap_or(Value::Int(0));
    for item in items.iter().skip(1) {
        sum = match (&sum, item) {
            (Value::Int(a), Value::Int(b)) => {
                let sum = a.checked_add(*b);
                Value::Int(sum.ok_or_else(|| Error::failed("integer overflow"))?)
            }
            (Value::Uint(a), Value::Uint(b)) => {
                let sum = a.checked_add(*b);
                Value::Uint(sum.ok_or_else(|| Error::failed("unsigned integer overflow"))?)
            }
            (Value::Double(a), Value::Double(b)) => Value::Double(a + b),
            (Value::Duration(a), Value::Duration(b)) => {
                let sum = a.checked_add(*b);
                Value::Duration(sum.ok_or_else(|| Error::failed("duration overflow"))?)
            }
            _ => return Err(Error::NoSuchOverload),
        };
    }
    match sum {
        Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::Duration(_) => Ok(sum),
        _ => Err(Error::NoSuchOverload),
    }
}

fn extreme(
    args: &[Value],
    budget: &mut Budget,
    name: &str,
    wanted: Ordering,
) -> Result<Value, Error> {
    let mut items = items(args, 0)?.iter();
    let empty = || Error::failed(format!("{name} called on empty list"));
    let mut best = items.next().ok_or_else(empty)?;
    for item in items {
        if compare(item, best, budget)? == wanted {
            best = item;
        }
    }
    Ok(best.clone())
}

fn place<'a>(
    wanted: &Value,
    items: impl Iterator<Item = (usize, &'a Value)>,
    budget: &mut Budget,
) -> Result<Value, Error> {
    for (at, item) in items {
        let mut work = 0;
        let found = item.equal(wanted, &mut work);
        budget.walk(work)?;
        if found {
            return Ok(Value::Int(i64::try_from(at).unwrap_or(i64::MAX)));
        }
    }
    Ok(Value::Int(-1))
}

fn slice(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    let (items, start, end) = (items(args, 0)?, int(args, 1)?, int(args, 2)?);
    let wrong = |why: String| Error::failed(format!("cannot slice({start}, {end}), {why}"));
    let (Ok(from), Ok(to)) = (usize::try_from(start), usize::try_from(end)) else {
        return Err(wrong("negative indexes not supported".to_owned()));
    };
    if from > to {
        let why = "start index must be less than or equal to end index";
        return Err(wrong(why.to_owned()));
    }
    let part = items.get(from..to);
    let part = part.ok_or_else(|| wrong(format!("list is length {}", items.len())))?;
    budget.walk(part.len())?;
    Value::list(part.to_vec())
}

fn flatten(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    let levels = match args.len() {
        1 => 1,
        _ => int(args, 1)?,
    };
    if levels < 0 {
        return Err(Error::failed("level must be non-negative"));
    }
    let mut flat = Vec::new();
    flatten_into(items(args, 0)?, levels, &mut flat, budget)?;
    Value::list(flat)
}

/// Values nest a few hundred levels at most.
fn flatten_into(
    items: &[Value],
    levels: i64,
    flat: &mut Vec<Value>,
    budget: &mut Budget,
) -> Result<(), Error> {
    budget.spend(items.len() as u64)?;
    for item in items {
        match item {
            Value::List(inner) if levels > 0 => flatten_into(inner, levels - 1, flat, budget)?,
            other => flat.push(other.clone()),
        }
    }
    Ok(())
}

fn sort(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    let items = items(args, 0)?;
    let keyed = items.iter().map(|item| (item.clone(), item.clone()));
    sort_by_key(keyed.collect(), budget)
}

/// The values in the order of their keys.
///
/// # Errors
/// If keys do not compare, or there are too many.
pub fn sort_by_key(mut keyed: Vec<(Value, Value)>, budget: &mut Budget) -> Result<Value, Error> {
    let mut work = keyed.len();
    for (key, _) in &keyed {
        // What compares with one of them compares with all: then there is one order of all, which sorting relies upon.
        if key.compare(&keyed[0].0).is_none() {
            return Err(Error::failed("list elements must have the same type"));
        }
        work = work.saturating_add(key.size());
    }
    let rounds = keyed.len().checked_ilog2().unwrap_or_default() as usize + 1;
    budget.walk(work.saturating_mul(rounds))?;
    keyed.sort_by(|(a, _), (b, _)| a.compare(b).unwrap_or(Ordering::Equal));
    Value::list(keyed.into_iter().map(|(_, value)| value).collect())
}

fn distinct(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    let mut kept: Vec<Value> = Vec::new();
    for item in items(args, 0)? {
        let mut work = 0;
        let known = kept.iter().any(|other| other.equal(item, &mut work));
        budget.spend(work as u64 + 1)?;
        if !known {
            kept.push(item.clone());
        }
    }
    Value::list(kept)
}

fn range(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    let size = int(args, 0)?;
    if size < 0 {
        let message = format!("lists.range: size must be non-negative, got {size}");
        return Err(Error::failed(message));
    }
    if size > RANGE_MAX {
        let message = format!("lists.range: size {size} exceeds maximum allowed ({RANGE_MAX})");
        return Err(Error::failed(message));
    }
    budget.spend(size.unsigned_abs())?;
    Value::list((0..size).map(Value::Int).collect())
}
