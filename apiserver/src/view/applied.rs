//! How far the view is, and who waits for it to get further.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;
use store::Revision;
use tokio::sync::oneshot;

/// The revision that readers are shown. Whoever waits for one is woken when it is reached, and no sooner; in the order of
/// revisions, then of arrival. (A watch channel would wake all at every revision, in random order.)
#[derive(Default)]
pub(super) struct Applied {
    at: AtomicI64,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    arrivals: u64,
    by_revision: BTreeMap<(Revision, u64), oneshot::Sender<Revision>>,
}

impl Applied {
    /// The revision now.
    pub(super) fn get(&self) -> Revision {
        Revision(self.at.load(Ordering::Acquire))
    }

    /// Goes on to `revision`, never back.
    pub(super) fn advance(&self, revision: Revision) {
        let mut waiting = self.waiting.lock();
        let now = revision.max(self.get());
        self.at.store(now.0, Ordering::Release);
        let later = waiting.by_revision.split_off(&(now.next(), 0));
        let reached = std::mem::replace(&mut waiting.by_revision, later);
        drop(waiting);
        for waiter in reached.into_values() {
            // It may have gone away.
            let _ = waiter.send(now);
        }
    }

    /// Waits until `revision` is reached, or passed; returns the one that is.
    pub(super) async fn reach(&self, revision: Revision) -> Revision {
        let (sender, reached) = oneshot::channel();
        let _place = {
            let mut waiting = self.waiting.lock();
            let now = self.get();
            if now >= revision {
                return now;
            }
            waiting.arrivals += 1;
            let at = (revision, waiting.arrivals);
            waiting.by_revision.insert(at, sender);
            Place { applied: self, at }
        };
        // Nobody but `advance` drops the sender while this waits.
        reached.await.unwrap_or_else(|_| self.get())
    }
}

/// A waiter's place among the others: given up when it goes away, so that a log that stands still collects none.
struct Place<'a> {
    applied: &'a Applied,
    at: (Revision, u64),
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.applied.get() < self.at.0 {
            self.applied.waiting.lock().by_revision.remove(&self.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_waiter_is_woken_at_its_revision_and_not_before() {
        let applied = Applied::default();
        let mut third = Box::pin(applied.reach(Revision(3)));
        assert_eq!(futures::poll!(&mut third), Poll::Pending);
        applied.advance(Revision(2));
        assert_eq!(futures::poll!(&mut third), Poll::Pending);
        applied.advance(Revision(5));
        assert_eq!(futures::poll!(&mut third), Poll::Ready(Revision(5)));
        assert_eq!(applied.reach(Revision(4)).now_or_never(), Some(Revision(5)));
    }

    #[test]
    fn a_waiter_that_goes_away_leaves_nothing_behind() {
        let applied = Applied::default();
        assert!(applied.reach(Revision(1)).now_or_never().is_none());
        assert!(applied.waiting.lock().by_revision.is_empty());
    }

    #[test]
    fn it_never_goes_back() {
        let applied = Applied::default();
        applied.advance(Revision(5));
        applied.advance(Revision(3));
        assert_eq!(applied.get(), Revision(5));
    }
}
