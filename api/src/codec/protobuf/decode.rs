//! Protobuf → tree, in one pass.

use std::sync::Arc;

use bytes::Bytes;

use super::wire::{BYTES, DecodeError, FIXED64, Reader, Stop, VARINT};
use crate::codec::merge::{self, Lists};
use crate::codec::seen::Seen;
use crate::schema::plan::Numbers;
use crate::schema::{Field, FieldId, Scalar, SchemaRef, Shape, Slot, Type, TypeId};
use crate::tree::{Builder, Kind, MAX_DEPTH, Node, Owner, Tree};

/// Decodes a bare message of type `ty`. Unknown fields are skipped; messages that come twice merge.
///
/// # Errors
/// When the bytes are no such message.
pub fn decode(
    schema: impl Into<SchemaRef>,
    ty: TypeId,
    input: impl Into<Bytes>,
) -> Result<Tree, DecodeError> {
    let schema = schema.into();
    let input = input.into();
    if u32::try_from(input.len()).is_err() {
        return Err(DecodeError::TooLarge);
    }
    let mut decoder = Decoder {
        schema: &schema,
        text: String::with_capacity(input.len()),
        builder: Builder::with_capacity(input.len() / 8 + 8),
        depth: 0,
        verbatim: false,
    };
    let root = decoder.message(ty, &input)?;
    let Decoder { text, builder, .. } = decoder;
    Ok(builder.finish(schema, root, Arc::new(text)))
}

struct Decoder<'a> {
    schema: &'a SchemaRef,
    /// All text of the message, without what protobuf has between.
    text: String,
    builder: Builder,
    depth: usize,
    /// Keep zero values: this message came before.
    verbatim: bool,
}

/// The message that fields are read into.
struct Target<'a> {
    ty: TypeId,
    def: &'a Type,
    mark: usize,
    seen: Seen,
}

impl<'a> Decoder<'a> {
    fn message(&mut self, ty: TypeId, body: &[u8]) -> Result<Node, Stop> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(DecodeError::Depth.into());
        }
        let schema = self.schema;
        let def = schema.ty(ty);
        let mut target = Target {
            ty,
            def,
            mark: self.builder.pending.len(),
            seen: Seen::new(def.plan.words),
        };
        self.fields(&mut target, &def.plan.numbers, body)?;
        self.depth -= 1;
        Ok(self.builder.close_message(ty, target.mark))
    }

    fn fields(
        &mut self,
        target: &mut Target<'a>,
        numbers: &Numbers,
        body: &[u8],
    ) -> Result<(), Stop> {
        let mut reader = Reader::new(body);
        while !reader.is_done() {
            let tag_at = reader.at;
            let (number, wire_type) = reader.tag(|| target.def.go_name().to_owned())?;
            match numbers.get(number) {
                Slot::Unknown => reader.skip(wire_type)?,
                Slot::Via(group) => {
                    if wire_type != BYTES {
                        return Err(DecodeError::WrongWireType {
                            wire_type,
                            field: number.to_string(),
                        }
                        .into());
                    }
                    let inner = reader.delimited()?;
                    let def = target.def;
                    self.fields(target, &def.plan.via[usize::from(group)], inner)?;
                }
                Slot::Field(id) => {
                    let tag = &body[tag_at..reader.at];
                    self.field(target, id, &mut reader, tag, wire_type)?;
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn field(
        &mut self,
        target: &mut Target<'a>,
        id: FieldId,
        reader: &mut Reader<'_>,
        tag: &[u8],
        wire_type: u8,
    ) -> Result<(), Stop> {
        let field = target.def.field_at(id);
        let owner = Owner::field(target.ty, id);
        if target.seen.insert(id) {
            let node = self.run(field, owner, reader, tag, wire_type)?;
            let text = &self.text;
            let is_zero = |node: &Node| {
                text.get(node.value as usize..node.value as usize + node.len as usize) == Some("0")
            };
            if self.verbatim || merge::is_kept(field, &node, is_zero) {
                self.builder.pending.push(node.with_field(id));
            }
            return Ok(());
        }
        let outer = std::mem::replace(&mut self.verbatim, true);
        let new = self.run(field, owner, reader, tag, wire_type)?;
        self.verbatim = outer;
        let mut merger = merge::Merger {
            schema: self.schema,
            builder: &mut self.builder,
            text: &self.text,
            lists: Lists::Append,
        };
        merger.repeated(target.mark, id, field, new, outer);
        Ok(())
    }

    /// A field's value; for lists and maps all that follow without another field in between.
    #[inline]
    fn run(
        &mut self,
        field: &Field,
        owner: Owner,
        reader: &mut Reader<'_>,
        tag: &[u8],
        wire_type: u8,
    ) -> Result<Node, Stop> {
        let (element, is_map) = match &field.shape {
            Shape::List(element) if !field.wrapped => (element, false),
            Shape::Map(element) => (element, true),
            shape => return self.value(field, shape, owner, reader, wire_type),
        };
        let mark = self.builder.pending.len();
        loop {
            if is_map {
                self.entry(field, element, owner, reader, wire_type)?;
            } else if wire_type == BYTES && is_packable(element) {
                let mut packed = Reader::new(reader.delimited()?);
                while !packed.is_done() {
                    let node = self.value(
                        field,
                        element,
                        owner.deeper(),
                        &mut packed,
                        packed_type(element),
                    )?;
                    self.builder.pending.push(node);
                }
            } else {
                let node = self.value(field, element, owner.deeper(), reader, wire_type)?;
                self.builder.pending.push(node);
            }
            if !reader.bytes[reader.at..].starts_with(tag) {
                break;
            }
            reader.at += tag.len();
        }
        Ok(if is_map {
            self.builder.close_map(owner, mark, &self.text)
        } else {
            self.builder.close_list(owner, mark)
        })
    }

    fn entry(
        &mut self,
        field: &Field,
        element: &Shape,
        owner: Owner,
        reader: &mut Reader<'_>,
        wire_type: u8,
    ) -> Result<(), Stop> {
        if wire_type != BYTES {
            return Err(DecodeError::WrongWireType {
                wire_type,
                field: field.name.clone(),
            }
            .into());
        }
        let mut entry = Reader::new(reader.delimited()?);
        let (mut key, mut value) = (None, None);
        while !entry.is_done() {
            let (number, wire_type) = entry.tag(|| field.name.clone())?;
            match number {
                1 if wire_type == BYTES => key = Some(self.text(Kind::Str, entry.delimited()?)),
                2 => {
                    value =
                        Some(self.value(field, element, owner.deeper(), &mut entry, wire_type)?)
                }
                _ => entry.skip(wire_type)?,
            }
        }
        let key = key.unwrap_or(Node::scalar(Kind::Str, 0));
        let value = value.unwrap_or_else(|| match element {
            Shape::Scalar(Scalar::Bytes) => Node::scalar(Kind::Bytes, 0),
            _ => merge::null_element(element, owner.deeper()),
        });
        self.builder.pending.extend([key, value]);
        Ok(())
    }

    #[inline]
    fn text(&mut self, kind: Kind, bytes: &[u8]) -> Node {
        let at = self.text.len();
        match std::str::from_utf8(bytes) {
            Ok(text) => self.text.push_str(text),
            Err(_) => self
                .text
                .push_str(&crate::codec::json::string::replace_invalid_utf8(bytes)),
        }
        Node {
            kind,
            flags: 0,
            field: 0,
            len: (self.text.len() - at) as u32,
            value: at as u64,
        }
    }

    #[inline]
    fn value(
        &mut self,
        field: &Field,
        shape: &Shape,
        owner: Owner,
        reader: &mut Reader<'_>,
        wire_type: u8,
    ) -> Result<Node, Stop> {
        let expected = match shape {
            Shape::Scalar(Scalar::Bool | Scalar::Int32 | Scalar::Int64) => VARINT,
            Shape::Scalar(Scalar::Double) => FIXED64,
            _ => BYTES,
        };
        if wire_type != expected {
            return Err(DecodeError::WrongWireType {
                wire_type,
                field: field.name.clone(),
            }
            .into());
        }
        match shape {
            Shape::Message(ty) => self.message(*ty, reader.delimited()?),
            Shape::Scalar(Scalar::String) => Ok(self.text(Kind::Str, reader.delimited()?)),
            Shape::Scalar(Scalar::Bool) => {
                Ok(Node::scalar(Kind::Bool, u64::from(reader.varint()? != 0)))
            }
            Shape::Scalar(Scalar::Int32) => Ok(Node::scalar(
                Kind::Int,
                i64::from(reader.varint()? as i32) as u64,
            )),
            Shape::Scalar(Scalar::Int64) => Ok(Node::scalar(Kind::Int, reader.varint()?)),
            Shape::Scalar(Scalar::Double) => Ok(Node::scalar(Kind::Float, reader.fixed64()?)),
            Shape::Scalar(Scalar::Bytes) => Ok(self.builder.blob(Kind::Bytes, reader.delimited()?)),
            Shape::Scalar(scalar) => self.leaf_message(*scalar, field, reader.delimited()?),
            Shape::List(element) => self.wrapped_list(field, element, owner, reader.delimited()?),
            // Upstream has no map that is an element or a value.
            Shape::Map(_) => {
                reader.delimited()?;
                Ok(crate::tree::empty(shape, owner))
            }
        }
    }

    /// A list in a message of its own.
    fn wrapped_list(
        &mut self,
        field: &Field,
        element: &Shape,
        owner: Owner,
        body: &[u8],
    ) -> Result<Node, Stop> {
        let mark = self.builder.pending.len();
        let mut reader = Reader::new(body);
        while !reader.is_done() {
            let (number, wire_type) = reader.tag(|| field.name.clone())?;
            match number {
                1 => {
                    let node =
                        self.value(field, element, owner.deeper(), &mut reader, wire_type)?;
                    self.builder.pending.push(node);
                }
                _ => reader.skip(wire_type)?,
            }
        }
        Ok(self.builder.close_list(owner, mark))
    }

    /// A leaf that protobuf carries as a small message.
    fn leaf_message(&mut self, scalar: Scalar, field: &Field, body: &[u8]) -> Result<Node, Stop> {
        let small = SmallMessage::read(field, body)?;
        match scalar {
            Scalar::Quantity => match small.bytes[1] {
                None => Ok(self.text(Kind::Quantity, b"0")),
                Some(bytes) => {
                    let text = String::from_utf8_lossy(bytes);
                    match crate::quantity::canonical(&text) {
                        Ok(canonical) => Ok(self.text(Kind::Quantity, canonical.as_bytes())),
                        Err(error) => Err(DecodeError::Leaf(error.to_string()).into()),
                    }
                }
            },
            Scalar::IntOrString if small.ints[1] == Some(1) => {
                Ok(self.text(Kind::Str, small.bytes[3].unwrap_or_default()))
            }
            Scalar::IntOrString => {
                let value = small.ints[2].unwrap_or(0) as i32;
                Ok(Node::scalar(Kind::Int, i64::from(value) as u64))
            }
            Scalar::Time | Scalar::MicroTime => {
                let (kind, zero) = match scalar {
                    Scalar::Time => (Kind::Time, crate::time::ZERO_SECONDS),
                    _ => (Kind::MicroTime, crate::time::ZERO_MICROS),
                };
                if body.is_empty() {
                    return Ok(Node::scalar(kind, zero as u64));
                }
                let seconds = small.ints[1].unwrap_or(0) as i64;
                if !(crate::time::ZERO_SECONDS..=crate::time::MAX_SECONDS).contains(&seconds) {
                    return Err(DecodeError::Leaf(format!(
                        "{}: time out of range: {seconds} seconds",
                        field.name
                    ))
                    .into());
                }
                let micros = i64::from(small.ints[2].unwrap_or(0) as i32) / 1_000;
                let value = match scalar {
                    Scalar::Time => seconds,
                    _ => (seconds * 1_000_000 + micros).max(zero),
                };
                Ok(Node::scalar(kind, value as u64))
            }
            Scalar::Duration => Ok(Node::scalar(Kind::Duration, small.ints[1].unwrap_or(0))),
            Scalar::Json => self.json(small.bytes[1].unwrap_or_default()),
            _ => match small.bytes[1] {
                None => Ok(Node::scalar(Kind::Raw, 0)),
                Some(bytes) if std::str::from_utf8(bytes).is_ok() => {
                    Ok(self.text(Kind::Raw, bytes))
                }
                Some(bytes) => Ok(self.builder.blob(Kind::Raw, bytes)),
            },
        }
    }

    fn json(&mut self, bytes: &[u8]) -> Result<Node, Stop> {
        if bytes.is_empty() {
            return Ok(Node::scalar(Kind::Null, 0));
        }
        let mut strict = crate::codec::json::Strict::new();
        let tree =
            crate::codec::json::decode(self.schema, TypeId::UNTYPED, bytes.to_vec(), &mut strict)
                .map_err(|error| DecodeError::Leaf(error.to_string()))?;
        let mut store = self.builder.suspend(self.schema.clone(), Arc::default());
        let root = tree.root();
        let node = store.copy(root.store, root.node, Owner::UNTYPED);
        self.builder.resume(store);
        Ok(node)
    }
}

fn is_packable(shape: &Shape) -> bool {
    matches!(
        shape,
        Shape::Scalar(Scalar::Bool | Scalar::Int32 | Scalar::Int64 | Scalar::Double)
    )
}

fn packed_type(shape: &Shape) -> u8 {
    if matches!(shape, Shape::Scalar(Scalar::Double)) {
        FIXED64
    } else {
        VARINT
    }
}

/// The first three fields of a message that stands for a leaf; of repeated ones the last counts.
#[derive(Default)]
struct SmallMessage<'a> {
    ints: [Option<u64>; 4],
    bytes: [Option<&'a [u8]>; 4],
}

impl<'a> SmallMessage<'a> {
    fn read(field: &Field, body: &'a [u8]) -> Result<SmallMessage<'a>, Stop> {
        let mut small = SmallMessage::default();
        let mut reader = Reader::new(body);
        while !reader.is_done() {
            let (number, wire_type) = reader.tag(|| field.name.clone())?;
            match (number, wire_type) {
                (1..=3, VARINT) => small.ints[number as usize] = Some(reader.varint()?),
                (1..=3, BYTES) => small.bytes[number as usize] = Some(reader.delimited()?),
                _ => reader.skip(wire_type)?,
            }
        }
        Ok(small)
    }
}
