//! One version of one object, as the view holds it.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use store::Revision;

use super::project::Projection;
use crate::codec::rendering::Renderings;

/// One version of one object: its canonical bytes, what selectors ask for, and the renderings made of it so far.
pub struct Object {
    key: Arc<str>,
    namespace: u16,
    revision: Revision,
    created: Revision,
    value: Bytes,
    projection: Projection,
    pub(crate) renderings: Renderings,
}

impl Object {
    /// A version of the object at `key` (`namespace/name`, or `name`), written at `revision`.
    pub fn new(
        key: Arc<str>,
        revision: Revision,
        created: Revision,
        value: Bytes,
        projection: Projection,
    ) -> Object {
        let namespace = key
            .rfind('/')
            .and_then(|at| u16::try_from(at).ok())
            .unwrap_or(0);
        Object {
            key,
            namespace,
            revision,
            created,
            value,
            projection,
            renderings: Renderings::default(),
        }
    }

    /// The same content at another revision: how a deletion shows what was deleted, and a watch what left its selection.
    pub fn departed(&self, revision: Revision) -> Object {
        Object {
            key: Arc::clone(&self.key),
            namespace: self.namespace,
            revision,
            created: self.created,
            value: self.value.clone(),
            projection: self.projection.clone(),
            renderings: Renderings::default(),
        }
    }

    /// `namespace/name`, or `name` where the kind is not namespaced: the key in the log without the resource's prefix.
    pub fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn shared_key(&self) -> &Arc<str> {
        &self.key
    }

    /// The namespace; empty where the kind has none.
    pub fn namespace(&self) -> &str {
        &self.key[..usize::from(self.namespace)]
    }

    /// The name.
    pub fn name(&self) -> &str {
        match self.namespace {
            0 => &self.key,
            n => &self.key[usize::from(n) + 1..],
        }
    }

    /// The revision that wrote this version: its resourceVersion.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The revision that created the object.
    pub fn created(&self) -> Revision {
        self.created
    }

    /// The canonical bytes, without a resourceVersion.
    pub fn value(&self) -> &Bytes {
        &self.value
    }

    /// What selectors ask for.
    pub fn projection(&self) -> &Projection {
        &self.projection
    }

    /// What the version costs in memory, in bytes, without its renderings.
    pub fn weight(&self) -> usize {
        self.key.len() + self.value.len() + self.projection.weight() + std::mem::size_of::<Object>()
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.key, self.revision)
    }
}

/// An object in an ordered set, ordered by its key.
#[derive(Clone, Debug)]
pub struct Slot(pub Arc<Object>);

impl Deref for Slot {
    type Target = Arc<Object>;

    fn deref(&self) -> &Arc<Object> {
        &self.0
    }
}

impl Borrow<str> for Slot {
    fn borrow(&self) -> &str {
        &self.0.key
    }
}

impl PartialEq for Slot {
    fn eq(&self, other: &Slot) -> bool {
        self.0.key == other.0.key
    }
}

impl Eq for Slot {}

impl PartialOrd for Slot {
    fn partial_cmp(&self, other: &Slot) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Slot {
    fn cmp(&self, other: &Slot) -> Ordering {
        self.0.key.cmp(&other.0.key)
    }
}
