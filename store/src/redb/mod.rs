//! The embedded engine: one file, written by one thread (`sequencer`), on redb.
//!
//! - An append waits in a bounded `queue`; all that wait share one transaction (`batch`) and one sync.
//! - What is durable goes to the readers through the `history` in memory; one that is further
//!   behind reads from the file (`database`), as far back as history on disk goes.
//! - When the storage fails (`disk`, `fault`), everything pending fails, the file is opened anew, and what has
//!   survived is the truth.
//!
//! What redb is told, and why (two cores, 1 KiB values, fdatasync 70 to 90 µs at the median; `examples/write_rate.rs`):
//! durability *immediate*, since an acknowledgement is a promise. *One* phase a commit, one sync: both commit slots
//! carry checksums over everything below them, and after a crash the newer one that is whole counts; `tests/crash.rs`
//! shows it. No *quick repair*: it saves 0.35 s of 0.43 at a start after a crash with 100,000 entries, and costs a second
//! sync in every commit (a lone writer makes 2,080 creates a second instead of 2,740, 64 writers 56,000 instead of 65,000).
//!
//! It must not know of etcd, nor of what the bytes mean.

mod batch;
mod database;
mod disk;
mod fault;
mod format;
mod queue;
mod sequencer;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::sync::oneshot;

pub use self::disk::{DataDir, Disk};

use self::database::{Opened, Snapshot};
use self::queue::{Queue, Request};
use self::sequencer::{Sequencer, Shared};
use crate::clock::Clock;
use crate::history::{History, shut_down};
use crate::op;
use crate::{
    AppendError, Appended, ChangeSet, Error, Health, Load, Log, Op, Revision, Tail, TailEvent,
};

/// How much the embedded engine may take.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Past changes kept on disk, in bytes: how far back a tail may start, also after a restart. 64 MiB.
    pub history: u64,
    /// Past changes kept in memory, in bytes: how far a tail may lag without reading the disk. 2 MiB.
    pub recent: usize,
    /// Pages of the file kept in memory, in bytes. 8 MiB.
    pub cache: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            history: 64 << 20,
            recent: 2 << 20,
            cache: 8 << 20,
        }
    }
}

/// A log in a file. Cloning it gives another handle to the same log. It is closed by [`Log::shutdown`], or when the last handle is
/// dropped.
#[derive(Clone)]
pub struct Redb(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.queue.close();
        self.shared.history.close();
    }
}

impl Redb {
    /// Opens the log in a data directory, or makes it. [`Error::Locked`] if another process has it open,
    /// [`Error::Incompatible`] if another version wrote it.
    pub async fn open(dir: &Path, options: Options, clock: Arc<dyn Clock>) -> Result<Redb, Error> {
        let dir = dir.to_owned();
        let disk = blocking(move || DataDir::lock(&dir)).await?;
        Redb::open_on(Box::new(disk), options, clock).await
    }

    /// Opens the log on any storage.
    pub async fn open_on(
        disk: Box<dyn Disk>,
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> Result<Redb, Error> {
        let (shared, disk, state) = blocking(move || {
            let (opened, state) = Opened::open(disk.as_ref(), options.cache)?;
            let shared = Shared {
                queue: Queue::new(),
                history: History::new(state.head, options.recent),
                clock,
                options,
                opened: Mutex::new(Ok(Arc::new(opened))),
                trouble: Mutex::new(None),
            };
            Ok((Arc::new(shared), disk, state))
        })
        .await?;
        let sequencer = Sequencer::new(Arc::clone(&shared), disk, state);
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || sequencer.run())
            .map_err(|e| Error::Unavailable(format!("no thread for the log: {e}")))?;
        Ok(Redb(Arc::new(Handle {
            shared,
            thread: Mutex::new(Some(thread)),
        })))
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }
}

#[async_trait]
impl Log for Redb {
    async fn head(&self) -> Result<Revision, Error> {
        // One process writes, and it knows; but not while it is finding out what has survived.
        self.shared().opened()?;
        Ok(self.shared().history.head())
    }

    async fn load(&self, prefix: &[u8]) -> Result<Load, Error> {
        let opened = self.shared().opened()?;
        let snapshot = blocking(move || opened.snapshot()).await?;
        let revision = snapshot.state.head;
        let chunks = Chunks {
            snapshot: Arc::new(snapshot),
            shared: Arc::clone(self.shared()),
            prefix: prefix.to_vec(),
            after: Vec::new(),
        };
        let chunks = stream::try_unfold(chunks, |mut chunks| async move {
            if chunks.shared.history.closed() {
                return Err(shut_down());
            }
            let (snapshot, prefix) = (Arc::clone(&chunks.snapshot), chunks.prefix.clone());
            let after = std::mem::take(&mut chunks.after);
            let entries = blocking(move || snapshot.entries(&prefix, &after)).await?;
            match entries.last() {
                None => Ok(None),
                Some(last) => {
                    chunks.after = last.key.to_vec();
                    Ok(Some((entries, chunks)))
                }
            }
        });
        Ok(Load {
            revision,
            chunks: chunks.boxed(),
        })
    }

    async fn append(&self, ops: Vec<Op>) -> Result<Appended, AppendError> {
        let bytes = op::check(&ops)?;
        let (reply, answer) = oneshot::channel();
        let request = Request::Append { ops, bytes, reply };
        self.shared().queue.push(request).await?;
        answer.await.unwrap_or_else(|_| {
            Err(Error::Unknown("the log ended before it answered".to_owned()).into())
        })
    }

    fn tail(&self, after: Revision) -> Tail {
        let cursor = Cursor {
            shared: Arc::clone(self.shared()),
            at: after,
            ready: VecDeque::new(),
        };
        Tail::new(
            stream::try_unfold(cursor, |mut cursor| async move {
                if cursor.ready.is_empty() {
                    cursor.ready = cursor.next().await?.into();
                }
                let set = cursor.ready.pop_front();
                Ok(set.map(|set| {
                    cursor.at = set.revision;
                    (TailEvent::Changes(set), cursor)
                }))
            })
            .fuse(),
        )
    }

    async fn compact(&self, at: Revision) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.shared()
            .queue
            .push(Request::Compact { at, reply })
            .await?;
        answer.await.unwrap_or_else(|_| Err(shut_down()))
    }

    async fn health(&self) -> Result<Health, Error> {
        let opened = self.shared().opened()?;
        if let Some(trouble) = self.shared().trouble.lock().clone() {
            return Err(trouble);
        }
        let bytes = opened.fence.bytes();
        Ok(Health {
            engine: "redb",
            bytes,
        })
    }

    async fn shutdown(&self) {
        self.shared().queue.close();
        let thread = self.0.thread.lock().take();
        if let Some(thread) = thread {
            // A panic there has been reported by the panic hook, and the log is closed either way.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// A load under way.
struct Chunks {
    snapshot: Arc<Snapshot>,
    shared: Arc<Shared>,
    prefix: Vec<u8>,
    after: Vec<u8>,
}

/// A tail's place.
struct Cursor {
    shared: Arc<Shared>,
    at: Revision,
    ready: VecDeque<ChangeSet>,
}

impl Cursor {
    /// The next change sets, waited for.
    async fn next(&self) -> Result<Vec<ChangeSet>, Error> {
        let mut position = self.shared.history.subscribe();
        loop {
            let now = *position.borrow_and_update();
            match self.shared.history.after(self.at) {
                Ok(sets) if !sets.is_empty() => return Ok(sets),
                Ok(_) => {}
                Err(_) => match self.read_disk().await {
                    Ok(sets) if !sets.is_empty() => return Ok(sets),
                    // Between two looks the database was opened anew.
                    Ok(_) | Err(Error::Unavailable(_)) => {}
                    Err(error) => return Err(error),
                },
            }
            if now.closed {
                return Err(shut_down());
            }
            // The sender lives as long as `shared`, which this holds.
            let _ = position.changed().await;
        }
    }

    async fn read_disk(&self) -> Result<Vec<ChangeSet>, Error> {
        let opened = self.shared.opened()?;
        let at = self.at;
        blocking(move || opened.snapshot()?.changes(at)).await
    }
}

/// Runs what touches the disk where it may wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Error::Unavailable(error.to_string())))
}
