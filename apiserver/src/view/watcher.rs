//! Watchers: subscriptions to an index, each with a cursor.
//!
//! A watcher is told of the events of its index only. What it has not yet taken waits in a short queue; when that is full
//! the queue is dropped, and the watcher reads what it missed from history, at its own pace, until it has caught up.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use parking_lot::Mutex;
use store::Revision;

use super::collection::Collection;
use super::history::Event;

/// How many events wait for a watcher before it is left to catch up from history.
const QUEUE: usize = 256;
/// How many events a watcher that catches up is given at a time.
const BATCH: usize = 256;
/// How many events are looked at for it at a time: the view cannot go on meanwhile.
const LOOKED_AT: usize = 16 * BATCH;

/// Which events a watcher is told of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All of the resource.
    All,
    /// Those of a namespace.
    Namespace(Box<str>),
    /// Those of one object, by its key.
    Object(Box<str>),
    /// Those of the objects that have (or had) this value in the selectable field.
    Field(usize, Box<str>),
}

impl Scope {
    /// Whether the event is of this scope.
    pub fn holds(&self, event: &Event) -> bool {
        match self {
            Scope::All => true,
            Scope::Namespace(namespace) => event
                .subject()
                .is_some_and(|o| o.namespace() == &**namespace),
            Scope::Object(key) => event.subject().is_some_and(|o| o.key() == &**key),
            Scope::Field(index, value) => [&event.old, &event.new]
                .into_iter()
                .flatten()
                .any(|o| o.projection().field(*index) == &**value),
        }
    }
}

/// Where the dispatcher leaves events for one watcher.
#[derive(Default)]
pub(super) struct Mailbox {
    queue: Mutex<Queue>,
    waker: AtomicWaker,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Arc<Event>>,
    /// The watcher is up to date with the queue; otherwise it reads from history.
    live: bool,
    /// It has been woken since it last looked.
    signalled: bool,
}

impl Mailbox {
    /// Leaves the event; returns whether the watcher must be woken for it.
    fn put(&self, event: &Arc<Event>) -> bool {
        let mut queue = self.queue.lock();
        if !queue.live {
            return false;
        }
        if queue.events.len() >= QUEUE {
            queue.events = VecDeque::new();
            queue.live = false;
        } else {
            queue.events.push_back(Arc::clone(event));
        }
        !std::mem::replace(&mut queue.signalled, true)
    }
}

type Bucket = BTreeMap<u64, Arc<Mailbox>>;
type Index<K> = HashMap<K, Bucket, BuildHasherDefault<DefaultHasher>>;

/// The subscriptions to one resource, by what they ask for.
#[derive(Default)]
pub(super) struct Subscriptions {
    next: u64,
    scopes: Index<Scope>,
    /// The selectable fields that some watcher asks for.
    fields: BTreeMap<usize, usize>,
    /// Who was given events since the last wake-up.
    touched: Vec<Arc<Mailbox>>,
}

impl Subscriptions {
    fn add(&mut self, scope: &Scope, mailbox: Arc<Mailbox>) -> u64 {
        self.next += 1;
        if let Scope::Field(index, _) = scope {
            *self.fields.entry(*index).or_default() += 1;
        }
        self.scopes
            .entry(scope.clone())
            .or_default()
            .insert(self.next, mailbox);
        self.next
    }

    fn remove(&mut self, scope: &Scope, id: u64) {
        let Some(bucket) = self.scopes.get_mut(scope) else {
            return;
        };
        bucket.remove(&id);
        if bucket.is_empty() {
            self.scopes.remove(scope);
        }
        if let Scope::Field(index, _) = scope
            && let Some(count) = self.fields.get_mut(index)
        {
            *count -= 1;
            if *count == 0 {
                self.fields.remove(index);
            }
        }
    }

    /// Gives the event to every watcher of an index that it belongs to. They are woken by [`Touched::wake`].
    pub(super) fn dispatch(&mut self, event: &Arc<Event>) {
        if self.scopes.is_empty() {
            return;
        }
        let Some(subject) = event.subject() else {
            return;
        };
        let fields: Vec<usize> = self.fields.keys().copied().collect();
        self.give(&Scope::All, event);
        if !subject.namespace().is_empty() {
            self.give(&Scope::Namespace(subject.namespace().into()), event);
        }
        self.give(&Scope::Object(subject.key().into()), event);
        for index in fields {
            let value = |o: &Option<Arc<super::Object>>| {
                o.as_ref().map(|o| o.projection().field(index).to_owned())
            };
            let (old, new) = (value(&event.old), value(&event.new));
            if new != old
                && let Some(new) = new
            {
                self.give(&Scope::Field(index, new.into()), event);
            }
            if let Some(old) = old {
                self.give(&Scope::Field(index, old.into()), event);
            }
        }
    }

    fn give(&mut self, scope: &Scope, event: &Arc<Event>) {
        let Some(bucket) = self.scopes.get(scope) else {
            return;
        };
        for mailbox in bucket.values() {
            if mailbox.put(event) {
                self.touched.push(Arc::clone(mailbox));
            }
        }
    }

    /// Those who were given events, to be woken without the lock.
    pub(super) fn take_touched(&mut self) -> Touched {
        Touched(std::mem::take(&mut self.touched))
    }
}

/// Watchers to be woken.
pub(super) struct Touched(Vec<Arc<Mailbox>>);

impl Touched {
    pub(super) fn wake(self) {
        for mailbox in self.0 {
            mailbox.waker.wake();
        }
    }
}

/// History does not reach back to where the watcher stands: it has to list again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too old resource version: {at} ({floor})")]
pub struct TooOld {
    /// Where the watcher stands.
    pub at: Revision,
    /// The oldest revision that can be watched from.
    pub floor: Revision,
}

/// A subscription to an index of one resource, from a revision on.
pub struct Watcher {
    collection: Weak<Collection>,
    scope: Scope,
    id: u64,
    mailbox: Arc<Mailbox>,
    published: Arc<AtomicI64>,
    cursor: Revision,
}

impl Watcher {
    pub(super) fn new(
        collection: &Arc<Collection>,
        subscriptions: &mut Subscriptions,
        scope: Scope,
        after: Revision,
    ) -> Watcher {
        let mailbox = Arc::new(Mailbox::default());
        let id = subscriptions.add(&scope, Arc::clone(&mailbox));
        Watcher {
            collection: Arc::downgrade(collection),
            scope,
            id,
            mailbox,
            published: Arc::clone(&collection.published),
            cursor: after,
        }
    }

    /// The revision up to which everything was yielded.
    pub fn cursor(&self) -> Revision {
        self.cursor
    }

    /// The next events of the scope, oldest first; never an empty list. Pending when there are none. `None` when the
    /// resource is no longer served.
    pub fn poll_events(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Vec<Arc<Event>>, TooOld>>> {
        self.mailbox.waker.register(cx.waker());
        {
            // Read first: all that is published is in the queue by now.
            let published = self.published.load(Ordering::Acquire);
            let mut queue = self.mailbox.queue.lock();
            queue.signalled = false;
            if queue.live {
                let whole = queue.events.partition_point(|e| e.revision.0 <= published);
                let events: Vec<_> = queue
                    .events
                    .drain(..whole)
                    .filter(|e| e.revision > self.cursor)
                    .collect();
                if let Some(last) = events.last() {
                    self.cursor = last.revision;
                    return Poll::Ready(Some(Ok(events)));
                }
                return Poll::Pending;
            }
        }
        let Some(collection) = self.collection.upgrade() else {
            return Poll::Ready(None);
        };
        // The collection's lock holds off the dispatcher: between reading the end of history and going live nothing is lost.
        let live = collection.live.lock();
        let Some(past) = live.history.after(self.cursor) else {
            return Poll::Ready(Some(Err(TooOld {
                at: self.cursor,
                floor: live.history.floor(),
            })));
        };
        let mut events: Vec<Arc<Event>> = Vec::new();
        let mut more = false;
        for (index, event) in past.enumerate() {
            // A revision is yielded whole, since the cursor is a revision.
            if (events.len() >= BATCH || index >= LOOKED_AT) && event.revision != self.cursor {
                more = true;
                break;
            }
            self.cursor = event.revision;
            if self.scope.holds(event) {
                events.push(Arc::clone(event));
            }
        }
        if !more {
            let mut queue = self.mailbox.queue.lock();
            queue.live = true;
            queue.events.clear();
        }
        drop(live);
        if events.is_empty() {
            if more {
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(events)))
    }

    /// How far the watcher may be said to have come, if it has yielded everything up to `applied`: for bookmarks.
    /// `applied` must have been read before the call.
    pub fn caught_up(&mut self, applied: Revision) -> Option<Revision> {
        let queue = self.mailbox.queue.lock();
        let idle = queue.live && queue.events.is_empty();
        drop(queue);
        if idle {
            self.cursor = self.cursor.max(applied);
        }
        idle.then_some(self.cursor)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Some(collection) = self.collection.upgrade() {
            collection
                .live
                .lock()
                .subscriptions
                .remove(&self.scope, self.id);
        }
    }
}
