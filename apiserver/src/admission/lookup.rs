//! Other objects, as admission steps need them: out of the view.

use std::sync::Arc;

use api::{Tree, TypeId};
use store::Revision;

use crate::codec::object::decode_as;
use crate::view::{Snapshot, View};

/// Reads objects of built-in kinds from the view.
#[derive(Clone)]
pub struct Lookup(Arc<View>);

impl Lookup {
    /// Reads from `view`.
    pub fn new(view: Arc<View>) -> Lookup {
        Lookup(view)
    }

    /// The object at `key` below `prefix` (`pods/`), as a tree of its stored version `ty`.
    pub fn get(&self, prefix: &str, key: &str, ty: TypeId) -> Option<Tree> {
        decode_as(self.0.collection(prefix)?.get(key)?.value(), ty)
    }

    /// As [`Lookup::get`], but not older than any write acknowledged before: for what would be refused if it were missing.
    pub async fn get_fresh(&self, prefix: &str, key: &str, ty: TypeId) -> Option<Tree> {
        if let Some(tree) = self.get(prefix, key, ty) {
            return Some(tree);
        }
        self.0.fresh().await.ok()?;
        self.get(prefix, key, ty)
    }

    /// The objects below `prefix` as they are now, not decoded.
    pub fn snapshot(&self, prefix: &str) -> Option<Arc<Snapshot>> {
        Some(self.0.collection(prefix)?.snapshot())
    }

    /// All objects below `prefix`.
    pub fn all(&self, prefix: &str, ty: TypeId) -> Vec<Tree> {
        let Some(collection) = self.0.collection(prefix) else {
            return Vec::new();
        };
        collection
            .snapshot()
            .from("")
            .filter_map(|object| decode_as(object.value(), ty))
            .collect()
    }

    /// The objects of a namespace below `prefix`, by name.
    pub fn in_namespace(&self, prefix: &str, namespace: &str, ty: TypeId) -> Vec<Tree> {
        let Some(collection) = self.0.collection(prefix) else {
            return Vec::new();
        };
        let start = format!("{namespace}/");
        collection
            .snapshot()
            .from(&start)
            .take_while(|object| object.key().starts_with(&start))
            .filter_map(|object| decode_as(object.value(), ty))
            .collect()
    }

    /// Where the view stands.
    pub fn applied(&self) -> Revision {
        self.0.applied()
    }
}
