//! What a field, a list's element or a map's value can hold.

use crate::tree::{Ref, Value};
use crate::{Duration, IntOrString, MicroTime, Quantity, Time};

/// A type that a tree holds. The implementor is a marker (`str`, `i32`, `Container<'_>`); its `View` is what reading yields and
/// what writing takes.
pub trait Element {
    /// What reading yields.
    type View<'a>;
    /// Reads a node; none if it holds something else, or a time that is not set.
    fn view(node: Ref<'_>) -> Option<Self::View<'_>>;
    /// Hands over what is to be written.
    fn write<R>(value: Self::View<'_>, put: impl FnOnce(Write<'_>) -> R) -> R;
}

/// An element with a value that stands for absence.
pub trait Zero: Element {
    /// What an absent value reads as.
    fn zero<'a>() -> Self::View<'a>;
}

/// What is to be written.
#[derive(Debug)]
pub enum Write<'a> {
    /// A leaf.
    Leaf(Value<'a>),
    /// A copy of all this.
    Copy(Ref<'a>),
    /// Nothing: the field becomes absent, the element or entry empty.
    Nothing,
}

impl<'a> Write<'a> {
    /// A copy of what is there.
    pub fn copy(node: Option<Ref<'a>>) -> Write<'a> {
        node.map_or(Write::Nothing, Write::Copy)
    }
}

macro_rules! leaf {
    ($element:ty, $read:ident, |$value:ident| $write:expr $(, zero $zero:expr)?) => {
        impl Element for $element {
            type View<'a> = $element;
            #[inline]
            fn view(node: Ref<'_>) -> Option<$element> {
                node.$read()
            }
            #[inline]
            fn write<R>($value: $element, put: impl FnOnce(Write<'_>) -> R) -> R {
                put(Write::Leaf($write))
            }
        }
        $(impl Zero for $element {
            #[inline]
            fn zero<'a>() -> Self::View<'a> {
                $zero
            }
        })?
    };
}

leaf!(bool, as_bool, |value| Value::Bool(value), zero false);
leaf!(i64, as_i64, |value| Value::Int(value), zero 0);
leaf!(f64, as_f64, |value| Value::Float(value), zero 0.0);
leaf!(Time, as_time, |value| Value::Time(value.seconds()));
leaf!(MicroTime, as_micro_time, |value| Value::MicroTime(
    value.micros()
));
leaf!(Duration, as_duration, |value| Value::Duration(value.nanos()), zero Duration::from_nanos(0));
leaf!(Quantity, as_quantity, |value| Value::Str(&value.to_string()), zero Quantity::default());
leaf!(IntOrString, as_int_or_string, |value| match &value {
    IntOrString::Int(number) => Value::Int(i64::from(*number)),
    IntOrString::String(text) => Value::Str(text),
}, zero IntOrString::Int(0));

impl Element for i32 {
    type View<'a> = i32;
    #[inline]
    fn view(node: Ref<'_>) -> Option<i32> {
        // The decoders refuse what does not fit.
        node.as_i64().map(|value| value as i32)
    }
    #[inline]
    fn write<R>(value: i32, put: impl FnOnce(Write<'_>) -> R) -> R {
        put(Write::Leaf(Value::Int(i64::from(value))))
    }
}

impl Zero for i32 {
    #[inline]
    fn zero<'a>() -> Self::View<'a> {
        0
    }
}

impl Element for str {
    type View<'a> = &'a str;
    #[inline]
    fn view(node: Ref<'_>) -> Option<&str> {
        node.as_str()
    }
    #[inline]
    fn write<R>(value: &str, put: impl FnOnce(Write<'_>) -> R) -> R {
        put(Write::Leaf(Value::Str(value)))
    }
}

impl Zero for str {
    #[inline]
    fn zero<'a>() -> Self::View<'a> {
        ""
    }
}

impl Element for [u8] {
    type View<'a> = &'a [u8];
    #[inline]
    fn view(node: Ref<'_>) -> Option<&[u8]> {
        node.as_bytes()
    }
    #[inline]
    fn write<R>(value: &[u8], put: impl FnOnce(Write<'_>) -> R) -> R {
        put(Write::Leaf(Value::Bytes(value)))
    }
}

impl Zero for [u8] {
    #[inline]
    fn zero<'a>() -> Self::View<'a> {
        &[]
    }
}

/// JSON kept as it was sent (`runtime.RawExtension`, `metav1.FieldsV1`).
#[derive(Debug)]
pub enum Raw {}

impl Element for Raw {
    type View<'a> = &'a [u8];
    #[inline]
    fn view(node: Ref<'_>) -> Option<&[u8]> {
        node.as_bytes()
    }
    #[inline]
    fn write<R>(value: &[u8], put: impl FnOnce(Write<'_>) -> R) -> R {
        put(Write::Leaf(Value::Raw(value)))
    }
}

/// Any JSON value, as an untyped node.
#[derive(Debug)]
pub enum Json {}

impl Element for Json {
    type View<'a> = Ref<'a>;
    #[inline]
    fn view(node: Ref<'_>) -> Option<Ref<'_>> {
        Some(node)
    }
    #[inline]
    fn write<R>(value: Ref<'_>, put: impl FnOnce(Write<'_>) -> R) -> R {
        put(Write::Copy(value))
    }
}
