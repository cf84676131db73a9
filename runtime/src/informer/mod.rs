//! Shared informers: what a process keeps in memory of the API, and how it learns of changes.
//!
//! - One `source` per resource and selector: one list and one watch, whoever asks and however often.
//! - Each reader keeps a [`Projection`] of its own making: what it needs of an object, and nothing else.
//! - Handlers see every change as (old, new), the deletions found by a relist among them.
//!
//! What is read here may be older than what the reader itself wrote: see [`crate::expectations`]. What was read as a
//! projection is only ever patched, never put.

mod source;
mod store;

use std::{
    any::{Any, TypeId},
    collections::BTreeMap,
    sync::Arc,
};

use api::tree::Tree;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

pub use self::store::{Change, Informer, Object};
use self::{
    source::{Ending, Source},
    store::Store,
};
use crate::{client::Client, random::Random, resource::Resource, supervise::supervise};

/// What a reader keeps of an object. Must be cheap: it runs for every event.
pub trait Projection: Send + Sync + Sized + 'static {
    /// Takes what is needed out of the object.
    fn project(object: &Tree) -> Self;
}

/// Keeps nothing but what every [`Object`] has: key, uid and revision.
impl Projection for () {
    fn project(_: &Tree) -> Self {}
}

/// Keeps the whole object, for kinds of which there are few.
impl Projection for Tree {
    fn project(object: &Tree) -> Self {
        let mut own = object.clone();
        // A decoded tree holds on to its input, which may be a whole page.
        own.compact();
        own
    }
}

/// Which objects of a resource an informer shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// One namespace; empty for all.
    pub namespace: String,
    /// A label selector; empty for all.
    pub labels: String,
    /// A field selector; empty for all.
    pub fields: String,
}

/// The informers of one identity within a process. Clones are the same set.
#[derive(Clone)]
pub struct Informers {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    random: Random,
    shutdown: CancellationToken,
    sources: Mutex<BTreeMap<(Resource, Scope), Running>>,
}

struct Running {
    source: Arc<Source>,
    /// The stores by the type of their projection.
    stores: BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>,
    stop: CancellationToken,
    started: bool,
}

impl Informers {
    /// An empty set, which asks with `client` until `shutdown`.
    pub fn new(client: Client, random: Random, shutdown: CancellationToken) -> Self {
        Informers {
            inner: Arc::new(Inner {
                client,
                random,
                shutdown,
                sources: Mutex::default(),
            }),
        }
    }

    /// The informer of a resource over all namespaces. Nothing is asked for before [`Informers::start`].
    pub fn informer<P: Projection>(&self, resource: &Resource) -> Informer<P> {
        self.scoped(resource, Scope::default())
    }

    /// The informer of a part of a resource; see [`Informers::informer`].
    pub fn scoped<P: Projection>(&self, resource: &Resource, scope: Scope) -> Informer<P> {
        let mut sources = self.inner.sources.lock();
        let running = sources
            .entry((resource.clone(), scope.clone()))
            .or_insert_with(|| Running {
                source: Arc::new(Source::new(
                    self.inner.client.clone(),
                    self.inner.random.fork(),
                    resource.clone(),
                    scope.clone(),
                )),
                stores: BTreeMap::new(),
                stop: self.inner.shutdown.child_token(),
                started: false,
            });
        let known = running
            .stores
            .get(&TypeId::of::<P>())
            .and_then(|s| s.clone().downcast::<Store<P>>().ok());
        let store = known.unwrap_or_else(|| {
            let store = Arc::new(Store::<P>::new());
            running.stores.insert(TypeId::of::<P>(), store.clone());
            running.source.add_sink(store.clone());
            store
        });
        Informer::new(resource.clone(), store)
    }

    /// Starts every informer that is not running yet. Must be called inside a tokio runtime.
    pub fn start(&self) {
        for running in self
            .inner
            .sources
            .lock()
            .values_mut()
            .filter(|r| !r.started)
        {
            running.started = true;
            let (source, stop) = (running.source.clone(), running.stop.clone());
            let name = format!("informer of {}", source.resource());
            let ending = Ending(source.clone());
            let supervised = supervise(name, self.inner.random.fork(), stop.clone(), move || {
                let (source, stop) = (source.clone(), stop.clone());
                async move { source.run(&stop).await }
            });
            tokio::spawn(async move {
                let _ending = ending;
                supervised.await;
            });
        }
    }

    /// Ends the informers of a resource and forgets them: it is no longer served. What readers hold stays as it was.
    pub fn stop(&self, resource: &Resource) {
        self.inner.sources.lock().retain(|(known, _), running| {
            if known == resource {
                running.stop.cancel();
            }
            known != resource
        });
    }

    /// The resources and scopes that there are informers of.
    pub fn known(&self) -> Vec<(Resource, Scope)> {
        self.inner.sources.lock().keys().cloned().collect()
    }
}
