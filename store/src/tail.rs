//! The streams that a log is read by.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use futures::stream::BoxStream;

use crate::{ChangeSet, Entry, Error, Revision};

/// What a tail yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TailEvent {
    /// The next revision that changed something.
    Changes(ChangeSet),
    /// Everything up to and including this revision has been delivered. Comes when the log's head can be ahead of the
    /// last change set: on etcd, when a key that is not ours was written.
    Progress(Revision),
}

impl TailEvent {
    /// The revision that the reader has reached with this event.
    #[must_use]
    pub fn revision(&self) -> Revision {
        match self {
            TailEvent::Changes(set) => set.revision,
            TailEvent::Progress(revision) => *revision,
        }
    }
}

/// The changes after a revision, in order, without gap or repetition, for as long as it is polled. It never ends of
/// itself; after an error it yields nothing more. A lost connection is no error: it is made again, where it stopped.
///
/// A tail that is not polled holds nobody up: it is a cursor into history, not a queue, and when history has moved
/// past it, it yields [`Error::Compacted`].
pub struct Tail(BoxStream<'static, Result<TailEvent, Error>>);

impl Tail {
    /// A tail of an engine: also of one outside this crate, such as a simulation's, which stands before another.
    pub fn new(stream: impl Stream<Item = Result<TailEvent, Error>> + Send + 'static) -> Tail {
        Tail(Box::pin(stream))
    }
}

impl Stream for Tail {
    type Item = Result<TailEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tail")
    }
}

/// A consistent snapshot of the entries under a prefix, in the order of their keys, in chunks.
///
/// A stream that fails midway is of no use; the caller loads anew. One that ends without an error is complete.
pub struct Load {
    /// The revision of the snapshot: a [`tail`](crate::Log::tail) after it misses nothing and repeats nothing.
    pub revision: Revision,
    /// The entries. No chunk is empty; a chunk is some hundreds of KiB (of large values: one value).
    pub chunks: BoxStream<'static, Result<Vec<Entry>, Error>>,
}

impl Load {
    /// The whole of it, in memory.
    pub async fn collect(mut self) -> Result<(Revision, Vec<Entry>), Error> {
        let mut entries = Vec::new();
        while let Some(chunk) = futures::StreamExt::next(&mut self.chunks).await {
            entries.extend(chunk?);
        }
        Ok((self.revision, entries))
    }
}

impl fmt::Debug for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Load")
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}
