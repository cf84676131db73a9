//! What values are made of: keys, strings, numbers, words.

use super::{Decoder, Stop};
use crate::codec::json::string::{find_special, unescape};
use crate::codec::json::syntax::{self, skip_space};
use crate::tree::{Kind, Node, SIDE};

impl<'a> Decoder<'a> {
    /// Reads the next key of an object, with its colon; none at the end.
    #[inline]
    pub(super) fn key(&mut self, first: bool) -> Result<bool, Stop> {
        match self.peek() {
            Some(b'}') => {
                self.at += 1;
                return Ok(false);
            }
            Some(b',') if !first => self.at += 1,
            Some(b'"') if first => {}
            _ => return Err(Stop::Syntax),
        }
        if self.peek() != Some(b'"') {
            return Err(Stop::Syntax);
        }
        self.key = self.string()?;
        if self.peek() != Some(b':') {
            return Err(Stop::Syntax);
        }
        self.at += 1;
        Ok(true)
    }

    #[inline]
    pub(super) fn text_of(&self, node: &Node) -> &str {
        let at = node.value as usize;
        let buffer = if node.flags & SIDE == 0 {
            self.text
        } else {
            self.builder.side.as_str()
        };
        buffer.get(at..at + node.len as usize).unwrap_or_default()
    }

    #[inline]
    pub(super) fn put_string(&mut self) -> Result<bool, Stop> {
        let node = self.string()?;
        self.put(node)
    }

    /// A string; the opening quote is next.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Result<Node, Stop> {
        let start = self.at + 1;
        let end = find_special(self.bytes, start);
        match self.bytes.get(end) {
            Some(b'"') => {
                self.at = end + 1;
                Ok(Node {
                    kind: Kind::Str,
                    flags: 0,
                    field: 0,
                    len: (end - start) as u32,
                    value: start as u64,
                })
            }
            Some(b'\\') => self.escaped_string(start),
            _ => Err(Stop::Syntax),
        }
    }

    fn escaped_string(&mut self, start: usize) -> Result<Node, Stop> {
        let end = syntax::skip_value(self.bytes, self.at).map_err(|_| Stop::Syntax)?;
        self.at = end;
        let begin = self.builder.side.len();
        unescape(
            self.text.get(start..end - 1).unwrap_or_default(),
            &mut self.builder.side,
        );
        let len = self.builder.side.len() - begin;
        Ok(Node {
            kind: Kind::Str,
            flags: SIDE,
            field: 0,
            len: len as u32,
            value: begin as u64,
        })
    }

    #[inline]
    pub(super) fn literal(&mut self, text: &str, node: Node) -> Result<bool, Stop> {
        if self.bytes[self.at..].starts_with(text.as_bytes()) {
            self.at += text.len();
            self.put(node)
        } else {
            Err(Stop::Syntax)
        }
    }

    pub(super) fn null(&mut self) -> Result<bool, Stop> {
        self.literal("null", Node::scalar(Kind::Null, 0))?;
        self.builder.pending.pop();
        Ok(false)
    }

    pub(super) fn number(&mut self) -> Result<&'a str, Stop> {
        let end = syntax::skip_number(self.bytes, self.at).map_err(|_| Stop::Syntax)?;
        let number = self.text.get(self.at..end).unwrap_or_default();
        self.at = end;
        Ok(number)
    }

    /// The bytes of a whole value.
    pub(super) fn skip(&mut self) -> Result<&'a str, Stop> {
        let start = skip_space(self.bytes, self.at);
        self.at = syntax::skip_value(self.bytes, start).map_err(|_| Stop::Syntax)?;
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }
}
