//! The engine of simulations and unit tests: everything in memory, no thread, no task, no clock of its own.
//!
//! It is deterministic: the same calls at the same times give the same revisions. What has expired is deleted by
//! whoever comes next: a call, or a tail that is waiting, which sleeps on tokio's clock until the next deadline.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::history::{History, shut_down};
use crate::op::{self, Op};
use crate::{
    AppendError, Appended, Change, ChangeSet, Conflict, Entry, Error, Health, Load, Log, Revision,
    Tail, TailEvent, ttl,
};

/// How many entries a chunk of a load holds.
const CHUNK: usize = 256;

/// A log in memory. Cloning it gives another handle to the same log.
#[derive(Clone)]
pub struct Memory(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    history: History,
}

#[derive(Default)]
struct State {
    entries: BTreeMap<Bytes, Stored>,
    /// When which key expires, in milliseconds since the Unix epoch.
    deadlines: BTreeSet<(u64, Bytes)>,
    bytes: u64,
}

#[derive(Clone)]
struct Stored {
    value: Bytes,
    create_revision: Revision,
    mod_revision: Revision,
    deadline: Option<u64>,
}

impl Stored {
    fn entry(&self, key: &Bytes) -> Entry {
        Entry {
            key: key.clone(),
            value: self.value.clone(),
            create_revision: self.create_revision,
            mod_revision: self.mod_revision,
            expires: self.deadline.is_some(),
        }
    }
}

impl State {
    fn insert(&mut self, key: Bytes, stored: Stored) {
        self.remove(&key);
        if let Some(deadline) = stored.deadline {
            self.deadlines.insert((deadline, key.clone()));
        }
        self.bytes += (key.len() + stored.value.len()) as u64;
        self.entries.insert(key, stored);
    }

    fn remove(&mut self, key: &Bytes) -> Option<Stored> {
        let old = self.entries.remove(key)?;
        if let Some(deadline) = old.deadline {
            self.deadlines.remove(&(deadline, key.clone()));
        }
        self.bytes -= (key.len() + old.value.len()) as u64;
        Some(old)
    }
}

impl Memory {
    /// An empty log, which keeps at most `history` bytes of past changes.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, history: usize) -> Memory {
        Memory(Arc::new(Inner {
            clock,
            state: Mutex::default(),
            history: History::new(Revision::FIRST, history),
        }))
    }
}

impl Inner {
    /// Deletes what has expired: everything that is due, in revisions of at most [`ttl::MAX_KEYS_PER_LEASE`] keys.
    fn expire(&self, state: &mut State) {
        let now = ttl::millis(self.clock.now());
        while state.deadlines.first().is_some_and(|(at, _)| *at <= now) {
            let mut keys: Vec<Bytes> = state
                .deadlines
                .iter()
                .take_while(|(at, _)| *at <= now)
                .take(ttl::MAX_KEYS_PER_LEASE)
                .map(|(_, key)| key.clone())
                .collect();
            keys.sort();
            let changes = keys.into_iter().map(|key| {
                state.remove(&key);
                Change {
                    key,
                    value: None,
                    create_revision: Revision::ZERO,
                }
            });
            let changes = changes.collect();
            self.publish(changes);
        }
    }

    /// Makes the changes the next revision. The caller holds the state's lock.
    fn publish(&self, changes: Arc<[Change]>) -> Revision {
        let revision = self.history.head().next();
        self.history.extend([ChangeSet { revision, changes }]);
        revision
    }

    fn append(&self, ops: Vec<Op>) -> Result<Appended, AppendError> {
        op::check(&ops)?;
        let mut state = self.state.lock();
        if self.history.closed() {
            return Err(shut_down().into());
        }
        self.expire(&mut state);
        let head = self.history.head();
        for (op, wanted) in ops.iter().enumerate() {
            let current = state.entries.get(wanted.key());
            if !wanted.expect().holds(current.map(|c| c.mod_revision)) {
                let current = current.map(|c| c.entry(wanted.key()));
                return Err(AppendError::Conflict(Box::new(Conflict {
                    op,
                    current,
                    head,
                })));
            }
        }
        let revision = head.next();
        let mut changes = Vec::with_capacity(ops.len());
        for op in ops {
            match op {
                Op::Check { .. } => {}
                Op::Delete { key, .. } => {
                    if state.remove(&key).is_some() {
                        changes.push(Change {
                            key,
                            value: None,
                            create_revision: Revision::ZERO,
                        });
                    }
                }
                Op::Put {
                    key, value, ttl, ..
                } => {
                    let create_revision = state
                        .entries
                        .get(&key)
                        .map_or(revision, |c| c.create_revision);
                    let deadline = ttl.map(|ttl| ttl::deadline(self.clock.now(), ttl));
                    changes.push(Change {
                        key: key.clone(),
                        value: Some(value.clone()),
                        create_revision,
                    });
                    state.insert(
                        key,
                        Stored {
                            value,
                            create_revision,
                            mod_revision: revision,
                            deadline,
                        },
                    );
                }
            }
        }
        let revision = if changes.is_empty() {
            head
        } else {
            self.publish(changes.into())
        };
        Ok(Appended { revision })
    }

    /// How long until something expires.
    fn until_next(&self) -> Option<Duration> {
        let (at, _) = self.state.lock().deadlines.first().cloned()?;
        Some(Duration::from_millis(at).saturating_sub(self.clock.now()))
    }

    /// The next change sets, waited for; none when the log was shut down.
    async fn next(&self, cursor: Revision) -> Result<Vec<ChangeSet>, Error> {
        let mut position = self.history.subscribe();
        loop {
            let closed = position.borrow_and_update().closed;
            if !closed {
                self.expire(&mut self.state.lock());
            }
            let sets = self.history.after(cursor)?;
            if !sets.is_empty() {
                return Ok(sets);
            }
            if closed {
                return Err(shut_down());
            }
            // A deadline set while this waits comes with a change, which wakes it.
            let due = async {
                match self.until_next() {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _ = position.changed() => {}
                () = due => {}
            }
        }
    }
}

#[async_trait]
impl Log for Memory {
    async fn head(&self) -> Result<Revision, Error> {
        if self.0.history.closed() {
            return Err(shut_down());
        }
        self.0.expire(&mut self.0.state.lock());
        Ok(self.0.history.head())
    }

    async fn load(&self, prefix: &[u8]) -> Result<Load, Error> {
        let mut state = self.0.state.lock();
        if self.0.history.closed() {
            return Err(shut_down());
        }
        self.0.expire(&mut state);
        let found: Vec<Entry> = state
            .entries
            .range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, stored)| stored.entry(key))
            .collect();
        let chunks: Vec<_> = found.chunks(CHUNK).map(|c| Ok(c.to_vec())).collect();
        Ok(Load {
            revision: self.0.history.head(),
            chunks: stream::iter(chunks).boxed(),
        })
    }

    async fn append(&self, ops: Vec<Op>) -> Result<Appended, AppendError> {
        self.0.append(ops)
    }

    fn tail(&self, after: Revision) -> Tail {
        struct Cursor {
            log: Arc<Inner>,
            at: Revision,
            ready: VecDeque<ChangeSet>,
            failed: bool,
        }
        let cursor = Cursor {
            log: Arc::clone(&self.0),
            at: after,
            ready: VecDeque::new(),
            failed: false,
        };
        Tail::new(stream::unfold(cursor, |mut cursor| async move {
            if cursor.failed {
                return None;
            }
            if cursor.ready.is_empty() {
                match cursor.log.next(cursor.at).await {
                    Ok(sets) => cursor.ready.extend(sets),
                    Err(error) => {
                        cursor.failed = true;
                        return Some((Err(error), cursor));
                    }
                }
            }
            let set = cursor.ready.pop_front()?;
            cursor.at = set.revision;
            Some((Ok(TailEvent::Changes(set)), cursor))
        }))
    }

    async fn compact(&self, at: Revision) -> Result<(), Error> {
        let head = self.0.history.head();
        if at > head {
            return Err(Error::Invalid(format!(
                "cannot compact at {at}: the head is {head}"
            )));
        }
        self.0.history.forget(at);
        Ok(())
    }

    async fn health(&self) -> Result<Health, Error> {
        if self.0.history.closed() {
            return Err(shut_down());
        }
        Ok(Health {
            engine: "memory",
            bytes: self.0.state.lock().bytes,
        })
    }

    async fn shutdown(&self) {
        self.0.history.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Expect;

    /// The wall clock of a simulation: tokio's, from some day on.
    struct Simulated(tokio::time::Instant);

    impl Clock for Simulated {
        fn now(&self) -> Duration {
            Duration::from_secs(1_000_000) + self.0.elapsed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_tail_sees_expirations_at_their_time_on_a_paused_clock() {
        let start = tokio::time::Instant::now();
        let log = Memory::new(Arc::new(Simulated(start)), 1 << 20);
        let ttl = Duration::from_secs(3_600);
        let put = Op::Put {
            key: Bytes::from_static(b"event"),
            value: Bytes::from_static(b"v"),
            expect: Expect::Absent,
            ttl: Some(ttl),
        };
        let at = log.append(vec![put]).await.unwrap().revision;
        let mut tail = log.tail(at);
        let Some(Ok(TailEvent::Changes(set))) = tail.next().await else {
            panic!("an expiration");
        };
        assert_eq!((set.revision, &set.changes[0].value), (at.next(), &None));
        let took = start.elapsed();
        assert!(took >= ttl && took <= ttl + ttl::slack(ttl) + Duration::from_millis(2));
    }

    #[tokio::test]
    async fn a_tail_that_is_not_polled_holds_nobody_up_and_is_told_what_it_lost() {
        let clock = Arc::new(Simulated(tokio::time::Instant::now()));
        let log = Memory::new(clock, 10_000);
        let mut tail = log.tail(Revision::FIRST);
        for n in 0..1_000 {
            let put = Op::Put {
                key: Bytes::from_static(b"k"),
                value: Bytes::from(vec![b'v'; 100 + n % 2]),
                expect: Expect::Any,
                ttl: None,
            };
            log.append(vec![put]).await.unwrap();
        }
        let Some(Err(Error::Compacted { oldest })) = tail.next().await else {
            panic!("history is bounded");
        };
        assert!(tail.next().await.is_none());
        let kept = log.tail(oldest).take(10).count().await;
        assert_eq!(kept, 10);
    }
}
