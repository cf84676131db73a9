//! Points in time and durations. Parts of a time are those of UTC.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{Function, T, global, member, text};
use crate::cel::budget::Budget;
use crate::cel::error::Error;
use crate::cel::value::Value;
use crate::cel::when;

use T::{Duration as D, Timestamp as W};

/// See the module.
pub const FUNCTIONS: &[&[Function]] = &[&[
    global("timestamp", &[T::String], W, timestamp),
    global("timestamp", &[T::Int], W, timestamp),
    global("timestamp", &[W], W, timestamp),
    global("duration", &[T::String], D, duration),
    global("duration", &[D], D, duration),
    global("_+_", &[W, D], W, |args, budget| shifted(args, budget, 1)),
    global("_+_", &[D, W], W, |args, budget| {
        shifted(&[args[1].clone(), args[0].clone()], budget, 1)
    }),
    global("_-_", &[W, D], W, |args, budget| shifted(args, budget, -1)),
    global("_-_", &[W, W], D, between),
    global("_+_", &[D, D], D, |args, budget| {
        sum(args, budget, i64::checked_add)
    }),
    global("_-_", &[D, D], D, |args, budget| {
        sum(args, budget, i64::checked_sub)
    }),
    member("getFullYear", &[W], T::Int, |args, budget| {
        part(args, budget, |at| i64::from(at.year()))
    }),
    member("getMonth", &[W], T::Int, |args, budget| {
        part(args, budget, |at| i64::from(at.month()) - 1)
    }),
    member("getDate", &[W], T::Int, |args, budget| {
        part(args, budget, |at| i64::from(at.day()))
    }),
    member("getDayOfMonth", &[W], T::Int, |args, budget| {
        part(args, budget, |at| i64::from(at.day()) - 1)
    }),
    member("getDayOfWeek", &[W], T::Int, |args, budget| {
        part(args, budget, |at| {
            i64::from(at.weekday().to_sunday_zero_offset())
        })
    }),
    member("getDayOfYear", &[W], T::Int, |args, budget| {
        part(args, budget, |at| i64::from(at.day_of_year()) - 1)
    }),
    member("getHours", &[W], T::Int, |args, budget| {
        part(args, budget, |at| i64::from(at.hour()))
    }),
    member("getMinutes", &[W], T::Int, |args, budget| {
        part(args, budget, |at| i64::from(at.minute()))
    }),
    member("getSeconds", &[W], T::Int, |args, budget| {
        part(args, budget, |at| i64::from(at.second()))
    }),
    member("getMilliseconds", &[W], T::Int, |args, budget| {
        part(args, budget, |at| i64::from(at.millisecond()))
    }),
    member("getHours", &[D], T::Int, |args, budget| {
        whole(args, budget, 3_600_000_000_000)
    }),
    member("getMinutes", &[D], T::Int, |args, budget| {
        whole(args, budget, 60_000_000_000)
    }),
    member("getSeconds", &[D], T::Int, |args, budget| {
        whole(args, budget, 1_000_000_000)
    }),
    member("getMilliseconds", &[D], T::Int, |args, budget| {
        whole(args, budget, 1_000_000)
    }),
]];

fn timestamp(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    budget.spend(1)?;
    let range = || Error::failed("timestamp overflow");
    let time = match &args[0] {
        Value::Timestamp(time) => *time,
        Value::Int(seconds) => Timestamp::from_second(*seconds).map_err(|_| range())?,
        _ => when::parse_timestamp(text(args, 0)?)?,
    };
    Ok(Value::Timestamp(time))
}

fn duration(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    budget.spend(1)?;
    match &args[0] {
        Value::Duration(nanos) => Ok(Value::Duration(*nanos)),
        _ => when::parse_duration(text(args, 0)?).map(Value::Duration),
    }
}

fn pair(args: &[Value]) -> Result<(Timestamp, i64), Error> {
    match args {
        [Value::Timestamp(time), Value::Duration(nanos)] => Ok((*time, *nanos)),
        _ => Err(Error::NoSuchOverload),
    }
}

fn shifted(args: &[Value], budget: &mut Budget, sign: i64) -> Result<Value, Error> {
    budget.spend(1)?;
    let (time, nanos) = pair(args)?;
    let nanos = time.as_nanosecond() + i128::from(nanos) * i128::from(sign);
    let time = Timestamp::from_nanosecond(nanos);
    let overflow = |_| Error::failed("timestamp overflow");
    time.map(Value::Timestamp).map_err(overflow)
}

fn between(args: &[Value], budget: &mut Budget) -> Result<Value, Error> {
    budget.spend(1)?;
    let [Value::Timestamp(a), Value::Timestamp(b)] = args else {
        return Err(Error::NoSuchOverload);
    };
    let nanos = i64::try_from(a.as_nanosecond() - b.as_nanosecond());
    nanos
        .map(Value::Duration)
        .map_err(|_| Error::failed("duration overflow"))
}

fn sum(
    args: &[Value],
    budget: &mut Budget,
    sum: fn(i64, i64) -> Option<i64>,
) -> Result<Value, Error> {
    budget.spend(1)?;
    let [Value::Duration(a), Value::Duration(b)] = args else {
        return Err(Error::NoSuchOverload);
    };
    let overflow = || Error::failed("duration overflow");
    sum(*a, *b).map(Value::Duration).ok_or_else(overflow)
}

fn part(args: &[Value], budget: &mut Budget, of: fn(DateTime) -> i64) -> Result<Value, Error> {
    budget.spend(1)?;
    match args {
        [Value::Timestamp(time)] => Ok(Value::Int(of(TimeZone::UTC.to_datetime(*time)))),
        _ => Err(Error::NoSuchOverload),
    }
}

fn whole(args: &[Value], budget: &mut Budget, unit: i64) -> Result<Value, Error> {
    budget.spend(1)?;
    match args {
        [Value::Duration(nanos)] => Ok(Value::Int(nanos / unit)),
        _ => Err(Error::NoSuchOverload),
    }
}
