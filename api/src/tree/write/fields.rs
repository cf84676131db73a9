//! Messages: their fields.

use super::{RefMut, Value, empty, owner_of_copy};
use crate::schema::FieldId;
use crate::tree::{Kind, Node, Owner, Ref, eq};

impl<'a> RefMut<'a> {
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
            && eq::like_absent(
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
}
