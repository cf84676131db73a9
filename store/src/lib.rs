//! An ordered log of revisions over keys and bytes.
//!
//! This crate knows how to keep bytes: durably, in order, and told to whoever follows. It must not know what the
//! bytes mean, and no crate but `apiserver` may use it.
//!
//! # The contract
//!
//! One trait, [`Log`], and the engines behind it, which pass one conformance suite (`tests/conformance`):
//! [`Redb`], embedded and the default; [`Etcd`]; [`Memory`] for simulations.
//!
//! - **Keys** are paths without a leading slash (`pods/default/web`), in upstream's layout under its etcd prefix. The
//!   etcd engine puts the prefix before them (`/registry/`).
//! - **A revision** is made by every append that changes something, and by nothing else that is seen here. It never
//!   goes back: not over a restart, a compaction, or a failed disk.
//! - **An append** ([`Log::append`]) compares and applies up to [`MAX_OPS`] operations at one revision, or none. It is
//!   durable before it is acknowledged. It is never cancelled by its caller going away.
//! - **Every failure is told apart** by what may be done: repeat ([`Error::Unavailable`], [`Error::NoSpace`]: nothing
//!   was applied), read first ([`Error::Unknown`]), load anew ([`Error::Compacted`]), take the newer value
//!   ([`Conflict`]), or give up.
//! - **The tail** ([`Log::tail`]) yields what is durable, each revision whole, without gap or repetition. A reader that
//!   is slow holds up no writer, and is told when it has lost its place.
//! - **Reading what is current** means: take [`Log::head`], wait until the tail's [`TailEvent::revision`] has reached
//!   it. One call serves every reader that was waiting when it was made.
//! - **Time to live** ([`Op::Put`]): an expired entry is deleted by a revision of its own, which deletes whatever else
//!   expired with it. Until that revision the entry is there.
//! - **History** of the embedded engines is bounded by bytes; etcd's by whoever calls [`Log::compact`].

pub mod clock;
mod entry;
mod error;
pub mod etcd;
mod history;
mod log;
mod memory;
mod op;
pub mod redb;
mod revision;
mod tail;
pub mod ttl;

pub use self::etcd::Etcd;
pub use self::redb::Redb;
pub use entry::{Change, ChangeSet, Entry};
pub use error::{AppendError, Conflict, Error};
pub use log::{Appended, Health, Log};
pub use memory::Memory;
pub use op::{Expect, MAX_BYTES, MAX_OPS, Op};
pub use revision::Revision;
pub use tail::{Load, Tail, TailEvent};
