//! What the codecs need of a message type, computed once: JSON keys with their punctuation, the bytes of zero values, the order
//! and the numbers of protobuf.

use std::collections::HashMap;

use super::{Field, FieldId, NameIndex, ParseError, Scalar, Schema, Shape, Type, TypeId};

/// Precomputed per message type.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// `"name":` by field.
    pub json_key: Vec<Box<str>>,
    /// `"name":<zero>` by field; empty for fields that JSON leaves out when unset.
    pub json_zero: Vec<Box<str>>,
    /// What protobuf carries, in ascending order of numbers.
    pub wire: Vec<WireEntry>,
    /// The tag (number and wire type) by field, as a varint.
    pub tag: Vec<Tag>,
    /// The bytes by which an unset field is written, tag included; empty where nothing is.
    pub wire_zero: Vec<Box<[u8]>>,
    /// Number → field.
    pub numbers: Numbers,
    /// Embedded messages, the inner ones too: fields by the numbers inside of them.
    pub via: Vec<Numbers>,
    /// How many bits a set of fields needs, in words of 64.
    pub words: usize,
}

/// A varint of at most five bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tag {
    pub bytes: [u8; 5],
    pub len: u8,
}

impl Tag {
    pub(crate) fn new(number: u32, wire_type: u32) -> Tag {
        let mut value = number << 3 | wire_type;
        let mut tag = Tag::default();
        loop {
            let more = value >= 0x80;
            tag.bytes[usize::from(tag.len)] = (value & 0x7f) as u8 | u8::from(more) << 7;
            tag.len += 1;
            value >>= 7;
            if !more {
                return tag;
            }
        }
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// What stands at a protobuf number.
#[derive(Debug)]
pub(crate) enum WireEntry {
    Field(FieldId),
    /// An embedded message whose fields JSON flattens; always written.
    Via {
        tag: Tag,
        entries: Vec<WireEntry>,
    },
}

/// What a number means when reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Unknown,
    Field(FieldId),
    Via(u16),
}

/// Protobuf number → slot.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    dense: Vec<Slot>,
    sparse: Vec<(u32, Slot)>,
}

const DENSE: u32 = 256;

impl Numbers {
    #[inline]
    pub(crate) fn get(&self, number: u32) -> Slot {
        match self.dense.get(number as usize) {
            Some(slot) => *slot,
            None => match self.sparse.binary_search_by_key(&number, |(n, _)| *n) {
                Ok(found) => self.sparse[found].1,
                Err(_) => Slot::Unknown,
            },
        }
    }

    fn insert(&mut self, number: u32, slot: Slot) -> Result<(), u32> {
        if self.get(number) != Slot::Unknown {
            return Err(number);
        }
        if number < DENSE {
            if self.dense.len() <= number as usize {
                self.dense.resize(number as usize + 1, Slot::Unknown);
            }
            self.dense[number as usize] = slot;
        } else {
            let at = self.sparse.partition_point(|(n, _)| *n < number);
            self.sparse.insert(at, (number, slot));
        }
        Ok(())
    }
}

/// Fills in everything that follows from the fields.
pub(super) fn finish(mut types: Vec<Type>) -> Result<Schema, ParseError> {
    if types.len() >= usize::from(TypeId::UNTYPED.0) {
        return Err(ParseError::TooManyTypes);
    }
    let mut by_name = HashMap::with_capacity(types.len());
    let mut by_kind = Vec::new();
    for (index, ty) in types.iter().enumerate() {
        if ty.fields.len() >= usize::from(u16::MAX) {
            return Err(ParseError::TooManyFields(ty.name.clone()));
        }
        for field in &ty.fields {
            check_ids(&field.shape, types.len())
                .ok_or_else(|| ParseError::UnknownType(field.name.clone()))?;
        }
        if by_name
            .insert(ty.name.clone(), TypeId(index as u16))
            .is_some()
        {
            return Err(ParseError::DuplicateType(ty.name.clone()));
        }
        if ty.kind.is_some() {
            by_kind.push(TypeId(index as u16));
        }
    }
    by_kind.sort_by(|a, b| {
        types[usize::from(a.0)]
            .kind
            .cmp(&types[usize::from(b.0)].kind)
    });

    let zeros = Zeros::compute(&types)?;
    for (index, ty) in types.iter_mut().enumerate() {
        ty.index = NameIndex::new(&ty.fields);
        ty.always = ids(ty)
            .filter(|id| !ty.fields[usize::from(id.0)].omit_empty)
            .collect();
        let mut order: Vec<FieldId> = ids(ty)
            .filter(|id| ty.fields[usize::from(id.0)].number != 0)
            .collect();
        order.sort_by_key(|id| position(ty, *id));
        ty.wire_order = order;
        ty.plan = plan(ty, &zeros.json_fields[index], &zeros.wire_fields[index])?;
    }
    Ok(Schema {
        types,
        by_name,
        by_kind,
    })
}

fn ids(ty: &Type) -> impl Iterator<Item = FieldId> + use<> {
    (0..ty.fields.len() as u16).map(FieldId)
}

/// Sorts flattened fields together, under the number of their embedded message.
fn position(ty: &Type, id: FieldId) -> Vec<u32> {
    let field = &ty.fields[usize::from(id.0)];
    field.via.iter().copied().chain([field.number]).collect()
}

fn check_ids(shape: &Shape, types: usize) -> Option<()> {
    match shape {
        Shape::Message(id) => (usize::from(id.0) < types).then_some(()),
        Shape::List(element) | Shape::Map(element) => check_ids(element, types),
        Shape::Scalar(_) => Some(()),
    }
}

fn plan(ty: &Type, json_zero: &[Box<str>], wire_zero: &[Box<[u8]>]) -> Result<Plan, ParseError> {
    let mut plan = Plan {
        json_key: ty.fields.iter().map(|field| key(&field.name)).collect(),
        json_zero: json_zero.to_vec(),
        wire_zero: wire_zero.to_vec(),
        tag: ty
            .fields
            .iter()
            .map(|field| Tag::new(field.number, tag_type(field)))
            .collect(),
        words: ty.fields.len().div_ceil(64),
        ..Plan::default()
    };
    let mut layout = Layout {
        ty,
        via: Vec::new(),
    };
    let (entries, numbers) = layout.level(&ty.wire_order, 0)?;
    (plan.wire, plan.numbers, plan.via) = (entries, numbers, layout.via);
    Ok(plan)
}

/// Groups flattened fields into their embedded messages.
struct Layout<'a> {
    ty: &'a Type,
    via: Vec<Numbers>,
}

impl Layout<'_> {
    /// What stands at one level of embedding, of fields that are sorted by [`position`].
    fn level(
        &mut self,
        order: &[FieldId],
        depth: usize,
    ) -> Result<(Vec<WireEntry>, Numbers), ParseError> {
        let ty = self.ty;
        let clash = |number: u32| ParseError::DuplicateNumber {
            ty: ty.name.clone(),
            number,
        };
        let embedded = |id: &FieldId| ty.fields[usize::from(id.0)].via.get(depth).copied();
        let (mut entries, mut numbers) = (Vec::new(), Numbers::default());
        for group in order.chunk_by(|a, b| embedded(a).is_some() && embedded(a) == embedded(b)) {
            match embedded(&group[0]) {
                None => {
                    let number = ty.fields[usize::from(group[0].0)].number;
                    numbers
                        .insert(number, Slot::Field(group[0]))
                        .map_err(clash)?;
                    entries.push(WireEntry::Field(group[0]));
                }
                Some(number) => {
                    let (inner, inner_numbers) = self.level(group, depth + 1)?;
                    numbers
                        .insert(number, Slot::Via(self.via.len() as u16))
                        .map_err(clash)?;
                    self.via.push(inner_numbers);
                    entries.push(WireEntry::Via {
                        tag: Tag::new(number, 2),
                        entries: inner,
                    });
                }
            }
        }
        Ok((entries, numbers))
    }
}

fn key(name: &str) -> Box<str> {
    let mut key = Vec::new();
    crate::codec::json::write_string(&mut key, name);
    key.push(b':');
    String::from_utf8_lossy(&key).into_owned().into_boxed_str()
}

/// The wire type of a field's tag: a list's is that of its elements, for upstream packs nothing.
fn tag_type(field: &Field) -> u32 {
    match &field.shape {
        Shape::List(element) if !field.wrapped => wire_type(element),
        shape => wire_type(shape),
    }
}

fn wire_type(shape: &Shape) -> u32 {
    match shape {
        Shape::Scalar(Scalar::Bool | Scalar::Int32 | Scalar::Int64) => 0,
        Shape::Scalar(Scalar::Double) => 1,
        _ => 2,
    }
}

/// The encodings of unset fields and of empty messages.
struct Zeros {
    json_fields: Vec<Vec<Box<str>>>,
    wire_fields: Vec<Vec<Box<[u8]>>>,
    /// JSON and protobuf of a whole empty message, once known.
    done: Vec<Option<(String, Vec<u8>)>>,
}

/// Messages by value nest at most so deep.
const NESTING: usize = 64;

impl Zeros {
    fn compute(types: &[Type]) -> Result<Zeros, ParseError> {
        let mut zeros = Zeros {
            json_fields: vec![Vec::new(); types.len()],
            wire_fields: vec![Vec::new(); types.len()],
            done: vec![None; types.len()],
        };
        for index in 0..types.len() {
            zeros.of(types, index, 0)?;
        }
        Ok(zeros)
    }

    fn of(
        &mut self,
        types: &[Type],
        index: usize,
        depth: usize,
    ) -> Result<(String, Vec<u8>), ParseError> {
        if let Some(done) = &self.done[index] {
            return Ok(done.clone());
        }
        let ty = &types[index];
        if depth > NESTING {
            return Err(ParseError::Recursive(ty.name.clone()));
        }
        let mut json_fields = Vec::with_capacity(ty.fields.len());
        let mut wire_fields = Vec::with_capacity(ty.fields.len());
        for field in &ty.fields {
            let nested = match &field.shape {
                Shape::Message(id) if !field.pointer => {
                    Some(self.of(types, usize::from(id.0), depth + 1)?)
                }
                _ => None,
            };
            json_fields.push(if field.omit_empty {
                Box::default()
            } else {
                let value = match (&nested, &field.shape) {
                    (Some((json, _)), _) => json.as_str(),
                    (None, Shape::Scalar(scalar)) if !field.pointer => json_zero(*scalar),
                    _ => "null",
                };
                format!("{}{value}", key(&field.name)).into_boxed_str()
            });
            let body = match (&nested, &field.shape) {
                (Some((_, wire)), _) => Some(delimited(wire)),
                (None, Shape::Scalar(scalar)) if !field.pointer => {
                    wire_zero(*scalar).map(<[u8]>::to_vec)
                }
                _ => None,
            };
            wire_fields.push(match body {
                Some(body) if field.number != 0 => {
                    let mut bytes = Tag::new(field.number, wire_type(&field.shape))
                        .as_slice()
                        .to_vec();
                    bytes.extend_from_slice(&body);
                    bytes.into_boxed_slice()
                }
                _ => Box::default(),
            });
        }
        let shown: Vec<&str> = json_fields
            .iter()
            .map(|json| &**json)
            .filter(|json| !json.is_empty())
            .collect();
        let json = match ty.union {
            false => format!("{{{}}}", shown.join(",")),
            true if ty
                .fields
                .iter()
                .any(|field| field.shape == Shape::Scalar(Scalar::Bool)) =>
            {
                "false".to_owned()
            }
            true => "null".to_owned(),
        };
        let wire = whole_wire(ty, &wire_fields);
        self.json_fields[index] = json_fields;
        self.wire_fields[index] = wire_fields;
        self.done[index] = Some((json.clone(), wire.clone()));
        Ok((json, wire))
    }
}

fn whole_wire(ty: &Type, fields: &[Box<[u8]>]) -> Vec<u8> {
    fn level(ty: &Type, order: &[FieldId], depth: usize, fields: &[Box<[u8]>]) -> Vec<u8> {
        let embedded = |id: &FieldId| ty.fields[usize::from(id.0)].via.get(depth).copied();
        let mut out = Vec::new();
        for group in order.chunk_by(|a, b| embedded(a).is_some() && embedded(a) == embedded(b)) {
            match embedded(&group[0]) {
                None => out.extend_from_slice(&fields[usize::from(group[0].0)]),
                Some(number) => {
                    out.extend_from_slice(Tag::new(number, 2).as_slice());
                    out.extend_from_slice(&delimited(&level(ty, group, depth + 1, fields)));
                }
            }
        }
        out
    }
    let mut order: Vec<FieldId> = ids(ty)
        .filter(|id| ty.fields[usize::from(id.0)].number != 0)
        .collect();
    order.sort_by_key(|id| position(ty, *id));
    level(ty, &order, 0, fields)
}

fn delimited(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 2);
    let mut len = body.len();
    while len >= 0x80 {
        out.push((len & 0x7f) as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(body);
    out
}

/// The zero value of a by-value leaf in JSON.
fn json_zero(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::String => "\"\"",
        Scalar::Bool => "false",
        Scalar::Int32 | Scalar::Int64 | Scalar::Double | Scalar::IntOrString => "0",
        Scalar::Quantity => "\"0\"",
        Scalar::Duration => "\"0s\"",
        Scalar::Bytes
        | Scalar::Time
        | Scalar::MicroTime
        | Scalar::RawExtension
        | Scalar::FieldsV1
        | Scalar::Json => "null",
    }
}

/// The zero value of a by-value leaf in protobuf, without its tag; nothing where protobuf leaves it out.
fn wire_zero(scalar: Scalar) -> Option<&'static [u8]> {
    match scalar {
        Scalar::String | Scalar::Bool | Scalar::Int32 | Scalar::Int64 => Some(&[0]),
        Scalar::Double => Some(&[0; 8]),
        Scalar::Bytes => None,
        Scalar::Quantity => Some(&[3, 0x0a, 1, b'0']),
        Scalar::IntOrString => Some(&[6, 0x08, 0, 0x10, 0, 0x1a, 0]),
        Scalar::Duration => Some(&[2, 0x08, 0]),
        Scalar::Time
        | Scalar::MicroTime
        | Scalar::RawExtension
        | Scalar::FieldsV1
        | Scalar::Json => Some(&[0]),
    }
}
