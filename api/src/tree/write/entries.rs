//! Maps: their entries.

use super::{RefMut, Value, owner_of_copy};
use crate::tree::{Kind, Node, Ref};

impl RefMut<'_> {
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
}
