//! Pods that nobody else would take away: those of nodes that are gone, those that were deleted before they were bound, those on
//! nodes that an administrator has declared out of service, and, beyond a number, those that have ended.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use api::core::v1 as core;
use parking_lot::Mutex;
use runtime::{
    Context, Controller, Error, Informer, Informers, Key, Next, Object, Patch, ReconcileError,
    Resource, ResultExt, Wiring, client::DeleteOptions,
};
use serde_json::json;
use tokio::time::Instant;

use crate::object::{node::Node, pod::Pod, rfc3339};

/// How often it is looked: upstream's number.
const PERIOD: Duration = Duration::from_secs(20);

/// How long a node must be gone before its pods go: upstream's number.
const QUARANTINE: Duration = Duration::from_secs(40);

const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// The collector of pods. It has one key, the empty one.
pub struct PodGc {
    threshold: usize,
    nodes: Informer<Node>,
    pods: Informer<Pod>,
    /// Nodes that pods are bound to and that are not there, and since when.
    missing: Mutex<BTreeMap<String, Instant>>,
}

impl PodGc {
    /// The collector, which keeps `threshold` ended pods; 0 keeps all.
    pub fn new(informers: &Informers, threshold: usize) -> Self {
        PodGc {
            threshold,
            nodes: informers.informer(&Resource::of(core::Node::TYPE)),
            pods: informers.informer(&Resource::of(core::Pod::TYPE)),
            missing: Mutex::default(),
        }
    }
}

impl Controller for PodGc {
    const NAME: &'static str = "pod-garbage-collector-controller";

    fn workers(&self) -> usize {
        1
    }

    fn wire(&self, wiring: &mut Wiring<'_>) {
        wiring.require(&self.nodes);
        let key = Key::cluster("");
        wiring.watch(&self.pods, move |change, queue| {
            // Deleted before it was bound: no kubelet will ever see it.
            if change
                .new
                .is_some_and(|p| p.value.deletion.is_some() && p.value.node.is_empty())
            {
                queue.add(key.clone());
            }
        });
        wiring.queue().add(Key::cluster(""));
    }

    async fn reconcile(&self, cx: &Context, _: &Key) -> Result<Next, ReconcileError> {
        let pods = self.pods.list();
        let gone = self.gone_nodes(cx, &pods).await?;
        let mut failure = None;
        for pod in &pods {
            let value = &pod.value;
            let orphaned = gone.contains(&value.node);
            let unbound = value.deletion.is_some() && value.node.is_empty();
            if orphaned
                || unbound
                || (value.deletion.is_some() && self.is_out_of_service(&value.node))
            {
                failure = self.take_away(cx, pod, orphaned).await.err().or(failure);
            }
        }
        for pod in surplus(&pods, self.threshold) {
            failure = self.take_away(cx, pod, false).await.err().or(failure);
        }
        if let Some(error) = failure {
            // One pod that cannot be taken away must not hold up the others.
            tracing::warn!(%error, "a pod cannot be taken away; trying again");
        }
        Ok(Next::After(PERIOD))
    }
}

/// The oldest ended pods beyond the number that is kept.
fn surplus(pods: &[Arc<Object<Pod>>], threshold: usize) -> Vec<&Arc<Object<Pod>>> {
    if threshold == 0 {
        return Vec::new();
    }
    let mut ended: Vec<_> = pods
        .iter()
        .filter(|p| p.value.is_terminal() && p.value.deletion.is_none())
        .collect();
    ended.sort_by_key(|p| (p.value.created, p.key.clone()));
    ended.truncate(ended.len().saturating_sub(threshold));
    ended
}

impl PodGc {
    /// Nodes that pods are bound to and that have been gone for long enough: read anew, not by the informer's word.
    async fn gone_nodes(
        &self,
        cx: &Context,
        pods: &[Arc<Object<Pod>>],
    ) -> Result<Vec<String>, Error> {
        let now = Instant::now();
        let missing: BTreeMap<String, Instant> = {
            let mut known = self.missing.lock();
            let bound = pods
                .iter()
                .map(|p| &p.value.node)
                .filter(|node| !node.is_empty());
            let missing = bound.filter(|node| self.nodes.get(&Key::cluster(node)).is_none());
            let missing = missing
                .map(|node| (node.clone(), known.get(node).copied().unwrap_or(now)))
                .collect();
            *known = missing;
            known.clone()
        };
        let mut gone = Vec::new();
        for (node, since) in missing {
            if now.saturating_duration_since(since) >= QUARANTINE
                && cx
                    .client
                    .get(self.nodes.resource(), &Key::cluster(&node))
                    .await
                    .optional()?
                    .is_none()
            {
                gone.push(node);
            }
        }
        Ok(gone)
    }

    fn is_out_of_service(&self, node: &str) -> bool {
        self.nodes.get(&Key::cluster(node)).is_some_and(|n| {
            n.value.status_of("Ready") != "True"
                && n.value.taints.iter().any(|t| t.key == OUT_OF_SERVICE)
        })
    }

    /// Says that the pod has failed, since no kubelet will, and deletes it at once.
    async fn take_away(
        &self,
        cx: &Context,
        pod: &Object<Pod>,
        orphaned: bool,
    ) -> Result<(), Error> {
        if !pod.value.is_terminal() {
            let mut patch = json!({"metadata": {"uid": &*pod.uid}, "status": {"phase": "Failed"}});
            if orphaned {
                patch["status"]["conditions"] = json!([{
                    "type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC",
                    "message": "PodGC: node no longer exists",
                    "lastTransitionTime": rfc3339(cx.clock.now()),
                }]);
            }
            cx.client
                .patch_status(self.pods.resource(), &pod.key, &Patch::Strategic(patch))
                .await
                .optional()?;
        }
        let options = DeleteOptions {
            grace_period_seconds: Some(0),
            ..DeleteOptions::of_uid(&pod.uid)
        };
        let deleted = cx
            .client
            .delete(self.pods.resource(), &pod.key, &options)
            .await;
        deleted.or_else(|e| {
            if e.is_not_found() || e.is_conflict() {
                Ok(())
            } else {
                Err(e)
            }
        })
    }
}
