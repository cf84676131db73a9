//! The head of the log, and seeing to it that every tail reaches it.
//!
//! The head moves when anybody writes to the etcd cluster, also to keys that are not ours; so a tail may have seen
//! everything and not know it. Where etcd can be trusted to say so (3.4.31, 3.5.13 and later), the tail asks it for
//! its progress. Elsewhere a write to a key of ours, the barrier, comes by all tails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use etcd_client::GetOptions;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::etcd::Engine;
use crate::{Error, Revision};

/// How long a tail is given to get there by itself before a barrier is written: changes of ours mostly are under way.
const GRACE: Duration = Duration::from_millis(5);
/// How long a barrier is given before the next one.
const AGAIN: Duration = Duration::from_millis(100);

type Read = Shared<BoxFuture<'static, Result<Revision, Error>>>;

/// Joins readers of the head, and knows how far the tails are.
pub(super) struct Head {
    /// The read that has not begun yet, which whoever comes now may join.
    next: Mutex<Option<Read>>,
    /// Held by the read under way.
    reading: tokio::sync::Mutex<()>,
    /// The newest revision that was given to a reader.
    wanted: watch::Sender<Revision>,
    tails: Mutex<Vec<Arc<Place>>>,
    barrier: AtomicBool,
}

/// Where a tail is.
pub(super) struct Place {
    reached: AtomicI64,
    /// Cannot ask for its progress, and needs the barrier.
    pub needs_barrier: AtomicBool,
    open: AtomicBool,
}

impl Place {
    pub fn reach(&self, revision: Revision) {
        self.reached.fetch_max(revision.0, Ordering::Relaxed);
    }

    pub fn reached(&self) -> Revision {
        Revision(self.reached.load(Ordering::Relaxed))
    }

    pub fn close(&self) {
        self.open.store(false, Ordering::Relaxed);
    }
}

impl Head {
    pub fn new() -> Head {
        Head {
            next: Mutex::new(None),
            reading: tokio::sync::Mutex::new(()),
            wanted: watch::Sender::new(Revision::ZERO),
            tails: Mutex::default(),
            barrier: AtomicBool::new(false),
        }
    }

    /// A tail is opened.
    pub fn join(&self, after: Revision) -> (Arc<Place>, watch::Receiver<Revision>) {
        let place = Arc::new(Place {
            reached: AtomicI64::new(after.0),
            needs_barrier: AtomicBool::new(false),
            open: AtomicBool::new(true),
        });
        let mut tails = self.tails.lock();
        tails.retain(|tail| tail.open.load(Ordering::Relaxed));
        tails.push(Arc::clone(&place));
        (place, self.wanted.subscribe())
    }

    fn waits_for_barrier(&self) -> bool {
        let wanted = *self.wanted.borrow();
        self.tails.lock().iter().any(|tail| {
            tail.open.load(Ordering::Relaxed)
                && tail.needs_barrier.load(Ordering::Relaxed)
                && tail.reached() < wanted
        })
    }
}

/// The head, read from etcd after this call began, in one read for all who wait for it.
pub(super) async fn head(engine: &Arc<Engine>) -> Result<Revision, Error> {
    let read = {
        let mut next = engine.head.next.lock();
        next.get_or_insert_with(|| read(Arc::clone(engine)).boxed().shared())
            .clone()
    };
    let head = read.await?;
    engine.head.wanted.send_if_modified(|wanted| {
        let newer = head > *wanted;
        *wanted = head.max(*wanted);
        newer
    });
    ensure_barrier(engine);
    Ok(head)
}

async fn read(engine: Arc<Engine>) -> Result<Revision, Error> {
    let _turn = engine.head.reading.lock().await;
    // From here on, whoever comes is too late for this read.
    *engine.head.next.lock() = None;
    let answer = engine
        .members
        .read(|mut client| {
            let key = engine.full_key(b"");
            let options = GetOptions::new().with_count_only();
            async move { client.get(key, Some(options)).await }
        })
        .await
        .map_err(super::fault::Fault::harmless)?;
    engine.header_revision(answer.header())
}

/// Starts writing barriers, unless somebody does or none is needed.
pub(super) fn ensure_barrier(engine: &Arc<Engine>) {
    if !engine.head.waits_for_barrier() || engine.head.barrier.swap(true, Ordering::AcqRel) {
        return;
    }
    let engine = Arc::clone(engine);
    tokio::spawn(async move {
        tokio::time::sleep(GRACE).await;
        while engine.head.waits_for_barrier() && !engine.closed() {
            // If it fails, the next one may not; whoever waits has a deadline of his own.
            let written = engine
                .members
                .write(|mut client| {
                    let key = engine.barrier_key();
                    async move { client.put(key, "", None).await }
                })
                .await;
            if let Err(fault) = written {
                tracing::debug!(?fault, "the barrier was not written");
            }
            tokio::time::sleep(AGAIN).await;
        }
        engine.head.barrier.store(false, Ordering::Release);
        // Somebody may have come between the last look and the flag.
        ensure_barrier(&engine);
    });
}
