//! The live view: every object in memory, fed by one tail of the log. All reads, lists and watches come from here.
//!
//! A change set is applied whole: readers and watchers see a revision with all its changes or not at all. What is shown is durable.
//! The view knows keys, bytes, labels and selectable fields. It must not know kinds, requests or who is asking.
//!
//! - [`Collection`]: one resource: a persistent [`Snapshot`] that lists read without a lock, its [`Event`] history, its
//!   [`Watcher`]s.
//! - [`View::fresh`]: a read that must be current asks the log for its head, once for all who wait, and waits for the view.
//! - [`Derived`]: indexes over several kinds, fed where a change is applied.

mod applied;
mod collection;
mod derived;
mod follow;
mod fresh;
mod history;
mod object;
pub mod project;
mod snapshot;
mod watcher;

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::Mutex;
use store::{Change, Entry, Log, Revision};

pub use collection::{Collection, Resource};
pub use derived::Derived;
pub use history::Event;
pub use object::{Object, Slot};
pub use project::{Projection, Projector};
pub use snapshot::{Snapshot, field_term, label_term};
pub use watcher::{Scope, TooOld, Watcher};

#[cfg(test)]
mod tests;

use applied::Applied;
use derived::DerivedSet;
use fresh::Head;

/// How long a reader waits for the view to reach a revision: upstream's figure.
const WAIT: Duration = Duration::from_secs(3);

/// Why a read cannot be served now.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The view has not reached the revision that was asked for.
    #[error("Too large resource version: {wanted}, current: {current}")]
    Ahead {
        /// The revision asked for.
        wanted: Revision,
        /// Where the view is.
        current: Revision,
    },
    /// The log does not say where its head is.
    #[error(transparent)]
    Log(#[from] store::Error),
}

/// Every object in memory.
pub struct View {
    log: Arc<dyn Log>,
    head: Arc<Head>,
    routes: ArcSwap<Routes>,
    derived: DerivedSet,
    unclaimed: Unclaimed,
    /// Held while changes are applied, and while a resource is added.
    applying: Mutex<()>,
    applied: Applied,
    history: AtomicUsize,
    history_limit: usize,
    compacted: AtomicI64,
    stopped: AtomicBool,
}

impl View {
    /// Loads the log's content and follows it from then on.
    ///
    /// # Errors
    /// If the log cannot be loaded.
    pub async fn start(
        log: Arc<dyn Log>,
        resources: impl IntoIterator<Item = Resource>,
        derived: Vec<Arc<dyn Derived>>,
        history_limit: usize,
    ) -> Result<Arc<View>, store::Error> {
        let mut routes = Routes::default();
        for resource in resources {
            routes.add(Collection::new(resource, Revision::ZERO));
        }
        let view = Arc::new(View {
            head: Head::new(Arc::clone(&log)),
            log,
            routes: ArcSwap::from_pointee(routes),
            derived: DerivedSet(derived),
            unclaimed: Unclaimed::default(),
            applying: Mutex::new(()),
            applied: Applied::default(),
            history: AtomicUsize::new(0),
            history_limit,
            compacted: AtomicI64::new(0),
            stopped: AtomicBool::new(false),
        });
        follow::load(&view).await?;
        tokio::spawn(follow::follow(Arc::clone(&view)));
        Ok(view)
    }

    /// Lets the task that follows the log end once the log's tail does.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// The revision that readers are shown: everything up to it is applied.
    pub fn applied(&self) -> Revision {
        self.applied.get()
    }

    /// Lists at a revision before this one are refused, whether or not somebody still knew them.
    pub fn compacted(&self) -> Revision {
        Revision(self.compacted.load(Ordering::Relaxed))
    }

    /// The log was compacted up to `revision`: nobody is to go on with a list from before. Events stay as long as there is
    /// room for them, for watches that begin in the past.
    pub fn forget(&self, revision: Revision) {
        self.compacted.fetch_max(revision.0, Ordering::Relaxed);
        for collection in self.routes.load().collections() {
            collection.unpin_before(revision);
        }
    }

    /// The resource whose objects stand at `prefix`.
    pub fn collection(&self, prefix: &str) -> Option<Arc<Collection>> {
        self.routes.load().by_prefix.get(prefix).cloned()
    }

    /// Begins to serve another resource (a custom one): what the log holds of it is there at once.
    pub fn add(&self, resource: Resource) -> Arc<Collection> {
        let _applying = self.applying.lock();
        let prefix = Arc::clone(&resource.prefix);
        let collection = Collection::new(resource, self.applied());
        for entry in self.unclaimed.take(&prefix) {
            if let Some(key) = split(&prefix, &entry.key) {
                let projection = collection.resource().projector.project(&entry.value);
                let object = Object::new(
                    key.into(),
                    entry.mod_revision,
                    entry.create_revision,
                    entry.value,
                    projection,
                );
                collection.insert(Arc::new(object));
            }
        }
        collection.publish().0.wake();
        self.routes.rcu(|routes| {
            let mut routes = Routes::clone(routes);
            routes.add(Arc::clone(&collection));
            routes
        });
        collection
    }

    /// Waits until the view shows everything that was acknowledged before the call; returns the revision it shows.
    ///
    /// # Errors
    /// If the log does not answer, or the view does not get there in time.
    pub async fn fresh(&self) -> Result<Revision, ReadError> {
        let head = self.head.read().await?;
        self.reach(head).await
    }

    /// Waits until the view shows `revision`; returns the revision it shows.
    ///
    /// # Errors
    /// If it does not get there in time.
    pub async fn reach(&self, revision: Revision) -> Result<Revision, ReadError> {
        let applied = self.applied();
        if applied >= revision {
            return Ok(applied);
        }
        tokio::time::timeout(WAIT, self.applied.reach(revision))
            .await
            .map_err(|_| ReadError::Ahead {
                wanted: revision,
                current: self.applied(),
            })
    }

    /// What past events cost, in bytes.
    pub fn history_bytes(&self) -> usize {
        self.history.load(Ordering::Relaxed)
    }

    fn advance(&self, revision: Revision) {
        self.applied.advance(revision);
    }

    /// Counts what history grew by, and forgets the oldest of the largest until it fits.
    fn grow_history(&self, bytes: usize) {
        let mut total = self.history.fetch_add(bytes, Ordering::Relaxed) + bytes;
        while total > self.history_limit {
            let routes = self.routes.load();
            let Some(largest) = routes.collections().max_by_key(|c| c.history_bytes()) else {
                return;
            };
            // Some at a time: looking for the largest costs more than forgetting.
            let mut freed = 0;
            while freed < self.history_limit / 64 {
                match largest.forget_oldest() {
                    0 => break,
                    n => freed += n,
                }
            }
            if freed == 0 {
                return;
            }
            self.shrink_history(freed);
            total = total.saturating_sub(freed);
        }
    }

    fn shrink_history(&self, bytes: usize) {
        self.history.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The resources by where their keys begin.
#[derive(Clone, Default)]
struct Routes {
    by_prefix: HashMap<Arc<str>, Arc<Collection>>,
    order: BTreeMap<Arc<str>, Arc<Collection>>,
}

impl Routes {
    fn add(&mut self, collection: Arc<Collection>) {
        let prefix = Arc::clone(&collection.resource().prefix);
        self.order
            .insert(Arc::clone(&prefix), Arc::clone(&collection));
        self.by_prefix.insert(prefix, collection);
    }

    fn collections(&self) -> impl Iterator<Item = &Arc<Collection>> {
        self.order.values()
    }

    /// The resource that a key is of, and the rest of the key. A prefix has one segment, or two.
    fn find<'k>(&self, key: &'k [u8]) -> Option<(&Arc<Collection>, &'k str)> {
        let key = std::str::from_utf8(key).ok()?;
        let first = key.find('/')? + 1;
        let second = key[first..].find('/').map(|at| first + at + 1);
        [Some(first), second].into_iter().flatten().find_map(|end| {
            let collection = self.by_prefix.get(&key[..end])?;
            (end < key.len()).then_some((collection, &key[end..]))
        })
    }
}

fn split<'k>(prefix: &str, key: &'k [u8]) -> Option<&'k str> {
    std::str::from_utf8(key).ok()?.strip_prefix(prefix)
}

/// What the log holds of resources that are not served (yet): a custom resource's objects before its definition is read.
#[derive(Default)]
struct Unclaimed(Mutex<BTreeMap<Bytes, Entry>>);

impl Unclaimed {
    fn put(&self, entry: Entry) {
        self.0.lock().insert(entry.key.clone(), entry);
    }

    fn change(&self, change: &Change, revision: Revision) {
        match &change.value {
            None => {
                self.0.lock().remove(&change.key);
            }
            Some(value) => self.put(Entry {
                key: change.key.clone(),
                value: value.clone(),
                create_revision: change.create_revision,
                mod_revision: revision,
                expires: false,
            }),
        }
    }

    fn take(&self, prefix: &str) -> Vec<Entry> {
        let mut entries = self.0.lock();
        let keys: Vec<Bytes> = entries
            .range::<[u8], _>((Bound::Included(prefix.as_bytes()), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix.as_bytes()))
            .map(|(key, _)| key.clone())
            .collect();
        keys.iter().filter_map(|key| entries.remove(key)).collect()
    }
}
