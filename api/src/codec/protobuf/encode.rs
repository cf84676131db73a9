//! Tree → protobuf. Written from the back, so that lengths are known when they are needed.

use super::wire::{BYTES, FIXED64, VARINT};
use crate::schema::plan::Tag;
use crate::schema::{FieldId, Scalar, Shape, Type, WireEntry};
use crate::tree::{Kind, Node, Ref, Store, Tree};

/// Appends the tree as a bare message. An untyped tree has no protobuf: nothing is appended.
pub fn encode(tree: &Tree, out: &mut Vec<u8>) {
    let root = tree.root();
    if root.kind() != Kind::Message {
        return;
    }
    let store = root.store;
    let estimate = store.text.len() + store.side.len() + store.blobs.len() + store.nodes.len() * 4;
    let mut writer = Writer {
        buffer: vec![0; estimate.max(256)],
        start: estimate.max(256),
    };
    writer.message(store, root.node);
    out.extend_from_slice(&writer.buffer[writer.start..]);
}

/// The tree as a bare message.
pub fn to_vec(tree: &Tree) -> Vec<u8> {
    let mut out = Vec::new();
    encode(tree, &mut out);
    out
}

/// A buffer that is filled from its end.
struct Writer {
    buffer: Vec<u8>,
    start: usize,
}

/// Where each field of a message stands among its children, if it does.
enum Places {
    Few([u16; 64]),
    Many(Vec<u16>),
}

impl Places {
    fn new(ty: &Type, children: &[Node]) -> Places {
        let mut places = if ty.fields.len() <= 64 {
            Places::Few([0; 64])
        } else {
            Places::Many(vec![0; ty.fields.len()])
        };
        let slots = match &mut places {
            Places::Few(slots) => &mut slots[..],
            Places::Many(slots) => &mut slots[..],
        };
        for (index, child) in children.iter().enumerate() {
            slots[usize::from(child.field)] = index as u16 + 1;
        }
        places
    }

    #[inline]
    fn get<'n>(&self, id: FieldId, children: &'n [Node]) -> Option<&'n Node> {
        let slot = match self {
            Places::Few(slots) => slots[usize::from(id.0)],
            Places::Many(slots) => slots[usize::from(id.0)],
        };
        children.get(usize::from(slot).wrapping_sub(1))
    }
}

impl Writer {
    #[inline]
    fn reserve(&mut self, count: usize) {
        if self.start < count {
            self.grow(count);
        }
    }

    #[cold]
    fn grow(&mut self, count: usize) {
        let more = self.buffer.len().max(count);
        let mut larger = vec![0; more + self.buffer.len()];
        let start = self.start + more;
        larger[start..].copy_from_slice(&self.buffer[self.start..]);
        self.buffer = larger;
        self.start = start;
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.start -= bytes.len();
        self.buffer[self.start..self.start + bytes.len()].copy_from_slice(bytes);
    }

    #[inline]
    fn byte(&mut self, byte: u8) {
        self.reserve(1);
        self.start -= 1;
        self.buffer[self.start] = byte;
    }

    #[inline]
    fn varint(&mut self, value: u64) {
        if value < 0x80 {
            return self.byte(value as u8);
        }
        let mut bytes = [0; 10];
        let (mut rest, mut len) = (value, 0);
        while rest >= 0x80 {
            bytes[len] = rest as u8 & 0x7f | 0x80;
            rest >>= 7;
            len += 1;
        }
        bytes[len] = rest as u8;
        self.bytes(&bytes[..=len]);
    }

    #[inline]
    fn end(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// The length of what was written since `end`.
    #[inline]
    fn length_since(&mut self, end: usize) {
        self.varint((self.end() - end) as u64);
    }

    fn message(&mut self, store: &Store, node: &Node) {
        let ty = store.schema.ty(node.ty());
        let children = store.children(node);
        let places = Places::new(ty, children);
        for entry in ty.plan.wire.iter().rev() {
            self.entry_of(store, ty, entry, &places, children);
        }
    }

    #[inline]
    fn entry_of(
        &mut self,
        store: &Store,
        ty: &Type,
        entry: &WireEntry,
        places: &Places,
        children: &[Node],
    ) {
        match entry {
            WireEntry::Field(id) => self.field(store, ty, *id, places.get(*id, children)),
            WireEntry::Via { tag, entries } => {
                self.embedded(store, ty, tag, entries, places, children)
            }
        }
    }

    fn embedded(
        &mut self,
        store: &Store,
        ty: &Type,
        tag: &Tag,
        entries: &[WireEntry],
        places: &Places,
        children: &[Node],
    ) {
        let end = self.end();
        for entry in entries.iter().rev() {
            self.entry_of(store, ty, entry, places, children);
        }
        self.length_since(end);
        self.bytes(tag.as_slice());
    }

    #[inline]
    fn field(&mut self, store: &Store, ty: &Type, id: FieldId, node: Option<&Node>) {
        let Some(node) = node else {
            let zero = &ty.plan.wire_zero[usize::from(id.0)];
            if !zero.is_empty() {
                self.bytes(zero);
            }
            return;
        };
        let tag = &ty.plan.tag[usize::from(id.0)];
        let field = ty.field_at(id);
        match &field.shape {
            Shape::List(element) if !field.wrapped => {
                for child in store.children(node).iter().rev() {
                    self.value(store, element, child);
                    self.bytes(tag.as_slice());
                }
            }
            Shape::Map(element) => {
                for entry in store.children(node).chunks_exact(2).rev() {
                    self.entry(store, element, entry, tag);
                }
            }
            shape => {
                self.value(store, shape, node);
                self.bytes(tag.as_slice());
            }
        }
    }

    fn entry(&mut self, store: &Store, element: &Shape, entry: &[Node], tag: &Tag) {
        let end = self.end();
        if entry[1].kind != Kind::Null {
            self.value(store, element, &entry[1]);
            self.byte(2 << 3 | wire_type(element));
        }
        self.delimited(1, store.text(&entry[0]).as_bytes());
        self.length_since(end);
        self.bytes(tag.as_slice());
    }

    /// Number (below 16), length, bytes.
    #[inline]
    fn delimited(&mut self, number: u8, bytes: &[u8]) {
        self.bytes(bytes);
        self.varint(bytes.len() as u64);
        self.byte(number << 3 | BYTES);
    }

    /// A value with its length, without its tag.
    #[inline]
    fn value(&mut self, store: &Store, shape: &Shape, node: &Node) {
        match (shape, node.kind) {
            (Shape::Message(_), Kind::Message) => {
                let end = self.end();
                self.message(store, node);
                self.length_since(end);
            }
            (Shape::Scalar(Scalar::String), Kind::Str) => {
                let text = store.text(node).as_bytes();
                self.bytes(text);
                self.varint(text.len() as u64);
            }
            (Shape::Scalar(Scalar::Bool | Scalar::Int32 | Scalar::Int64), _) => {
                self.varint(node.value)
            }
            (Shape::Scalar(Scalar::Double), _) => {
                let float = Ref { store, node }.as_f64().unwrap_or(0.0);
                self.bytes(&float.to_le_bytes());
            }
            (Shape::Scalar(Scalar::Bytes), _) => {
                let bytes = if node.kind == Kind::Bytes {
                    store.blob(node)
                } else {
                    &[]
                };
                self.bytes(bytes);
                self.varint(bytes.len() as u64);
            }
            (Shape::Scalar(scalar), _) => {
                let end = self.end();
                self.leaf_message(store, *scalar, node);
                self.length_since(end);
            }
            (Shape::List(element), Kind::List) => {
                let end = self.end();
                for child in store.children(node).iter().rev() {
                    self.value(store, element, child);
                    self.byte(1 << 3 | wire_type(element));
                }
                self.length_since(end);
            }
            // A null where a message should be (only a rule that writes rubbish makes one) is an empty message.
            _ => self.byte(0),
        }
    }

    fn leaf_message(&mut self, store: &Store, scalar: Scalar, node: &Node) {
        match scalar {
            Scalar::Quantity => {
                let text = store.text(node);
                self.delimited(
                    1,
                    if text.is_empty() {
                        b"0"
                    } else {
                        text.as_bytes()
                    },
                );
            }
            Scalar::IntOrString => {
                let (text, int) = match node.kind {
                    Kind::Str => (store.text(node), None),
                    _ => ("", Some(node.value)),
                };
                self.delimited(3, text.as_bytes());
                self.varint(int.unwrap_or(0));
                self.byte(2 << 3);
                self.byte(u8::from(int.is_none()));
                self.byte(1 << 3);
            }
            Scalar::Time if node.value as i64 == crate::time::ZERO_SECONDS => {}
            Scalar::Time => self.timestamp(node.value as i64, 0),
            Scalar::MicroTime if node.value as i64 == crate::time::ZERO_MICROS => {}
            Scalar::MicroTime => {
                let micros = node.value as i64;
                self.timestamp(
                    micros.div_euclid(1_000_000),
                    micros.rem_euclid(1_000_000) as u64 * 1_000,
                );
            }
            Scalar::Duration => {
                self.varint(node.value);
                self.byte(1 << 3);
            }
            Scalar::Json if node.kind == Kind::Null => {}
            Scalar::Json => {
                let mut json = Vec::new();
                crate::codec::json::encode_value(Ref { store, node }, &mut json);
                self.delimited(1, &json);
            }
            _ => {
                let raw = store.raw(node);
                if !raw.is_empty() {
                    self.delimited(1, raw);
                }
            }
        }
    }

    fn timestamp(&mut self, seconds: i64, nanos: u64) {
        self.varint(nanos);
        self.byte(2 << 3);
        self.varint(seconds as u64);
        self.byte(1 << 3);
    }
}

fn wire_type(shape: &Shape) -> u8 {
    match shape {
        Shape::Scalar(Scalar::Bool | Scalar::Int32 | Scalar::Int64) => VARINT,
        Shape::Scalar(Scalar::Double) => FIXED64,
        _ => BYTES,
    }
}
