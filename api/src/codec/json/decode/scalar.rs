//! Scalars: each as Go's type for it reads JSON.

use super::{Decoder, Stop};
use crate::codec::json::error::DecodeError;
use crate::codec::json::syntax::skip_space;
use crate::codec::json::type_meta::value_name;
use crate::schema::{Field, Scalar, Shape};
use crate::tree::{Kind, Node};

impl Decoder<'_> {
    pub(super) fn scalar(
        &mut self,
        scalar: Scalar,
        shape: &Shape,
        field: Option<&Field>,
    ) -> Result<bool, Stop> {
        let first = self.peek();
        match (scalar, first) {
            (Scalar::String, Some(b'"')) => self.put_string(),
            (Scalar::Bool, Some(b't')) => self.literal("true", Node::scalar(Kind::Bool, 1)),
            (Scalar::Bool, Some(b'f')) => self.literal("false", Node::scalar(Kind::Bool, 0)),
            (Scalar::Json, Some(b'n')) => self.null(),
            (Scalar::Json, _) => self.untyped(),
            // Upstream's own parsers set their zero value on null; for a leaf by value that is the same as none.
            (_, Some(b'n')) => self.null(),
            (Scalar::Int32, Some(b'-' | b'0'..=b'9')) => self.int(shape, field, true),
            (Scalar::Int64, Some(b'-' | b'0'..=b'9')) => self.int(shape, field, false),
            (Scalar::Double, Some(b'-' | b'0'..=b'9')) => {
                let number = self.number()?;
                match number.parse::<f64>() {
                    Ok(float) if float.is_finite() => {
                        self.put(Node::scalar(Kind::Float, float.to_bits()))
                    }
                    _ => {
                        self.save(format!("number {number}"), self.expected(shape, field));
                        Ok(false)
                    }
                }
            }
            (Scalar::Bytes, Some(b'"')) => self.base64(),
            (Scalar::Bytes, Some(b'[')) => self.octets(shape, field),
            (Scalar::Quantity, Some(_)) => self.quantity(),
            (Scalar::IntOrString, Some(b'"')) => self.put_string(),
            (Scalar::IntOrString, Some(first)) => {
                let text = self.skip()?;
                match text.parse::<i32>() {
                    Ok(value) => self.put(Node::scalar(Kind::Int, i64::from(value) as u64)),
                    Err(_) => {
                        let value = match value_name(Some(first)) {
                            "number" => format!("number {text}"),
                            name => name.to_owned(),
                        };
                        Err(Stop::error(self.type_error(value, "int32".to_owned())))
                    }
                }
            }
            (Scalar::Time | Scalar::MicroTime | Scalar::Duration, Some(b'"')) => {
                let node = self.string()?;
                let text = self.text_of(&node);
                let parsed = match scalar {
                    Scalar::Time => crate::time::parse_seconds(text)
                        .map(|seconds| Node::scalar(Kind::Time, seconds as u64))
                        .map_err(|error| error.to_string()),
                    Scalar::MicroTime => crate::time::parse_micros(text)
                        .map(|micros| Node::scalar(Kind::MicroTime, micros as u64))
                        .map_err(|error| error.to_string()),
                    _ => text
                        .parse::<crate::Duration>()
                        .map(|duration| Node::scalar(Kind::Duration, duration.nanos() as u64))
                        .map_err(|error| error.to_string()),
                };
                match parsed {
                    Ok(node) => self.put(node),
                    Err(message) => Err(Stop::error(DecodeError::Leaf(message))),
                }
            }
            (Scalar::Time | Scalar::MicroTime | Scalar::Duration, Some(first)) => {
                self.skip()?;
                Err(Stop::error(self.type_error(
                    value_name(Some(first)).to_owned(),
                    "string".to_owned(),
                )))
            }
            (Scalar::RawExtension | Scalar::FieldsV1, Some(_)) => {
                let text = self.skip()?;
                let start = self.at - text.len();
                self.put(Node {
                    kind: Kind::Raw,
                    flags: 0,
                    field: 0,
                    len: text.len() as u32,
                    value: start as u64,
                })
            }
            _ => self.mismatch(shape, field),
        }
    }

    #[inline]
    fn int(&mut self, shape: &Shape, field: Option<&Field>, narrow: bool) -> Result<bool, Stop> {
        let number = self.number()?;
        match number.parse::<i64>() {
            Ok(value) if !narrow || i32::try_from(value).is_ok() => {
                self.put(Node::scalar(Kind::Int, value as u64))
            }
            _ => {
                self.save(format!("number {number}"), self.expected(shape, field));
                Ok(false)
            }
        }
    }

    /// Bytes may be written as a list of numbers, too.
    fn octets(&mut self, shape: &Shape, field: Option<&Field>) -> Result<bool, Stop> {
        let text = self.skip()?;
        match serde_json::from_str::<Vec<u8>>(text) {
            Ok(bytes) => {
                let node = self.builder.blob(Kind::Bytes, &bytes);
                self.put(node)
            }
            Err(_) => {
                self.save("array".to_owned(), self.expected(shape, field));
                Ok(false)
            }
        }
    }

    fn base64(&mut self) -> Result<bool, Stop> {
        let node = self.string()?;
        let text = self.text_of(&node);
        match crate::codec::json::base64::decode(text) {
            Ok(bytes) => {
                let node = self.builder.blob(Kind::Bytes, &bytes);
                self.put(node)
            }
            Err(error) => {
                self.saved
                    .get_or_insert_with(|| DecodeError::Leaf(error.to_string()));
                Ok(false)
            }
        }
    }

    fn quantity(&mut self) -> Result<bool, Stop> {
        let start = skip_space(self.bytes, self.at);
        let text = self.skip()?;
        let inside = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        let (inside, offset) = inside.map_or((text, start), |inside| (inside, start + 1));
        let trimmed = inside.trim();
        match crate::quantity::canonical(trimmed) {
            Ok(std::borrow::Cow::Borrowed(_)) => {
                let at = offset + (inside.len() - inside.trim_start().len());
                self.put(Node {
                    kind: Kind::Quantity,
                    flags: 0,
                    field: 0,
                    len: trimmed.len() as u32,
                    value: at as u64,
                })
            }
            Ok(std::borrow::Cow::Owned(text)) => {
                let node = self.builder.side_text(Kind::Quantity, &text);
                self.put(node)
            }
            Err(error) => Err(Stop::error(DecodeError::Leaf(error.to_string()))),
        }
    }
}
