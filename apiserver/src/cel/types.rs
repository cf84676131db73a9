//! The types that the checker knows of expressions.

use std::fmt;
use std::sync::Arc;

use super::functions::T;

/// A type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names are the language's own.
pub enum Type {
    /// Known when it is evaluated only.
    Dyn,
    /// Any, as an empty list's elements are.
    Free,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Timestamp,
    Duration,
    List(Arc<Type>),
    Map(Arc<(Type, Type)>),
    Optional(Arc<Type>),
    /// The type of types.
    Type,
    /// One that only its own functions know.
    Opaque(&'static str),
    /// An object with declared fields.
    Struct(Arc<str>),
}

/// What the parameters of an overload's type stand for.
pub type Bindings = [Option<Type>; 2];

impl Type {
    /// A list's type.
    pub fn list(element: Type) -> Type {
        Type::List(Arc::new(element))
    }

    /// A map's type.
    pub fn map(key: Type, value: Type) -> Type {
        Type::Map(Arc::new((key, value)))
    }

    /// Whether a value of this type may stand where one of `wanted` is asked for.
    pub fn fits(&self, wanted: &Type) -> bool {
        match (self, wanted) {
            (Type::Dyn | Type::Free, _) | (_, Type::Dyn | Type::Free) => true,
            (Type::Null, wanted) => wanted.may_be_null(),
            (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => a.fits(b),
            (Type::Map(a), Type::Map(b)) => a.0.fits(&b.0) && a.1.fits(&b.1),
            (a, b) => a == b,
        }
    }

    fn may_be_null(&self) -> bool {
        use Type::{Duration, Null, Opaque, Struct, Timestamp};
        matches!(self, Null | Duration | Timestamp | Opaque(_) | Struct(_))
    }

    /// The type of what may be of either type; none if nothing is.
    pub fn join(&self, other: &Type) -> Option<Type> {
        Some(match (self, other) {
            (Type::Free, other) | (other, Type::Free) => other.clone(),
            (Type::Dyn, _) | (_, Type::Dyn) => Type::Dyn,
            (Type::Null, other) | (other, Type::Null) if other.may_be_null() => other.clone(),
            (Type::List(a), Type::List(b)) => Type::list(a.join(b)?),
            (Type::Optional(a), Type::Optional(b)) => Type::Optional(Arc::new(a.join(b)?)),
            (Type::Map(a), Type::Map(b)) => Type::map(a.0.join(&b.0)?, a.1.join(&b.1)?),
            (a, b) if a == b => a.clone(),
            _ => return None,
        })
    }

    /// Whether both are one type, as far as both are known.
    pub fn equivalent(&self, other: &Type) -> bool {
        match (self, other) {
            (Type::Free, _) | (_, Type::Free) => true,
            (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => {
                a.equivalent(b)
            }
            (Type::Map(a), Type::Map(b)) => a.0.equivalent(&b.0) && a.1.equivalent(&b.1),
            (a, b) => a == b,
        }
    }

    /// Whether this may be what an overload asks for; binds the overload's type parameters.
    pub fn unify(&self, wanted: T, bound: &mut Bindings) -> bool {
        let of = |bound: &mut Bindings, at: usize| {
            let joined = match &bound[at] {
                Some(before) => before.join(self),
                None => Some(self.clone()),
            };
            let fits = joined.is_some();
            if fits {
                bound[at] = joined;
            }
            fits
        };
        match (self, wanted) {
            (_, T::A) => of(bound, 0),
            (_, T::B) => of(bound, 1),
            (Type::Dyn | Type::Free, _) => true,
            (Type::List(own), T::List(wanted)) => own.unify(*wanted, bound),
            (Type::Optional(own), T::Optional(wanted)) => own.unify(*wanted, bound),
            (Type::Map(own), T::Map(key, value)) => {
                own.0.unify(*key, bound) && own.1.unify(*value, bound)
            }
            (own, wanted) => own.fits(&Type::of(wanted, bound)),
        }
    }

    /// The type of an overload's parameter or result.
    pub fn of(declared: T, bound: &Bindings) -> Type {
        match declared {
            T::Dyn => Type::Dyn,
            T::Null => Type::Null,
            T::Bool => Type::Bool,
            T::Int => Type::Int,
            T::Uint => Type::Uint,
            T::Double => Type::Double,
            T::String => Type::String,
            T::Bytes => Type::Bytes,
            T::Timestamp => Type::Timestamp,
            T::Duration => Type::Duration,
            T::Type => Type::Type,
            T::Opaque(name) => Type::Opaque(name),
            T::List(element) => Type::list(Type::of(*element, bound)),
            T::Optional(held) => Type::Optional(Arc::new(Type::of(*held, bound))),
            T::Map(key, value) => Type::map(Type::of(*key, bound), Type::of(*value, bound)),
            T::A => bound[0].clone().unwrap_or(Type::Free),
            T::B => bound[1].clone().unwrap_or(Type::Free),
        }
    }

    /// As messages about overloads show it.
    pub fn show(&self) -> String {
        match self {
            Type::Null => "null".to_owned(),
            Type::Timestamp => "timestamp".to_owned(),
            Type::Duration => "duration".to_owned(),
            Type::List(element) => format!("list({})", element.show()),
            Type::Map(entry) => format!("map({}, {})", entry.0.show(), entry.1.show()),
            Type::Optional(held) => format!("optional_type({})", held.show()),
            other => other.to_string(),
        }
    }
}

/// As messages about results show it.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Dyn | Type::Free => f.write_str("dyn"),
            Type::Null => f.write_str("null_type"),
            Type::Bool => f.write_str("bool"),
            Type::Int => f.write_str("int"),
            Type::Uint => f.write_str("uint"),
            Type::Double => f.write_str("double"),
            Type::String => f.write_str("string"),
            Type::Bytes => f.write_str("bytes"),
            Type::Timestamp => f.write_str("google.protobuf.Timestamp"),
            Type::Duration => f.write_str("google.protobuf.Duration"),
            Type::List(element) => write!(f, "list({element})"),
            Type::Map(entry) => write!(f, "map({}, {})", entry.0, entry.1),
            Type::Optional(held) => write!(f, "optional_type({held})"),
            Type::Type => f.write_str("type"),
            Type::Opaque(name) => f.write_str(name),
            Type::Struct(name) => f.write_str(name),
        }
    }
}
