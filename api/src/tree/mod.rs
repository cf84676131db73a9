//! The working form: an object of any kind as one flat tree, typed by the schema.
//!
//! Nodes of 16 bytes lie in one arena, children side by side; text is a slice of the decoded input or of a side buffer. A clone
//! shares everything until one of the two is written to. Rules about particular kinds do not belong here, nor do encodings.
//!
//! What a tree holds is what upstream's Go value would hold: a field that is neither pointer, list nor map has no node when it
//! is zero; behind a pointer presence is exact; an empty list is kept only where JSON tells it from an absent one.

mod build;
mod eq;
mod node;
mod read;
mod write;

use std::sync::Arc;

pub(crate) use build::Builder;
pub use node::Kind;
pub(crate) use node::{BLOB, Node, Owner, SIDE, Store};
pub use read::{Entries, Fields, Items, Ref};
pub(crate) use write::empty;
pub use write::{RefMut, Value};

use crate::schema::{Schema, SchemaRef, TypeId};

/// Containers nest at most so deep; decoders refuse more, so that what walks a tree may recurse.
pub const MAX_DEPTH: usize = 512;

/// An object. Cloning is cheap; writing to a clone copies it first.
#[derive(Clone, Debug)]
pub struct Tree {
    store: Arc<Store>,
}

impl Tree {
    /// An empty message of a built-in type; with [`TypeId::UNTYPED`] an empty untyped object.
    pub fn new(ty: TypeId) -> Tree {
        Tree::with_schema(Schema::builtin(), ty)
    }

    /// An empty message of a type of any schema.
    pub fn with_schema(schema: impl Into<SchemaRef>, ty: TypeId) -> Tree {
        Tree {
            store: Arc::new(Store::new(schema.into(), ty)),
        }
    }

    /// A tree of its own, with what `value` holds.
    pub fn copy_of(value: Ref<'_>) -> Tree {
        let mut store = Store::new(value.store.schema.clone(), TypeId::UNTYPED);
        store.nodes.clear();
        let root = store.copy(value.store, value.node, value.node.owner());
        store.root = store.nodes.len() as u32;
        store.nodes.push(Node { field: 0, ..root });
        Tree {
            store: Arc::new(store),
        }
    }

    pub(crate) fn from_store(store: Store) -> Tree {
        Tree {
            store: Arc::new(store),
        }
    }

    /// The schema that types this tree.
    pub fn schema(&self) -> &SchemaRef {
        &self.store.schema
    }

    /// The root's message type; [`TypeId::UNTYPED`] if the root is no message.
    pub fn type_id(&self) -> TypeId {
        let root = &self.store.nodes[self.store.root as usize];
        if root.kind == Kind::Message {
            root.ty()
        } else {
            TypeId::UNTYPED
        }
    }

    /// The root, for reading.
    #[inline]
    pub fn root(&self) -> Ref<'_> {
        Ref {
            store: &self.store,
            node: &self.store.nodes[self.store.root as usize],
        }
    }

    /// The root, for writing; copies the content if a clone shares it.
    pub fn root_mut(&mut self) -> RefMut<'_> {
        if self.store.garbage > 1024 && self.store.garbage * 2 > self.store.nodes.len() {
            self.compact();
        }
        let store = Arc::make_mut(&mut self.store);
        let index = store.root as usize;
        RefMut { store, index }
    }

    /// Rewrites the content without what mutation left behind and without the decoded input: for objects that are kept long.
    pub fn compact(&mut self) {
        let store = &self.store;
        let mut fresh = Store::new(store.schema.clone(), TypeId::UNTYPED);
        fresh.nodes = Vec::with_capacity(store.nodes.len().saturating_sub(store.garbage));
        let root = &store.nodes[store.root as usize];
        let copy = fresh.copy(store, root, root.owner());
        fresh.root = fresh.nodes.len() as u32;
        fresh.nodes.push(copy);
        fresh.side.shrink_to_fit();
        self.store = Arc::new(fresh);
    }

    /// Bytes that this tree keeps in memory, shared ones included.
    pub fn heap_size(&self) -> usize {
        let store = &*self.store;
        size_of::<Store>()
            + store.nodes.capacity() * size_of::<Node>()
            + store.text.capacity()
            + store.side.capacity()
            + store.blobs.capacity()
    }
}

/// Semantic equality: see [`Ref::same`].
impl PartialEq for Tree {
    fn eq(&self, other: &Tree) -> bool {
        Arc::ptr_eq(&self.store, &other.store) || self.root().same(other.root())
    }
}
