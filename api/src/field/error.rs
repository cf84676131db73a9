//! What is wrong with one field.

use std::fmt::{self, Display, Write as _};

use super::{ErrorKind, Path, quote};

/// The offending value, as a message shows it.
#[derive(Clone, Debug, PartialEq)]
pub enum BadValue {
    /// Nothing is shown.
    Omitted,
    /// Shown quoted.
    Str(String),
    /// Shown as it stands.
    Int(i64),
    /// Shown as it stands.
    Bool(bool),
    /// Shown as it stands: a list, a map or a message, already encoded as JSON.
    Json(String),
}

impl From<&str> for BadValue {
    fn from(value: &str) -> BadValue {
        BadValue::Str(value.to_owned())
    }
}
impl From<String> for BadValue {
    fn from(value: String) -> BadValue {
        BadValue::Str(value)
    }
}
impl From<i64> for BadValue {
    fn from(value: i64) -> BadValue {
        BadValue::Int(value)
    }
}
impl From<i32> for BadValue {
    fn from(value: i32) -> BadValue {
        BadValue::Int(value.into())
    }
}
impl From<bool> for BadValue {
    fn from(value: bool) -> BadValue {
        BadValue::Bool(value)
    }
}

/// One field error.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Where, written out.
    pub field: String,
    /// The offending value.
    pub value: BadValue,
    /// What is expected instead; empty if there is nothing to add.
    pub detail: String,
}

impl Error {
    /// An error of any kind; the constructors named after the kinds read better.
    pub fn new(
        kind: ErrorKind,
        path: &Path<'_>,
        value: impl Into<BadValue>,
        detail: impl Into<String>,
    ) -> Error {
        Error {
            kind,
            field: path.to_string(),
            value: value.into(),
            detail: detail.into(),
        }
    }

    /// A missing value.
    pub fn required(path: &Path<'_>, detail: impl Into<String>) -> Error {
        Error::new(ErrorKind::Required, path, "", detail)
    }

    /// A malformed value.
    pub fn invalid(
        path: &Path<'_>,
        value: impl Into<BadValue>,
        detail: impl Into<String>,
    ) -> Error {
        Error::new(ErrorKind::Invalid, path, value, detail)
    }

    /// A value of the wrong type.
    pub fn type_invalid(
        path: &Path<'_>,
        value: impl Into<BadValue>,
        detail: impl Into<String>,
    ) -> Error {
        Error::new(ErrorKind::TypeInvalid, path, value, detail)
    }

    /// A value that occurs a second time.
    pub fn duplicate(path: &Path<'_>, value: impl Into<BadValue>) -> Error {
        Error::new(ErrorKind::Duplicate, path, value, "")
    }

    /// A reference to what does not exist.
    pub fn not_found(path: &Path<'_>, value: impl Into<BadValue>) -> Error {
        Error::new(ErrorKind::NotFound, path, value, "")
    }

    /// A value that is none of `supported`, which are listed in the given order.
    pub fn not_supported(path: &Path<'_>, value: impl Into<BadValue>, supported: &[&str]) -> Error {
        let mut detail = String::new();
        for (i, value) in supported.iter().enumerate() {
            detail.push_str(if i == 0 { "supported values: " } else { ", " });
            detail.push_str(&quote(value));
        }
        Error::new(ErrorKind::NotSupported, path, value, detail)
    }

    /// A value that is not allowed here.
    pub fn forbidden(path: &Path<'_>, detail: impl Into<String>) -> Error {
        Error::new(ErrorKind::Forbidden, path, "", detail)
    }

    /// A value of more than `max` bytes.
    pub fn too_long(path: &Path<'_>, max: usize) -> Error {
        let unit = if max == 1 { "byte" } else { "bytes" };
        Error::new(
            ErrorKind::TooLong,
            path,
            BadValue::Omitted,
            format!("may not be more than {max} {unit}"),
        )
    }

    /// A value of more than `max` characters.
    pub fn too_long_characters(path: &Path<'_>, max: usize) -> Error {
        let unit = if max == 1 { "character" } else { "characters" };
        Error::new(
            ErrorKind::TooLong,
            path,
            BadValue::Omitted,
            format!("may not be more than {max} {unit}"),
        )
    }

    /// A value of fewer than `min` characters.
    pub fn too_short(path: &Path<'_>, value: impl Into<BadValue>, min: usize) -> Error {
        let unit = if min == 1 { "character" } else { "characters" };
        Error::new(
            ErrorKind::TooShort,
            path,
            value,
            format!("must be at least {min} {unit}"),
        )
    }

    /// A list of `actual` items where at most `max` are allowed.
    pub fn too_many(path: &Path<'_>, actual: usize, max: usize) -> Error {
        let unit = if max == 1 { "item" } else { "items" };
        let actual = BadValue::Int(i64::try_from(actual).unwrap_or(i64::MAX));
        Error::new(
            ErrorKind::TooMany,
            path,
            actual,
            format!("must have at most {max} {unit}"),
        )
    }

    /// A list of `actual` items where at least `min` are required.
    pub fn too_few(path: &Path<'_>, actual: usize, min: usize) -> Error {
        let unit = if min == 1 { "item" } else { "items" };
        let actual = BadValue::Int(i64::try_from(actual).unwrap_or(i64::MAX));
        Error::new(
            ErrorKind::TooFew,
            path,
            actual,
            format!("must have at least {min} {unit}"),
        )
    }

    /// A failure that is not the client's.
    pub fn internal(path: &Path<'_>, detail: impl Into<String>) -> Error {
        Error::new(ErrorKind::Internal, path, BadValue::Omitted, detail)
    }

    /// The message without the field's name, as a cause in a Status carries it.
    pub fn body(&self) -> String {
        let mut out = self.kind.title().to_owned();
        if self.kind.shows_value() {
            // Writing to a String cannot fail.
            let _ = match &self.value {
                BadValue::Omitted => Ok(()),
                BadValue::Str(value) => write!(out, ": {}", quote(value)),
                BadValue::Int(value) => write!(out, ": {value}"),
                BadValue::Bool(value) => write!(out, ": {value}"),
                BadValue::Json(value) => write!(out, ": {value}"),
            };
        }
        if !self.detail.is_empty() {
            out.push_str(": ");
            out.push_str(&self.detail);
        }
        out
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_upstreams_message() {
        let p = Path::new("f");
        let table = [
            (Error::required(&p, ""), "f: Required value"),
            (Error::required(&p, "why"), "f: Required value: why"),
            (
                Error::invalid(&p, "a\"b", "why"),
                "f: Invalid value: \"a\\\"b\": why",
            ),
            (
                Error::invalid(&p, -1, "must be positive"),
                "f: Invalid value: -1: must be positive",
            ),
            (Error::invalid(&p, true, ""), "f: Invalid value: true"),
            (
                Error::invalid(&p, BadValue::Json("{\"a\":1}".into()), "x"),
                "f: Invalid value: {\"a\":1}: x",
            ),
            (
                Error::type_invalid(&p, "x", "y"),
                "f: Invalid value: \"x\": y",
            ),
            (Error::duplicate(&p, "x"), "f: Duplicate value: \"x\""),
            (Error::not_found(&p, "x"), "f: Not found: \"x\""),
            (
                Error::not_supported(&p, "x", &["A", "B"]),
                "f: Unsupported value: \"x\": supported values: \"A\", \"B\"",
            ),
            (
                Error::not_supported(&p, "x", &[]),
                "f: Unsupported value: \"x\"",
            ),
            (Error::forbidden(&p, "no"), "f: Forbidden: no"),
            (
                Error::too_long(&p, 63),
                "f: Too long: may not be more than 63 bytes",
            ),
            (
                Error::too_long_characters(&p, 1),
                "f: Too long: may not be more than 1 character",
            ),
            (
                Error::too_short(&p, "x", 2),
                "f: Too short: must be at least 2 characters",
            ),
            (
                Error::too_many(&p, 9, 8),
                "f: Too many: 9: must have at most 8 items",
            ),
            (
                Error::too_few(&p, 0, 1),
                "f: Too few: 0: must have at least 1 item",
            ),
            (Error::internal(&p, "boom"), "f: Internal error: boom"),
        ];
        for (error, want) in table {
            assert_eq!(error.to_string(), want);
        }
    }
}
