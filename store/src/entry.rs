//! What a log holds: entries, and the changes that made them.

use std::sync::Arc;

use bytes::Bytes;

use crate::Revision;

/// One key and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Bytes,
    /// Its value.
    pub value: Bytes,
    /// The revision that created the key: unchanged by updates, new after a deletion.
    pub create_revision: Revision,
    /// The revision that wrote this value: what [`Expect::At`](crate::Expect::At) is compared with.
    pub mod_revision: Revision,
    /// Whether the entry was written with a time to live, and so will delete itself.
    pub expires: bool,
}

/// What one revision did to one key. The revision stands in the [`ChangeSet`].
///
/// There is no previous value: whoever follows the log from a [`load`](crate::Log::load) already holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: Bytes,
    /// What it holds now; `None` when it was deleted or expired.
    pub value: Option<Bytes>,
    /// The revision that created the key; [`Revision::ZERO`] for a deletion.
    pub create_revision: Revision,
}

/// Everything that one revision changed, to be applied whole: an append of several operations, or a lease that
/// expired with all its keys. A key occurs at most once. Cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeSet {
    /// The revision.
    pub revision: Revision,
    /// Its changes: never empty, ordered as the operations were (expired keys: by key).
    pub changes: Arc<[Change]>,
}

impl ChangeSet {
    /// The size of keys and values, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.changes
            .iter()
            .map(|change| change.key.len() + change.value.as_ref().map_or(0, Bytes::len))
            .sum()
    }
}
