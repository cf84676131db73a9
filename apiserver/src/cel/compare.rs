//! Whether values are equal, and in which order they are.

use std::cmp::Ordering;

use super::budget::PER_EXPRESSION;
use super::value::Value;

/// Who looks at more than this can pay for none of it. (A value that has another twice takes no more room, and twice the time.)
const MAX_WORK: usize = PER_EXPRESSION as usize * 10;

impl Value {
    /// Whether both are equal; `work` is how much was looked at. Values of different types are not, but numbers are compared
    /// whatever their types.
    pub fn equal(&self, other: &Value, work: &mut usize) -> bool {
        *work += 1;
        if *work > MAX_WORK {
            return false;
        }
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::String(a), Value::String(b)) => {
                *work += a.len().min(b.len());
                a == b
            }
            (Value::Bytes(a), Value::Bytes(b)) => {
                *work += a.len().min(b.len());
                a == b
            }
            (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
            (Value::Duration(a), Value::Duration(b)) => a == b,
            (Value::Quantity(a), Value::Quantity(b)) => a == b,
            (Value::Type(a), Value::Type(b)) => a == b,
            (Value::List(a), Value::List(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.equal(b, work))
            }
            (Value::Map(a), Value::Map(b)) => {
                a.len() == b.len()
                    && a.iter().zip(b.iter()).all(|((ka, a), (kb, b))| {
                        *work += 1;
                        ka == kb && a.equal(b, work)
                    })
            }
            (Value::Struct(a), Value::Struct(b)) => {
                a.name == b.name
                    && a.fields().len() == b.fields().len()
                    && a.fields()
                        .iter()
                        .zip(b.fields())
                        .all(|((ka, a), (kb, b))| ka == kb && a.equal(b, work))
            }
            (Value::Optional(_), Value::Optional(_)) => match (self.held(), other.held()) {
                (Some(a), Some(b)) => a.equal(b, work),
                (a, b) => a.is_none() && b.is_none(),
            },
            _ => self.compare_numbers(other) == Some(Ordering::Equal),
        }
    }

    /// How two numbers of any types compare.
    pub fn compare_numbers(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
            (Value::Double(a), other) => compare_double(*a, other.integer()?),
            (own, Value::Double(b)) => compare_double(*b, own.integer()?).map(Ordering::reverse),
            (own, other) => Some(own.integer()?.cmp(&other.integer()?)),
        }
    }

    fn integer(&self) -> Option<i128> {
        match self {
            Value::Int(value) => Some(i128::from(*value)),
            Value::Uint(value) => Some(i128::from(*value)),
            _ => None,
        }
    }

    /// How two values compare that have an order.
    pub fn compare(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
            (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
            (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
            (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
            (Value::Quantity(a), Value::Quantity(b)) => Some(a.cmp(b)),
            _ => self.compare_numbers(other),
        }
    }
}

/// How a float compares with an integer that fits 65 bits.
fn compare_double(float: f64, integer: i128) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    // Beyond these an i128 cannot hold it; within, the cast drops the fraction alone.
    if float.abs() > 1e30 {
        return Some(if float > 0.0 {
            Ordering::Greater
        } else {
            Ordering::Less
        });
    }
    let whole = float.trunc() as i128;
    Some(
        whole
            .cmp(&integer)
            .then_with(|| float.fract().partial_cmp(&0.0).unwrap_or(Ordering::Equal)),
    )
}
