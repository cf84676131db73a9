//! Values without a schema.

use super::{Decoder, Step, Stop};
use crate::tree::{Kind, Node, Owner};

impl Decoder<'_> {
    /// Any JSON value, without a schema.
    pub(super) fn untyped(&mut self) -> Result<bool, Stop> {
        match self.peek() {
            Some(b'{') => {
                self.descend()?;
                let mark = self.builder.pending.len();
                self.at += 1;
                let mut first = true;
                while self.key(first)? {
                    first = false;
                    self.path.push(Step::Key(self.builder.pending.len() as u32));
                    self.builder.pending.push(self.key);
                    self.untyped()?;
                    self.path.pop();
                }
                self.depth -= 1;
                let node = self.close_map(Owner::UNTYPED, mark);
                self.put(node)
            }
            Some(b'[') => {
                self.descend()?;
                let mark = self.builder.pending.len();
                self.at += 1;
                if self.peek() == Some(b']') {
                    self.at += 1;
                } else {
                    let mut index = 0;
                    loop {
                        self.path.push(Step::Index(index));
                        index += 1;
                        self.untyped()?;
                        self.path.pop();
                        match self.peek() {
                            Some(b',') => self.at += 1,
                            Some(b']') => break self.at += 1,
                            _ => return Err(Stop::Syntax),
                        }
                    }
                }
                self.depth -= 1;
                let node = self.builder.close_list(Owner::UNTYPED, mark);
                self.put(node)
            }
            Some(b'"') => self.put_string(),
            Some(b't') => self.literal("true", Node::scalar(Kind::Bool, 1)),
            Some(b'f') => self.literal("false", Node::scalar(Kind::Bool, 0)),
            Some(b'n') => self.literal("null", Node::scalar(Kind::Null, 0)),
            _ => {
                let number = self.number()?;
                if !number.contains('.')
                    && let Ok(int) = number.parse::<i64>()
                {
                    return self.put(Node::scalar(Kind::Int, int as u64));
                }
                match number.parse::<f64>() {
                    Ok(float) if float.is_finite() => {
                        self.put(Node::scalar(Kind::Float, float.to_bits()))
                    }
                    _ => {
                        self.save(format!("number {number}"), "float64".to_owned());
                        self.put(Node::scalar(Kind::Null, 0))
                    }
                }
            }
        }
    }
}
