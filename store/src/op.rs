//! What an append asks for.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use crate::{AppendError, Error, Revision};

/// The most operations one append may hold: etcd's `--max-txn-ops`, kept by every engine, so that what fits one
/// fits all.
pub const MAX_OPS: usize = 128;

/// The most bytes (keys and values together) one append may hold: etcd's `--max-request-bytes` is 1.5 MiB, of which
/// 4 KiB and 256 bytes an operation are left for the request's framing. Kept by every engine.
pub const MAX_BYTES: usize = 3 * 512 * 1024 - 4096 - MAX_OPS * 256;

/// What a key must be for an append to take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Anything, present or not.
    Any,
    /// The key must not exist.
    Absent,
    /// The key must exist, last written at this revision.
    At(Revision),
}

impl Expect {
    /// Whether a key last written at `current` (`None`: no such key) is as expected.
    #[must_use]
    pub fn holds(self, current: Option<Revision>) -> bool {
        match self {
            Expect::Any => true,
            Expect::Absent => current.is_none(),
            Expect::At(revision) => current == Some(revision),
        }
    }
}

/// One operation of an append. All of an append's expectations are compared with the state before it; then either
/// all operations take effect, at one revision, or none does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Write a value. Always makes a new revision, even if the value is the same.
    Put {
        /// The key.
        key: Bytes,
        /// The new value.
        value: Bytes,
        /// What the key must be.
        expect: Expect,
        /// How long the entry lives if it is not written again: at least this long, and up to
        /// [`ttl::slack`](crate::ttl::slack) longer, so that entries expire together. `None`: for ever, whatever the entry had before.
        ttl: Option<Duration>,
    },
    /// Delete a key. Deleting what does not exist changes nothing.
    Delete {
        /// The key.
        key: Bytes,
        /// What the key must be.
        expect: Expect,
    },
    /// Change nothing, but let the append fail unless the key is as expected.
    Check {
        /// The key.
        key: Bytes,
        /// What the key must be.
        expect: Expect,
    },
}

impl Op {
    /// The key it is about.
    #[must_use]
    pub fn key(&self) -> &Bytes {
        match self {
            Op::Put { key, .. } | Op::Delete { key, .. } | Op::Check { key, .. } => key,
        }
    }

    /// What it expects of the key.
    #[must_use]
    pub fn expect(&self) -> Expect {
        match self {
            Op::Put { expect, .. } | Op::Delete { expect, .. } | Op::Check { expect, .. } => {
                *expect
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Op::Put { key, value, .. } => key.len() + value.len(),
            Op::Delete { key, .. } | Op::Check { key, .. } => key.len(),
        }
    }
}

/// Refuses, the same in every engine, an append that no engine could take; returns its size in bytes.
pub(crate) fn check(ops: &[Op]) -> Result<usize, AppendError> {
    let invalid = |why: &str| AppendError::Failed(Error::Invalid(why.to_owned()));
    if ops.is_empty() {
        return Err(invalid("an append needs at least one operation"));
    }
    let too_large = |why| AppendError::Failed(Error::TooLarge(why));
    if ops.len() > MAX_OPS {
        return Err(too_large(format!(
            "{} operations, at most {MAX_OPS} are allowed",
            ops.len()
        )));
    }
    if ops.iter().any(|op| op.key().is_empty()) {
        return Err(invalid("a key must not be empty"));
    }
    if ops.len() > 1 && ops.iter().map(Op::key).collect::<BTreeSet<_>>().len() < ops.len() {
        return Err(invalid("a key may occur only once in an append"));
    }
    let bytes = ops.iter().map(Op::bytes).sum();
    if bytes > MAX_BYTES {
        return Err(too_large(format!(
            "{bytes} bytes, at most {MAX_BYTES} are allowed"
        )));
    }
    Ok(bytes)
}
