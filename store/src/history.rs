//! The recent change sets of an embedded engine, in memory, and the cursors that read them.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{ChangeSet, Error, Revision};

/// How many change sets a cursor takes at once: bounds the time that the lock is held.
const BATCH: usize = 128;
/// What a change set is counted as beside its bytes.
const OVERHEAD: usize = 128;

/// Where the log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub head: Revision,
    /// The log was shut down: no more will come.
    pub closed: bool,
}

/// Consecutive revisions up to the head, bounded in bytes. Only what is durable is ever in here.
pub(crate) struct History {
    ring: Mutex<Ring>,
    position: watch::Sender<Position>,
}

struct Ring {
    sets: VecDeque<ChangeSet>,
    /// The sets hold every revision after this one.
    after: Revision,
    bytes: usize,
    limit: usize,
}

impl Ring {
    fn drop_oldest(&mut self) {
        if let Some(set) = self.sets.pop_front() {
            self.bytes -= set.bytes() + OVERHEAD;
            self.after = set.revision;
        }
    }
}

impl History {
    /// An empty history of a log that stands at `head`.
    pub fn new(head: Revision, limit: usize) -> History {
        History {
            ring: Mutex::new(Ring {
                sets: VecDeque::new(),
                after: head,
                bytes: 0,
                limit,
            }),
            position: watch::Sender::new(Position {
                head,
                closed: false,
            }),
        }
    }

    /// Adds the revisions that follow the head, and wakes the readers.
    pub fn extend(&self, sets: impl IntoIterator<Item = ChangeSet>) {
        let mut head = None;
        {
            let mut ring = self.ring.lock();
            for set in sets {
                head = Some(set.revision);
                ring.bytes += set.bytes() + OVERHEAD;
                ring.sets.push_back(set);
            }
            // The newest set stays, however large: whoever is awake reads it from here.
            while ring.bytes > ring.limit && ring.sets.len() > 1 {
                ring.drop_oldest();
            }
        }
        if let Some(head) = head {
            self.position.send_modify(|position| position.head = head);
        }
    }

    /// Starts anew at a head found on disk, whatever was believed before.
    pub fn reset(&self, head: Revision) {
        {
            let mut ring = self.ring.lock();
            ring.sets.clear();
            ring.bytes = 0;
            ring.after = head;
        }
        self.position.send_modify(|position| position.head = head);
    }

    /// Forgets everything up to `at`.
    pub fn forget(&self, at: Revision) {
        let mut ring = self.ring.lock();
        while ring.sets.front().is_some_and(|set| set.revision <= at) {
            ring.drop_oldest();
        }
    }

    /// The next change sets after a revision: none at the head; [`Error::Compacted`] when they are no longer here.
    pub fn after(&self, revision: Revision) -> Result<Vec<ChangeSet>, Error> {
        let ring = self.ring.lock();
        if revision < ring.after {
            return Err(Error::Compacted { oldest: ring.after });
        }
        let skip = usize::try_from(revision.0 - ring.after.0).unwrap_or(usize::MAX);
        Ok(ring.sets.iter().skip(skip).take(BATCH).cloned().collect())
    }

    /// The head.
    pub fn head(&self) -> Revision {
        self.position.borrow().head
    }

    /// Follows where the log stands.
    pub fn subscribe(&self) -> watch::Receiver<Position> {
        self.position.subscribe()
    }

    /// No more will come.
    pub fn close(&self) {
        self.position.send_modify(|position| position.closed = true);
    }

    /// Whether the log was shut down.
    pub fn closed(&self) -> bool {
        self.position.borrow().closed
    }
}

/// The error of everything asked of a log that was shut down.
pub(crate) fn shut_down() -> Error {
    Error::Unavailable("it was shut down".to_owned())
}
