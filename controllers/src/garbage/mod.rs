//! The garbage collector: what nobody owns any more is deleted; what is deleted in the foreground waits for its dependents;
//! what is deleted as an orphanage lets them go.
//!
//! A graph over all resources, custom ones included, says what is worth a look (`graph`). It may be old or incomplete, so
//! nothing is deleted on its word: the object is read anew, and so is an owner that the graph does not know.

mod graph;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use api::{Tree, meta::v1::ObjectMeta, view};
use parking_lot::Mutex;
use runtime::{
    Client, Context, Controller, Error, Informer, Key, Next, Patch, ReconcileError, Resource,
    ResultExt, Wiring,
    client::{DeleteOptions, Propagation, WriteOptions},
};
use serde_json::{Value, json};

use self::graph::{FOREGROUND, Graph, Meta, Node, ORPHAN};
use crate::{discovery::Discovery, object::owner::Owner};

/// How often the server is asked what it serves: upstream's number.
const DISCOVERY_PERIOD: Duration = Duration::from_secs(30);

/// Uids of owners known to be gone that are remembered: upstream's number.
const ABSENT: usize = 500;

/// Resources whose objects are not collected: Events go by themselves.
const IGNORED: [(&str, &str); 2] = [("", "events"), ("events.k8s.io", "events")];

/// The garbage collector. Its keys are uids; the empty one stands for the discovery of resources.
#[derive(Default)]
pub struct GarbageCollector {
    graph: Arc<Mutex<Graph>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    discovery: Arc<Discovery>,
    informers: Vec<(Resource, Informer<Meta>)>,
    /// Uids never come back, so what was gone once is gone.
    absent: VecDeque<String>,
}

/// What is known of an owner.
enum Standing {
    /// It is there.
    Solid,
    /// It is not, or another of its name is.
    Dangling,
    /// It is there, and waits for its dependents to go.
    Waiting,
    /// It cannot be found out now.
    Unknown,
}

impl Controller for GarbageCollector {
    const NAME: &'static str = "garbage-collector-controller";

    fn workers(&self) -> usize {
        20
    }

    fn wire(&self, wiring: &mut Wiring<'_>) {
        wiring.queue().add(Key::cluster(""));
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        if key.as_str().is_empty() {
            self.discover(cx).await?;
            return Ok(Next::After(DISCOVERY_PERIOD));
        }
        if !self.is_synced() {
            return Ok(Next::Retry);
        }
        let Some(node) = self.graph.lock().get(key.as_str()).cloned() else {
            return Ok(Next::Done);
        };
        let Some(live) = cx.client.get(&node.resource, &node.key).await.optional()? else {
            return Ok(Next::Done);
        };
        let metadata = view::metadata(&live);
        if metadata.uid() != key.as_str() {
            return Ok(Next::Done);
        }
        let finalizers = metadata.finalizers();
        match metadata.deletion_timestamp() {
            Some(_) if finalizers.contains(ORPHAN) => {
                self.orphan_dependents(cx, &node, &live).await
            }
            Some(_) if finalizers.contains(FOREGROUND) => {
                self.delete_dependents(cx, &node, &live).await
            }
            Some(_) => Ok(Next::Done),
            None => self.judge(cx, &node, &live).await,
        }
    }
}

impl GarbageCollector {
    fn is_synced(&self) -> bool {
        let state = self.state.lock();
        !state.informers.is_empty()
            && state
                .informers
                .iter()
                .all(|(_, informer)| informer.is_synced())
    }

    /// Follows the set of resources that the server serves.
    async fn discover(&self, cx: &Context) -> Result<(), Error> {
        let discovery = Arc::new(Discovery::read(&cx.client).await?);
        let wanted: BTreeSet<Resource> = discovery
            .resources
            .iter()
            .filter(|s| s.allows(&["delete", "list", "watch"]))
            .map(|s| s.resource.clone())
            .filter(|r| !IGNORED.contains(&(r.group(), r.plural())))
            .collect();
        let known: BTreeSet<Resource> = self
            .state
            .lock()
            .informers
            .iter()
            .map(|(r, _)| r.clone())
            .collect();
        for resource in wanted.difference(&known) {
            let informer: Informer<Meta> = cx.informers.informer(resource);
            let (graph, queue, of) = (self.graph.clone(), cx.queue.clone(), resource.clone());
            informer.on_change(move |change| {
                let dirty = graph.lock().apply(&of, change.old, change.new);
                dirty
                    .into_iter()
                    .for_each(|uid| queue.add(Key::cluster(&uid)));
            });
            self.state
                .lock()
                .informers
                .push((resource.clone(), informer));
        }
        // A group that cannot be asked now may be back soon: its objects are not gone.
        for resource in known.difference(&wanted) {
            let group_version = format!("{}/{}", resource.group(), resource.version());
            if !discovery.failed.contains(&group_version) {
                cx.informers.stop(resource);
                self.state.lock().informers.retain(|(r, _)| r != resource);
                self.graph.lock().remove_resource(resource);
            }
        }
        self.state.lock().discovery = discovery;
        cx.informers.start();
        Ok(())
    }

    /// An object that is not being deleted: does somebody own it still?
    async fn judge(&self, cx: &Context, node: &Node, live: &Tree) -> Result<Next, ReconcileError> {
        let metadata = view::metadata(live);
        let owners = Owner::all(metadata);
        if owners.is_empty() {
            return Ok(Next::Done);
        }
        let (mut gone, mut solid, mut waiting) = (Vec::new(), false, false);
        for (at, owner) in owners.iter().enumerate() {
            match self.standing(&cx.client, node, owner).await? {
                Standing::Solid => solid = true,
                Standing::Dangling => gone.push(at),
                Standing::Waiting => {
                    waiting = true;
                    gone.push(at);
                }
                Standing::Unknown => return Ok(Next::After(DISCOVERY_PERIOD)),
            }
        }
        if solid {
            if !gone.is_empty() {
                let removals = gone
                    .iter()
                    .rev()
                    .map(|at| remove(format!("/metadata/ownerReferences/{at}")));
                self.patch(cx, node, metadata, removals.collect()).await?;
            }
            return Ok(Next::Done);
        }
        let has_dependents = {
            let graph = self.graph.lock();
            let mut dependents = graph.dependents(metadata.uid()).peekable();
            dependents.peek().is_some()
        };
        let propagation = if waiting && has_dependents {
            self.break_circle(cx, node, live, &owners).await?;
            Propagation::Foreground
        } else if metadata.finalizers().contains(ORPHAN) {
            Propagation::Orphan
        } else if metadata.finalizers().contains(FOREGROUND) {
            Propagation::Foreground
        } else {
            Propagation::Background
        };
        let options = DeleteOptions {
            propagation: Some(propagation),
            ..DeleteOptions::of_uid(metadata.uid())
        };
        tracing::debug!(resource = %node.resource, key = %node.key, ?propagation, "deleting: no owner is left");
        let deleted = cx.client.delete(&node.resource, &node.key, &options).await;
        deleted.or_else(|e| {
            if e.is_not_found() || e.is_conflict() {
                Ok(())
            } else {
                Err(e)
            }
        })?;
        Ok(Next::Done)
    }

    /// Of two that wait for each other, one must let go: this one stops to block its owners.
    async fn break_circle(
        &self,
        cx: &Context,
        node: &Node,
        live: &Tree,
        owners: &[Owner],
    ) -> Result<(), Error> {
        let metadata = view::metadata(live);
        let circle = {
            let graph = self.graph.lock();
            graph
                .dependents(metadata.uid())
                .any(|(_, dependent)| dependent.meta.deletes_dependents())
        };
        if !circle {
            return Ok(());
        }
        let blocking = owners
            .iter()
            .enumerate()
            .filter(|(_, owner)| owner.blocks_deletion);
        let unblocked = blocking.map(|(at, _)| {
            let path = format!("/metadata/ownerReferences/{at}/blockOwnerDeletion");
            json!({"op": "replace", "path": path, "value": false})
        });
        let unblocked: Vec<Value> = unblocked.collect();
        if unblocked.is_empty() {
            return Ok(());
        }
        self.patch(cx, node, metadata, unblocked).await
    }

    async fn standing(
        &self,
        client: &Client,
        dependent: &Node,
        owner: &Owner,
    ) -> Result<Standing, Error> {
        {
            let graph = self.graph.lock();
            if let Some(known) = graph.owner(&dependent.key, owner) {
                return Ok(if known.meta.deletes_dependents() {
                    Standing::Waiting
                } else {
                    Standing::Solid
                });
            }
            if graph.get(&owner.uid).is_none() && self.state.lock().absent.contains(&owner.uid) {
                return Ok(Standing::Dangling);
            }
        }
        let discovery = self.state.lock().discovery.clone();
        let Some(resource) = discovery.by_kind(owner.group(), &owner.kind) else {
            tracing::debug!(
                kind = owner.kind,
                api_version = owner.api_version,
                "an owner's kind is not served"
            );
            return Ok(Standing::Unknown);
        };
        let key = match (resource.namespaced(), dependent.key.namespace()) {
            // A cluster-wide object cannot be owned by one in some namespace; nothing can be said of it.
            (true, "") => return Ok(Standing::Unknown),
            (true, namespace) => Key::new(namespace, &owner.name),
            (false, _) => Key::cluster(&owner.name),
        };
        let live = client.get(resource, &key).await.optional()?;
        let live = live
            .as_ref()
            .map(|live| view::metadata(live))
            .filter(|m| m.uid() == owner.uid);
        match live {
            Some(m) if m.deletion_timestamp().is_some() && m.finalizers().contains(FOREGROUND) => {
                Ok(Standing::Waiting)
            }
            Some(_) => Ok(Standing::Solid),
            None => {
                let mut state = self.state.lock();
                if state.absent.len() >= ABSENT {
                    state.absent.pop_front();
                }
                state.absent.push_back(owner.uid.clone());
                Ok(Standing::Dangling)
            }
        }
    }

    /// An object that is deleted in the foreground: goes when no dependent blocks it any more.
    async fn delete_dependents(
        &self,
        cx: &Context,
        node: &Node,
        live: &Tree,
    ) -> Result<Next, ReconcileError> {
        let metadata = view::metadata(live);
        let blocking: Vec<(String, bool)> = {
            let graph = self.graph.lock();
            graph
                .blocking_dependents(metadata.uid())
                .map(|(uid, n)| (uid.to_owned(), n.meta.deleting))
                .collect()
        };
        if blocking.is_empty() {
            self.remove_finalizer(cx, node, metadata, FOREGROUND)
                .await?;
        }
        for (uid, deleting) in blocking {
            if !deleting {
                cx.queue.add(Key::cluster(&uid));
            }
        }
        // The last blocking dependent's going makes this key dirty again.
        Ok(Next::Done)
    }

    /// An object that leaves its dependents behind: goes when none of them refers to it any more.
    async fn orphan_dependents(
        &self,
        cx: &Context,
        node: &Node,
        live: &Tree,
    ) -> Result<Next, ReconcileError> {
        let metadata = view::metadata(live);
        let dependents: Vec<Node> = self
            .graph
            .lock()
            .dependents(metadata.uid())
            .map(|(_, node)| node.clone())
            .collect();
        for dependent in dependents {
            let Some(tree) = cx
                .client
                .get(&dependent.resource, &dependent.key)
                .await
                .optional()?
            else {
                continue;
            };
            let theirs = view::metadata(&tree);
            let mine = theirs
                .owner_references()
                .iter()
                .position(|r| r.uid() == metadata.uid());
            if let Some(at) = mine {
                self.patch(
                    cx,
                    &dependent,
                    theirs,
                    vec![remove(format!("/metadata/ownerReferences/{at}"))],
                )
                .await?;
            }
        }
        self.remove_finalizer(cx, node, metadata, ORPHAN).await?;
        Ok(Next::Done)
    }

    async fn remove_finalizer(
        &self,
        cx: &Context,
        node: &Node,
        metadata: ObjectMeta<'_>,
        finalizer: &str,
    ) -> Result<(), Error> {
        let Some(at) = metadata.finalizers().iter().position(|f| f == finalizer) else {
            return Ok(());
        };
        self.patch(
            cx,
            node,
            metadata,
            vec![remove(format!("/metadata/finalizers/{at}"))],
        )
        .await
    }

    /// Changes an object that was just read, if it is still at that revision. Gone is as good as changed.
    async fn patch(
        &self,
        cx: &Context,
        node: &Node,
        read: ObjectMeta<'_>,
        changes: Vec<Value>,
    ) -> Result<(), Error> {
        let mut operations = vec![
            json!({"op": "test", "path": "/metadata/uid", "value": read.uid()}),
            json!({"op": "replace", "path": "/metadata/resourceVersion", "value": read.resource_version()}),
        ];
        operations.extend(changes);
        let patch = Patch::Json(Value::Array(operations));
        let patched = cx
            .client
            .patch(&node.resource, &node.key, &patch, &WriteOptions::default())
            .await;
        patched.optional().map(drop)
    }
}

fn remove(path: String) -> Value {
    json!({"op": "remove", "path": path})
}
