//! Text. Places in it are counted in characters.

use super::{Function, T, global, int, items, member, text};
use crate::cel::budget::Budget;
use crate::cel::error::Error;
use crate::cel::value::Value;

/// See the module.
pub const FUNCTIONS: &[&[Function]] = &[&[
    member(
        "contains",
        &[T::String, T::String],
        T::Bool,
        |args, budget| holds(args, budget, |text, part| text.contains(part)),
    ),
    member(
        "startsWith",
        &[T::String, T::String],
        T::Bool,
        |args, budget| holds(args, budget, |text, part| text.starts_with(part)),
    ),
    member(
        "endsWith",
        &[T::String, T::String],
        T::Bool,
        |args, budget| holds(args, budget, |text, part| text.ends_with(part)),
    ),
    member("charAt", &[T::String, T::Int], T::String, char_at),
    member("indexOf", &[T::String, T::String], T::Int, index_of),
    member("indexOf", &[T::String, T::String, T::Int], T::Int, index_of),
    member(
        "lastIndexOf",
        &[T::String, T::String],
        T::Int,
        last_index_of,
    ),
    member(
        "lastIndexOf",
        &[T::String, T::String, T::Int],
        T::Int,
        last_index_of,
    ),
    member("lowerAscii", &[T::String], T::String, |args, budget| {
        mapped(args, budget, str::to_ascii_lowercase)
    }),
    member("upperAscii", &[T::String], T::String, |args, budget| {
        mapped(args, budget, str::to_ascii_uppercase)
    }),
    member("trim", &[T::String], T::String, |args, budget| {
        mapped(args, budget, |text| text.trim().to_owned())
    }),
    member(
        "replace",
        &[T::String, T::String, T::String],
        T::String,
        replace,
    ),
    member(
        "replace",
        &[T::String, T::String, T::String, T::Int],
        T::String,
        replace,
    ),
    member("split", &[T::String, T::String], T::List(&T::String), split),
    member(
        "split",
        &[T::String, T::String, T::Int],
        T::List(&T::String),
        split,
    ),
    member("substring", &[T::String, T::Int], T::String, substring),
    member(
        "substring",
        &[T::String, T::Int, T::Int],
        T::String,
        substring,
    ),
    member("join", &[T::List(&T::String)], T::String, join),
    member("join", &[T::List(&T::String), T::String], T::String, join),
    global(
        "jsonpatch.escapeKey",
        &[T::String],
        T::String,
        |args, budget| {
            mapped(args, budget, |text| {
                text.replace('~', "~0").replace('/', "~1")
            })
        },
    ),
]];

fn holds(
    args: &[Value],
    budget: &mut Budget,
    test: fn(&str, &str) -> bool,
) -> Result<Value, Error> {
    let (text, part) = (text(args, 0)?, text(args, 1)?);
    budget.walk(text.len())?;
    Ok(Value::Bool(test(text, part)))
}

fn mapped(args: &[Value], budget: &mut Budget, map: fn(&str) -> String) -> Result<Value, Error> {
    let text = text(args, 0)?;
    budget.walk(text.len())?;
    Ok(Value::from(map(text)))
}

fn out_of_range(index: i64) -> Error {
    Error::failed(format!("index out of range: {index}"))
}

fn char_at(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    let (text, index) = (text(args, 0)?, int(args, 1)?);
    budget.walk(text.len())?;
    let at = usize::try_from(index).map_err(|_| out_of_range(index))?;
    match text.chars().nth(at) {
        Some(c) => Ok(Value::from(c.to_string())),
        None if at == text.chars().count() => Ok(Value::from("")),
        None => Err(out_of_range(index)),
    }
}

/// The byte at which the character of an index begins; the end is one, too.
fn offset(text: &str, index: i64) -> Result<usize, Error> {
    let at = usize::try_from(index).map_err(|_| out_of_range(index))?;
    let mut offsets = text.char_indices().map(|(at, _)| at);
    let end = std::iter::once(text.len());
    offsets
        .by_ref()
        .chain(end)
        .nth(at)
        .ok_or_else(|| out_of_range(index))
}

fn count(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

fn index_of(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    let (text, part) = (text(args, 0)?, text(args, 1)?);
    budget.walk(text.len())?;
    let start = match args.len() {
        2 => 0,
        _ => offset(text, int(args, 2)?)?,
    };
    let found = text[start..].find(part);
    Ok(Value::Int(
        found.map_or(-1, |at| count(&text[..start + at])),
    ))
}

fn last_index_of(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    let (text, part) = (text(args, 0)?, text(args, 1)?);
    budget.walk(text.len())?;
    let last = match args.len() {
        2 => text.len(),
        _ => offset(text, int(args, 2)?)?,
    };
    // Where the part begins at the last place that may be.
    let end = text.len().min(last.saturating_add(part.len()));
    let end = (end..=text.len()).find(|at| text.is_char_boundary(*at));
    let found = end.and_then(|end| text[..end].rfind(part));
    let found = found.filter(|at| *at <= last);
    Ok(Value::Int(found.map_or(-1, |at| count(&text[..at]))))
}

fn replace(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    let (own, from, to) = (text(args, 0)?, text(args, 1)?, text(args, 2)?);
    budget.walk(own.len())?;
    let limit = match args.len() {
        3 => -1,
        _ => int(args, 3)?,
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    // What comes out is paid for before it is made.
    let times = own.matches(from).count().min(limit);
    budget.walk(times.saturating_mul(to.len()))?;
    Ok(Value::from(own.replacen(from, to, limit)))
}

fn split(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    let (own, separator) = (text(args, 0)?, text(args, 1)?);
    budget.walk(own.len())?;
    let limit = match args.len() {
        2 => -1,
        _ => int(args, 2)?,
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let parts: Vec<Value> = match separator {
        _ if limit == 0 => Vec::new(),
        // Every character by itself; what is beyond the limit stays together.
        "" => {
            let whole = own.chars().count() <= limit;
            let alone = if whole { usize::MAX } else { limit - 1 };
            let mut chars = own.chars();
            let mut parts: Vec<Value> = chars
                .by_ref()
                .take(alone)
                .map(|c| Value::from(c.to_string()))
                .collect();
            if !whole {
                parts.push(Value::from(chars.as_str()));
            }
            parts
        }
        separator => own.splitn(limit, separator).map(Value::from).collect(),
    };
    Value::list(parts)
}

fn substring(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    let (own, start) = (text(args, 0)?, int(args, 1)?);
    budget.walk(own.len())?;
    let end = match args.len() {
        2 => None,
        _ => Some(int(args, 2)?),
    };
    if let Some(end) = end.filter(|end| start > *end) {
        let message = format!("invalid substring range. start: {start}, end: {end}");
        return Err(Error::failed(message));
    }
    let from = offset(own, start)?;
    let to = end.map_or(Ok(own.len()), |end| offset(own, end))?;
    Ok(Value::from(&own[from..to]))
}

fn join(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    let parts = items(args, 0)?;
    let separator = match args.len() {
        1 => "",
        _ => text(args, 1)?,
    };
    let mut joined = String::new();
    for (at, part) in parts.iter().enumerate() {
        let Value::String(part) = part else {
            return Err(Error::failed(format!("join: invalid input: {part}")));
        };
        let separator = if at == 0 { "" } else { separator };
        budget.walk(separator.len() + part.len())?;
        joined.push_str(separator);
        joined.push_str(part);
    }
    Ok(Value::from(joined))
}
