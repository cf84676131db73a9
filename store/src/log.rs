//! The trait that all engines implement.

use async_trait::async_trait;

use crate::{AppendError, Error, Load, Op, Revision, Tail};

/// What an append that took effect tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The revision at which it took effect. If it changed nothing (only checks, or deletions of what did not
    /// exist), the head at which that was so.
    pub revision: Revision,
}

/// How the log fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The engine: `memory`, `redb` or `etcd`.
    pub engine: &'static str,
    /// The space it takes on disk (in memory: of keys and values), in bytes.
    pub bytes: u64,
}

/// An ordered log of revisions over keys and bytes. The crate's page has the contract.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// The head of the log, linearizable: not older than any append acknowledged, by whichever process, before the
    /// call. A read that must be current waits until its tail has reached this revision; the engine sees to it that every
    /// open tail of this log does.
    async fn head(&self) -> Result<Revision, Error>;

    /// A snapshot of all entries whose keys begin with `prefix` (empty: of all), not older than [`head`](Log::head).
    async fn load(&self, prefix: &[u8]) -> Result<Load, Error>;

    /// Applies all operations at one new revision, or none. Returns once that is durable. If the caller goes away meanwhile,
    /// the append is not cancelled.
    async fn append(&self, ops: Vec<Op>) -> Result<Appended, AppendError>;

    /// The changes after a revision. A revision in the future is waited for. Every error comes through the stream:
    /// [`Error::Compacted`], [`Error::Corrupt`], or [`Error::Unavailable`] once the log was shut down.
    fn tail(&self, after: Revision) -> Tail;

    /// Forgets the history up to `at`: a tail after an older revision yields [`Error::Compacted`]. What is compacted
    /// already stays so; a revision beyond the head is [`Error::Invalid`].
    async fn compact(&self, at: Revision) -> Result<(), Error>;

    /// Whether reads and writes can be expected to succeed; an error says what is wrong.
    async fn health(&self) -> Result<Health, Error>;

    /// Finishes what was sequenced, refuses what comes after it, ends the tails, and releases the files and connections.
    async fn shutdown(&self);
}
