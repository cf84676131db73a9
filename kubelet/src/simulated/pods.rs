//! The pods on simulated nodes: they run once they are bound, and go when they are deleted.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use api::core::v1::Pod;
use api::tree::Tree;
use runtime::client::DeleteOptions;
use runtime::informer::Scope;
use runtime::{
    Context, Controller, Informer, Informers, Key, Next, Patch, Projection, ReconcileError,
    Resource, ResultExt as _, Wiring,
};
use serde_json::json;

use super::{Config, address, status};

/// What is kept of a pod.
struct Bound {
    node: Box<str>,
    deleting: bool,
    /// It is shown as it is, or it is over. One that somebody else has called unready, as the node controller does when it
    /// does not hear of the node, is told of again.
    told: bool,
}

impl Projection for Bound {
    fn project(object: &Tree) -> Self {
        let pod = Pod::of(object);
        Bound {
            node: pod.spec().node_name().into(),
            deleting: pod.metadata().deletion_timestamp().is_some(),
            told: match pod.status().phase() {
                "" | "Pending" => false,
                "Running" => is_ready(pod),
                _ => true,
            },
        }
    }
}

fn is_ready(pod: Pod<'_>) -> bool {
    let mut conditions = pod.status().conditions().iter();
    conditions.any(|c| c.type_() == "Ready" && c.status() == "True")
}

/// Brings pods and what is said of them together.
pub(super) struct Pods {
    config: Config,
    pods: Informer<Bound>,
    started: AtomicU32,
}

impl Pods {
    pub(super) fn new(config: Config, informers: &Informers) -> Pods {
        let scope = Scope {
            fields: "spec.nodeName!=".to_owned(),
            ..Scope::default()
        };
        Pods {
            config,
            pods: informers.scoped(&Resource::of(Pod::TYPE), scope),
            started: AtomicU32::new(0),
        }
    }
}

impl Controller for Pods {
    const NAME: &'static str = "kubelet";

    /// Kubelets work beside each other.
    fn workers(&self) -> usize {
        32
    }

    fn wire(&self, wiring: &mut Wiring<'_>) {
        wiring.watch_own(&self.pods);
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        let Some(pod) = self.pods.get(key) else {
            return Ok(Next::Done);
        };
        let Some(node) = self.config.index(&pod.value.node) else {
            return Ok(Next::Done);
        };
        let resource = self.pods.resource();
        if pod.value.deleting {
            let options = DeleteOptions {
                grace_period_seconds: Some(0),
                ..DeleteOptions::of_uid(&pod.uid)
            };
            return match cx.client.delete(resource, key, &options).await {
                Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error.into()),
                _ => Ok(Next::Done),
            };
        }
        if pod.value.told {
            return Ok(Next::Done);
        }
        // The containers' names are needed this once only.
        let Some(whole) = cx.client.get(resource, key).await.optional()? else {
            return Ok(Next::Done);
        };
        let number = self.started.fetch_add(1, Relaxed).wrapping_add(1);
        let now = format!("{:.0}", cx.clock.now());
        let status = status::running(
            &whole,
            address::of_node(node),
            address::of_pod(number),
            &now,
        );
        let patch = Patch::Strategic(json!({"metadata": {"uid": &*pod.uid}, "status": status}));
        match cx.client.patch_status(resource, key, &patch).await {
            // It went, or another came in its place.
            Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error.into()),
            _ => Ok(Next::Done),
        }
    }
}
