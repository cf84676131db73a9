//! JSON → tree, in one pass.

use std::sync::Arc;

use bytes::Bytes;

use super::error::{DecodeError, Strict, StrictKind};
use super::string::{find_special, replace_invalid_utf8, unescape};
use super::syntax::{self, SyntaxError, skip_space};
use super::type_meta::value_name;
use crate::codec::merge::{self, Lists};
use crate::codec::seen::Seen;
use crate::schema::{Field, FieldId, Scalar, Schema, SchemaRef, Shape, TypeId};
use crate::tree::{Builder, Kind, MAX_DEPTH, Node, Owner, SIDE, Tree};

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

impl<'a> Decoder<'a> {
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

    fn message(&mut self, ty: TypeId) -> Result<bool, Stop> {
        self.descend()?;
        let schema = self.schema;
        let def = schema.ty(ty);
        let mark = self.builder.pending.len();
        let mut seen = Seen::new(def.plan.words);
        self.at += 1;
        let mut first = true;
        while self.key(first)? {
            first = false;
            let name = self.text_of(&self.key);
            let Some(id) = def.field(name) else {
                let path = self.path_to(name);
                self.strict.add(StrictKind::Unknown, path);
                self.skip()?;
                continue;
            };
            let field = def.field_at(id);
            self.path.push(Step::Field(ty, id));
            if !seen.insert(id) {
                self.repeated(ty, id, field, mark)?;
            } else if self.value(&field.shape, Owner::field(ty, id), Some(field))? {
                let at = self.builder.pending.len() - 1;
                self.builder.pending[at].field = id.0;
                let node = &self.builder.pending[at];
                let is_zero = |node: &Node| self.text_of(node) == "0";
                if !self.verbatim && !merge::is_kept(field, node, is_zero) {
                    self.builder.pending.truncate(at);
                }
            } else if self.verbatim {
                self.put(Node::scalar(Kind::Null, 0).with_field(id))?;
            }
            self.path.pop();
        }
        self.depth -= 1;
        let node = self.builder.close_message(ty, mark);
        self.put(node)
    }

    /// A message that is, in JSON, the value of one of its fields.
    fn union(&mut self, ty: TypeId, first: Option<u8>) -> Result<bool, Stop> {
        let schema = self.schema;
        let fields = &schema.ty(ty).fields;
        let find =
            |wanted: fn(&Shape) -> bool| fields.iter().position(|field| wanted(&field.shape));
        let boolean = find(|shape| *shape == Shape::Scalar(Scalar::Bool));
        let chosen = match first {
            Some(b'{') => find(|shape| matches!(shape, Shape::Message(_))),
            Some(b'[') => find(|shape| matches!(shape, Shape::List(_))),
            Some(b't' | b'f') => boolean,
            _ => None,
        };
        let Some(index) = chosen else {
            self.skip()?;
            let refuses = boolean.is_some() && first != Some(b'n');
            return match refuses {
                true => Err(Stop::error(DecodeError::Leaf(
                    "boolean or JSON schema expected".to_owned(),
                ))),
                false => Ok(false),
            };
        };
        let id = FieldId(index as u16);
        let mark = self.builder.pending.len();
        // A schema where a boolean could stand allows as well.
        if let (Some(b'{'), Some(boolean)) = (first, boolean) {
            self.builder
                .pending
                .push(Node::scalar(Kind::Bool, 1).with_field(FieldId(boolean as u16)));
        }
        self.descend()?;
        let field = &fields[index];
        if self.value(&field.shape, Owner::field(ty, id), Some(field))? {
            let at = self.builder.pending.len() - 1;
            let node = &mut self.builder.pending[at];
            node.field = id.0;
            if node.kind == Kind::Bool && node.value == 0 {
                self.builder.pending.truncate(at);
            }
        }
        self.depth -= 1;
        let node = self.builder.close_message(ty, mark);
        self.put(node)
    }

    /// A field that stood in this message before: its values merge.
    #[cold]
    fn repeated(
        &mut self,
        ty: TypeId,
        id: FieldId,
        field: &Field,
        mark: usize,
    ) -> Result<(), Stop> {
        let last = self.path.pop();
        let path = self.path_to(&field.name);
        self.path.extend(last);
        self.strict.add(StrictKind::Duplicate, path);
        let outer = std::mem::replace(&mut self.verbatim, true);
        let new = self
            .value(&field.shape, Owner::field(ty, id), Some(field))?
            .then(|| self.builder.pending.pop())
            .flatten()
            .unwrap_or(Node::scalar(Kind::Null, 0));
        self.verbatim = outer;
        let at = self.builder.pending[mark..]
            .iter()
            .position(|node| node.field == id.0)
            .map(|at| mark + at);
        let old = at.map(|at| self.builder.pending[at]);
        let mut merger = merge::Merger {
            schema: self.schema,
            builder: &mut self.builder,
            text: self.text,
            lists: Lists::ByIndex,
        };
        let merged = merger.field(field, old, new, outer);
        match (at, merged) {
            (Some(at), Some(node)) => self.builder.pending[at] = node.with_field(id),
            (None, Some(node)) => self.builder.pending.push(node.with_field(id)),
            (Some(at), None) => _ = self.builder.pending.remove(at),
            (None, None) => {}
        }
        Ok(())
    }

    fn list(&mut self, element: &Shape, owner: Owner) -> Result<bool, Stop> {
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
                if !self.value(element, owner.deeper(), None)? {
                    self.put(match self.verbatim {
                        true => Node::scalar(Kind::Null, 0),
                        false => merge::null_element(element, owner.deeper()),
                    })?;
                }
                self.path.pop();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b']') => break self.at += 1,
                    _ => return Err(Stop::Syntax),
                }
            }
        }
        self.depth -= 1;
        let node = self.builder.close_list(owner, mark);
        self.put(node)
    }

    fn map(&mut self, element: &Shape, owner: Owner) -> Result<bool, Stop> {
        self.descend()?;
        let mark = self.builder.pending.len();
        self.at += 1;
        let mut first = true;
        while self.key(first)? {
            first = false;
            self.path.push(Step::Key(self.builder.pending.len() as u32));
            self.builder.pending.push(self.key);
            // A value that replaces another starts from nothing.
            let outer = std::mem::replace(&mut self.verbatim, false);
            if !self.value(element, owner.deeper(), None)? {
                self.put(merge::null_element(element, owner.deeper()))?;
            }
            self.verbatim = outer;
            self.path.pop();
        }
        self.depth -= 1;
        let node = self.close_map(owner, mark);
        self.put(node)
    }

    fn close_map(&mut self, owner: Owner, mark: usize) -> Node {
        let entries = self.builder.pending[mark..].chunks_exact(2);
        if entries
            .map(|entry| self.text_of(&entry[0]))
            .is_sorted_by(|a, b| a < b)
        {
            return self.builder.close_sorted_map(owner, mark);
        }
        let before = (self.builder.pending.len() - mark) / 2;
        let entries: Vec<Node> = self.builder.pending[mark..]
            .iter()
            .step_by(2)
            .copied()
            .collect();
        let node = self.builder.close_map(owner, mark, self.text);
        if node.len as usize != before {
            let mut seen = std::collections::BTreeSet::new();
            for key in &entries {
                let name = self.text_of(key).to_owned();
                if !seen.insert(name.clone()) {
                    let path = self.path_to(&name);
                    self.strict.add(StrictKind::Duplicate, path);
                }
            }
        }
        node
    }

    /// Any JSON value, without a schema.
    fn untyped(&mut self) -> Result<bool, Stop> {
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

    /// Reads the next key of an object, with its colon; none at the end.
    #[inline]
    fn key(&mut self, first: bool) -> Result<bool, Stop> {
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
    fn text_of(&self, node: &Node) -> &str {
        let at = node.value as usize;
        let buffer = if node.flags & SIDE == 0 {
            self.text
        } else {
            self.builder.side.as_str()
        };
        buffer.get(at..at + node.len as usize).unwrap_or_default()
    }

    #[inline]
    fn put_string(&mut self) -> Result<bool, Stop> {
        let node = self.string()?;
        self.put(node)
    }

    /// A string; the opening quote is next.
    #[inline(always)]
    fn string(&mut self) -> Result<Node, Stop> {
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
    fn literal(&mut self, text: &str, node: Node) -> Result<bool, Stop> {
        if self.bytes[self.at..].starts_with(text.as_bytes()) {
            self.at += text.len();
            self.put(node)
        } else {
            Err(Stop::Syntax)
        }
    }

    fn null(&mut self) -> Result<bool, Stop> {
        self.literal("null", Node::scalar(Kind::Null, 0))?;
        self.builder.pending.pop();
        Ok(false)
    }

    fn number(&mut self) -> Result<&'a str, Stop> {
        let end = syntax::skip_number(self.bytes, self.at).map_err(|_| Stop::Syntax)?;
        let number = self.text.get(self.at..end).unwrap_or_default();
        self.at = end;
        Ok(number)
    }

    /// The bytes of a whole value.
    fn skip(&mut self) -> Result<&'a str, Stop> {
        let start = skip_space(self.bytes, self.at);
        self.at = syntax::skip_value(self.bytes, start).map_err(|_| Stop::Syntax)?;
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    fn scalar(
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
                        self.save(
                            format!("number {number}"),
                            type_name(self.schema, shape, field),
                        );
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
                self.save(
                    format!("number {number}"),
                    type_name(self.schema, shape, field),
                );
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
                self.save("array".to_owned(), type_name(self.schema, shape, field));
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

    /// A value of another type than the shape's: null is none, all else is an error, kept for later.
    #[cold]
    fn mismatch(&mut self, shape: &Shape, field: Option<&Field>) -> Result<bool, Stop> {
        let first = self.peek();
        self.skip()?;
        if first != Some(b'n') {
            self.save(
                value_name(first).to_owned(),
                type_name(self.schema, shape, field),
            );
        }
        Ok(false)
    }

    #[cold]
    fn save(&mut self, value: String, expected: String) {
        if self.saved.is_none() {
            self.saved = Some(self.type_error(value, expected));
        }
    }

    /// An error with the struct and the names of the fields above, list indices and map keys left out.
    fn type_error(&self, value: String, expected: String) -> DecodeError {
        let mut names: Vec<&str> = Vec::new();
        let mut owner = None;
        for step in &self.path {
            if let Step::Field(ty, id) = step {
                let ty = self.schema.ty(*ty);
                let field = ty.field_at(*id);
                names.extend(field.embedded_in.as_deref());
                names.push(&field.name);
                owner = Some(ty.go_name());
            }
        }
        let place = match owner {
            Some(owner) => format!("struct field {owner}.{}", names.join(".")),
            None => "value".to_owned(),
        };
        DecodeError::Type {
            value,
            place,
            expected,
        }
    }

    /// The path of a field of the value that is being read.
    #[cold]
    fn path_to(&self, name: &str) -> String {
        use std::fmt::Write;
        let mut path = String::new();
        for step in &self.path {
            let name = match step {
                Step::Field(ty, id) => self.schema.ty(*ty).field_at(*id).name.as_str(),
                Step::Key(index) => self
                    .builder
                    .pending
                    .get(*index as usize)
                    .map_or("", |key| self.text_of(key)),
                Step::Index(index) => {
                    // Writing to a String cannot fail.
                    let _ = write!(path, "[{index}]");
                    continue;
                }
            };
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(name);
        }
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(name);
        path
    }
}

/// A Go type as reflection prints it.
fn type_name(schema: &Schema, shape: &Shape, field: Option<&Field>) -> String {
    if let Some(name) = field.and_then(|field| field.go_type.as_ref()) {
        return name.clone();
    }
    match shape {
        Shape::Message(ty) => schema.ty(*ty).reflect_name().to_owned(),
        Shape::List(element) => format!("[]{}", type_name(schema, element, None)),
        Shape::Map(element) => format!("map[string]{}", type_name(schema, element, None)),
        Shape::Scalar(scalar) => match scalar {
            Scalar::String => "string",
            Scalar::Bool => "bool",
            Scalar::Int32 => "int32",
            Scalar::Int64 => "int64",
            Scalar::Double => "float64",
            Scalar::Bytes => "[]uint8",
            Scalar::Quantity => "resource.Quantity",
            Scalar::IntOrString => "intstr.IntOrString",
            Scalar::Time => "v1.Time",
            Scalar::MicroTime => "v1.MicroTime",
            Scalar::Duration => "v1.Duration",
            Scalar::RawExtension => "runtime.RawExtension",
            Scalar::FieldsV1 => "v1.FieldsV1",
            Scalar::Json => "v1.JSON",
        }
        .to_owned(),
    }
}
