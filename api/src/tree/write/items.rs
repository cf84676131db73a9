//! Lists: their elements.

use std::cmp::Ordering;

use super::{RefMut, Value, owner_of_copy};
use crate::tree::{Kind, Node, Ref};

impl<'a> RefMut<'a> {
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
}
