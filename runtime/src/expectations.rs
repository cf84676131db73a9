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

/// How long an expectation holds the controller back: upstream's 5 minutes.
pub const EXPECTATION_TIMEOUT: Duration = Duration::from_secs(300);

/// How long one does of which nobody knows any more whether it was granted: by then the informer has shown what was.
pub const DOUBT_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Outstanding {
    /// Creations by name: of two that drew the same one only one will be seen.
    creates: BTreeSet<String>,
    /// Deletions by uid: seeing one twice (marked, then gone) strikes it off once.
    deletes: BTreeSet<String>,
    since: Instant,
    doubtful_since: Option<Instant>,
}

impl Outstanding {
    /// How long until it expires.
    fn left(&self) -> Duration {
        let left = EXPECTATION_TIMEOUT.saturating_sub(self.since.elapsed());
        self.doubtful_since.map_or(left, |since| {
            left.min(DOUBT_TIMEOUT.saturating_sub(since.elapsed()))
        })
    }
}

/// The expectations of one controller, by the uid of the owner that it works on: what another owner of the same name was to
/// see is nothing that this one waits for.
#[derive(Debug, Default)]
pub struct Expectations {
    by_owner: Mutex<BTreeMap<String, Outstanding>>,
}

impl Expectations {
    /// None outstanding.
    pub fn new() -> Self {
        Self::default()
    }

    /// An object of this name is about to be created. Call it before asking: an event may arrive before the reply. False, and
    /// nothing is noted, if one of that name is outstanding already.
    pub fn expect_create(&self, owner: &str, name: &str) -> bool {
        let mut all = self.by_owner.lock();
        let entry = Self::entry(&mut all, owner);
        let new = entry.creates.insert(name.to_owned());
        if new {
            entry.since = Instant::now();
        }
        new
    }

    /// The objects with these uids are about to be deleted. Call it before asking.
    pub fn expect_deletes(&self, owner: &str, uids: impl IntoIterator<Item = String>) {
        let mut all = self.by_owner.lock();
        let entry = Self::entry(&mut all, owner);
        entry.deletes.extend(uids);
        entry.since = Instant::now();
    }

    fn entry<'a>(all: &'a mut BTreeMap<String, Outstanding>, owner: &str) -> &'a mut Outstanding {
        if !all.contains_key(owner) {
            // Of owners that are gone nobody asks any more.
            all.retain(|_, entry| !entry.left().is_zero());
        }
        all.entry(owner.to_owned()).or_insert_with(|| Outstanding {
            creates: BTreeSet::new(),
            deletes: BTreeSet::new(),
            since: Instant::now(),
            doubtful_since: None,
        })
    }

    /// The object of this name was seen, or will never come because asking for it failed.
    pub fn created(&self, owner: &str, name: &str) {
        let mut all = self.by_owner.lock();
        if let Some(entry) = all.get_mut(owner) {
            entry.creates.remove(name);
            Self::tidy(&mut all, owner);
        }
    }

    /// A deletion was seen (the object is marked or gone), or will never come because asking for it failed.
    pub fn deleted(&self, owner: &str, uid: &str) {
        let mut all = self.by_owner.lock();
        if let Some(entry) = all.get_mut(owner) {
            entry.deletes.remove(uid);
            Self::tidy(&mut all, owner);
        }
    }

    fn tidy(all: &mut BTreeMap<String, Outstanding>, owner: &str) {
        if all
            .get(owner)
            .is_some_and(|e| e.creates.is_empty() && e.deletes.is_empty())
        {
            all.remove(owner);
        }
    }

    /// Something was asked for again and again, and no answer says whether it was done: what is outstanding is waited for
    /// [`DOUBT_TIMEOUT`] at most.
    pub fn doubt(&self, owner: &str) {
        if let Some(entry) = self.by_owner.lock().get_mut(owner) {
            entry.doubtful_since.get_or_insert_with(Instant::now);
        }
    }

    /// Whether the owner's picture is current: nothing outstanding, or outstanding for so long that it must be looked
    /// at anew (the note is dropped then).
    pub fn satisfied(&self, owner: &str) -> bool {
        let mut all = self.by_owner.lock();
        match all.get(owner) {
            None => true,
            Some(entry) if entry.left().is_zero() => {
                all.remove(owner);
                true
            }
            Some(_) => false,
        }
    }

    /// The uids of what was asked to go and has not been seen going.
    pub fn deleting(&self, owner: &str) -> BTreeSet<String> {
        let all = self.by_owner.lock();
        all.get(owner)
            .map_or_else(BTreeSet::new, |entry| entry.deletes.clone())
    }

    /// How long until what is outstanding expires; `None` when nothing is.
    pub fn expires_in(&self, owner: &str) -> Option<Duration> {
        self.by_owner.lock().get(owner).map(Outstanding::left)
    }

    /// Forgets the owner: it wants nothing any more.
    pub fn forget(&self, owner: &str) {
        self.by_owner.lock().remove(owner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn outstanding_until_each_was_seen() {
        let e = Expectations::new();
        assert!(e.satisfied("rs"));
        assert!(e.expect_create("rs", "a") && e.expect_create("rs", "b"));
        e.created("rs", "a");
        assert!(!e.satisfied("rs"));
        e.created("rs", "c");
        assert!(
            !e.satisfied("rs"),
            "a creation nobody expected strikes off none"
        );
        e.created("rs", "b");
        assert!(e.satisfied("rs"));
    }

    #[tokio::test(start_paused = true)]
    async fn two_of_one_name_are_one() {
        let e = Expectations::new();
        assert!(e.expect_create("rs", "a"));
        assert!(!e.expect_create("rs", "a"));
        e.created("rs", "a");
        assert!(e.satisfied("rs"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deletion_seen_twice_does_not_stand_for_another() {
        let e = Expectations::new();
        e.expect_deletes("rs", ["u1".into(), "u2".into()]);
        e.deleted("rs", "u1");
        e.deleted("rs", "u1");
        assert!(!e.satisfied("rs"));
        assert_eq!(e.deleting("rs"), ["u2".to_owned()].into());
        e.deleted("rs", "u2");
        assert!(e.satisfied("rs"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_never_seen_expires() {
        let e = Expectations::new();
        e.expect_create("rs", "a");
        tokio::time::advance(EXPECTATION_TIMEOUT - Duration::from_secs(1)).await;
        assert!(!e.satisfied("rs"));
        assert_eq!(e.expires_in("rs"), Some(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(e.satisfied("rs"));
        assert_eq!(e.expires_in("rs"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_doubtful_expires_sooner() {
        let e = Expectations::new();
        e.expect_create("rs", "a");
        e.doubt("rs");
        tokio::time::advance(DOUBT_TIMEOUT - Duration::from_secs(1)).await;
        e.expect_create("rs", "b");
        assert_eq!(e.expires_in("rs"), Some(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(e.satisfied("rs"));
        e.expect_create("rs", "c");
        assert_eq!(e.expires_in("rs"), Some(EXPECTATION_TIMEOUT));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_gone_is_not_remembered() {
        let e = Expectations::new();
        e.expect_create("gone", "a");
        tokio::time::advance(EXPECTATION_TIMEOUT).await;
        e.expect_create("rs", "a");
        assert_eq!(e.by_owner.lock().len(), 1);
    }
}
