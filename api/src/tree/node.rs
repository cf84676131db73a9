//! The arena's unit and the arena.

use std::sync::Arc;

use crate::schema::{FieldId, SchemaRef, Shape, TypeId};

/// What a node holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Kind {
    /// JSON's null inside of untyped values, and nil `[]byte` elements.
    Null,
    /// true or false.
    Bool,
    /// An integer.
    Int,
    /// A float.
    Float,
    /// Text.
    Str,
    /// Bytes (base64 in JSON).
    Bytes,
    /// The text of a quantity, as upstream would print it.
    Quantity,
    /// Seconds since 1970; [`crate::time::ZERO_SECONDS`] is Go's zero time.
    Time,
    /// Microseconds since 1970; [`crate::time::ZERO_MICROS`] is Go's zero time.
    MicroTime,
    /// Nanoseconds.
    Duration,
    /// JSON kept as the bytes that came.
    Raw,
    /// Fields by id.
    Message,
    /// Elements.
    List,
    /// Entries, sorted by key.
    Map,
}

/// 16 bytes. Children are contiguous and found by their first index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub kind: Kind,
    /// [`SIDE`], [`BLOB`]; for lists and maps the level below their field's shape in the high half.
    pub flags: u8,
    /// Field id, where the parent is a message.
    pub field: u16,
    /// Bytes of text; fields, elements, entries.
    pub len: u32,
    /// Offset of text; the number; for containers: first child, owner type << 32, owner field << 48.
    pub value: u64,
}

/// The text stands in the side buffer.
pub(crate) const SIDE: u8 = 1;
/// The bytes stand in the blob buffer (raw values that are not UTF-8).
pub(crate) const BLOB: u8 = 2;
const LEVEL: u32 = 4;

impl Node {
    #[inline]
    pub(crate) fn scalar(kind: Kind, value: u64) -> Node {
        Node {
            kind,
            flags: 0,
            field: 0,
            len: 0,
            value,
        }
    }

    #[inline]
    pub(crate) fn message(ty: TypeId, start: u32, len: u32) -> Node {
        Node {
            kind: Kind::Message,
            flags: 0,
            field: 0,
            len,
            value: u64::from(start) | u64::from(ty.0) << 32,
        }
    }

    #[inline]
    pub(crate) fn container(kind: Kind, owner: Owner, start: u32, len: u32) -> Node {
        Node {
            kind,
            flags: owner.level << LEVEL,
            field: 0,
            len,
            value: u64::from(start) | u64::from(owner.ty.0) << 32 | u64::from(owner.field.0) << 48,
        }
    }

    #[inline]
    pub(crate) fn with_field(mut self, field: FieldId) -> Node {
        self.field = field.0;
        self
    }

    #[inline]
    pub(crate) fn is_container(self) -> bool {
        matches!(self.kind, Kind::Message | Kind::List | Kind::Map)
    }

    #[inline]
    pub(crate) fn start(self) -> usize {
        self.value as u32 as usize
    }

    /// How many child nodes there are: a map's entry is two.
    #[inline]
    pub(crate) fn children(self) -> usize {
        match self.kind {
            Kind::Map => self.len as usize * 2,
            _ => self.len as usize,
        }
    }

    /// A message's type, a list's or map's owner.
    #[inline]
    pub(crate) fn ty(self) -> TypeId {
        TypeId((self.value >> 32) as u16)
    }

    #[inline]
    pub(crate) fn owner(self) -> Owner {
        Owner {
            ty: self.ty(),
            field: FieldId((self.value >> 48) as u16),
            level: self.flags >> LEVEL,
        }
    }

    #[inline]
    pub(crate) fn set_start(&mut self, start: usize) {
        self.value = self.value & !u64::from(u32::MAX) | start as u64;
    }
}

/// Where a list's or map's shape is written down: a field of a message type, and how many lists and maps deep in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Owner {
    pub ty: TypeId,
    pub field: FieldId,
    pub level: u8,
}

impl Owner {
    pub(crate) const UNTYPED: Owner = Owner {
        ty: TypeId::UNTYPED,
        field: FieldId(0),
        level: 0,
    };

    #[inline]
    pub(crate) fn field(ty: TypeId, field: FieldId) -> Owner {
        Owner {
            ty,
            field,
            level: 0,
        }
    }

    /// The owner of an element that is itself a list or map.
    #[inline]
    pub(crate) fn deeper(self) -> Owner {
        Owner {
            level: (self.level + 1) & 15,
            ..self
        }
    }
}

/// A tree's content.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub schema: SchemaRef,
    pub nodes: Vec<Node>,
    /// The decoded input, shared by all copies.
    pub text: Arc<String>,
    /// Text that is not part of the input.
    pub side: String,
    pub blobs: Vec<u8>,
    pub root: u32,
    /// Nodes that nothing points to any more.
    pub garbage: usize,
}

impl Store {
    pub(crate) fn new(schema: SchemaRef, ty: TypeId) -> Store {
        let root = if ty == TypeId::UNTYPED {
            Node::container(Kind::Map, Owner::UNTYPED, 1, 0)
        } else {
            Node::message(ty, 1, 0)
        };
        Store {
            schema,
            nodes: vec![root],
            text: Arc::default(),
            side: String::new(),
            blobs: Vec::new(),
            root: 0,
            garbage: 0,
        }
    }

    #[inline]
    pub(crate) fn text(&self, node: &Node) -> &str {
        let at = node.value as usize;
        let buffer = if node.flags & SIDE == 0 {
            &*self.text
        } else {
            &self.side
        };
        // Offsets are made by this crate from these very buffers, which only grow.
        buffer.get(at..at + node.len as usize).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn blob(&self, node: &Node) -> &[u8] {
        let at = node.value as usize;
        self.blobs
            .get(at..at + node.len as usize)
            .unwrap_or_default()
    }

    /// The bytes of a raw value, text or not.
    pub(crate) fn raw(&self, node: &Node) -> &[u8] {
        if node.flags & BLOB != 0 {
            self.blob(node)
        } else {
            self.text(node).as_bytes()
        }
    }

    #[inline]
    pub(crate) fn children(&self, node: &Node) -> &[Node] {
        &self.nodes[node.start()..node.start() + node.children()]
    }

    /// The shape of a list's elements or a map's values; none for untyped ones.
    pub(crate) fn element_shape(&self, owner: Owner) -> Option<&Shape> {
        if owner.ty == TypeId::UNTYPED {
            return None;
        }
        let mut shape = &self.schema.ty(owner.ty).field_at(owner.field).shape;
        for _ in 0..=owner.level {
            match shape {
                Shape::List(element) | Shape::Map(element) => shape = element,
                Shape::Scalar(_) | Shape::Message(_) => return None,
            }
        }
        Some(shape)
    }

    pub(crate) fn push_text(&mut self, kind: Kind, text: &str) -> Node {
        let at = self.side.len() as u64;
        self.side.push_str(text);
        Node {
            kind,
            flags: SIDE,
            field: 0,
            len: text.len() as u32,
            value: at,
        }
    }

    pub(crate) fn push_blob(&mut self, kind: Kind, bytes: &[u8]) -> Node {
        let at = self.blobs.len() as u64;
        self.blobs.extend_from_slice(bytes);
        Node {
            kind,
            flags: BLOB,
            field: 0,
            len: bytes.len() as u32,
            value: at,
        }
    }

    /// Copies a node of another store, and all below it, to the end of this one; the caller places the returned node.
    pub(crate) fn copy(&mut self, from: &Store, node: &Node, owner: Owner) -> Node {
        match node.kind {
            Kind::Str | Kind::Quantity => Node {
                field: node.field,
                ..self.push_text(node.kind, from.text(node))
            },
            Kind::Raw if node.flags & BLOB == 0 => Node {
                field: node.field,
                ..self.push_text(node.kind, from.text(node))
            },
            Kind::Bytes | Kind::Raw => Node {
                field: node.field,
                ..self.push_blob(node.kind, from.blob(node))
            },
            Kind::Message | Kind::List | Kind::Map => {
                let children = from.children(node);
                let start = self.nodes.len();
                self.nodes
                    .resize(start + children.len(), Node::scalar(Kind::Null, 0));
                for (index, child) in children.iter().enumerate() {
                    let below = match node.kind {
                        Kind::Message => Owner::field(node.ty(), FieldId(child.field)),
                        _ if owner.ty == TypeId::UNTYPED => Owner::UNTYPED,
                        _ => owner.deeper(),
                    };
                    let below = if child.is_container() && child.owner().ty == TypeId::UNTYPED {
                        Owner::UNTYPED
                    } else {
                        below
                    };
                    let copy = self.copy(from, child, below);
                    self.nodes[start + index] = copy;
                }
                let mut copy = match node.kind {
                    Kind::Message => Node::message(node.ty(), start as u32, node.len),
                    kind => Node::container(kind, owner, start as u32, node.len),
                };
                copy.field = node.field;
                copy
            }
            _ => *node,
        }
    }

    /// Replaces `remove` child nodes at `at` of the container at `index` by `insert`; its length must be adjusted by the caller.
    pub(crate) fn splice(&mut self, index: usize, at: usize, remove: usize, insert: &[Node]) {
        let node = self.nodes[index];
        let (start, count) = (node.start(), node.children());
        if insert.len() == remove {
            self.nodes[start + at..start + at + remove].copy_from_slice(insert);
        } else if insert.is_empty() {
            self.nodes
                .copy_within(start + at + remove..start + count, start + at);
            self.garbage += remove;
        } else if start + count == self.nodes.len() {
            self.nodes
                .splice(start + at..start + at + remove, insert.iter().copied());
        } else {
            let moved = self.nodes.len();
            self.nodes.reserve(count + insert.len() * 2);
            self.nodes.extend_from_within(start..start + at);
            self.nodes.extend_from_slice(insert);
            self.nodes
                .extend_from_within(start + at + remove..start + count);
            self.garbage += count;
            self.nodes[index].set_start(moved);
        }
    }
}
