//! Values without a schema.

use super::{Decoder, Stop};
use crate::tree::{Kind, Node, Owner};

impl Decoder<'_> {
    /// Any JSON value, without a schema.
    pub(super) fn untyped(&mut self) -> Result<bool, Stop> {
        match self.peek() {
            Some(b'{') => self.entries(Owner::UNTYPED, |decoder| decoder.untyped().map(drop)),
            Some(b'[') => self.elements(Owner::UNTYPED, |decoder| decoder.untyped().map(drop)),
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
