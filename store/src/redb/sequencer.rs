//! The one thread that writes: it takes whatever waits, applies it in order in one transaction, commits with one
//! sync, and only then answers. While it syncs, the next batch gathers; there is no timer.
//!
//! Its states: *open*, with a database; *broken*, after the storage failed. In the latter it reopens the storage for
//! whoever comes next, and of itself now and then.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redb::Durability;
use tokio::sync::OwnedSemaphorePermit;

use crate::clock::Clock;
use crate::history::{History, shut_down};
use crate::redb::Options;
use crate::redb::batch::{Batch, Outcome, Written};
use crate::redb::database::Opened;
use crate::redb::disk::Disk;
use crate::redb::fault::Fault;
use crate::redb::format::State;
use crate::redb::queue::{Next, Queue, Reply, Request};
use crate::{AppendError, Appended, Error, Revision, ttl};

/// The most requests and bytes in one batch: bounds what a failed commit takes down, and the memory of a commit.
const BATCH_REQUESTS: usize = 512;
const BATCH_BYTES: usize = 4 << 20;
/// How often a broken database is reopened with nobody asking, and expired entries are looked for.
const IDLE: Duration = Duration::from_secs(1);
/// With less space than this on a disk that was full, writes are refused without being tried.
const MIN_FREE: u64 = 1 << 20;
/// How long a shutdown waits for readers to end, in steps of a millisecond.
const FAREWELL: u32 = 1_000;

/// What the sequencer shares with the tasks that ask.
pub(super) struct Shared {
    pub queue: Queue,
    pub history: History,
    pub clock: Arc<dyn Clock>,
    pub options: Options,
    /// The database to read from, or why there is none.
    pub opened: Mutex<Result<Arc<Opened>, Error>>,
    /// Why the last write failed, while that is so.
    pub trouble: Mutex<Option<Error>>,
}

impl Shared {
    /// The database to read from.
    pub fn opened(&self) -> Result<Arc<Opened>, Error> {
        if self.history.closed() {
            return Err(shut_down());
        }
        self.opened.lock().clone()
    }
}

/// Whom a batch has to answer, and what, once it is durable.
#[derive(Default)]
struct Answers {
    appends: Vec<(Reply<Appended, AppendError>, Outcome)>,
    compactions: Vec<(Reply<(), Error>, Result<(), Error>)>,
    /// Could not be applied: the whole batch will fail.
    broken: Vec<Reply<Appended, AppendError>>,
    /// Their places in the queue, given back with the answers.
    places: Vec<OwnedSemaphorePermit>,
}

impl Answers {
    /// The batch is durable. A caller who has gone away does not want to know.
    fn send(self) {
        for (reply, outcome) in self.appends {
            let _ = reply.send(outcome.map_err(AppendError::Conflict));
        }
        for (reply, outcome) in self.compactions {
            let _ = reply.send(outcome);
        }
    }

    /// The batch is not durable.
    fn fail(self, error: &Error) {
        let appends = self.appends.into_iter().map(|(reply, _)| reply);
        for reply in appends.chain(self.broken) {
            let _ = reply.send(Err(error.clone().into()));
        }
        for (reply, _) in self.compactions {
            let _ = reply.send(Err(error.clone()));
        }
    }
}

pub(super) struct Sequencer {
    shared: Arc<Shared>,
    /// Holds the lock on the data directory, until this thread ends.
    disk: Box<dyn Disk>,
    state: State,
    next_deadline: Option<u64>,
}

/// If the thread ends, for whatever reason, nobody may wait for it.
struct LastWill(Arc<Shared>);

impl Drop for LastWill {
    fn drop(&mut self) {
        self.0.queue.close();
        self.0.history.close();
        drop(self.0.queue.drain());
    }
}

impl Sequencer {
    pub fn new(shared: Arc<Shared>, disk: Box<dyn Disk>, state: State) -> Sequencer {
        Sequencer {
            shared,
            disk,
            state,
            // Looks once, at the start.
            next_deadline: Some(0),
        }
    }

    /// Runs until the queue is closed and empty.
    pub fn run(mut self) {
        let _will = LastWill(Arc::clone(&self.shared));
        loop {
            match self.shared.queue.next(self.patience()) {
                Next::Requests(requests) => {
                    if let Err(error) = self.ensure_open() {
                        refuse(requests, &error);
                    } else {
                        self.batch(requests);
                    }
                }
                Next::TimedOut => {
                    if self.ensure_open().is_ok() && self.still_full().is_none() {
                        // As far as can be told without writing; the next write will tell.
                        *self.shared.trouble.lock() = None;
                        self.batch(Vec::new());
                    }
                }
                Next::Closed => break,
            }
        }
        self.close();
    }

    fn patience(&self) -> Option<Duration> {
        if self.shared.trouble.lock().is_some() {
            return Some(IDLE);
        }
        let at = Duration::from_millis(self.next_deadline?);
        let wait = at.saturating_sub(self.shared.clock.now());
        Some(wait.clamp(Duration::from_millis(1), IDLE))
    }

    fn due(&self) -> bool {
        let now = ttl::millis(self.shared.clock.now());
        self.next_deadline.is_some_and(|at| at <= now)
    }

    /// One transaction: these requests, and those that arrive while they are applied.
    fn batch(&mut self, requests: Vec<(Request, OwnedSemaphorePermit)>) {
        if let Some(error) = self.still_full() {
            return refuse(requests, &error);
        }
        let opened = match self.shared.opened.lock().clone() {
            Ok(opened) => opened,
            Err(error) => return refuse(requests, &error),
        };
        let mut requests = requests;
        while !requests.is_empty() || self.due() {
            let mut answers = Answers::default();
            let applied = self.apply(&opened, &mut requests, &mut answers);
            let (txn, written) = match applied {
                Ok(applied) => applied,
                Err(fault) => {
                    // Nothing was committed, so nothing took effect.
                    let error = fault.into_error(&opened.fence);
                    self.recover(opened, &error);
                    answers.fail(&error);
                    return refuse(requests, &error);
                }
            };
            if written.dirty
                && let Err(error) = txn.commit()
            {
                let error = Fault::from(error).into_error(&opened.fence);
                let recovered = self.recover(opened, &error);
                // The commit is whole or not there, and what was recovered says which. If it is there it still cannot
                // be called a success: it may have been read from memory that the disk never got.
                let error = match recovered {
                    Some(head) if head < written.state.head => error,
                    _ => Error::Unknown(error.to_string()),
                };
                answers.fail(&error);
                return refuse(requests, &Error::Unavailable(error.to_string()));
            }
            self.publish(written);
            answers.send();
        }
    }

    /// Applies the requests, and those that arrive meanwhile, in a transaction. What does not fit in is left.
    fn apply(
        &mut self,
        opened: &Opened,
        requests: &mut Vec<(Request, OwnedSemaphorePermit)>,
        answers: &mut Answers,
    ) -> Result<(redb::WriteTransaction, Written), Fault> {
        let now = self.shared.clock.now();
        let mut txn = opened.database.begin_write()?;
        // One sync a commit: both commit slots carry checksums, and recovery takes the newer one that is whole.
        txn.set_durability(Durability::Immediate)?;
        txn.set_two_phase_commit(false);
        txn.set_quick_repair(false);
        let written = {
            let mut batch = Batch::new(&txn, self.state)?;
            batch.expire(now)?;
            let mut bytes = 0;
            let mut arrived = std::mem::take(requests).into_iter();
            loop {
                let full = answers.places.len() >= BATCH_REQUESTS || bytes >= BATCH_BYTES;
                let next = if full { None } else { arrived.next() };
                let Some((request, place)) = next else {
                    if !full {
                        arrived = self.shared.queue.drain().into_iter();
                        if arrived.len() > 0 {
                            continue;
                        }
                    }
                    *requests = arrived.collect();
                    break;
                };
                answers.places.push(place);
                match request {
                    Request::Append {
                        ops,
                        bytes: size,
                        reply,
                    } => {
                        bytes += size;
                        match batch.append(ops, now) {
                            Ok(outcome) => answers.appends.push((reply, outcome)),
                            Err(fault) => {
                                answers.broken.push(reply);
                                *requests = arrived.collect();
                                return Err(fault);
                            }
                        }
                    }
                    Request::Compact { at, reply } => {
                        let outcome = batch.compact(at);
                        answers.compactions.push((reply, outcome));
                    }
                }
            }
            batch.finish(self.shared.options.history)?
        };
        Ok((txn, written))
    }

    /// Tells the readers what is durable now.
    fn publish(&mut self, written: Written) {
        if written.state.compacted > self.state.compacted {
            self.shared.history.forget(written.state.compacted);
        }
        self.state = written.state;
        self.next_deadline = written.next_deadline;
        self.shared.history.extend(written.sets);
        if written.dirty {
            *self.shared.trouble.lock() = None;
        }
    }

    /// Refuses at once while a disk that was full has not got any better.
    fn still_full(&self) -> Option<Error> {
        let trouble = self.shared.trouble.lock().clone()?;
        let full = matches!(trouble, Error::NoSpace(_))
            && self.disk.free().is_some_and(|free| free < MIN_FREE);
        full.then_some(trouble)
    }

    /// Gives the database up and opens what has survived; the head found, if that worked.
    fn recover(&mut self, broken: Arc<Opened>, why: &Error) -> Option<Revision> {
        tracing::warn!(error = %why, "the store failed and is being reopened");
        *self.shared.trouble.lock() = Some(why.clone());
        *self.shared.opened.lock() = Err(Error::Unavailable(why.to_string()));
        broken.fence.cut();
        drop(broken);
        self.reopen().ok().map(|()| self.state.head)
    }

    fn ensure_open(&mut self) -> Result<(), Error> {
        if self.shared.opened.lock().is_ok() {
            return Ok(());
        }
        self.reopen()
    }

    fn reopen(&mut self) -> Result<(), Error> {
        let opened = Opened::open(self.disk.as_ref(), self.shared.options.cache);
        let (opened, state) = opened.inspect_err(|error| {
            tracing::warn!(%error, "the store could not be reopened");
            *self.shared.opened.lock() = Err(error.clone());
        })?;
        tracing::info!(head = %state.head, "the store was reopened");
        self.state = state;
        self.next_deadline = Some(0);
        *self.shared.opened.lock() = Ok(Arc::new(opened));
        self.shared.history.reset(state.head);
        Ok(())
    }

    /// Closes the database cleanly, so that the next start has nothing to repair.
    fn close(&mut self) {
        self.shared.history.close();
        let opened = std::mem::replace(&mut *self.shared.opened.lock(), Err(shut_down()));
        let Ok(mut opened) = opened else { return };
        for _ in 0..FAREWELL {
            match Arc::try_unwrap(opened) {
                Ok(last) => return drop(last),
                Err(shared) => opened = shared,
            }
            #[expect(clippy::disallowed_methods, reason = "the sequencer's own thread")]
            std::thread::sleep(Duration::from_millis(1));
        }
        // A reader that does not end: nothing is lost, but the next start has to repair.
        opened.fence.cut();
    }
}

fn refuse(requests: Vec<(Request, OwnedSemaphorePermit)>, error: &Error) {
    for (request, _) in requests {
        match request {
            Request::Append { reply, .. } => {
                let _ = reply.send(Err(error.clone().into()));
            }
            Request::Compact { reply, .. } => {
                let _ = reply.send(Err(error.clone()));
            }
        }
    }
}
