//! Writing.

mod entries;
mod fields;
mod items;
mod value;

pub use value::Value;

use crate::schema::{FieldId, Scalar, Shape, Type, TypeId};

use super::{Kind, Node, Owner, Ref, Store};

/// A value inside of a tree, for writing. What is written must be of the schema's shape; debug builds check it.
pub struct RefMut<'a> {
    pub(crate) store: &'a mut Store,
    pub(crate) index: usize,
}

impl<'a> RefMut<'a> {
    /// The same value for reading.
    pub fn as_ref(&self) -> Ref<'_> {
        Ref {
            store: self.store,
            node: &self.store.nodes[self.index],
        }
    }

    /// The same value for writing, for a shorter time.
    pub fn reborrow(&mut self) -> RefMut<'_> {
        RefMut {
            store: self.store,
            index: self.index,
        }
    }

    #[inline]
    fn node(&self) -> Node {
        self.store.nodes[self.index]
    }

    fn ty(&self) -> Option<&Type> {
        let node = self.node();
        (node.kind == Kind::Message).then(|| self.store.schema.ty(node.ty()))
    }

    fn find_field(&self, id: FieldId) -> Result<usize, usize> {
        self.store
            .children(&self.node())
            .binary_search_by_key(&id.0, |node| node.field)
    }

    /// A message's field or a map's value by name, if it is present.
    pub fn get(&mut self, name: &str) -> Option<RefMut<'_>> {
        match self.node().kind {
            Kind::Message => {
                let id = self.ty()?.field(name)?;
                self.field(id)
            }
            Kind::Map => {
                let at = self.as_ref().find_key(name).ok()?;
                let index = self.node().start() + at * 2 + 1;
                Some(RefMut {
                    store: self.store,
                    index,
                })
            }
            _ => None,
        }
    }

    /// Takes everything out of a message, list or map.
    pub fn clear(&mut self) {
        let node = &mut self.store.nodes[self.index];
        if node.is_container() {
            self.store.garbage += node.children();
            node.len = 0;
        }
    }

    /// Overwrites this value with a leaf; the shape must stay that of the place.
    pub fn replace<'v>(&mut self, value: impl Into<Value<'v>>) {
        let field = self.node().field;
        let shape = self.place_shape();
        let node = self.leaf(&shape, value.into());
        self.store.nodes[self.index] = Node { field, ..node };
    }

    /// Overwrites this value with a copy of another; the shape must stay that of the place.
    pub fn replace_copy(&mut self, value: Ref<'_>) {
        let old = self.node();
        let owner = owner_of_copy(
            value,
            if old.is_container() {
                old.owner()
            } else {
                value.node.owner()
            },
        );
        let copy = self.store.copy(value.store, value.node, owner);
        self.store.nodes[self.index] = Node {
            field: old.field,
            ..copy
        };
    }

    /// Guesses the place's shape from what stands there: enough to keep a quantity a quantity.
    fn place_shape(&self) -> Shape {
        Shape::Scalar(match self.node().kind {
            Kind::Quantity => Scalar::Quantity,
            _ => Scalar::Json,
        })
    }

    fn element_shape(&self) -> Shape {
        self.store
            .element_shape(self.node().owner())
            .cloned()
            .unwrap_or(Shape::Scalar(Scalar::Json))
    }

    fn empty_element(&self) -> Node {
        let owner = self.node().owner();
        match self.store.element_shape(owner) {
            Some(shape) => empty(shape, owner.deeper()),
            None => empty(&Shape::Scalar(Scalar::Json), Owner::UNTYPED),
        }
    }

    fn leaf(&mut self, shape: &Shape, value: Value<'_>) -> Node {
        debug_assert!(
            value::fits(shape, value),
            "{value:?} does not fit {shape:?}"
        );
        match value {
            Value::Null => Node::scalar(Kind::Null, 0),
            Value::Bool(value) => Node::scalar(Kind::Bool, u64::from(value)),
            Value::Int(value) => Node::scalar(Kind::Int, value as u64),
            Value::Float(value) => Node::scalar(Kind::Float, value.to_bits()),
            Value::Str(text) if *shape == Shape::Scalar(Scalar::Quantity) => {
                self.store.push_text(Kind::Quantity, text)
            }
            Value::Str(text) => self.store.push_text(Kind::Str, text),
            Value::Bytes(bytes) => self.store.push_blob(Kind::Bytes, bytes),
            Value::Time(seconds) => Node::scalar(Kind::Time, seconds as u64),
            Value::MicroTime(micros) => Node::scalar(Kind::MicroTime, micros as u64),
            Value::Duration(nanos) => Node::scalar(Kind::Duration, nanos as u64),
            Value::Raw(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => self.store.push_text(Kind::Raw, text),
                Err(_) => self.store.push_blob(Kind::Raw, bytes),
            },
            Value::List => Node::container(Kind::List, Owner::UNTYPED, 0, 0),
            Value::Map => Node::container(Kind::Map, Owner::UNTYPED, 0, 0),
        }
    }
}

/// Untyped lists and objects stay untyped wherever they are copied to.
fn owner_of_copy(value: Ref<'_>, place: Owner) -> Owner {
    match value.kind() {
        Kind::List | Kind::Map if value.node.ty() == TypeId::UNTYPED => Owner::UNTYPED,
        _ => place,
    }
}

/// The empty value of a shape.
pub(crate) fn empty(shape: &Shape, owner: Owner) -> Node {
    match shape {
        Shape::Message(ty) => Node::message(*ty, 0, 0),
        Shape::List(_) => Node::container(Kind::List, owner, 0, 0),
        Shape::Map(_) => Node::container(Kind::Map, owner, 0, 0),
        Shape::Scalar(scalar) => match scalar {
            Scalar::String | Scalar::Quantity => Node::scalar(Kind::Str, 0),
            Scalar::Bool => Node::scalar(Kind::Bool, 0),
            Scalar::Int32 | Scalar::Int64 | Scalar::IntOrString => Node::scalar(Kind::Int, 0),
            Scalar::Double => Node::scalar(Kind::Float, 0),
            Scalar::Bytes => Node::scalar(Kind::Bytes, 0),
            Scalar::Time => Node::scalar(Kind::Time, crate::time::ZERO_SECONDS as u64),
            Scalar::MicroTime => Node::scalar(Kind::MicroTime, crate::time::ZERO_MICROS as u64),
            Scalar::Duration => Node::scalar(Kind::Duration, 0),
            Scalar::RawExtension | Scalar::FieldsV1 => Node::scalar(Kind::Raw, 0),
            Scalar::Json => Node::container(Kind::Map, Owner::UNTYPED, 0, 0),
        },
    }
}
