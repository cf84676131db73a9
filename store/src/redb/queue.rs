//! What waits for the sequencer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::history::shut_down;
use crate::{AppendError, Appended, Error, Op, Revision};

/// The most requests that wait; further callers wait to be let in.
const CAPACITY: usize = 4_096;

/// Who is to be told.
pub(super) type Reply<T, E> = oneshot::Sender<Result<T, E>>;

/// What the sequencer is asked to do. Once it is in the queue it will be done, whether or not anybody waits for it.
pub(super) enum Request {
    Append {
        ops: Vec<Op>,
        bytes: usize,
        reply: Reply<Appended, AppendError>,
    },
    Compact {
        at: Revision,
        reply: Reply<(), Error>,
    },
}

/// A bounded queue from many tasks to one thread.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    room: Arc<Semaphore>,
}

#[derive(Default)]
struct Waiting {
    requests: VecDeque<(Request, OwnedSemaphorePermit)>,
    closed: bool,
}

/// What the sequencer found.
pub(super) enum Next {
    Requests(Vec<(Request, OwnedSemaphorePermit)>),
    TimedOut,
    Closed,
}

impl Queue {
    pub fn new() -> Queue {
        Queue {
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            room: Arc::new(Semaphore::new(CAPACITY)),
        }
    }

    /// Waits for room, then hands the request over. Not handed over if the caller is dropped before.
    pub async fn push(&self, request: Request) -> Result<(), Error> {
        let room = Arc::clone(&self.room);
        let permit = room.acquire_owned().await.map_err(|_| shut_down())?;
        {
            let mut waiting = self.waiting.lock();
            if waiting.closed {
                return Err(shut_down());
            }
            waiting.requests.push_back((request, permit));
        }
        self.arrived.notify_one();
        Ok(())
    }

    /// Everything that waits; with nothing there, waits for as long as `patience`.
    pub fn next(&self, patience: Option<Duration>) -> Next {
        let mut waiting = self.waiting.lock();
        while waiting.requests.is_empty() {
            if waiting.closed {
                return Next::Closed;
            }
            match patience {
                None => self.arrived.wait(&mut waiting),
                Some(patience) => {
                    if self.arrived.wait_for(&mut waiting, patience).timed_out()
                        && waiting.requests.is_empty()
                        && !waiting.closed
                    {
                        return Next::TimedOut;
                    }
                }
            }
        }
        Next::Requests(waiting.requests.drain(..).collect())
    }

    /// Everything that waits, at once.
    pub fn drain(&self) -> Vec<(Request, OwnedSemaphorePermit)> {
        self.waiting.lock().requests.drain(..).collect()
    }

    /// Refuses all further requests; those in the queue stay.
    pub fn close(&self) {
        self.waiting.lock().closed = true;
        self.room.close();
        self.arrived.notify_all();
    }
}
