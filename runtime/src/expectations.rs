//! What a controller has asked for and not yet seen.
//!
//! Between a create and its arrival in the informer, the informer's picture is older than the controller's own acts: a
//! controller that counted now would create again. So it notes what it asked for, its handlers strike off what they
//! see, and it waits while anything is outstanding. A note that is never struck off (the event went to a process that
//! died) expires, and the level-triggered loop looks again.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::key::Key;

/// How long an expectation holds the controller back: upstream's 5 minutes.
pub const EXPECTATION_TIMEOUT: Duration = Duration::from_secs(300);

#[derive(Debug)]
struct Outstanding {
    /// Creations by name: of two that drew the same one only one will be seen.
    creates: BTreeSet<String>,
    /// Deletions by uid: seeing one twice (marked, then gone) strikes it off once.
    deletes: BTreeSet<String>,
    since: Instant,
}

/// The expectations of one controller, by the key of the owner that it works on.
#[derive(Debug, Default)]
pub struct Expectations {
    by_owner: Mutex<BTreeMap<Key, Outstanding>>,
}

impl Expectations {
    /// None outstanding.
    pub fn new() -> Self {
        Self::default()
    }

    /// An object of this name is about to be created. Call it before asking: an event may arrive before the reply. False, and
    /// nothing is noted, if one of that name is outstanding already.
    pub fn expect_create(&self, owner: &Key, name: &str) -> bool {
        let mut all = self.by_owner.lock();
        let entry = Self::entry(&mut all, owner);
        let new = entry.creates.insert(name.to_owned());
        if new {
            entry.since = Instant::now();
        }
        new
    }

    /// The objects with these uids are about to be deleted. Call it before asking.
    pub fn expect_deletes(&self, owner: &Key, uids: impl IntoIterator<Item = String>) {
        let mut all = self.by_owner.lock();
        let entry = Self::entry(&mut all, owner);
        entry.deletes.extend(uids);
        entry.since = Instant::now();
    }

    fn entry<'a>(all: &'a mut BTreeMap<Key, Outstanding>, owner: &Key) -> &'a mut Outstanding {
        all.entry(owner.clone()).or_insert_with(|| Outstanding {
            creates: BTreeSet::new(),
            deletes: BTreeSet::new(),
            since: Instant::now(),
        })
    }

    /// The object of this name was seen, or will never come because asking for it failed.
    pub fn created(&self, owner: &Key, name: &str) {
        let mut all = self.by_owner.lock();
        if let Some(entry) = all.get_mut(owner) {
            entry.creates.remove(name);
            Self::tidy(&mut all, owner);
        }
    }

    /// A deletion was seen (the object is marked or gone), or will never come because asking for it failed.
    pub fn deleted(&self, owner: &Key, uid: &str) {
        let mut all = self.by_owner.lock();
        if let Some(entry) = all.get_mut(owner) {
            entry.deletes.remove(uid);
            Self::tidy(&mut all, owner);
        }
    }

    fn tidy(all: &mut BTreeMap<Key, Outstanding>, owner: &Key) {
        if all
            .get(owner)
            .is_some_and(|e| e.creates.is_empty() && e.deletes.is_empty())
        {
            all.remove(owner);
        }
    }

    /// Whether the owner's picture is current: nothing outstanding, or outstanding for so long that it must be looked
    /// at anew (the note is dropped then).
    pub fn satisfied(&self, owner: &Key) -> bool {
        let mut all = self.by_owner.lock();
        match all.get(owner) {
            None => true,
            Some(entry) if entry.since.elapsed() >= EXPECTATION_TIMEOUT => {
                all.remove(owner);
                true
            }
            Some(_) => false,
        }
    }

    /// The uids of what was asked to go and has not been seen going.
    pub fn deleting(&self, owner: &Key) -> BTreeSet<String> {
        let all = self.by_owner.lock();
        all.get(owner)
            .map_or_else(BTreeSet::new, |entry| entry.deletes.clone())
    }

    /// How long until what is outstanding expires; `None` when nothing is.
    pub fn expires_in(&self, owner: &Key) -> Option<Duration> {
        self.by_owner
            .lock()
            .get(owner)
            .map(|e| EXPECTATION_TIMEOUT.saturating_sub(e.since.elapsed()))
    }

    /// Forgets the owner: it is gone.
    pub fn forget(&self, owner: &Key) {
        self.by_owner.lock().remove(owner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn outstanding_until_each_was_seen() {
        let e = Expectations::new();
        let key = Key::new("ns", "rs");
        assert!(e.satisfied(&key));
        assert!(e.expect_create(&key, "a") && e.expect_create(&key, "b"));
        e.created(&key, "a");
        assert!(!e.satisfied(&key));
        e.created(&key, "c");
        assert!(
            !e.satisfied(&key),
            "a creation nobody expected strikes off none"
        );
        e.created(&key, "b");
        assert!(e.satisfied(&key));
    }

    #[tokio::test(start_paused = true)]
    async fn two_of_one_name_are_one() {
        let e = Expectations::new();
        let key = Key::new("ns", "rs");
        assert!(e.expect_create(&key, "a"));
        assert!(!e.expect_create(&key, "a"));
        e.created(&key, "a");
        assert!(e.satisfied(&key));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deletion_seen_twice_does_not_stand_for_another() {
        let e = Expectations::new();
        let key = Key::new("ns", "rs");
        e.expect_deletes(&key, ["u1".into(), "u2".into()]);
        e.deleted(&key, "u1");
        e.deleted(&key, "u1");
        assert!(!e.satisfied(&key));
        assert_eq!(e.deleting(&key), ["u2".to_owned()].into());
        e.deleted(&key, "u2");
        assert!(e.satisfied(&key));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_never_seen_expires() {
        let e = Expectations::new();
        let key = Key::new("ns", "rs");
        e.expect_create(&key, "a");
        tokio::time::advance(EXPECTATION_TIMEOUT - Duration::from_secs(1)).await;
        assert!(!e.satisfied(&key));
        assert_eq!(e.expires_in(&key), Some(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(e.satisfied(&key));
        assert_eq!(e.expires_in(&key), None);
    }
}
