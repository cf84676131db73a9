//! Regular expressions. They are matched in time linear to the text, as upstream's are.

use regex::Regex;

use super::{Function, T, global, int, member, text};
use crate::cel::budget::Budget;
use crate::cel::error::Error;
use crate::cel::value::Value;

/// See the module.
pub const FUNCTIONS: &[&[Function]] = &[&[
    member("matches", &[T::String, T::String], T::Bool, matches),
    global("matches", &[T::String, T::String], T::Bool, matches),
    member("find", &[T::String, T::String], T::String, find),
    member(
        "findAll",
        &[T::String, T::String],
        T::List(&T::String),
        find_all,
    ),
    member(
        "findAll",
        &[T::String, T::String, T::Int],
        T::List(&T::String),
        find_all,
    ),
]];

/// The expression of the second argument, paid for the match with the first.
fn compiled<'a>(args: &[Value], budget: &'a mut Budget) -> Result<&'a Regex, Error> {
    budget.regex(text(args, 1)?, text(args, 0)?.len())
}

fn matches(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    let regex = compiled(args, budget)?;
    Ok(Value::Bool(regex.is_match(text(args, 0)?)))
}

fn find(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    let regex = compiled(args, budget)?;
    let found = regex.find(text(args, 0)?);
    Ok(Value::from(found.map_or("", |found| found.as_str())))
}

fn find_all(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    let regex = compiled(args, budget)?;
    let limit = match args.len() {
        2 => -1,
        _ => int(args, 2)?,
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let found = regex.find_iter(text(args, 0)?).take(limit);
    Value::list(found.map(|found| Value::from(found.as_str())).collect())
}
