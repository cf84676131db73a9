//! The keyed work queue: what is to be looked at, each key by one worker at a time.
//!
//! - A key that is added while it waits is not added twice.
//! - A key that is added while it is in work becomes *dirty*, and runs again when the work is done.
//! - [`Queue::retry`] adds it again after a back-off of its own, [`Queue::add_after`] after a given time.
//!
//! Order is first in, first out; keys whose delay ends at the same instant come in the order in which they were delayed.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Deref,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::backoff::BackoffPolicy;

/// A key that is to be looked at later than this is looked at then.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// A shared queue of keys; clones are the same queue.
pub struct Queue<K> {
    shared: Arc<Shared<K>>,
}

struct Shared<K> {
    state: Mutex<State<K>>,
    wake: Notify,
    policy: BackoffPolicy,
}

struct State<K> {
    ready: VecDeque<K>,
    /// Waiting in `ready`, or to be put there when their work is done.
    dirty: BTreeSet<K>,
    active: BTreeSet<K>,
    /// By time, then by order of arrival.
    delayed: BTreeMap<(Instant, u64), K>,
    delayed_at: BTreeMap<K, (Instant, u64)>,
    failures: BTreeMap<K, u32>,
    arrivals: u64,
    closed: bool,
}

impl<K> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Queue {
            shared: self.shared.clone(),
        }
    }
}

impl<K: Ord + Clone> Queue<K> {
    /// An empty queue whose failed keys wait by `policy`.
    pub fn new(policy: BackoffPolicy) -> Self {
        let state = State {
            ready: VecDeque::new(),
            dirty: BTreeSet::new(),
            active: BTreeSet::new(),
            delayed: BTreeMap::new(),
            delayed_at: BTreeMap::new(),
            failures: BTreeMap::new(),
            arrivals: 0,
            closed: false,
        };
        Queue {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                wake: Notify::new(),
                policy,
            }),
        }
    }

    /// Adds a key to be worked on as soon as a worker is free.
    pub fn add(&self, key: K) {
        if self.shared.state.lock().add(key) {
            self.shared.wake.notify_one();
        }
    }

    /// Adds a key after `delay`. Of several delays for one key the earliest counts.
    pub fn add_after(&self, key: K, delay: Duration) {
        if delay.is_zero() {
            return self.add(key);
        }
        let mut state = self.shared.state.lock();
        if state.closed {
            return;
        }
        // What users may ask for is more than an Instant can say.
        let at = Instant::now() + delay.min(LONGEST);
        if let Some(&known) = state.delayed_at.get(&key) {
            if known.0 <= at {
                return;
            }
            state.delayed.remove(&known);
        }
        state.arrivals += 1;
        let slot = (at, state.arrivals);
        state.delayed.insert(slot, key.clone());
        state.delayed_at.insert(key, slot);
        drop(state);
        // A waiting worker may sleep until a later delay: it must look again.
        self.shared.wake.notify_one();
    }

    /// Adds a key after its back-off, which grows with each call until [`Queue::forget`]. Returns the wait.
    pub fn retry(&self, key: K) -> Duration {
        let delay = {
            let mut state = self.shared.state.lock();
            let failures = state.failures.entry(key.clone()).or_insert(0);
            *failures = failures.saturating_add(1);
            self.shared.policy.delay(*failures)
        };
        self.add_after(key, delay);
        delay
    }

    /// Ends a key's back-off: its next failure counts as the first.
    pub fn forget(&self, key: &K) {
        self.shared.state.lock().failures.remove(key);
    }

    /// How often in a row the key failed.
    pub fn failures(&self, key: &K) -> u32 {
        self.shared
            .state
            .lock()
            .failures
            .get(key)
            .copied()
            .unwrap_or(0)
    }

    /// The next key, when there is one; `None` once the queue is closed. While the returned [`Work`] lives, nobody else
    /// gets that key.
    pub async fn next(&self) -> Option<Work<K>> {
        loop {
            let notified = self.shared.wake.notified();
            tokio::pin!(notified);
            let deadline = {
                let mut state = self.shared.state.lock();
                if state.closed {
                    // Pass the news on: one stored permit wakes only one of the workers.
                    self.shared.wake.notify_one();
                    return None;
                }
                state.promote(Instant::now());
                if let Some(key) = state.ready.pop_front() {
                    state.dirty.remove(&key);
                    state.active.insert(key.clone());
                    if !state.ready.is_empty() {
                        self.shared.wake.notify_one();
                    }
                    return Some(Work {
                        queue: self.clone(),
                        key,
                    });
                }
                // Registered before the lock is released, so that no addition in between is missed.
                notified.as_mut().enable();
                state.delayed.first_key_value().map(|(slot, _)| slot.0)
            };
            match deadline {
                Some(at) => {
                    tokio::select! { biased; () = &mut notified => {}, () = sleep_until(at) => {} }
                }
                None => notified.await,
            }
        }
    }

    /// Keys that wait for a worker now; neither delayed ones nor those in work.
    pub fn len(&self) -> usize {
        self.shared.state.lock().ready.len()
    }

    /// Nothing waits, nothing is delayed, nothing is in work.
    pub fn is_idle(&self) -> bool {
        let state = self.shared.state.lock();
        state.ready.is_empty() && state.delayed.is_empty() && state.active.is_empty()
    }

    /// Nothing waits for a worker now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends the queue: additions are dropped, and [`Queue::next`] returns `None` to every worker.
    pub fn close(&self) {
        let mut state = self.shared.state.lock();
        state.closed = true;
        state.ready.clear();
        state.dirty.clear();
        state.delayed.clear();
        state.delayed_at.clear();
        drop(state);
        self.shared.wake.notify_waiters();
        self.shared.wake.notify_one();
    }
}

impl<K: Ord + Clone> State<K> {
    /// Whether a worker should be woken.
    fn add(&mut self, key: K) -> bool {
        if self.closed || !self.dirty.insert(key.clone()) || self.active.contains(&key) {
            return false;
        }
        self.ready.push_back(key);
        true
    }

    fn promote(&mut self, now: Instant) {
        while let Some(entry) = self.delayed.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let key = entry.remove();
            self.delayed_at.remove(&key);
            self.add(key);
        }
    }
}

/// A key in work. Dropping it gives the key back: also when the work panics or is cancelled.
pub struct Work<K: Ord + Clone> {
    queue: Queue<K>,
    key: K,
}

impl<K: Ord + Clone> Deref for Work<K> {
    type Target = K;
    fn deref(&self) -> &K {
        &self.key
    }
}

impl<K: Ord + Clone> Drop for Work<K> {
    fn drop(&mut self) {
        let mut state = self.queue.shared.state.lock();
        state.active.remove(&self.key);
        if state.dirty.contains(&self.key) {
            state.ready.push_back(self.key.clone());
            drop(state);
            self.queue.shared.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Queue<&'static str> {
        Queue::new(BackoffPolicy::KEY)
    }

    async fn next(q: &Queue<&'static str>) -> Work<&'static str> {
        q.next().await.expect("the queue is open")
    }

    async fn none_within(q: &Queue<&'static str>, d: Duration) -> bool {
        tokio::time::timeout(d, q.next()).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_added_twice_runs_once() {
        let q = queue();
        q.add("a");
        q.add("a");
        drop(next(&q).await);
        assert!(none_within(&q, Duration::from_secs(3600)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_made_dirty_while_in_work_runs_again_and_never_beside_itself() {
        let q = queue();
        q.add("a");
        let work = next(&q).await;
        q.add("a");
        assert!(
            none_within(&q, Duration::from_secs(3600)).await,
            "in work by another"
        );
        drop(work);
        assert_eq!(*next(&q).await, "a");
        assert!(q.is_idle());
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_delay_wakes_a_worker_that_sleeps_for_a_later_one() {
        let q = queue();
        let start = Instant::now();
        q.add_after("late", Duration::from_secs(100));
        let worker = tokio::spawn({
            let q = q.clone();
            async move { *q.next().await.expect("open") }
        });
        tokio::task::yield_now().await;
        q.add_after("soon", Duration::from_secs(10));
        assert_eq!(worker.await.expect("no panic"), "soon");
        assert_eq!(start.elapsed(), Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_delays_the_earlier_counts_and_the_key_comes_once() {
        let q = queue();
        q.add_after("a", Duration::from_secs(5));
        q.add_after("a", Duration::from_secs(50));
        q.add_after("a", Duration::from_secs(2));
        let start = Instant::now();
        drop(next(&q).await);
        assert_eq!(start.elapsed(), Duration::from_secs(2));
        assert!(none_within(&q, Duration::from_secs(3600)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_beyond_what_clocks_can_say_waits_a_year() {
        let q = queue();
        q.add_after("never", Duration::from_secs(u64::MAX));
        let start = Instant::now();
        drop(next(&q).await);
        assert_eq!(start.elapsed(), LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn back_off_grows_for_each_key_alone_until_it_is_forgotten() {
        let q = queue();
        assert_eq!(q.retry("a").as_millis(), 5);
        assert_eq!(q.retry("a").as_millis(), 10);
        assert_eq!(q.retry("b").as_millis(), 5);
        q.forget(&"a");
        assert_eq!(q.retry("a").as_millis(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn closing_ends_every_waiting_worker_and_drops_what_waits() {
        let q = queue();
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let q = q.clone();
                tokio::spawn(async move { q.next().await.is_none() })
            })
            .collect();
        tokio::task::yield_now().await;
        q.close();
        q.add("a");
        for worker in workers {
            assert!(worker.await.expect("no panic"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_wakes_as_many_workers_as_there_are_keys() {
        let q = queue();
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let q = q.clone();
                tokio::spawn(async move {
                    let work = q.next().await.expect("open");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    *work
                })
            })
            .collect();
        tokio::task::yield_now().await;
        let start = Instant::now();
        for key in ["a", "b", "c"] {
            q.add(key);
        }
        for worker in workers {
            worker.await.expect("no panic");
        }
        assert_eq!(start.elapsed(), Duration::from_secs(1), "all three at once");
    }
}
