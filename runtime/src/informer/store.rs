//! What an informer holds: objects in order of their keys, and indexes over them.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Release},
        },
    },
};

use api::tree::Tree;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use super::{Projection, source::Sink};
use crate::{key::Key, object, resource::Resource, supervise::panic_text};

/// An object as an informer keeps it.
#[derive(Debug)]
pub struct Object<P> {
    /// Namespace and name.
    pub key: Key,
    /// Tells it from others of the same name.
    pub uid: Box<str>,
    /// Its revision.
    pub resource_version: Box<str>,
    /// What the reader wants of it.
    pub value: P,
}

impl<P: Projection> Object<P> {
    /// An object as an informer would keep it: for what a write answered, which is newer than what the informer has.
    pub fn read(tree: &Tree) -> Object<P> {
        let meta = object::Meta::of(tree);
        Object {
            key: meta.key(),
            uid: meta.uid.into(),
            resource_version: meta.resource_version.into(),
            value: P::project(tree),
        }
    }
}

/// What happened to one object. Both are there when it changed; a successor of the same name is two changes.
#[derive(Debug)]
pub struct Change<'a, P> {
    /// As it was; `None` if it is new.
    pub old: Option<&'a Object<P>>,
    /// As it is; `None` if it is gone.
    pub new: Option<&'a Object<P>>,
}

impl<P> Clone for Change<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Change<'_, P> {}

impl<'a, P> Change<'a, P> {
    /// The newest known state: of an object that is gone, its last.
    pub fn latest(&self) -> &'a Object<P> {
        match (self.new, self.old) {
            (Some(object), _) | (None, Some(object)) => object,
            (None, None) => unreachable!("a change is of something"),
        }
    }

    /// The states that there are, old before new: to map both to keys.
    pub fn states(&self) -> impl Iterator<Item = &'a Object<P>> + use<'a, P> {
        self.old.into_iter().chain(self.new)
    }
}

type Handler<P> = Box<dyn Fn(Change<'_, P>) + Send + Sync>;
type Values<P> = Box<dyn Fn(&Object<P>) -> Vec<String> + Send + Sync>;

pub(super) struct Store<P> {
    contents: RwLock<Contents<P>>,
    /// Held while a change is applied and told: changes are told in the order in which they were applied.
    handlers: Mutex<Vec<Handler<P>>>,
    synced: AtomicBool,
    /// Not a watch channel: those wake their receivers in random order.
    synced_now: Notify,
}

struct Contents<P> {
    objects: BTreeMap<Key, Arc<Object<P>>>,
    indexes: BTreeMap<&'static str, Index<P>>,
}

struct Index<P> {
    values: Values<P>,
    keys: BTreeMap<String, BTreeSet<Key>>,
}

impl<P> Index<P> {
    fn add(&mut self, object: &Object<P>) {
        for value in (self.values)(object) {
            self.keys
                .entry(value)
                .or_default()
                .insert(object.key.clone());
        }
    }

    fn remove(&mut self, object: &Object<P>) {
        for value in (self.values)(object) {
            if let Some(keys) = self.keys.get_mut(&value) {
                keys.remove(&object.key);
                if keys.is_empty() {
                    self.keys.remove(&value);
                }
            }
        }
    }
}

impl<P> Contents<P> {
    fn insert(&mut self, object: Arc<Object<P>>) {
        let old = self.objects.insert(object.key.clone(), object.clone());
        for index in self.indexes.values_mut() {
            if let Some(old) = &old {
                index.remove(old);
            }
            index.add(&object);
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Arc<Object<P>>> {
        let old = self.objects.remove(key)?;
        for index in self.indexes.values_mut() {
            index.remove(&old);
        }
        Some(old)
    }
}

impl<P> Store<P> {
    pub(super) fn new() -> Self {
        Store {
            contents: RwLock::new(Contents {
                objects: BTreeMap::new(),
                indexes: BTreeMap::new(),
            }),
            handlers: Mutex::new(Vec::new()),
            synced: AtomicBool::new(false),
            synced_now: Notify::new(),
        }
    }
}

fn tell<P>(handlers: &[Handler<P>], change: Change<'_, P>) {
    for handler in handlers {
        // A handler that panics must keep neither the others nor the informer from their work.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| handler(change))) {
            tracing::error!(key = %change.latest().key, panic = panic_text(&*panic), "an informer's handler panicked");
        }
    }
}

impl<P: Projection> Sink for Store<P> {
    fn upsert(&self, tree: &Tree) {
        let meta = object::Meta::of(tree);
        let key = meta.key();
        let handlers = self.handlers.lock();
        let old = self.contents.read().objects.get(&key).cloned();
        if old
            .as_ref()
            .is_some_and(|o| *o.resource_version == *meta.resource_version && *o.uid == *meta.uid)
        {
            return;
        }
        let new = Arc::new(Object::read(tree));
        let old = match old {
            Some(old) if old.uid != new.uid => {
                // The deletion in between was missed: the old one is gone, this one is new.
                self.contents.write().remove(&key);
                tell(
                    &handlers,
                    Change {
                        old: Some(&old),
                        new: None,
                    },
                );
                None
            }
            old => old,
        };
        self.contents.write().insert(new.clone());
        tell(
            &handlers,
            Change {
                old: old.as_deref(),
                new: Some(&new),
            },
        );
    }

    fn remove(&self, key: &Key) {
        let handlers = self.handlers.lock();
        let old = self.contents.write().remove(key);
        if let Some(old) = old {
            tell(
                &handlers,
                Change {
                    old: Some(&old),
                    new: None,
                },
            );
        }
    }

    fn complete(&self, seen: &BTreeSet<Key>) {
        let gone: Vec<Key> = self
            .contents
            .read()
            .objects
            .keys()
            .filter(|k| !seen.contains(*k))
            .cloned()
            .collect();
        for key in &gone {
            self.remove(key);
        }
        self.synced.store(true, Release);
        self.synced_now.notify_waiters();
    }

    fn ended(&self) {
        let handlers = std::mem::take(&mut *self.handlers.lock());
        drop(handlers);
    }
}

/// A reader's view of a shared informer. Clones are the same view.
pub struct Informer<P> {
    resource: Resource,
    store: Arc<Store<P>>,
}

impl<P> Clone for Informer<P> {
    fn clone(&self) -> Self {
        Informer {
            resource: self.resource.clone(),
            store: self.store.clone(),
        }
    }
}

impl<P: Projection> Informer<P> {
    pub(super) fn new(resource: Resource, store: Arc<Store<P>>) -> Self {
        Informer { resource, store }
    }

    /// Whether both are fed by the same source. After [`Informers::stop`](super::Informers::stop) an old one is fed no more, and
    /// one that is asked for anew is another.
    pub fn is_same(&self, other: &Informer<P>) -> bool {
        Arc::ptr_eq(&self.store, &other.store)
    }

    /// What it is an informer of.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// One object, as last seen.
    pub fn get(&self, key: &Key) -> Option<Arc<Object<P>>> {
        self.store.contents.read().objects.get(key).cloned()
    }

    /// All objects, in order of their keys.
    pub fn list(&self) -> Vec<Arc<Object<P>>> {
        self.store
            .contents
            .read()
            .objects
            .values()
            .cloned()
            .collect()
    }

    /// The objects of one namespace, in order of their names.
    pub fn in_namespace(&self, namespace: &str) -> Vec<Arc<Object<P>>> {
        let contents = self.store.contents.read();
        contents
            .objects
            .range(Key::in_namespace(namespace))
            .map(|(_, o)| o.clone())
            .collect()
    }

    /// The objects that have `value` in the index `name`, in order of their keys.
    pub fn by_index(&self, name: &str, value: &str) -> Vec<Arc<Object<P>>> {
        let contents = self.store.contents.read();
        let Some(keys) = contents.indexes.get(name).and_then(|i| i.keys.get(value)) else {
            return Vec::new();
        };
        keys.iter()
            .filter_map(|key| contents.objects.get(key).cloned())
            .collect()
    }

    /// How many objects have `value` in the index `name`.
    pub fn count_by_index(&self, name: &str, value: &str) -> usize {
        let contents = self.store.contents.read();
        contents
            .indexes
            .get(name)
            .and_then(|i| i.keys.get(value))
            .map_or(0, BTreeSet::len)
    }

    /// The values of an index, in order.
    pub fn index_values(&self, name: &str) -> Vec<String> {
        let contents = self.store.contents.read();
        contents
            .indexes
            .get(name)
            .map(|i| i.keys.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.store.contents.read().objects.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps an index from now on: `values` says under which values an object is found (owner uid, node, label).
    /// A second index of the same name changes nothing, so that several parts may ask for the same.
    pub fn add_index(
        &self,
        name: &'static str,
        values: impl Fn(&Object<P>) -> Vec<String> + Send + Sync + 'static,
    ) {
        let mut contents = self.store.contents.write();
        if contents.indexes.contains_key(name) {
            return;
        }
        let mut index = Index {
            values: Box::new(values),
            keys: BTreeMap::new(),
        };
        for object in contents.objects.values() {
            index.add(object);
        }
        contents.indexes.insert(name, index);
    }

    /// Calls `handler` with every change from now on, and first with what is there already, as new. It runs within the
    /// informer's own task: it maps the change to keys of a queue, and must not wait.
    pub fn on_change(&self, handler: impl Fn(Change<'_, P>) + Send + Sync + 'static) {
        let mut handlers = self.store.handlers.lock();
        let handler: Handler<P> = Box::new(handler);
        for object in self.list() {
            tell(
                std::slice::from_ref(&handler),
                Change {
                    old: None,
                    new: Some(&object),
                },
            );
        }
        handlers.push(handler);
    }

    /// Whether everything that was there at the start has been seen.
    pub fn is_synced(&self) -> bool {
        self.store.synced.load(Acquire)
    }

    /// Waits until everything that was there at the start has been seen.
    pub async fn synced(&self) {
        let notified = self.store.synced_now.notified();
        tokio::pin!(notified);
        // Registered before looking, so that the notice is not missed in between. It comes once and for all.
        notified.as_mut().enable();
        if !self.is_synced() {
            notified.await;
        }
    }
}
