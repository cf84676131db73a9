//! DaemonSets: a pod on each node that should have one.
//!
//! A pod names its node by a required affinity, and the scheduler brings it there. Each reconcile looks at all nodes and all
//! pods of the set; what comes and goes is decided in `plan`, which nodes count in `eligibility`. Templates are kept as
//! revisions (`history`). It waits until what it has asked for is seen (expectations).

mod backoff;
mod eligibility;
mod model;
mod plan;
mod tolerations;

use std::sync::Arc;

use api::{apps::v1 as apps, core::v1 as core};
use runtime::{
    Context, Controller, Expectations, Informer, Informers, Key, Next, Object, Patch,
    ReconcileError, Resource, Wiring, object::Meta,
};
use serde_json::{Value, json};

use self::{
    backoff::FailedPods,
    model::{DaemonSet, Status, Strategy},
    plan::{Changes, Look, Places},
};
use crate::{
    history::{self, History, Parent},
    object::{
        Texts,
        node::Node,
        pod::{self, Pod, REVISION_LABEL},
    },
    pods::{self, PodControl},
    written::Written,
};

/// Pods created or deleted in one go at most: upstream's number.
const BURST: usize = 250;

/// The controller of DaemonSets.
pub struct DaemonSets {
    sets: Informer<DaemonSet>,
    pods: Informer<Pod>,
    nodes: Informer<Node>,
    history: History,
    expectations: Arc<Expectations>,
    written: Written,
    failed: FailedPods,
}

impl DaemonSets {
    /// The controller, reading from the given informers.
    pub fn new(informers: &Informers) -> Self {
        let pods = informers.informer(&Resource::of(core::Pod::TYPE));
        pods.add_index(pod::BY_OWNER, Pod::owner_values);
        DaemonSets {
            sets: informers.informer(&Resource::of(apps::DaemonSet::TYPE)),
            pods,
            nodes: informers.informer(&Resource::of(core::Node::TYPE)),
            history: History::new(informers),
            expectations: Arc::default(),
            written: Written::default(),
            failed: FailedPods::default(),
        }
    }
}

impl Controller for DaemonSets {
    const NAME: &'static str = "daemonset-controller";

    fn workers(&self) -> usize {
        2
    }

    fn wire(&self, wiring: &mut Wiring<'_>) {
        wiring.watch_own(&self.sets);
        let (expectations, sets) = (self.expectations.clone(), self.sets.clone());
        wiring.watch(&self.pods, move |change, queue| {
            let selects = |set: &DaemonSet, pod: &Pod| set.selector.matches(&pod.labels);
            pods::seen(change, &sets, &expectations, selects, queue);
        });
        let sets = self.sets.clone();
        wiring.watch(self.history.informer(), move |change, queue| {
            let selects = |set: &DaemonSet, labels: &Texts| set.selector.matches(labels);
            history::seen(change, &sets, selects, queue);
        });
        let sets = self.sets.clone();
        wiring.watch(&self.nodes, move |change, queue| {
            // Its heartbeats change nothing.
            if let (Some(old), Some(new)) = (change.old, change.new)
                && (&old.value.labels, &old.value.taints) == (&new.value.labels, &new.value.taints)
            {
                return;
            }
            let name = change.latest().key.name();
            let judged = |set: &DaemonSet| {
                let judge = |node: &Object<Node>| set.needs.judge(name, &node.value);
                (change.old.map(judge), change.new.map(judge))
            };
            for set in sets.list() {
                let (old, new) = judged(&set.value);
                if old != new {
                    queue.add(set.key.clone());
                }
            }
        });
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        let Some(set) = self.sets.get(key) else {
            self.written.forget(key);
            self.failed.forget(key);
            return Ok(Next::Done);
        };
        if !self.written.is_seen(&cx.client, &self.sets, key).await? {
            return Ok(Next::Retry);
        }
        let value = &set.value;
        let resource = self.sets.resource();
        let control = PodControl::new(cx, &self.pods, &self.expectations, resource, &set);
        if value.selector.is_empty() {
            let text = "This daemon set is selecting all pods. A non-empty selector is required.";
            cx.events.warning(control.reference(), "SelectingAll", text);
            return Ok(Next::Done);
        }
        if value.deleting {
            return Ok(Next::Done);
        }
        let parent = Parent {
            resource,
            key,
            uid: &set.uid,
            owner: control.owner().clone(),
            annotations: &value.annotations,
            template: value.template(),
            digest: value.digest,
            collisions: value.status.collisions.unwrap_or(0),
            hash_label: REVISION_LABEL,
        };
        let selects = |labels: &_| value.selector.matches(labels);
        let revisions = self.history.claim(cx, &parent, selects).await?;
        let newest = self.history.newest(cx, &parent, &revisions).await?;
        // Of several revisions of one template, which adoption may bring, all count.
        let same = revisions
            .iter()
            .filter(|r| r.value.digest == Some(value.digest));
        let mut hashes = vec![hash_of(&newest.revision)];
        hashes.extend(same.map(hash_of));

        let selects = |pod: &Object<Pod>| value.selector.matches(&pod.value.labels);
        // Asked before the pods are read: one that arrives in between must not count as seen.
        let current = self.expectations.satisfied(&set.uid);
        let candidates = control.candidates();
        let pods = control.claim(false, selects, candidates).await?;
        let places = self.places(&set, &pods);
        let look = Look {
            set: value,
            hashes: &hashes,
            now: cx.clock.now(),
        };
        let work = Work {
            controller: self,
            cx,
            set: &set,
            control,
        };
        let mut again = Next::Done;
        let done = if current {
            work.manage(&look, &places, hashes[0], &mut again).await
        } else {
            Ok(())
        };
        let status = look.status(&places, current, newest.collisions);
        let stored = work.store(&status).await;
        done?;
        stored?;
        if !current {
            let left = self.expectations.expires_in(&set.uid);
            return Ok(left.map_or(Next::Retry, Next::After));
        }
        let limit = value.history_limit;
        let is_live = |r: &history::Known| {
            let label = |p: &Arc<Object<Pod>>| p.value.labels.get(REVISION_LABEL).cloned();
            r.value.digest == Some(value.digest)
                || pods.iter().any(|p| label(p).as_deref() == Some(hash_of(r)))
        };
        self.history
            .truncate(cx, &revisions, limit, is_live)
            .await?;
        let waits = pods
            .iter()
            .filter_map(|p| p.value.available_in(value.min_ready_seconds, look.now));
        let waits = waits.min().map_or(Next::Done, Next::After);
        Ok(sooner(again, waits))
    }
}

fn sooner(a: Next, b: Next) -> Next {
    match (a, b) {
        (Next::After(a), Next::After(b)) => Next::After(a.min(b)),
        (Next::Done, other) | (other, _) => other,
    }
}

/// The hash of a revision, which its pods have as a label.
fn hash_of(revision: &history::Known) -> &str {
    let label = revision.value.labels.get(REVISION_LABEL);
    label.map_or(revision.key.name(), String::as_str)
}

impl DaemonSets {
    /// All nodes, and the set's pods by the nodes that they are for. Pods that ended and are on their way out do not count.
    fn places(&self, set: &Object<DaemonSet>, pods: &[Arc<Object<Pod>>]) -> Places {
        let mut places = Places::new();
        for node in self.nodes.list() {
            let name = node.key.name();
            let judged = set.value.needs.judge(name, &node.value);
            places.entry(name.to_owned()).or_default().node = Some(judged);
        }
        for pod in pods {
            let gone = pod.value.is_terminal() && pod.value.deletion.is_some();
            if !gone && let Some(node) = pod.value.target_node() {
                let place = places.entry(node.to_owned()).or_default();
                place.pods.push(pod.clone());
            }
        }
        places
    }
}

/// One look at a DaemonSet.
struct Work<'a> {
    controller: &'a DaemonSets,
    cx: &'a Context,
    set: &'a Object<DaemonSet>,
    control: PodControl<'a>,
}

impl Work<'_> {
    /// Brings pods to where they belong, and, if nothing of that is outstanding, moves an update on.
    async fn manage(
        &self,
        look: &Look<'_>,
        places: &Places,
        hash: &str,
        again: &mut Next,
    ) -> Result<(), ReconcileError> {
        let mut changes = look.manage(places);
        for (node, pod) in std::mem::take(&mut changes.failed) {
            let generation = self.set.value.status.observed_generation;
            match self
                .controller
                .failed
                .may_go(&self.set.key, generation, &node)
            {
                Ok(()) => {
                    self.tell_ended(&pod, &node, "failed");
                    changes.delete.push(pod);
                }
                Err(left) => *again = sooner(*again, Next::After(left)),
            }
        }
        for (node, pod) in std::mem::take(&mut changes.succeeded) {
            self.tell_ended(&pod, &node, "succeeded");
            changes.delete.push(pod);
        }
        self.make(changes, hash).await?;
        let seen = self.controller.expectations.satisfied(&self.set.uid);
        if seen && self.set.value.strategy != Strategy::OnDelete {
            self.make(look.roll(places), hash).await?;
        }
        Ok(())
    }

    fn tell_ended(&self, pod: &Object<Pod>, node: &str, how: &str) {
        let object = self.control.reference();
        let (verb, events) = (
            if how == "failed" { "kill" } else { "delete" },
            &self.cx.events,
        );
        let text = format!(
            "Found {how} daemon pod {} on node {node}, will try to {verb} it",
            pod.key
        );
        if how == "failed" {
            events.warning(object, "FailedDaemonPod", text);
        } else {
            events.normal(object, "SucceededDaemonPod", text);
        }
    }

    async fn make(&self, changes: Changes, hash: &str) -> Result<(), ReconcileError> {
        let Changes {
            mut create,
            mut delete,
            ..
        } = changes;
        create.truncate(BURST);
        delete.truncate(BURST);
        let (set, namespace) = (&self.set.value, self.set.key.namespace());
        let owner = self.control.owner();
        let created = if create.is_empty() {
            Ok(())
        } else {
            let pod = |at: usize, prefix: &str, name: &str| {
                set.pod(namespace, (prefix, name), owner, hash, &create[at])
            };
            self.control.create_all(create.len(), pod).await
        };
        if !delete.is_empty() {
            self.control.delete_all(&delete).await?;
        }
        Ok(created?)
    }

    async fn store(&self, status: &Status) -> Result<(), ReconcileError> {
        if *status == self.set.value.status {
            return Ok(());
        }
        let patch = Patch::Merge(patch(status, &self.set.resource_version));
        let (resource, key) = (self.controller.sets.resource(), &self.set.key);
        let patched = self.cx.client.patch_status(resource, key, &patch).await;
        match &patched {
            Ok(tree) => {
                let version = Meta::of(tree).resource_version;
                self.controller.written.at(key, key, version);
            }
            Err(error) if error.may_have_taken_effect() => {
                self.controller.written.unknown(key, key);
            }
            Err(_) => {}
        }
        patched?;
        Ok(())
    }
}

/// The patch that brings a stored status there, if it is still at this revision.
fn patch(status: &Status, resource_version: &str) -> Value {
    json!({
        "metadata": {"resourceVersion": resource_version},
        "status": {
            "observedGeneration": status.observed_generation,
            "desiredNumberScheduled": status.desired,
            "currentNumberScheduled": status.current,
            "numberMisscheduled": status.misscheduled,
            "numberReady": status.ready,
            "updatedNumberScheduled": status.updated,
            "numberAvailable": status.available,
            "numberUnavailable": status.unavailable,
            "collisionCount": status.collisions,
        },
    })
}
