//! What can go wrong, told apart by what the caller may do about it.

use crate::{Entry, Revision};

/// Why the log did not do what it was asked. Cloneable: one failed commit answers everyone who waited for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The log cannot be reached, or is recovering. Nothing was applied; the same request may be sent again.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The answer was lost: the append may or may not have been applied, now or a moment later. The caller reads the
    /// keys to find out, and must not simply repeat the request.
    #[error("the store's answer was lost, the write may or may not have been applied: {0}")]
    Unknown(String),
    /// No space is left (the disk; etcd's quota). Nothing was applied; reads go on.
    #[error("the store has no space left: {0}")]
    NoSpace(String),
    /// What is stored contradicts itself. Needs a person.
    #[error("the store is corrupt: {0}")]
    Corrupt(String),
    /// The history asked for is gone. The caller loads anew.
    #[error("history up to revision {oldest} was compacted")]
    Compacted {
        /// The oldest revision that a tail can start after.
        oldest: Revision,
    },
    /// The append exceeds [`MAX_BYTES`](crate::MAX_BYTES) or [`MAX_OPS`](crate::MAX_OPS), or a lower limit that the
    /// etcd servers were configured with.
    #[error("the request is too large: {0}")]
    TooLarge(String),
    /// The request makes no sense: a mistake in the caller.
    #[error("invalid request to the store: {0}")]
    Invalid(String),
    /// Another process has the data directory open.
    #[error("the data directory {0} is in use by another process")]
    Locked(String),
    /// The data is in a format this version does not know.
    #[error("the store's format is not supported: {0}")]
    Incompatible(String),
}

/// An expectation that did not hold. Nothing was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The index of the first operation whose expectation failed.
    pub op: usize,
    /// What its key holds instead: read together with the comparison. `None`: there is no such key.
    pub current: Option<Entry>,
    /// The head of the log at the time of the comparison.
    pub head: Revision,
}

/// Why an append was not, or not known to be, applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// An expectation did not hold.
    #[error("operation {} conflicts with revision {}", .0.op, .0.current.as_ref().map_or(Revision::ZERO, |e| e.mod_revision))]
    Conflict(Box<Conflict>),
    /// Anything else.
    #[error(transparent)]
    Failed(#[from] Error),
}
