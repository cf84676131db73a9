//! Semantic equality.

use std::cmp::Ordering;

use super::{Kind, Ref};
use crate::schema::Field;

impl<'a> Ref<'a> {
    /// Whether upstream's `Semantic.DeepEqual` would hold: absent and empty lists and maps are equal, so are quantities of equal
    /// amount; by-value fields are equal to their zero value when absent; behind pointers presence matters.
    pub fn same(self, other: Ref<'_>) -> bool {
        match (self.kind(), other.kind()) {
            (Kind::Message, Kind::Message) => {
                self.node.ty() == other.node.ty() && same_message(self, other)
            }
            (Kind::List, Kind::List) => {
                self.len() == other.len() && self.items().zip(other.items()).all(|(a, b)| a.same(b))
            }
            (Kind::Map, Kind::Map) => {
                self.len() == other.len()
                    && self
                        .entries()
                        .zip(other.entries())
                        .all(|((k, a), (l, b))| k == l && a.same(b))
            }
            (Kind::Quantity, Kind::Quantity) => {
                self.as_str() == other.as_str()
                    || self
                        .as_quantity()
                        .is_some_and(|q| Some(q) == other.as_quantity())
            }
            (Kind::Float, Kind::Float) => self.as_f64() == other.as_f64(),
            (Kind::Null, Kind::Null) => true,
            (Kind::Null, Kind::Bytes) => other.node.len == 0,
            (Kind::Bytes, Kind::Null) => self.node.len == 0,
            (a, b) if a != b => false,
            (Kind::Str, _) => self.as_str() == other.as_str(),
            (Kind::Bytes | Kind::Raw, _) => self.as_bytes() == other.as_bytes(),
            _ => self.node.value == other.node.value,
        }
    }
}

fn same_message(left: Ref<'_>, right: Ref<'_>) -> bool {
    let Some(ty) = left.ty() else { return false };
    let (mut a, mut b) = (left.fields().peekable(), right.fields().peekable());
    loop {
        let order = match (a.peek(), b.peek()) {
            (None, None) => return true,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((x, _)), Some((y, _))) => x.cmp(y),
        };
        let equal = match order {
            Ordering::Equal => a
                .next()
                .zip(b.next())
                .is_some_and(|((_, x), (_, y))| x.same(y)),
            Ordering::Less => a
                .next()
                .is_some_and(|(id, value)| like_absent(ty.field_at(id), value)),
            Ordering::Greater => b
                .next()
                .is_some_and(|(id, value)| like_absent(ty.field_at(id), value)),
        };
        if !equal {
            return false;
        }
    }
}

/// Whether a present field means the same as none.
pub(crate) fn like_absent(field: &Field, value: Ref<'_>) -> bool {
    use crate::schema::{Scalar, Shape};
    if field.pointer {
        return false;
    }
    match field.shape {
        Shape::Scalar(Scalar::IntOrString) => value.kind() == Kind::Int && value.is_zero(),
        _ => value.is_zero(),
    }
}
