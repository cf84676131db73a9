//! Field errors: what validation says about one field of an object, in upstream's words.
//!
//! A [`Path`] is a chain of borrowed segments that allocates nothing until an error is made of it, so that validating a
//! correct object costs no formatting. An [`ErrorList`] becomes the causes and the message of a 422 answer at the edge.
//!
//! Formats: k8s.io/apimachinery `pkg/util/validation/field`.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Write as _};

/// A field's place in an object: `spec.containers[0].name`, `metadata.labels[app]`.
///
/// Segments are borrowed, from the caller's stack: `path.child("spec")` lives as long as `path`. A child may name several
/// levels at once: `path.child("securityContext.runAsUser")`.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    segment: Segment<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Segment<'a> {
    Root,
    Name(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> Path<'a> {
    /// The path of the object itself, whose errors carry the empty path's text, `<nil>`.
    pub const fn root() -> Path<'static> {
        Path {
            parent: None,
            segment: Segment::Root,
        }
    }

    /// A path that starts at the field `name` of the object.
    pub const fn new(name: &'a str) -> Path<'a> {
        Path {
            parent: None,
            segment: Segment::Name(name),
        }
    }

    /// The field `name` of the message at this path.
    pub const fn child<'b>(&'b self, name: &'b str) -> Path<'b> {
        Path {
            parent: Some(self),
            segment: Segment::Name(name),
        }
    }

    /// The element at `index` of the list at this path.
    pub const fn index(&self, index: usize) -> Path<'_> {
        Path {
            parent: Some(self),
            segment: Segment::Index(index),
        }
    }

    /// The entry `key` of the map at this path.
    pub const fn key<'b>(&'b self, key: &'b str) -> Path<'b> {
        Path {
            parent: Some(self),
            segment: Segment::Key(key),
        }
    }

    fn write(&self, out: &mut String) {
        if let Some(parent) = self.parent {
            parent.write(out);
        }
        // Writing to a String cannot fail.
        let _ = match self.segment {
            Segment::Root => Ok(()),
            Segment::Name(name) if out.is_empty() => out.write_str(name),
            Segment::Name(name) => write!(out, ".{name}"),
            Segment::Index(index) => write!(out, "[{index}]"),
            Segment::Key(key) => write!(out, "[{key}]"),
        };
    }
}

impl Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        self.write(&mut out);
        f.write_str(if out.is_empty() { "<nil>" } else { &out })
    }
}

/// The kind of a field error; [`ErrorKind::cause`] is its machine-readable form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorKind {
    /// A referenced value does not exist.
    NotFound,
    /// A value is missing.
    Required,
    /// A value that must be unique occurs twice.
    Duplicate,
    /// A value is malformed or out of bounds.
    Invalid,
    /// A value is none of an enumeration's.
    NotSupported,
    /// A value that is well-formed is not allowed here.
    Forbidden,
    /// A value is longer than allowed.
    TooLong,
    /// A value is shorter than allowed.
    TooShort,
    /// A list has more items than allowed.
    TooMany,
    /// A list has fewer items than required.
    TooFew,
    /// Not the client's fault.
    Internal,
    /// A value is of the wrong type.
    TypeInvalid,
}

impl ErrorKind {
    /// The `type` of the cause in a Status: `FieldValueRequired`, …
    pub const fn cause(self) -> &'static str {
        match self {
            ErrorKind::NotFound => "FieldValueNotFound",
            ErrorKind::Required => "FieldValueRequired",
            ErrorKind::Duplicate => "FieldValueDuplicate",
            ErrorKind::Invalid => "FieldValueInvalid",
            ErrorKind::NotSupported => "FieldValueNotSupported",
            ErrorKind::Forbidden => "FieldValueForbidden",
            ErrorKind::TooLong => "FieldValueTooLong",
            ErrorKind::TooShort => "FieldValueTooShort",
            ErrorKind::TooMany => "FieldValueTooMany",
            ErrorKind::TooFew => "FieldValueTooFew",
            ErrorKind::Internal => "InternalError",
            ErrorKind::TypeInvalid => "FieldValueTypeInvalid",
        }
    }

    /// How a message names it.
    const fn title(self) -> &'static str {
        match self {
            ErrorKind::NotFound => "Not found",
            ErrorKind::Required => "Required value",
            ErrorKind::Duplicate => "Duplicate value",
            ErrorKind::Invalid | ErrorKind::TypeInvalid => "Invalid value",
            ErrorKind::NotSupported => "Unsupported value",
            ErrorKind::Forbidden => "Forbidden",
            ErrorKind::TooLong => "Too long",
            ErrorKind::TooShort => "Too short",
            ErrorKind::TooMany => "Too many",
            ErrorKind::TooFew => "Too few",
            ErrorKind::Internal => "Internal error",
        }
    }

    /// Whether the message shows the offending value.
    const fn shows_value(self) -> bool {
        !matches!(
            self,
            ErrorKind::Required
                | ErrorKind::Forbidden
                | ErrorKind::TooLong
                | ErrorKind::TooShort
                | ErrorKind::Internal
        )
    }
}

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

/// What validation found, in the order found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorList(Vec<Error>);

impl ErrorList {
    /// No errors yet.
    pub const fn new() -> ErrorList {
        ErrorList(Vec::new())
    }

    /// Adds an error.
    pub fn push(&mut self, error: Error) {
        self.0.push(error);
    }

    /// Whether the object is valid.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many errors were found.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The errors, in the order found.
    pub fn iter(&self) -> std::slice::Iter<'_, Error> {
        self.0.iter()
    }
}

impl Extend<Error> for ErrorList {
    fn extend<I: IntoIterator<Item = Error>>(&mut self, errors: I) {
        self.0.extend(errors);
    }
}

impl FromIterator<Error> for ErrorList {
    fn from_iter<I: IntoIterator<Item = Error>>(errors: I) -> ErrorList {
        ErrorList(errors.into_iter().collect())
    }
}

impl IntoIterator for ErrorList {
    type Item = Error;
    type IntoIter = std::vec::IntoIter<Error>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a ErrorList {
    type Item = &'a Error;
    type IntoIter = std::slice::Iter<'a, Error>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl Display for ErrorList {
    /// One message alone, several in brackets; a message that repeats is written once.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut messages: Vec<String> = Vec::with_capacity(self.0.len());
        let mut seen = BTreeSet::new();
        for error in &self.0 {
            let message = error.to_string();
            if seen.insert(message.clone()) {
                messages.push(message);
            }
        }
        match messages.as_slice() {
            [one] => f.write_str(one),
            many => write!(f, "[{}]", many.join(", ")),
        }
    }
}

/// `text` quoted and escaped as Go's `%q` does, which is how every upstream message shows a string.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        // Writing to a String cannot fail.
        let _ = match c {
            '"' => out.write_str("\\\""),
            '\\' => out.write_str("\\\\"),
            '\u{7}' => out.write_str("\\a"),
            '\u{8}' => out.write_str("\\b"),
            '\u{c}' => out.write_str("\\f"),
            '\n' => out.write_str("\\n"),
            '\r' => out.write_str("\\r"),
            '\t' => out.write_str("\\t"),
            '\u{b}' => out.write_str("\\v"),
            c if is_print(c) => out.write_char(c),
            c if (c as u32) < 0x80 => write!(out, "\\x{:02x}", c as u32),
            c if (c as u32) < 0x10000 => write!(out, "\\u{:04x}", c as u32),
            c => write!(out, "\\U{:08x}", c as u32),
        };
    }
    out.push('"');
    out
}

/// Whether Go's `unicode.IsPrint` holds: letters, marks, numbers, punctuation, symbols and the ASCII space.
pub fn is_print(c: char) -> bool {
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    // The standard library's table of printable characters is reachable only through escaping. A combining mark is
    // escaped at the start of a string alone, hence the letter before it.
    let mut buffer = [b'x', 0, 0, 0, 0];
    let length = c.encode_utf8(&mut buffer[1..]).len();
    std::str::from_utf8(&buffer[..=length]).is_ok_and(|s| s.escape_debug().eq(s.chars()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_as_upstream_writes_them() {
        let spec = Path::new("spec");
        let containers = spec.child("containers");
        let first = containers.index(0);
        assert_eq!(
            first.child("ports").index(2).child("name").to_string(),
            "spec.containers[0].ports[2].name"
        );
        assert_eq!(
            Path::new("metadata").child("labels").key("a/b").to_string(),
            "metadata.labels[a/b]"
        );
        assert_eq!(Path::root().to_string(), "<nil>");
        assert_eq!(Path::root().child("a").child("b").to_string(), "a.b");
    }

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

    #[test]
    fn a_list_joins_its_messages_and_drops_repeats() {
        let p = Path::new("f");
        let one: ErrorList = [Error::required(&p, "")].into_iter().collect();
        assert_eq!(one.to_string(), "f: Required value");
        let twice: ErrorList = [Error::required(&p, ""), Error::required(&p, "")]
            .into_iter()
            .collect();
        assert_eq!(twice.to_string(), "f: Required value");
        let two: ErrorList = [Error::required(&p, ""), Error::forbidden(&p, "x")]
            .into_iter()
            .collect();
        assert_eq!(two.to_string(), "[f: Required value, f: Forbidden: x]");
    }

    #[test]
    fn strings_are_quoted_as_go_quotes_them() {
        for (text, want) in [
            ("a b", r#""a b""#),
            ("a\"\\\n\t\r", r#""a\"\\\n\t\r""#),
            ("\u{0}\u{7f}\u{7}", r#""\x00\x7f\a""#),
            ("é日", "\"é日\""),
            ("e\u{301}", "\"e\u{301}\""),
            ("\u{a0}\u{200b}\u{feff}", r#""\u00a0\u200b\ufeff""#),
            ("\u{e0001}", r#""\U000e0001""#),
        ] {
            assert_eq!(quote(text), want);
        }
    }
}
