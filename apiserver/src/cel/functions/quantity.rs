//! Quantities, as Kubernetes writes amounts: `100m`, `2Gi`.

use api::Quantity;
use api::quantity::Format;

use super::{Function, T, global, member, text};
use crate::cel::budget::Budget;
use crate::cel::error::Error;
use crate::cel::value::Value;

const Q: T = T::Opaque("kubernetes.Quantity");

/// See the module.
pub const FUNCTIONS: &[&[Function]] = &[&[
    global("quantity", &[T::String], Q, |args, budget| {
        budget.spend(1)?;
        let parsed = text(args, 0)?.parse::<Quantity>();
        parsed
            .map(Value::Quantity)
            .map_err(|error| Error::failed(error.to_string()))
    }),
    global("isQuantity", &[T::String], T::Bool, |args, budget| {
        budget.spend(1)?;
        Ok(Value::Bool(text(args, 0)?.parse::<Quantity>().is_ok()))
    }),
    global("sign", &[Q], T::Int, |args, budget| {
        Ok(Value::Int(i64::from(one(args, 0, budget)?.signum())))
    }),
    member("isGreaterThan", &[Q, Q], T::Bool, |args, budget| {
        Ok(Value::Bool(one(args, 0, budget)? > one(args, 1, budget)?))
    }),
    member("isLessThan", &[Q, Q], T::Bool, |args, budget| {
        Ok(Value::Bool(one(args, 0, budget)? < one(args, 1, budget)?))
    }),
    member("compareTo", &[Q, Q], T::Int, |args, budget| {
        let order = one(args, 0, budget)?.cmp(&one(args, 1, budget)?);
        Ok(Value::Int(order as i64))
    }),
    member("asApproximateFloat", &[Q], T::Double, |args, budget| {
        let own = one(args, 0, budget)?;
        // Whole ones by their value; others have few digits behind the point.
        let float = whole(own).map_or_else(|| own.scaled(-9) as f64 / 1e9, |value| value as f64);
        Ok(Value::Double(float))
    }),
    member("asInteger", &[Q], T::Int, |args, budget| {
        let cannot = || Error::failed("cannot convert value to integer");
        whole(one(args, 0, budget)?)
            .map(Value::Int)
            .ok_or_else(cannot)
    }),
    member("isInteger", &[Q], T::Bool, |args, budget| {
        Ok(Value::Bool(whole(one(args, 0, budget)?).is_some()))
    }),
    member("add", &[Q, Q], Q, |args, budget| {
        sum(args, budget, Quantity::checked_add)
    }),
    member("add", &[Q, T::Int], Q, |args, budget| {
        sum(args, budget, Quantity::checked_add)
    }),
    member("sub", &[Q, Q], Q, |args, budget| {
        sum(args, budget, Quantity::checked_sub)
    }),
    member("sub", &[Q, T::Int], Q, |args, budget| {
        sum(args, budget, Quantity::checked_sub)
    }),
]];

fn one(args: &[Value], at: usize, budget: &mut Budget) -> Result<Quantity, Error> {
    budget.spend(1)?;
    match &args[at] {
        Value::Quantity(quantity) => Ok(*quantity),
        Value::Int(value) => Ok(Quantity::from_units(*value, Format::DecimalSI)),
        _ => Err(Error::NoSuchOverload),
    }
}

/// The value of one that is a whole number of 64 bits.
fn whole(quantity: Quantity) -> Option<i64> {
    let value = quantity.value();
    let same = Quantity::from_units(value, Format::DecimalSI) == quantity;
    same.then_some(value)
}

fn sum(
    args: &[Value],
    budget: &mut Budget,
    sum: fn(Quantity, Quantity) -> Option<Quantity>,
) -> Result<Value, Error> {
    let sum = sum(one(args, 0, budget)?, one(args, 1, budget)?);
    let overflow = || Error::failed("quantity overflow");
    sum.map(Value::Quantity).ok_or_else(overflow)
}
