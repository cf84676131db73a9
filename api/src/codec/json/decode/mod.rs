//! JSON → tree, in one pass.

mod collection;
mod message;
mod mismatch;
mod scalar;
mod token;
mod untyped;

use std::sync::Arc;

use bytes::Bytes;

use super::error::{DecodeError, Strict};
use super::string::replace_invalid_utf8;
use super::syntax::{self, SyntaxError, skip_space};
use crate::schema::{Field, FieldId, Schema, SchemaRef, Shape, TypeId};
use crate::tree::{Builder, Kind, MAX_DEPTH, Node, Owner, Tree};

/// Decodes a message of type `ty`; [`TypeId::UNTYPED`] keeps the JSON value as it is.
///
/// Unknown and duplicate fields are no errors: they are collected in `strict`. Unknown ones are dropped; duplicate ones merge as
/// Go's decoder merges them.
///
/// # Errors
/// When the body is not well-formed, or a value has the wrong type.
pub fn decode(
    schema: impl Into<SchemaRef>,
    ty: TypeId,
    input: impl Into<Bytes>,
    strict: &mut Strict,
) -> Result<Tree, DecodeError> {
    let schema = schema.into();
    let input = input.into();
    if u32::try_from(input.len()).is_err() {
        return Err(DecodeError::TooLarge);
    }
    let text = match String::from_utf8(Vec::from(input)) {
        Ok(text) => text,
        Err(error) => {
            let bytes = error.into_bytes();
            syntax::check(&bytes)?;
            replace_invalid_utf8(&bytes)
        }
    };
    let mut decoder = Decoder {
        schema: &schema,
        text: &text,
        bytes: text.as_bytes(),
        at: 0,
        builder: Builder::with_capacity(text.len() / 14 + 8),
        strict,
        path: Vec::with_capacity(16),
        saved: None,
        depth: 0,
        key: Node::scalar(Kind::Str, 0),
        verbatim: false,
    };
    let root = match decoder.document(ty) {
        Ok(root) => root,
        Err(stop) => {
            let at = decoder.at;
            // Whatever is wrong with a value, a body that is no JSON is refused for that.
            syntax::check(text.as_bytes())?;
            return Err(match stop {
                Stop::Syntax => {
                    let bracket = text.as_bytes().get(at).copied().unwrap_or(b'{');
                    SyntaxError::Depth(bracket.into()).into()
                }
                Stop::Error(error) => *error,
            });
        }
    };
    let Decoder { builder, saved, .. } = decoder;
    if let Some(error) = saved {
        return Err(error);
    }
    Ok(builder.finish(schema, root, Arc::new(text)))
}

/// Decodes any JSON value without a schema.
///
/// # Errors
/// When the text is not well-formed.
pub fn decode_untyped(input: impl Into<Bytes>, strict: &mut Strict) -> Result<Tree, DecodeError> {
    decode(Schema::builtin(), TypeId::UNTYPED, input, strict)
}

/// Why decoding cannot go on.
enum Stop {
    /// Not well-formed, or too deep: the words are found by [`syntax::check`].
    Syntax,
    /// Boxed, so that results stay small.
    Error(Box<DecodeError>),
}

impl Stop {
    #[cold]
    fn error(error: DecodeError) -> Stop {
        Stop::Error(Box::new(error))
    }
}

#[derive(Clone, Copy)]
enum Step {
    Field(TypeId, FieldId),
    Index(u32),
    /// The key's index among the pending nodes.
    Key(u32),
}

struct Decoder<'a> {
    schema: &'a Schema,
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    builder: Builder,
    strict: &'a mut Strict,
    path: Vec<Step>,
    /// The first value of a wrong type: decoding goes on, for there may be a worse error.
    saved: Option<DecodeError>,
    depth: usize,
    /// The key that was read last.
    key: Node,
    /// Keep zero values and nulls: this is the value of a field that came before.
    verbatim: bool,
}

impl Decoder<'_> {
    fn document(&mut self, ty: TypeId) -> Result<Node, Stop> {
        self.at = skip_space(self.bytes, 0);
        let root = if ty == TypeId::UNTYPED {
            self.untyped()?;
            let root = self.builder.pending.pop();
            root.unwrap_or(Node::scalar(Kind::Null, 0))
        } else {
            let shape = Shape::Message(ty);
            self.value(&shape, Owner::UNTYPED, None)?
                .then(|| self.builder.pending.pop())
                .flatten()
                .unwrap_or(Node::message(ty, 0, 0))
        };
        self.at = skip_space(self.bytes, self.at);
        if self.at == self.bytes.len() {
            Ok(root)
        } else {
            Err(Stop::Syntax)
        }
    }

    #[inline]
    fn peek(&mut self) -> Option<u8> {
        match self.bytes.get(self.at) {
            Some(b' ' | b'\n' | b'\r' | b'\t') => {
                self.at = skip_space(self.bytes, self.at);
                self.bytes.get(self.at).copied()
            }
            other => other.copied(),
        }
    }

    #[inline]
    fn descend(&mut self) -> Result<(), Stop> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            Err(Stop::Syntax)
        } else {
            Ok(())
        }
    }

    #[inline(always)]
    fn put(&mut self, node: Node) -> Result<bool, Stop> {
        self.builder.pending.push(node);
        Ok(true)
    }

    /// A value of a shape, put at the end of the pending nodes; none for null, and for what was refused.
    ///
    /// Nodes are not returned: written in parts and read back whole they would stall the processor.
    #[inline]
    fn value(&mut self, shape: &Shape, owner: Owner, field: Option<&Field>) -> Result<bool, Stop> {
        match (shape, self.peek()) {
            (Shape::Scalar(scalar), _) => self.scalar(*scalar, shape, field),
            (Shape::Message(ty), first) if self.schema.ty(*ty).union => self.union(*ty, first),
            (Shape::Message(ty), Some(b'{')) => self.message(*ty),
            (Shape::List(element), Some(b'[')) => self.list(element, owner),
            (Shape::Map(element), Some(b'{')) => self.map(element, owner),
            _ => self.mismatch(shape, field),
        }
    }
}
