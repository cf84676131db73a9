//! Tokens that are values: numbers, texts and bytes.

use super::error::Issue;
use super::lex::{Lexer, Token};

impl Lexer {
    pub(super) fn number(&mut self) -> Result<Token, Issue> {
        let start = self.at as u32;
        let wrong = |kind: &str| Issue::new(start, format!("invalid {kind} literal"));
        if self.peek(0) == Some('0') && matches!(self.peek(1), Some('x' | 'X')) {
            self.at += 2;
            let digits = self.take(|c| c.is_ascii_hexdigit());
            let value = u64::from_str_radix(&digits, 16);
            return self.integer(value.map_err(|_| wrong("int")));
        }
        let mut text = self.take(|c| c.is_ascii_digit());
        let mut float = false;
        if self.peek(0) == Some('.') && self.peek(1).is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
            float = true;
            text.push('.');
            text.push_str(&self.take(|c| c.is_ascii_digit()));
        }
        if matches!(self.peek(0), Some('e' | 'E')) {
            let signed = matches!(self.peek(1), Some('+' | '-'));
            let digit = self.peek(1 + usize::from(signed));
            if digit.is_some_and(|c| c.is_ascii_digit()) {
                float = true;
                text.push('e');
                self.at += 1;
                text.extend(self.peek(0).filter(|_| signed));
                self.at += usize::from(signed);
                text.push_str(&self.take(|c| c.is_ascii_digit()));
            }
        }
        if float {
            return text.parse().map(Token::Double).map_err(|_| wrong("double"));
        }
        self.integer(text.parse().map_err(|_| wrong("int")))
    }

    fn integer(&mut self, value: Result<u64, Issue>) -> Result<Token, Issue> {
        if matches!(self.peek(0), Some('u' | 'U')) {
            self.at += 1;
            return value.map(Token::Uint);
        }
        value.map(Token::Int)
    }

    /// What stands before a quote, if a text begins here: how many characters, and whether it is raw, and bytes.
    pub(super) fn string_prefix(&self) -> Option<(usize, bool, bool)> {
        let (mut length, mut raw, mut bytes) = (0, false, false);
        loop {
            match self.peek(length)? {
                '"' | '\'' => return Some((length, raw, bytes)),
                'r' | 'R' if !raw => raw = true,
                'b' | 'B' if !bytes => bytes = true,
                _ => return None,
            }
            length += 1;
        }
    }

    pub(super) fn string(
        &mut self,
        (prefix, raw, bytes): (usize, bool, bool),
    ) -> Result<Token, Issue> {
        let unterminated = self.issue("Syntax error: token recognition error");
        self.at += prefix;
        let quote = self.peek(0).unwrap_or('"');
        let long = self.peek(1) == Some(quote) && self.peek(2) == Some(quote);
        self.at += if long { 3 } else { 1 };
        let mut out = Vec::new();
        let mut buffer = [0; 4];
        loop {
            let Some(c) = self.peek(0) else {
                return Err(unterminated);
            };
            let closes =
                c == quote && (!long || self.peek(1) == Some(quote) && self.peek(2) == Some(quote));
            if closes {
                self.at += if long { 3 } else { 1 };
                break;
            }
            self.at += 1;
            match c {
                '\n' | '\r' if !long => return Err(unterminated),
                '\\' if !raw => self.escape(bytes, &mut out)?,
                c => out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes()),
            }
        }
        if bytes {
            return Ok(Token::Bytes(out));
        }
        let text = String::from_utf8(out).map_err(|_| unterminated)?;
        Ok(Token::String(text))
    }

    fn escape(&mut self, bytes: bool, out: &mut Vec<u8>) -> Result<(), Issue> {
        let wrong = self.issue("invalid string literal: unable to unescape string");
        let c = self.peek(0).ok_or_else(|| wrong.clone())?;
        self.at += 1;
        let plain = match c {
            'a' => Some(7),
            'b' => Some(8),
            'f' => Some(12),
            'n' => Some(b'\n'),
            'r' => Some(b'\r'),
            't' => Some(b'\t'),
            'v' => Some(11),
            '\\' | '\'' | '"' | '`' | '?' => u8::try_from(c).ok(),
            _ => None,
        };
        if let Some(byte) = plain {
            out.push(byte);
            return Ok(());
        }
        let (digits, radix) = match c {
            'x' | 'X' => (2, 16),
            'u' if !bytes => (4, 16),
            'U' if !bytes => (8, 16),
            '0'..='3' => {
                self.at -= 1;
                (3, 8)
            }
            _ => return Err(wrong),
        };
        let mut code = 0;
        for _ in 0..digits {
            let digit = self.peek(0).and_then(|c| c.to_digit(radix));
            code = code * radix + digit.ok_or_else(|| wrong.clone())?;
            self.at += 1;
        }
        match u8::try_from(code) {
            Ok(byte) if bytes => out.push(byte),
            _ => {
                let c = char::from_u32(code).ok_or(wrong)?;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        Ok(())
    }
}
