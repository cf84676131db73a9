//! What a body can be refused for, and what it is only warned about.

use super::syntax::SyntaxError;
use crate::codec::quote;

/// Why JSON could not be decoded. The words are those that upstream's clients see.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// No JSON.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// A value of the wrong type.
    #[error("json: cannot unmarshal {value} into Go {place} of type {expected}")]
    Type {
        /// What came: `string`, `number 1.5`, `object` …
        value: String,
        /// `struct field ObjectMeta.metadata.name`, or `value`.
        place: String,
        /// The Go type that was expected.
        expected: String,
    },
    /// A leaf that its own parser refuses (times, durations, quantities, base64).
    #[error("{0}")]
    Leaf(String),
    /// More than 4 GiB.
    #[error("the body is too large")]
    TooLarge,
}

/// What strict decoding finds wrong in a body that can be decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum StrictKind {
    /// The schema has no such field.
    Unknown,
    /// The key stands there twice.
    Duplicate,
    /// Keys stand twice in YAML: [`StrictError::path`] is the whole message, with line numbers.
    Yaml,
}

/// A field that strict decoding complains about.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct StrictError {
    /// What is wrong with it.
    pub kind: StrictKind,
    /// Its path: `spec.containers[0].foo`.
    pub path: String,
}

impl std::fmt::Display for StrictError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            StrictKind::Unknown => "unknown",
            StrictKind::Duplicate => "duplicate",
            StrictKind::Yaml => return f.write_str(&self.path),
        };
        write!(f, "{kind} field {}", quote(&self.path))
    }
}

/// Collects unknown and duplicate fields, the first hundred, each once.
#[derive(Clone, Debug, Default)]
pub struct Strict {
    errors: Vec<StrictError>,
}

const LIMIT: usize = 100;

impl Strict {
    /// Nothing found yet.
    pub fn new() -> Strict {
        Strict::default()
    }

    /// What was found, in order.
    pub fn errors(&self) -> &[StrictError] {
        &self.errors
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    pub(crate) fn add(&mut self, kind: StrictKind, path: String) {
        let error = StrictError { kind, path };
        if self.errors.len() < LIMIT && !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }
}
