//! What all pods of the node are allowed together: who wants more is judged, one at a time, against what the others have.

use std::collections::BTreeMap;

use api::aggregate::Amounts;
use api::core::v1::Node;
use api::tree::Tree;
use parking_lot::Mutex;
use runtime::{Informer, Key};
use tokio::sync::watch;

use super::admission;

/// Why a resize is not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `Infeasible`: never on this node; `Deferred`: not now.
    pub reason: &'static str,
    /// In a sentence.
    pub message: String,
}

/// The requests that were granted, by the pod's UID. Pods that have ended are not in it.
pub struct Allocations {
    requests: Mutex<BTreeMap<String, Amounts>>,
    changed: watch::Sender<()>,
    /// This node alone.
    nodes: Informer<Tree>,
    node: Key,
}

impl Allocations {
    /// Of the node `node`, which `nodes` shows.
    pub fn new(nodes: Informer<Tree>, node: Key) -> Self {
        Self {
            requests: Mutex::default(),
            changed: watch::channel(()).0,
            nodes,
            node,
        }
    }

    /// Tells of every change: there may be room now.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// What a pod was granted.
    pub fn of(&self, uid: &str) -> Option<Amounts> {
        self.requests.lock().get(uid).cloned()
    }

    /// A pod has so much, whatever the others have: it runs with it already.
    pub fn set(&self, uid: &str, requests: Amounts) {
        if self
            .requests
            .lock()
            .insert(uid.to_owned(), requests.clone())
            != Some(requests)
        {
            self.changed.send_replace(());
        }
    }

    /// A pod needs nothing any more.
    pub fn remove(&self, uid: &str) {
        if self.requests.lock().remove(uid).is_some() {
            self.changed.send_replace(());
        }
    }

    /// Grants a pod that is here other requests than it has.
    ///
    /// # Errors
    /// The reason not to; it keeps what it has then.
    pub fn resize(&self, uid: &str, requests: Amounts) -> Result<(), Refusal> {
        let node = self.nodes.get(&self.node);
        let mut all = self.requests.lock();
        if let Some(node) = node {
            let others: Vec<&Amounts> = all
                .iter()
                .filter(|(other, _)| *other != uid)
                .map(|(_, requests)| requests)
                .collect();
            let node = Node::of(&node.value);
            let refuse = |reason| {
                move |rejection: admission::Rejection| Refusal {
                    reason,
                    message: rejection.message,
                }
            };
            admission::resources(&requests, node, &[]).map_err(refuse("Infeasible"))?;
            admission::resources(&requests, node, &others).map_err(refuse("Deferred"))?;
        }
        all.insert(uid.to_owned(), requests);
        drop(all);
        self.changed.send_replace(());
        Ok(())
    }
}
