//! A simulated kubelet: a node's process between the API server and the [`Machine`]. It has no state of its own: after a
//! crash it finds its containers again.

use std::sync::Arc;
use std::time::Duration;

use api::core::v1::{Node, Pod};
use api::tree::Tree;
use http::Method;
use parking_lot::Mutex;
use runtime::client::DeleteOptions;
use runtime::events::Recorder;
use runtime::{
    BackoffPolicy, CancellationToken, Client, Context, Controller, Error, Informer, Informers, Key,
    Next, Patch, Projection, Queue, Random, ReconcileError, Resource, Scope, SharedClock, Wiring,
    controller,
};
use serde_json::{Value, json};

use crate::machine::{Machine, Seen};

/// How often the lease is renewed, and the node looked at.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How soon what failed of that is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What each node has.
pub const ALLOCATABLE: [(&str, &str); 3] = [("cpu", "4"), ("memory", "8Gi"), ("pods", "15")];

/// One node's kubelet.
pub struct Kubelet {
    /// The node's name.
    pub node: String,
    /// What it runs on.
    pub machine: Arc<Mutex<Machine>>,
    /// How it speaks.
    pub client: Client,
    /// The wall clock.
    pub clock: SharedClock,
    /// Randomness.
    pub random: Random,
}

/// What it keeps of a pod.
struct PodView {
    image: String,
    deleting: bool,
    shown: Option<Seen>,
}

impl Projection for PodView {
    fn project(object: &Tree) -> Self {
        let pod = Pod::of(object);
        let status = pod.status();
        let container = status.container_statuses().iter().next();
        let ready = status.conditions().iter().find(|c| c.type_() == "Ready");
        PodView {
            image: pod
                .spec()
                .containers()
                .iter()
                .next()
                .map(|c| c.image().to_owned())
                .unwrap_or_default(),
            deleting: pod.metadata().deletion_timestamp().is_some(),
            shown: container.map(|container| Seen {
                ready: ready.is_some_and(|c| c.status() == "True"),
                waiting: known(
                    container
                        .state()
                        .waiting()
                        .map_or("", |waiting| waiting.reason()),
                ),
                restarts: container.restart_count().unsigned_abs(),
            }),
        }
    }
}

/// The reason, as the machine gives it.
fn known(reason: &str) -> &'static str {
    let reasons = ["", "ContainerCreating", "ErrImagePull", "CrashLoopBackOff"];
    reasons.into_iter().find(|r| *r == reason).unwrap_or("?")
}

impl Kubelet {
    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let informers = Informers::new(self.client.clone(), self.random.fork(), stop.clone());
        let scope = Scope {
            fields: format!("spec.nodeName={}", self.node),
            ..Scope::default()
        };
        let resource = Resource::of(Pod::TYPE);
        let pods = Pods {
            pods: informers.scoped(&resource, scope),
            machine: self.machine.clone(),
        };
        let random = self.random.fork();
        let cx = Context {
            events: Recorder::start(
                self.client.clone(),
                self.clock.clone(),
                random.fork(),
                "kubelet",
                &self.node,
            ),
            client: self.client.clone(),
            clock: self.clock.clone(),
            random,
            informers: informers.clone(),
            queue: Queue::new(BackoffPolicy::KEY),
            shutdown: stop.clone(),
        };
        let wired = controller::wire(pods, &cx);
        informers.start();
        tokio::join!(wired.run(stop), self.heartbeats());
    }

    async fn heartbeats(&self) {
        loop {
            let pause = match self.heartbeat().await {
                Ok(()) => HEARTBEAT,
                Err(_) => RETRY,
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// The node is there and ready, and its lease is renewed.
    async fn heartbeat(&self) -> Result<(), Error> {
        let name = &self.node;
        let read = self
            .client
            .json(Method::GET, format!("/api/v1/nodes/{name}"), None)
            .await;
        let node = match read {
            Err(error) if error.is_not_found() => {
                let labels = json!({"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"});
                let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}});
                self.client
                    .json(Method::POST, "/api/v1/nodes".into(), Some(&node))
                    .await?
            }
            read => read?,
        };
        let conditions = node["status"]["conditions"].as_array();
        let ready = conditions.is_some_and(|conditions| {
            conditions
                .iter()
                .any(|c| c["type"] == "Ready" && c["status"] == "True")
        });
        let now = self.now();
        if !ready {
            let there: Value = ALLOCATABLE
                .iter()
                .map(|(name, quantity)| ((*name).to_owned(), json!(quantity)))
                .collect::<serde_json::Map<_, _>>()
                .into();
            let ready = json!({"type": "Ready", "status": "True", "reason": "KubeletReady",
                "lastHeartbeatTime": now, "lastTransitionTime": now});
            let status =
                json!({"status": {"capacity": there, "allocatable": there, "conditions": [ready]}});
            let nodes = Resource::of(Node::TYPE);
            self.client
                .patch_status(&nodes, &Key::cluster(name), &Patch::Strategic(status))
                .await?;
        }
        self.renew(&node["metadata"]["uid"]).await
    }

    async fn renew(&self, uid: &Value) -> Result<(), Error> {
        let collection = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
        let name = &self.node;
        let renewed = format!("{:.6}", self.clock.now());
        let spec =
            json!({"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": renewed});
        let path = format!("{collection}/{name}");
        match self.client.json(Method::GET, path.clone(), None).await {
            Ok(mut lease) => {
                lease["spec"] = spec;
                self.client.json(Method::PUT, path, Some(&lease)).await?;
            }
            Err(error) if error.is_not_found() => {
                let owner = json!({"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid});
                let lease = json!({
                    "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": spec,
                    "metadata": {"name": name, "namespace": "kube-node-lease", "ownerReferences": [owner]},
                });
                self.client
                    .json(Method::POST, collection.into(), Some(&lease))
                    .await?;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn now(&self) -> String {
        format!("{:.0}", self.clock.now())
    }
}

/// Brings pods and containers together.
struct Pods {
    pods: Informer<PodView>,
    machine: Arc<Mutex<Machine>>,
}

impl Controller for Pods {
    const NAME: &'static str = "kubelet";

    fn wire(&self, wiring: &mut Wiring<'_>) {
        wiring.watch_own(&self.pods);
        // Containers whose pods went while nobody looked.
        for (key, _) in self.machine.lock().pods() {
            wiring.queue().add(key);
        }
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        let pod = self.pods.get(key);
        let uid = pod.as_ref().map_or("", |pod| &*pod.uid);
        let strays = self.machine.lock().pods().into_iter();
        for (_, stray) in strays.filter(|(k, u)| k == key && u != uid) {
            if let Some(wait) = self.machine.lock().end(&stray) {
                return Ok(Next::After(wait));
            }
        }
        let Some(pod) = pod else {
            return Ok(Next::Done);
        };
        if pod.value.deleting {
            if let Some(wait) = self.machine.lock().end(&pod.uid) {
                return Ok(Next::After(wait));
            }
            let options = DeleteOptions {
                grace_period_seconds: Some(0),
                ..DeleteOptions::of_uid(&pod.uid)
            };
            return match cx.client.delete(self.pods.resource(), key, &options).await {
                Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error.into()),
                _ => Ok(Next::Done),
            };
        }
        let (seen, next) = self.machine.lock().run(key, &pod.uid, &pod.value.image);
        // That it is on its way is not worth a write.
        let is_news = pod.value.shown != Some(seen);
        if is_news && (seen.waiting != "ContainerCreating" || pod.value.shown.is_some()) {
            let patch = Patch::Strategic(status(&pod.uid, seen, cx));
            cx.client
                .patch_status(self.pods.resource(), key, &patch)
                .await?;
        }
        Ok(next.map_or(Next::Done, Next::After))
    }
}

/// The patch by which a pod's status shows what is seen.
fn status(uid: &str, seen: Seen, cx: &Context) -> Value {
    let now = format!("{:.0}", cx.clock.now());
    let ready = if seen.ready { "True" } else { "False" };
    let condition =
        |r#type: &str| json!({"type": r#type, "status": ready, "lastTransitionTime": now});
    let state = match seen.waiting {
        "" => json!({"running": {"startedAt": now}, "waiting": null}),
        why => json!({"waiting": {"reason": why}, "running": null}),
    };
    json!({"metadata": {"uid": uid}, "status": {
        "phase": if seen.ready || seen.restarts > 0 { "Running" } else { "Pending" },
        "conditions": [condition("Ready"), condition("ContainersReady")],
        "containerStatuses": [{"name": "web", "image": "", "imageID": "", "ready": seen.ready,
            "restartCount": seen.restarts, "state": state}],
    }})
}
