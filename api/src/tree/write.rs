//! Writing.

use std::cmp::Ordering;

use crate::schema::{FieldId, Scalar, Shape, Type, TypeId};

use super::{Kind, Node, Owner, Ref, Store};

/// A leaf, or an empty container, to be written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// JSON's null (untyped values only).
    Null,
    /// true or false.
    Bool(bool),
    /// An integer; also for int-or-string.
    Int(i64),
    /// A float.
    Float(f64),
    /// Text; also for int-or-string, and for quantities in canonical form.
    Str(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Seconds since 1970.
    Time(i64),
    /// Microseconds since 1970.
    MicroTime(i64),
    /// Nanoseconds.
    Duration(i64),
    /// JSON, kept as it is (raw extension, fieldsV1).
    Raw(&'a [u8]),
    /// An empty list (untyped).
    List,
    /// An empty object (untyped).
    Map,
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Value<'a> {
        Value::Str(text)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<i32> for Value<'_> {
    fn from(value: i32) -> Self {
        Value::Int(i64::from(value))
    }
}

impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Value::Float(value)
    }
}

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

    // ---- messages ----

    /// A present field.
    pub fn field(&mut self, id: FieldId) -> Option<RefMut<'_>> {
        self.reborrow().into_field(id)
    }

    /// A present field, for as long as this value could be written.
    pub fn into_field(self, id: FieldId) -> Option<RefMut<'a>> {
        if self.node().kind != Kind::Message {
            return None;
        }
        let at = self.find_field(id).ok()?;
        Some(RefMut {
            index: self.node().start() + at,
            store: self.store,
        })
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

    /// A field that is a message, list or map (or untyped), made empty where it is absent.
    ///
    /// # Panics
    /// When this is no message.
    pub fn ensure(&mut self, id: FieldId) -> RefMut<'_> {
        self.reborrow().into_ensured(id)
    }

    /// As [`RefMut::ensure`], for as long as this value could be written.
    ///
    /// # Panics
    /// When this is no message.
    pub fn into_ensured(mut self, id: FieldId) -> RefMut<'a> {
        let at = match self.find_field(id) {
            Ok(at) => at,
            Err(at) => {
                let empty = self.empty_field(id);
                self.insert_field(at, empty.with_field(id));
                at
            }
        };
        RefMut {
            index: self.node().start() + at,
            store: self.store,
        }
    }

    fn empty_field(&self, id: FieldId) -> Node {
        let node = self.node();
        assert!(node.kind == Kind::Message, "only messages have fields");
        empty(
            &self.store.schema.ty(node.ty()).field_at(id).shape,
            Owner::field(node.ty(), id),
        )
    }

    fn insert_field(&mut self, at: usize, node: Node) {
        self.store.splice(self.index, at, 0, &[node]);
        self.store.nodes[self.index].len += 1;
    }

    /// Sets a field. A by-value field set to its zero value becomes absent.
    ///
    /// # Panics
    /// When this is no message.
    pub fn set<'v>(&mut self, id: FieldId, value: impl Into<Value<'v>>) {
        let ty = self.node().ty();
        assert!(
            self.node().kind == Kind::Message,
            "only messages have fields"
        );
        let field = self.store.schema.ty(ty).field_at(id);
        let (shape, by_value) = (field.shape.clone(), field.is_value());
        let node = self.leaf(&shape, value.into());
        let zero = by_value
            && super::eq::like_absent(
                self.store.schema.ty(ty).field_at(id),
                Ref {
                    store: self.store,
                    node: &node,
                },
            );
        if zero {
            self.remove(id);
        } else {
            self.put_field(id, node);
        }
    }

    fn put_field(&mut self, id: FieldId, node: Node) {
        let node = node.with_field(id);
        match self.find_field(id) {
            Ok(at) => {
                let index = self.node().start() + at;
                self.store.nodes[index] = node;
            }
            Err(at) => self.insert_field(at, node),
        }
    }

    /// Sets a field to a copy of a value of this or another tree, strings and all.
    ///
    /// # Panics
    /// When this is no message.
    pub fn set_copy(&mut self, id: FieldId, value: Ref<'_>) {
        let ty = self.node().ty();
        assert!(
            self.node().kind == Kind::Message,
            "only messages have fields"
        );
        debug_assert!(
            value.type_id().is_none() || value.store.schema.same(&self.store.schema),
            "trees of two schemas"
        );
        let copy = self.store.copy(
            value.store,
            value.node,
            owner_of_copy(value, Owner::field(ty, id)),
        );
        self.put_field(id, copy);
    }

    /// Makes a field absent; whether it was present.
    pub fn remove(&mut self, id: FieldId) -> bool {
        if self.node().kind != Kind::Message {
            return false;
        }
        match self.find_field(id) {
            Ok(at) => {
                self.store.splice(self.index, at, 1, &[]);
                self.store.nodes[self.index].len -= 1;
                true
            }
            Err(_) => false,
        }
    }

    // ---- lists ----

    /// A list's element.
    pub fn item(&mut self, index: usize) -> Option<RefMut<'_>> {
        self.reborrow().into_item(index)
    }

    /// A list's element, for as long as this value could be written.
    pub fn into_item(self, index: usize) -> Option<RefMut<'a>> {
        let node = self.node();
        (node.kind == Kind::List && index < node.len as usize).then(|| RefMut {
            index: node.start() + index,
            store: self.store,
        })
    }

    /// Appends a leaf to a list.
    pub fn push<'v>(&mut self, value: impl Into<Value<'v>>) {
        let len = self.node().len as usize;
        self.insert_item(len, value);
    }

    /// Inserts a leaf into a list.
    ///
    /// # Panics
    /// When this is no list, or the index is beyond its end.
    pub fn insert_item<'v>(&mut self, index: usize, value: impl Into<Value<'v>>) {
        let shape = self.element_shape();
        let node = self.leaf(&shape, value.into());
        self.insert_node(index, node);
    }

    fn insert_node(&mut self, index: usize, node: Node) {
        let list = self.node();
        assert!(
            list.kind == Kind::List && index <= list.len as usize,
            "no such place in a list"
        );
        self.store.splice(self.index, index, 0, &[node]);
        self.store.nodes[self.index].len += 1;
    }

    /// Appends a copy of a value to a list.
    pub fn push_copy(&mut self, value: Ref<'_>) {
        let len = self.node().len as usize;
        self.insert_item_copy(len, value);
    }

    /// Inserts a copy of a value into a list.
    ///
    /// # Panics
    /// When this is no list, or the index is beyond its end.
    pub fn insert_item_copy(&mut self, index: usize, value: Ref<'_>) {
        let owner = owner_of_copy(value, self.node().owner().deeper());
        let copy = self.store.copy(value.store, value.node, owner);
        self.insert_node(index, Node { field: 0, ..copy });
    }

    /// Appends an empty element (a message, list or map; else the zero value) to a list.
    pub fn push_new(&mut self) -> RefMut<'_> {
        let node = self.empty_element();
        let len = self.node().len as usize;
        self.insert_node(len, node);
        RefMut {
            index: self.node().start() + len,
            store: self.store,
        }
    }

    /// Removes a list's element; whether there was one.
    pub fn remove_item(&mut self, index: usize) -> bool {
        let list = self.node();
        let found = list.kind == Kind::List && index < list.len as usize;
        if found {
            self.store.splice(self.index, index, 1, &[]);
            self.store.nodes[self.index].len -= 1;
        }
        found
    }

    /// Keeps the elements of a list for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(Ref<'_>) -> bool) {
        let list = self.node();
        if list.kind != Kind::List {
            return;
        }
        let mut kept = 0;
        for index in list.start()..list.start() + list.len as usize {
            let node = self.store.nodes[index];
            if keep(Ref {
                store: self.store,
                node: &node,
            }) {
                self.store.nodes[list.start() + kept] = node;
                kept += 1;
            }
        }
        self.store.garbage += list.len as usize - kept;
        self.store.nodes[self.index].len = kept as u32;
    }

    /// Sorts a list, stably.
    pub fn sort_by(&mut self, mut order: impl FnMut(Ref<'_>, Ref<'_>) -> Ordering) {
        let list = self.node();
        if list.kind != Kind::List {
            return;
        }
        let mut nodes = self.store.children(&list).to_vec();
        let store = &*self.store;
        nodes.sort_by(|a, b| order(Ref { store, node: a }, Ref { store, node: b }));
        self.store.nodes[list.start()..list.start() + nodes.len()].copy_from_slice(&nodes);
    }

    // ---- maps ----

    /// Sets a map's entry to a leaf.
    pub fn insert<'v>(&mut self, key: &str, value: impl Into<Value<'v>>) {
        let shape = self.element_shape();
        let node = self.leaf(&shape, value.into());
        self.put_entry(key, node);
    }

    /// Sets a map's entry to a copy of a value.
    pub fn insert_copy(&mut self, key: &str, value: Ref<'_>) {
        let owner = owner_of_copy(value, self.node().owner().deeper());
        let copy = self.store.copy(value.store, value.node, owner);
        self.put_entry(key, Node { field: 0, ..copy });
    }

    /// A map's entry, made empty where it is absent (in an untyped object: an empty object).
    pub fn entry(&mut self, key: &str) -> RefMut<'_> {
        let at = match self.as_ref().find_key(key) {
            Ok(at) => at,
            Err(_) => {
                let node = self.empty_element();
                self.put_entry(key, node)
            }
        };
        RefMut {
            index: self.node().start() + at * 2 + 1,
            store: self.store,
        }
    }

    fn put_entry(&mut self, key: &str, node: Node) -> usize {
        assert!(self.node().kind == Kind::Map, "only maps have entries");
        match self.as_ref().find_key(key) {
            Ok(at) => {
                let index = self.node().start() + at * 2 + 1;
                self.store.nodes[index] = node;
                at
            }
            Err(at) => {
                let key = self.store.push_text(Kind::Str, key);
                self.store.splice(self.index, at * 2, 0, &[key, node]);
                self.store.nodes[self.index].len += 1;
                at
            }
        }
    }

    /// Removes a map's entry; whether there was one.
    pub fn remove_key(&mut self, key: &str) -> bool {
        if self.node().kind != Kind::Map {
            return false;
        }
        match self.as_ref().find_key(key) {
            Ok(at) => {
                self.store.splice(self.index, at * 2, 2, &[]);
                self.store.nodes[self.index].len -= 1;
                true
            }
            Err(_) => false,
        }
    }

    /// Keeps the entries of a map for which `keep` holds.
    pub fn retain_entries(&mut self, mut keep: impl FnMut(&str, Ref<'_>) -> bool) {
        let map = self.node();
        if map.kind != Kind::Map {
            return;
        }
        let mut kept = 0;
        for entry in 0..map.len as usize {
            let at = map.start() + entry * 2;
            let [key, value] = [self.store.nodes[at], self.store.nodes[at + 1]];
            if keep(
                self.store.text(&key),
                Ref {
                    store: self.store,
                    node: &value,
                },
            ) {
                self.store.nodes[map.start() + kept * 2] = key;
                self.store.nodes[map.start() + kept * 2 + 1] = value;
                kept += 1;
            }
        }
        self.store.garbage += (map.len as usize - kept) * 2;
        self.store.nodes[self.index].len = kept as u32;
    }

    // ---- any ----

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
        debug_assert!(fits(shape, value), "{value:?} does not fit {shape:?}");
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

fn fits(shape: &Shape, value: Value<'_>) -> bool {
    let Shape::Scalar(scalar) = shape else {
        return false;
    };
    match scalar {
        Scalar::String | Scalar::Quantity => matches!(value, Value::Str(_)),
        Scalar::Bool => matches!(value, Value::Bool(_)),
        Scalar::Int32 => matches!(value, Value::Int(value) if i32::try_from(value).is_ok()),
        Scalar::Int64 => matches!(value, Value::Int(_)),
        Scalar::IntOrString => {
            matches!(value, Value::Str(_))
                || matches!(value, Value::Int(value) if i32::try_from(value).is_ok())
        }
        Scalar::Double => matches!(value, Value::Float(_)),
        Scalar::Bytes => matches!(value, Value::Bytes(_) | Value::Null),
        Scalar::Time => matches!(value, Value::Time(_)),
        Scalar::MicroTime => matches!(value, Value::MicroTime(_)),
        Scalar::Duration => matches!(value, Value::Duration(_)),
        Scalar::RawExtension | Scalar::FieldsV1 => matches!(value, Value::Raw(_)),
        Scalar::Json => true,
    }
}
