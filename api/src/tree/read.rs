//! Reading.

use crate::schema::{FieldId, Scalar, Schema, Shape, Type, TypeId};
use crate::{Duration, IntOrString, MicroTime, Quantity, Time};

use super::{Kind, Node, Store};

/// A value inside of a tree.
#[derive(Clone, Copy)]
pub struct Ref<'a> {
    pub(crate) store: &'a Store,
    pub(crate) node: &'a Node,
}

impl<'a> Ref<'a> {
    /// What it holds.
    #[inline]
    pub fn kind(self) -> Kind {
        self.node.kind
    }

    /// The schema that types it.
    pub fn schema(self) -> &'a Schema {
        &self.store.schema
    }

    /// Its message type, if it is a message.
    #[inline]
    pub fn type_id(self) -> Option<TypeId> {
        (self.node.kind == Kind::Message).then(|| self.node.ty())
    }

    /// Its message type, if it is a message.
    #[inline]
    pub fn ty(self) -> Option<&'a Type> {
        self.type_id().map(|id| self.store.schema.ty(id))
    }

    /// The shape of a typed list's elements or map's values; none for anything else.
    pub fn element_shape(self) -> Option<&'a Shape> {
        match self.node.kind {
            Kind::List | Kind::Map => self.store.element_shape(self.node.owner()),
            _ => None,
        }
    }

    /// Whether this is an untyped JSON list or object, or the root of an untyped tree.
    pub fn is_untyped(self) -> bool {
        self.node.is_container() && self.node.ty() == TypeId::UNTYPED
    }

    #[inline]
    fn at(self, node: &'a Node) -> Ref<'a> {
        Ref {
            store: self.store,
            node,
        }
    }

    /// A message's field; none if it is absent, or if this is no message.
    #[inline]
    pub fn field(self, id: FieldId) -> Option<Ref<'a>> {
        if self.node.kind != Kind::Message {
            return None;
        }
        let children = self.store.children(self.node);
        let found = if children.len() <= 8 {
            children.iter().position(|node| node.field == id.0)?
        } else {
            children
                .binary_search_by_key(&id.0, |node| node.field)
                .ok()?
        };
        Some(self.at(&children[found]))
    }

    /// A message's field by JSON name, or a map's value by key.
    pub fn get(self, name: &str) -> Option<Ref<'a>> {
        match self.node.kind {
            Kind::Message => self.field(self.store.schema.ty(self.node.ty()).field(name)?),
            Kind::Map => {
                let at = self.find_key(name).ok()?;
                Some(self.at(&self.store.children(self.node)[at * 2 + 1]))
            }
            _ => None,
        }
    }

    /// Where a map has a key, or would have it.
    pub(crate) fn find_key(self, key: &str) -> Result<usize, usize> {
        let children = self.store.children(self.node);
        let (mut low, mut high) = (0, self.node.len as usize);
        while low < high {
            let middle = low.midpoint(high);
            match self.store.text(&children[middle * 2]).cmp(key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    /// A value further down: names separated by dots; list elements by their index (`spec.containers.0.image`).
    pub fn path(self, path: &str) -> Option<Ref<'a>> {
        path.split('.')
            .try_fold(self, |value, name| match value.kind() {
                Kind::List => value.item(name.parse().ok()?),
                _ => value.get(name),
            })
    }

    /// How many fields, elements or entries there are; 0 for leaves.
    #[inline]
    pub fn len(self) -> usize {
        if self.node.is_container() {
            self.node.len as usize
        } else {
            0
        }
    }

    /// Whether there are no fields, elements or entries.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// A list's element.
    #[inline]
    pub fn item(self, index: usize) -> Option<Ref<'a>> {
        (self.node.kind == Kind::List)
            .then(|| self.store.children(self.node).get(index))
            .flatten()
            .map(|node| self.at(node))
    }

    /// A list's elements; none if this is no list.
    #[inline]
    pub fn items(self) -> Items<'a> {
        let nodes = if self.node.kind == Kind::List {
            self.store.children(self.node)
        } else {
            &[]
        };
        Items {
            store: self.store,
            nodes: nodes.iter(),
        }
    }

    /// A map's entries, sorted by key; none if this is no map.
    #[inline]
    pub fn entries(self) -> Entries<'a> {
        let nodes = if self.node.kind == Kind::Map {
            self.store.children(self.node)
        } else {
            &[]
        };
        Entries {
            store: self.store,
            nodes: nodes.chunks_exact(2),
        }
    }

    /// A message's present fields in the order of their ids; none if this is no message.
    #[inline]
    pub fn fields(self) -> Fields<'a> {
        let nodes = if self.node.kind == Kind::Message {
            self.store.children(self.node)
        } else {
            &[]
        };
        Fields {
            store: self.store,
            nodes: nodes.iter(),
        }
    }

    /// Text, also that of a quantity, and of a raw value that is UTF-8.
    #[inline]
    pub fn as_str(self) -> Option<&'a str> {
        match self.node.kind {
            Kind::Str | Kind::Quantity => Some(self.store.text(self.node)),
            Kind::Raw if self.node.flags & super::BLOB == 0 => Some(self.store.text(self.node)),
            _ => None,
        }
    }

    /// An integer (also nanoseconds of a duration, seconds of a time, microseconds of a micro time).
    #[inline]
    pub fn as_i64(self) -> Option<i64> {
        match self.node.kind {
            Kind::Int | Kind::Time | Kind::MicroTime | Kind::Duration => {
                Some(self.node.value as i64)
            }
            _ => None,
        }
    }

    /// A float, or an integer as one.
    #[inline]
    pub fn as_f64(self) -> Option<f64> {
        match self.node.kind {
            Kind::Float => Some(f64::from_bits(self.node.value)),
            Kind::Int => Some(self.node.value as i64 as f64),
            _ => None,
        }
    }

    /// true or false.
    #[inline]
    pub fn as_bool(self) -> Option<bool> {
        (self.node.kind == Kind::Bool).then_some(self.node.value != 0)
    }

    /// Bytes; also those of a raw value.
    pub fn as_bytes(self) -> Option<&'a [u8]> {
        match self.node.kind {
            Kind::Bytes => Some(self.store.blob(self.node)),
            Kind::Raw => Some(self.store.raw(self.node)),
            _ => None,
        }
    }

    /// A quantity, or text that is one.
    pub fn as_quantity(self) -> Option<Quantity> {
        // What was null in a map is there without a text, and means nothing of it.
        if self.node.kind == Kind::Quantity && self.node.len == 0 {
            return Some(Quantity::default());
        }
        self.as_str().and_then(|text| text.parse().ok())
    }

    /// A point in time; none for Go's zero time.
    pub fn as_time(self) -> Option<Time> {
        (self.node.kind == Kind::Time)
            .then(|| Time::from_seconds(self.node.value as i64))
            .flatten()
    }

    /// A point in time; none for Go's zero time.
    pub fn as_micro_time(self) -> Option<MicroTime> {
        (self.node.kind == Kind::MicroTime)
            .then(|| MicroTime::from_micros(self.node.value as i64))
            .flatten()
    }

    /// A duration.
    pub fn as_duration(self) -> Option<Duration> {
        (self.node.kind == Kind::Duration).then(|| Duration::from_nanos(self.node.value as i64))
    }

    /// An integer or text.
    pub fn as_int_or_string(self) -> Option<IntOrString> {
        match self.node.kind {
            Kind::Int => Some(IntOrString::Int(self.node.value as i32)),
            Kind::Str => Some(IntOrString::String(self.store.text(self.node).to_owned())),
            _ => None,
        }
    }

    /// Whether upstream would see the zero value of the type: what a by-value field holds when it is not set.
    pub fn is_zero(self) -> bool {
        let node = self.node;
        match node.kind {
            Kind::Null => true,
            Kind::Bool | Kind::Int | Kind::Duration => node.value == 0,
            Kind::Float => f64::from_bits(node.value) == 0.0,
            Kind::Str | Kind::Bytes | Kind::List | Kind::Map | Kind::Raw => node.len == 0,
            Kind::Quantity => self.store.text(node) == "0",
            Kind::Time => node.value as i64 == crate::time::ZERO_SECONDS,
            Kind::MicroTime => node.value as i64 == crate::time::ZERO_MICROS,
            Kind::Message => {
                let ty = self.store.schema.ty(node.ty());
                self.fields().all(|(id, value)| {
                    let field = ty.field_at(id);
                    !field.pointer && (value.is_zero() && !is_set(&field.shape, value))
                })
            }
        }
    }
}

/// An int-or-string that holds empty text is not the zero value, which is the number 0.
fn is_set(shape: &Shape, value: Ref<'_>) -> bool {
    matches!(shape, Shape::Scalar(Scalar::IntOrString)) && value.kind() == Kind::Str
}

impl std::fmt::Debug for Ref<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut json = Vec::new();
        crate::codec::json::encode_value(*self, &mut json);
        f.write_str(&String::from_utf8_lossy(&json))
    }
}

/// A list's elements.
#[derive(Clone)]
pub struct Items<'a> {
    store: &'a Store,
    nodes: std::slice::Iter<'a, Node>,
}

impl<'a> Iterator for Items<'a> {
    type Item = Ref<'a>;

    #[inline]
    fn next(&mut self) -> Option<Ref<'a>> {
        self.nodes.next().map(|node| Ref {
            store: self.store,
            node,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.nodes.size_hint()
    }
}

impl ExactSizeIterator for Items<'_> {}

impl DoubleEndedIterator for Items<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.nodes.next_back().map(|node| Ref {
            store: self.store,
            node,
        })
    }
}

/// A map's entries.
#[derive(Clone)]
pub struct Entries<'a> {
    store: &'a Store,
    nodes: std::slice::ChunksExact<'a, Node>,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a str, Ref<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.nodes.next()?;
        Some((
            self.store.text(&entry[0]),
            Ref {
                store: self.store,
                node: &entry[1],
            },
        ))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.nodes.size_hint()
    }
}

impl ExactSizeIterator for Entries<'_> {}

/// A message's present fields.
#[derive(Clone)]
pub struct Fields<'a> {
    store: &'a Store,
    nodes: std::slice::Iter<'a, Node>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (FieldId, Ref<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.nodes.next().map(|node| {
            (
                FieldId(node.field),
                Ref {
                    store: self.store,
                    node,
                },
            )
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.nodes.size_hint()
    }
}

impl ExactSizeIterator for Fields<'_> {}
