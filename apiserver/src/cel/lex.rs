//! From text to tokens. <https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax>

use std::sync::Arc;

use super::error::Issue;

/// A token.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // The names are the grammar's own.
pub enum Token {
    Ident(Arc<str>),
    Int(u64),
    Uint(u64),
    Double(f64),
    String(String),
    Bytes(Vec<u8>),
    /// An operator or a delimiter.
    Symbol(&'static str),
    End,
}

/// A token and where it begins, in characters.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The token.
    pub token: Token,
    /// Where it begins.
    pub at: u32,
}

/// Those of two characters first.
const SYMBOLS: &[&str] = &[
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", ".", ",",
    "(", ")", "[", "]", "{", "}",
];

/// All tokens of a source; the last is [`Token::End`].
///
/// # Errors
/// What is no token.
pub fn tokens(source: &str) -> Result<Vec<Placed>, Issue> {
    let chars: Vec<char> = source.chars().collect();
    let mut lexer = Lexer { chars, at: 0 };
    let mut all = Vec::new();
    loop {
        lexer.skip_blank();
        let at = lexer.at as u32;
        let token = lexer.token()?;
        let end = token == Token::End;
        all.push(Placed { token, at });
        if end {
            return Ok(all);
        }
    }
}

/// Reads tokens.
pub(super) struct Lexer {
    chars: Vec<char>,
    pub(super) at: usize,
}

impl Lexer {
    pub(super) fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    pub(super) fn issue(&self, message: impl Into<String>) -> Issue {
        Issue::new(self.at as u32, message)
    }

    fn skip_blank(&mut self) {
        while let Some(c) = self.peek(0) {
            if c == '/' && self.peek(1) == Some('/') {
                while self.peek(0).is_some_and(|c| c != '\n') {
                    self.at += 1;
                }
            } else if matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}') {
                self.at += 1;
            } else {
                return;
            }
        }
    }

    fn token(&mut self) -> Result<Token, Issue> {
        let Some(first) = self.peek(0) else {
            return Ok(Token::End);
        };
        if let Some(prefix) = self.string_prefix() {
            return self.string(prefix);
        }
        let next_is_digit = self.peek(1).is_some_and(|c| c.is_ascii_digit());
        if first.is_ascii_digit() || first == '.' && next_is_digit {
            return self.number();
        }
        if first.is_ascii_alphabetic() || first == '_' {
            return Ok(Token::Ident(self.word().into()));
        }
        let symbol = SYMBOLS.iter().find(|symbol| {
            let mut parts = symbol.chars().enumerate();
            parts.all(|(ahead, c)| self.peek(ahead) == Some(c))
        });
        match symbol {
            Some(symbol) => {
                self.at += symbol.len();
                Ok(Token::Symbol(symbol))
            }
            None => Err(self.issue(format!(
                "Syntax error: token recognition error at: '{first}'"
            ))),
        }
    }

    fn word(&mut self) -> String {
        self.take(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    pub(super) fn take(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let mut text = String::new();
        while let Some(c) = self.peek(0).filter(|c| belongs(*c)) {
            text.push(c);
            self.at += 1;
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(source: &str) -> Token {
        tokens(source).unwrap()[0].token.clone()
    }

    #[test]
    fn literals() {
        assert_eq!(only("0x1F"), Token::Int(31));
        assert_eq!(only("7u"), Token::Uint(7));
        assert_eq!(only("1.5e-3"), Token::Double(0.0015));
        assert_eq!(only(r#"'a\n\x41\u00e4'"#), Token::String("a\nAä".into()));
        assert_eq!(only(r#"r'\n'"#), Token::String("\\n".into()));
        assert_eq!(only("'''a'b\nc'''"), Token::String("a'b\nc".into()));
        assert_eq!(only(r#"b'\xff'"#), Token::Bytes(vec![255]));
        assert!(tokens("'open").is_err());
        assert!(tokens("a # b").is_err());
    }

    #[test]
    fn a_number_may_be_followed_by_a_member() {
        let all = tokens("1.size() // words").unwrap();
        let shown: Vec<Token> = all.into_iter().map(|t| t.token).collect();
        assert_eq!(shown[0], Token::Int(1));
        assert_eq!(shown[1], Token::Symbol("."));
        assert_eq!(shown.last(), Some(&Token::End));
    }
}
