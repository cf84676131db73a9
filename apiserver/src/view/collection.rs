//! One resource's part of the view: the objects now, what happened to them, and who watches.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use store::Revision;

use super::history::{Event, History};
use super::object::Object;
use super::project::Projector;
use super::snapshot::Snapshot;
use super::watcher::{Scope, Subscriptions, TooOld, Touched, Watcher};

/// How many snapshots of the past are kept for lists that are read page by page.
const PINNED: usize = 8;

/// What a resource is to the view.
#[derive(Clone)]
pub struct Resource {
    /// Where its objects stand in the log: `pods/`, `services/specs/`.
    pub prefix: Arc<str>,
    /// Reads labels and selectable fields out of its bytes.
    pub projector: Arc<dyn Projector>,
    /// Those of the selectable fields that get postings, so that a list by them does not look at every object.
    pub indexed: Arc<[usize]>,
}

/// One resource's part of the view.
pub struct Collection {
    resource: Resource,
    snapshot: ArcSwap<Snapshot>,
    pub(super) live: Mutex<Live>,
    pinned: Mutex<VecDeque<Snapshot>>,
    /// Watchers were given all events up to this revision, and take none beyond it: of a revision that changes several objects
    /// they see all or nothing.
    pub(super) published: Arc<AtomicI64>,
}

#[derive(Default)]
pub(super) struct Live {
    /// The newest state, not yet published while a batch is applied.
    working: Snapshot,
    /// What led there from the published one.
    pending: Vec<Arc<Event>>,
    pub(super) history: History,
    pub(super) subscriptions: Subscriptions,
}

impl Collection {
    pub(super) fn new(resource: Resource, floor: Revision) -> Arc<Collection> {
        let live = Live {
            history: History::starting(floor),
            ..Live::default()
        };
        Arc::new(Collection {
            resource,
            snapshot: ArcSwap::default(),
            live: Mutex::new(live),
            pinned: Mutex::default(),
            published: Arc::default(),
        })
    }

    /// What it holds.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// The objects now. A reader that wants to know at which revision asks [`View::applied`](super::View::applied) first:
    /// the snapshot is that old or newer.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The object at `key` now.
    pub fn get(&self, key: &str) -> Option<Arc<Object>> {
        self.snapshot.load().get(key).cloned()
    }

    /// The objects as they were at `revision`, which the view has reached.
    pub fn at(&self, revision: Revision) -> Result<Arc<Snapshot>, TooOld> {
        let snapshot = self.snapshot();
        if snapshot.revision() <= revision {
            return Ok(snapshot);
        }
        let live = self.live.lock();
        let Some(after) = live.history.after(revision) else {
            return Err(TooOld {
                at: revision,
                floor: live.history.floor(),
            });
        };
        // The newest of the kept snapshots that are not older than the revision saves undoing what came after it.
        let mut past = {
            let pinned = self.pinned.lock();
            pinned
                .iter()
                .filter(|s| s.revision() >= revision)
                .min_by_key(|s| s.revision())
                .cloned()
                // Published under the same lock as history.
                .unwrap_or_else(|| Snapshot::clone(&self.snapshot.load()))
        };
        let start = past.revision();
        let events: Vec<_> = after
            .rev()
            .skip_while(|e| e.revision > start)
            .cloned()
            .collect();
        // Undoing them takes a while, in which the view goes on.
        drop(live);
        for event in events {
            if let Some(subject) = event.subject() {
                past.undo(subject.key(), event.old.as_ref(), revision);
            }
        }
        Ok(Arc::new(past))
    }

    /// Keeps a snapshot for the next pages of a list.
    pub fn pin(&self, snapshot: &Snapshot) {
        let mut pinned = self.pinned.lock();
        if pinned.iter().any(|s| s.revision() == snapshot.revision()) {
            return;
        }
        if pinned.len() == PINNED {
            pinned.pop_front();
        }
        pinned.push_back(snapshot.clone());
    }

    /// Lets go of the snapshots that only lists from before `revision` could use.
    pub(super) fn unpin_before(&self, revision: Revision) {
        self.pinned.lock().retain(|s| s.revision() >= revision);
    }

    /// A watcher of what happens in `scope` after `after`.
    pub fn watch(self: &Arc<Self>, scope: Scope, after: Revision) -> Watcher {
        Watcher::new(self, &mut self.live.lock().subscriptions, scope, after)
    }

    /// Puts a version in at load, without an event. Published by [`Collection::publish`].
    pub(super) fn insert(&self, object: Arc<Object>) {
        let revision = object.revision();
        self.live.lock().working.apply(
            object.key(),
            Some(&object),
            revision,
            &self.resource.indexed,
        );
    }

    /// Applies one change; returns the event. Nobody sees it before [`Collection::publish`].
    pub(super) fn apply(
        &self,
        key: &str,
        new: Option<Arc<Object>>,
        revision: Revision,
    ) -> Option<Arc<Event>> {
        let mut live = self.live.lock();
        let old = live
            .working
            .apply(key, new.as_ref(), revision, &self.resource.indexed);
        if old.is_none() && new.is_none() {
            return None;
        }
        let event = Arc::new(Event::new(revision, old, new));
        live.pending.push(Arc::clone(&event));
        Some(event)
    }

    /// Shows readers what was applied; returns the watchers to be woken once the whole batch is shown, and by how many bytes
    /// history grew.
    pub(super) fn publish(&self) -> (Touched, usize) {
        let mut live = self.live.lock();
        let Live {
            working,
            pending,
            history,
            subscriptions,
        } = &mut *live;
        // What was loaded anew was not applied in order.
        pending.sort_by_key(|event| event.revision);
        let last = pending.last().map(|event| event.revision);
        let mut grown = 0;
        for event in pending.drain(..) {
            subscriptions.dispatch(&event);
            grown += history.push(event);
        }
        if let Some(last) = last {
            self.published.store(last.0, Ordering::Release);
        }
        self.snapshot.store(Arc::new(working.clone()));
        (subscriptions.take_touched(), grown)
    }

    /// Forgets the oldest revision of history; returns how many bytes that frees.
    pub(super) fn forget_oldest(&self) -> usize {
        let mut live = self.live.lock();
        let freed = live.history.forget_oldest();
        let floor = live.history.floor();
        drop(live);
        self.unpin_before(floor);
        freed
    }

    /// Forgets all history: what happened up to `floor` is not known exactly. Returns how many bytes that frees.
    pub(super) fn forget_all(&self, floor: Revision) -> usize {
        let mut live = self.live.lock();
        let freed = live.history.bytes();
        live.history.reset(floor);
        self.pinned.lock().clear();
        freed
    }

    pub(super) fn history_bytes(&self) -> usize {
        self.live.lock().history.bytes()
    }
}
