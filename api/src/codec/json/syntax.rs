//! Well-formedness, in the words of Go's `encoding/json`.

/// JSON that is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SyntaxError {
    /// A byte out of place.
    #[error("invalid character {shown} {context}")]
    Character {
        /// The character as Go quotes it.
        shown: String,
        /// Where it stands.
        context: String,
        /// Its offset in bytes.
        offset: usize,
    },
    /// The text ends too early.
    #[error("unexpected end of JSON input")]
    End,
    /// Too many levels.
    #[error("invalid character '{0}' exceeded max depth")]
    Depth(
        /// The bracket that is one too many.
        char,
    ),
}

/// As many levels as Go's decoder allows where nothing is kept.
const MAX_DEPTH: usize = 10_000;

/// Checks one whole document.
pub(super) fn check(bytes: &[u8]) -> Result<(), SyntaxError> {
    let end = skip_space(bytes, skip_value(bytes, 0)?);
    if end < bytes.len() {
        Err(invalid(bytes, end, "after top-level value"))
    } else {
        Ok(())
    }
}

#[inline]
pub(super) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// The offset behind the value that begins at `at` (after white space); needs no recursion.
pub(super) fn skip_value(bytes: &[u8], mut at: usize) -> Result<usize, SyntaxError> {
    let mut open = Open::default();
    'value: loop {
        at = skip_space(bytes, at);
        match bytes.get(at) {
            None => return Err(SyntaxError::End),
            Some(b'"') => at = skip_string(bytes, at)?,
            Some(b'-' | b'0'..=b'9') => at = skip_number(bytes, at)?,
            Some(b't') => at = skip_literal(bytes, at, "true")?,
            Some(b'f') => at = skip_literal(bytes, at, "false")?,
            Some(b'n') => at = skip_literal(bytes, at, "null")?,
            Some(&bracket @ (b'{' | b'[')) => {
                if open.depth == MAX_DEPTH {
                    return Err(SyntaxError::Depth(char::from(bracket)));
                }
                at = skip_space(bytes, at + 1);
                match (bracket, bytes.get(at)) {
                    (b'{', Some(b'}')) | (b'[', Some(b']')) => at += 1,
                    _ => {
                        open.push(bracket == b'{');
                        if bracket == b'{' {
                            at = skip_key(bytes, at)?;
                        }
                        continue 'value;
                    }
                }
            }
            Some(_) => return Err(invalid(bytes, at, "looking for beginning of value")),
        }
        loop {
            let bracket = match open.last() {
                Some(true) => b'{',
                Some(false) => b'[',
                None => return Ok(at),
            };
            at = skip_space(bytes, at);
            match (bracket, bytes.get(at)) {
                (_, None) => return Err(SyntaxError::End),
                (b'{', Some(b'}')) | (b'[', Some(b']')) => {
                    open.pop();
                    at += 1;
                }
                (b'{', Some(b',')) => {
                    at = skip_key(bytes, skip_space(bytes, at + 1))?;
                    continue 'value;
                }
                (_, Some(b',')) => {
                    at += 1;
                    continue 'value;
                }
                (b'{', _) => return Err(invalid(bytes, at, "after object key:value pair")),
                _ => return Err(invalid(bytes, at, "after array element")),
            }
        }
    }
}

/// Which brackets are open, a bit each: whether it is an object's. Allocates beyond 64 levels only.
#[derive(Default)]
struct Open {
    depth: usize,
    top: u64,
    below: Vec<u64>,
}

impl Open {
    fn push(&mut self, object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.below.push(self.top);
        }
        self.top = self.top << 1 | u64::from(object);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.depth -= 1;
        self.top >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.top = self.below.pop().unwrap_or_default();
        }
    }

    fn last(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.top & 1 == 1)
    }
}

fn skip_key(bytes: &[u8], at: usize) -> Result<usize, SyntaxError> {
    match bytes.get(at) {
        None => return Err(SyntaxError::End),
        Some(b'"') => {}
        Some(_) => {
            return Err(invalid(
                bytes,
                at,
                "looking for beginning of object key string",
            ));
        }
    }
    let at = skip_space(bytes, skip_string(bytes, at)?);
    match bytes.get(at) {
        None => Err(SyntaxError::End),
        Some(b':') => Ok(at + 1),
        Some(_) => Err(invalid(bytes, at, "after object key")),
    }
}

fn skip_string(bytes: &[u8], mut at: usize) -> Result<usize, SyntaxError> {
    at += 1;
    loop {
        at = super::string::find_special(bytes, at);
        match bytes.get(at) {
            None => return Err(SyntaxError::End),
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => match bytes.get(at + 1) {
                None => return Err(cut(at + 1, "in string escape code")),
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at += 2,
                Some(b'u') => {
                    for digit in at + 2..at + 6 {
                        match bytes.get(digit) {
                            None => return Err(cut(digit, "in \\u hexadecimal character escape")),
                            Some(hex) if hex.is_ascii_hexdigit() => {}
                            Some(_) => {
                                return Err(invalid(
                                    bytes,
                                    digit,
                                    "in \\u hexadecimal character escape",
                                ));
                            }
                        }
                    }
                    at += 6;
                }
                Some(_) => return Err(invalid(bytes, at + 1, "in string escape code")),
            },
            Some(_) => return Err(invalid(bytes, at, "in string literal")),
        }
    }
}

/// The offset behind a number.
pub(super) fn skip_number(bytes: &[u8], mut at: usize) -> Result<usize, SyntaxError> {
    let digits = |mut at: usize, context: &str| -> Result<usize, SyntaxError> {
        match bytes.get(at) {
            None => return Err(cut(at, context)),
            Some(digit) if digit.is_ascii_digit() => {}
            Some(_) => return Err(invalid(bytes, at, context)),
        }
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        Ok(at)
    };
    if bytes.get(at) == Some(&b'-') {
        at += 1;
    }
    at = if bytes.get(at) == Some(&b'0') {
        at + 1
    } else {
        digits(at, "in numeric literal")?
    };
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1, "after decimal point in numeric literal")?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = bytes.get(at) {
            at += 1;
        }
        at = digits(at, "in exponent of numeric literal")?;
    }
    Ok(at)
}

fn skip_literal(bytes: &[u8], at: usize, literal: &str) -> Result<usize, SyntaxError> {
    for (offset, expected) in literal.bytes().enumerate() {
        match bytes.get(at + offset) {
            Some(byte) if *byte == expected => {}
            found => {
                let context = format!(
                    "in literal {literal} (expecting '{}')",
                    char::from(expected)
                );
                return Err(match found {
                    Some(_) => invalid(bytes, at + offset, &context),
                    None => cut(at + offset, &context),
                });
            }
        }
    }
    Ok(at + literal.len())
}

/// A text that ends in the midst of a literal or an escape: Go tries it with a space.
fn cut(offset: usize, context: &str) -> SyntaxError {
    SyntaxError::Character {
        shown: "' '".to_owned(),
        context: context.to_owned(),
        offset,
    }
}

fn invalid(bytes: &[u8], offset: usize, context: &str) -> SyntaxError {
    let shown = match bytes.get(offset).map(|byte| char::from(*byte)) {
        Some('\'') => r"'\''".to_owned(),
        Some('"') => "'\"'".to_owned(),
        Some(c) => {
            let quoted = crate::codec::quote(c.encode_utf8(&mut [0; 4]));
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
        None => return SyntaxError::End,
    };
    SyntaxError::Character {
        shown,
        context: context.to_owned(),
        offset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_in_the_words_of_go() {
        for (text, message) in [
            ("", "unexpected end of JSON input"),
            ("{", "unexpected end of JSON input"),
            (
                "{]",
                "invalid character ']' looking for beginning of object key string",
            ),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            (
                "{\"a\":1 2}",
                "invalid character '2' after object key:value pair",
            ),
            (
                "{\"a\":1,}",
                "invalid character '}' looking for beginning of object key string",
            ),
            ("[1 2]", "invalid character '2' after array element"),
            (
                "[1,]",
                "invalid character ']' looking for beginning of value",
            ),
            (
                "tru",
                "invalid character ' ' in literal true (expecting 'e')",
            ),
            ("-", "invalid character ' ' in numeric literal"),
            (
                "trux",
                "invalid character 'x' in literal true (expecting 'e')",
            ),
            ("01", "invalid character '1' after top-level value"),
            ("-a", "invalid character 'a' in numeric literal"),
            (
                "1.a",
                "invalid character 'a' after decimal point in numeric literal",
            ),
            (
                "1ea",
                "invalid character 'a' in exponent of numeric literal",
            ),
            ("\"\\x\"", "invalid character 'x' in string escape code"),
            (
                "\"\\u00g0\"",
                "invalid character 'g' in \\u hexadecimal character escape",
            ),
            ("\"a\nb\"", "invalid character '\\n' in string literal"),
            (
                "'a'",
                "invalid character '\\'' looking for beginning of value",
            ),
            ("1\"", "invalid character '\"' after top-level value"),
        ] {
            assert_eq!(
                check(text.as_bytes()).unwrap_err().to_string(),
                message,
                "{text}"
            );
        }
        assert_eq!(
            check(b" {\"a\":[1,{},[],-0.5e+3,\"\\ud800\",null,true]} "),
            Ok(())
        );
    }

    #[test]
    fn ten_thousand_levels_are_the_limit() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert_eq!(check(nested(10_000).as_bytes()), Ok(()));
        assert_eq!(
            check(nested(10_001).as_bytes()),
            Err(SyntaxError::Depth('['))
        );
    }
}
