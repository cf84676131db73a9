//! All that is wrong with an object.

use std::collections::BTreeSet;
use std::fmt::{self, Display};

use super::Error;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Path;

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
}
