//! Connecting a controller to its informers.

use futures::future::BoxFuture;

use crate::{
    informer::{Change, Informer, Informers, Projection},
    key::Key,
    queue::Queue,
};

/// Notes what a controller needs.
pub struct Wiring<'a> {
    pub(super) queue: &'a Queue<Key>,
    pub(super) informers: &'a Informers,
    pub(super) synced: Vec<BoxFuture<'static, ()>>,
}

impl Wiring<'_> {
    /// The process's informers, to get those from which the controller needs.
    pub fn informers(&self) -> &Informers {
        self.informers
    }

    /// The controller's queue, for keys that must be looked at whatever happens.
    pub fn queue(&self) -> &Queue<Key> {
        self.queue
    }

    /// The controller reads this informer: no reconcile before it is synced.
    pub fn require<P: Projection>(&mut self, informer: &Informer<P>) {
        let informer = informer.clone();
        self.synced
            .push(Box::pin(async move { informer.synced().await }));
    }

    /// As [`Wiring::require`], and `to_keys` puts into the queue what a change makes dirty. It runs within the informer's
    /// task, in the order of the changes, and must not wait.
    pub fn watch<P: Projection>(
        &mut self,
        informer: &Informer<P>,
        to_keys: impl Fn(Change<'_, P>, &Queue<Key>) + Send + Sync + 'static,
    ) {
        self.require(informer);
        let queue = self.queue.clone();
        informer.on_change(move |change| to_keys(change, &queue));
    }

    /// As [`Wiring::watch`], where the key is the object's own.
    pub fn watch_own<P: Projection>(&mut self, informer: &Informer<P>) {
        self.watch(informer, |change, queue| {
            queue.add(change.latest().key.clone())
        });
    }
}
