//! Field selectors: `metadata.name=a,spec.nodeName!=b`.
//!
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/>

use std::fmt;
use std::str::FromStr;

/// All of its terms must hold; without terms it selects everything.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FieldSelector {
    terms: Vec<Term>,
}

/// One comparison.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Term {
    /// The field's path: `spec.nodeName`.
    pub field: String,
    /// The value to compare with.
    pub value: String,
    /// Whether the two must be equal, or must not be.
    pub equal: bool,
}

/// Text that is no field selector; the words are upstream's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseError {
    /// A term without an operator.
    #[error("invalid selector: '{selector}'; can't understand '{term}'")]
    Term {
        /// The whole text.
        selector: String,
        /// The term.
        term: String,
    },
    /// A backslash before something else than a backslash, comma or equals sign.
    #[error("invalid field selector: invalid escape sequence: {0}")]
    Escape(String),
    /// An equals sign in a value.
    #[error("invalid field selector: unescaped character in value: {0}")]
    Unescaped(u32),
}

impl FieldSelector {
    /// Selects everything.
    pub fn everything() -> FieldSelector {
        FieldSelector::default()
    }

    /// Its terms, sorted as texts.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether an object is selected, given how to find its fields; a field that it does not have is "".
    pub fn matches<'v>(&self, field: impl Fn(&str) -> &'v str) -> bool {
        self.terms
            .iter()
            .all(|term| (field(&term.field) == term.value) == term.equal)
    }

    /// The value that a field must have, if the selector says so.
    pub fn required(&self, field: &str) -> Option<&str> {
        self.terms
            .iter()
            .find(|term| term.equal && term.field == field)
            .map(|term| term.value.as_str())
    }
}

impl FromStr for FieldSelector {
    type Err = ParseError;

    fn from_str(selector: &str) -> Result<FieldSelector, ParseError> {
        let mut parts = split_terms(selector);
        parts.sort_unstable();
        let terms = parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .map(|part| parse_term(selector, part));
        Ok(FieldSelector {
            terms: terms.collect::<Result<_, _>>()?,
        })
    }
}

/// Splits at commas without a backslash before them.
fn split_terms(selector: &str) -> Vec<&str> {
    let mut escaped = false;
    selector
        .split(|c| match c {
            _ if escaped => {
                escaped = false;
                false
            }
            '\\' => {
                escaped = true;
                false
            }
            c => c == ',',
        })
        .collect()
}

fn parse_term(selector: &str, term: &str) -> Result<Term, ParseError> {
    for (at, _) in term.char_indices() {
        for (operator, equal) in [("!=", false), ("==", true), ("=", true)] {
            if let Some(value) = term[at..].strip_prefix(operator) {
                return Ok(Term {
                    field: term[..at].to_owned(),
                    value: unescape(value)?,
                    equal,
                });
            }
        }
    }
    Err(ParseError::Term {
        selector: selector.to_owned(),
        term: term.to_owned(),
    })
}

fn unescape(value: &str) -> Result<String, ParseError> {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                Some(c) => return Err(ParseError::Escape(format!("\\{c}"))),
                None => return Err(ParseError::Escape("\\".to_owned())),
            },
            ',' | '=' => return Err(ParseError::Unescaped(u32::from(c))),
            c => out.push(c),
        }
    }
    Ok(out)
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.terms.iter().enumerate() {
            let separator = if index > 0 { "," } else { "" };
            let operator = if term.equal { "=" } else { "!=" };
            let value = term
                .value
                .replace('\\', "\\\\")
                .replace(',', "\\,")
                .replace('=', "\\=");
            write!(f, "{separator}{}{operator}{value}", term.field)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> FieldSelector {
        text.parse().unwrap()
    }

    #[test]
    fn terms_are_all_to_hold() {
        let selector = parse("spec.nodeName=a,status.phase!=Failed,,metadata.name==x");
        assert_eq!(
            selector.to_string(),
            "metadata.name=x,spec.nodeName=a,status.phase!=Failed"
        );
        assert_eq!(selector.required("spec.nodeName"), Some("a"));
        assert_eq!(selector.required("status.phase"), None);
        let field = |name: &str| match name {
            "spec.nodeName" => "a",
            "metadata.name" => "x",
            _ => "",
        };
        assert!(selector.matches(field));
        assert!(!selector.matches(|_| "a"));
        assert!(parse("").is_empty() && parse("").matches(|_| ""));
    }

    #[test]
    fn values_may_hold_escaped_commas() {
        let selector = parse(r"a=b\,c\=d\\");
        assert_eq!(selector.terms()[0].value, r"b,c=d\");
        assert_eq!(selector.to_string(), r"a=b\,c\=d\\");
    }

    #[test]
    fn mistakes_are_told_in_upstreams_words() {
        for (text, message) in [
            ("a", "invalid selector: 'a'; can't understand 'a'"),
            (
                "a=b=c",
                "invalid field selector: unescaped character in value: 61",
            ),
            (
                r"a=\x",
                r"invalid field selector: invalid escape sequence: \x",
            ),
            (
                r"a=\",
                r"invalid field selector: invalid escape sequence: \",
            ),
        ] {
            assert_eq!(
                text.parse::<FieldSelector>().unwrap_err().to_string(),
                message
            );
        }
    }
}
