//! The life of nodes: one that has not been heard of for its grace period becomes `Unknown`; taints follow the conditions, so
//! that nothing new is put there, and what runs there is evicted; its pods count as not ready at once.

use std::{collections::BTreeMap, time::Duration};

use api::{Tree, coordination::v1 as coordination, core::v1 as core};
use parking_lot::Mutex;
use runtime::{
    Context, Controller, Error, Informer, Informers, Key, Next, Object, Patch, Projection,
    ReconcileError, Resource, ResultExt, Scope, Wiring, client::WriteOptions, events::ObjectRef,
};
use serde_json::{Value, json};
use tokio::time::Instant;

pub use super::zones::EvictionRates;
use super::{
    health::Health,
    zones::{self, Verdict},
};
use crate::object::{
    node::{NO_EXECUTE, NO_SCHEDULE, Node, Taint},
    pod::{self, Pod},
    rfc3339,
};

/// Where kubelets keep their Leases.
const LEASES: &str = "kube-node-lease";

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// Condition, its status, and the taint that follows from them.
const TAINTS: [(&str, &str, &str); 6] = [
    ("Ready", "False", NOT_READY),
    ("Ready", "Unknown", UNREACHABLE),
    (
        "MemoryPressure",
        "True",
        "node.kubernetes.io/memory-pressure",
    ),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    (
        "NetworkUnavailable",
        "True",
        "node.kubernetes.io/network-unavailable",
    ),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
];

/// Conditions that nobody can know when the kubelet is silent.
const KUBELETS_OWN: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/// The times and rates; see the flags of the same names.
#[derive(Debug, Clone, Copy)]
pub struct LifecycleConfig {
    /// How long a node may be silent.
    pub monitor_grace_period: Duration,
    /// How long a node may be silent that has never said anything.
    pub startup_grace_period: Duration,
    /// How often what cannot be done now is tried again.
    pub monitor_period: Duration,
    /// How fast nodes are emptied.
    pub rates: EvictionRates,
}

impl Default for LifecycleConfig {
    fn default() -> Self {
        LifecycleConfig {
            monitor_grace_period: Duration::from_secs(50),
            startup_grace_period: Duration::from_secs(60),
            monitor_period: Duration::from_secs(5),
            rates: EvictionRates::default(),
        }
    }
}

/// When a Lease was last renewed, in microseconds since 1970.
pub(crate) struct Renewed(Option<i64>);

impl Projection for Renewed {
    fn project(object: &Tree) -> Self {
        Renewed(
            coordination::Lease::of(object)
                .spec()
                .renew_time()
                .map(api::MicroTime::micros),
        )
    }
}

/// The controller of nodes. Its keys are their names.
pub struct NodeLifecycle {
    config: LifecycleConfig,
    nodes: Informer<Node>,
    leases: Informer<Renewed>,
    pods: Informer<Pod>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    health: BTreeMap<Key, Health>,
    /// No node at all was ready when last looked.
    deaf: bool,
    /// When the next node of a zone may be emptied.
    next_eviction: BTreeMap<String, Instant>,
}

impl NodeLifecycle {
    /// The controller, reading from the given informers.
    pub fn new(informers: &Informers, config: LifecycleConfig) -> Self {
        let scope = Scope {
            namespace: LEASES.to_owned(),
            ..Default::default()
        };
        let pods = informers.informer(&Resource::of(core::Pod::TYPE));
        pods.add_index(pod::BY_NODE, Pod::node_values);
        NodeLifecycle {
            config,
            nodes: informers.informer(&Resource::of(core::Node::TYPE)),
            leases: informers.scoped(&Resource::of(coordination::Lease::TYPE), scope),
            pods,
            state: Mutex::default(),
        }
    }
}

impl Controller for NodeLifecycle {
    const NAME: &'static str = "node-lifecycle-controller";

    fn workers(&self) -> usize {
        8
    }

    fn wire(&self, wiring: &mut Wiring<'_>) {
        wiring.watch_own(&self.nodes);
        wiring.watch(&self.leases, |change, queue| {
            queue.add(Key::cluster(change.latest().key.name()))
        });
        // A pod that comes up on a node which is not ready any more.
        let nodes = self.nodes.clone();
        wiring.watch(&self.pods, move |change, queue| {
            if let Some(pod) = change.new
                && pod.value.is_ready
            {
                let node = Key::cluster(&pod.value.node);
                if nodes
                    .get(&node)
                    .is_some_and(|n| matches!(n.value.status_of("Ready"), "False" | "Unknown"))
                {
                    queue.add(node);
                }
            }
        });
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        let Some(node) = self.nodes.get(key) else {
            self.state.lock().health.remove(key);
            return Ok(Next::Done);
        };
        let Some(patience) = self.listen(&node) else {
            if !self.is_silent_for_sure(cx, &node).await? {
                return Ok(Next::After(Duration::from_secs(1)));
            }
            if self.mark_unknown(cx, &node).await? {
                // The change makes the key dirty, and taints follow it.
                return Ok(Next::Done);
            }
            return self.follow(cx, &node, self.config.monitor_period).await;
        };
        self.follow(cx, &node, patience).await
    }
}

impl NodeLifecycle {
    /// Takes in what was last heard; returns how long the node may still be silent, or `None` if that time is over.
    fn listen(&self, node: &Object<Node>) -> Option<Duration> {
        let ready = node.value.condition("Ready");
        let heartbeat = ready.and_then(|c| c.heartbeat);
        let renewed = self
            .leases
            .get(&Key::new(LEASES, node.key.name()))
            .and_then(|l| l.value.0);
        let grace = if ready.is_some() {
            self.config.monitor_grace_period
        } else {
            self.config.startup_grace_period
        };
        let now = Instant::now();
        let mut state = self.state.lock();
        let health = state
            .health
            .entry(node.key.clone())
            .or_insert_with(|| Health::new(heartbeat, renewed, now));
        health.observe(heartbeat, renewed, now);
        health.patience(grace, now)
    }

    /// Reads the Lease anew: our informer may be late, and much would follow.
    async fn is_silent_for_sure(&self, cx: &Context, node: &Object<Node>) -> Result<bool, Error> {
        let key = Key::new(LEASES, node.key.name());
        let known = self.leases.get(&key).and_then(|l| l.value.0);
        let live = cx
            .client
            .get(self.leases.resource(), &key)
            .await
            .optional()?;
        Ok(live.is_none_or(|live| Renewed::project(&live).0 == known))
    }

    /// Says in the status that nothing is known of the node; returns whether that was news.
    async fn mark_unknown(&self, cx: &Context, node: &Object<Node>) -> Result<bool, Error> {
        let now = cx.clock.now();
        let unknown = |r#type: &str| -> Option<Value> {
            let (reason, message, heartbeat) = match node.value.condition(r#type) {
                Some(c) if c.condition.status == "Unknown" => return None,
                Some(c) => (
                    "NodeStatusUnknown",
                    "Kubelet stopped posting node status.",
                    c.heartbeat,
                ),
                None => (
                    "NodeStatusNeverUpdated",
                    "Kubelet never posted node status.",
                    node.value.created,
                ),
            };
            let mut value = json!({
                "type": r#type, "status": "Unknown", "reason": reason, "message": message,
                "lastTransitionTime": rfc3339(now),
            });
            if let Some(heartbeat) = heartbeat {
                value["lastHeartbeatTime"] = json!(rfc3339(heartbeat));
            }
            Some(value)
        };
        let conditions: Vec<Value> = KUBELETS_OWN.iter().filter_map(|t| unknown(t)).collect();
        if conditions.is_empty() {
            return Ok(false);
        }
        tracing::warn!(node = %node.key, "the node has not been heard of for its grace period");
        let patch = json!({
            "metadata": {"resourceVersion": &*node.resource_version},
            "status": {"conditions": conditions},
        });
        cx.client
            .patch_status(self.nodes.resource(), &node.key, &Patch::Strategic(patch))
            .await?;
        Ok(true)
    }

    /// Brings taints and pods after the conditions.
    async fn follow(
        &self,
        cx: &Context,
        node: &Object<Node>,
        again: Duration,
    ) -> Result<Next, ReconcileError> {
        let (taints, wait) = self.wanted_taints(cx, node);
        if taints != node.value.taints {
            let taints: Vec<Value> = taints.iter().map(Taint::json).collect();
            let patch = json!({
                "metadata": {"resourceVersion": &*node.resource_version},
                "spec": {"taints": taints},
            });
            let options = WriteOptions::default();
            cx.client
                .patch(
                    self.nodes.resource(),
                    &node.key,
                    &Patch::Merge(patch),
                    &options,
                )
                .await?;
        }
        if matches!(node.value.status_of("Ready"), "False" | "Unknown") {
            self.mark_pods_not_ready(cx, node).await?;
        }
        Ok(Next::After(wait.map_or(again, |wait| again.min(wait))))
    }

    /// The taints as they should be, and when to look again if some may not be set yet.
    fn wanted_taints(&self, cx: &Context, node: &Object<Node>) -> (Vec<Taint>, Option<Duration>) {
        let holds = |condition: &str, status: &str| node.value.status_of(condition) == status;
        let mut scheduling: Vec<&str> = TAINTS
            .iter()
            .filter(|(condition, status, _)| holds(condition, status))
            .map(|(_, _, key)| *key)
            .collect();
        if node.value.unschedulable {
            scheduling.push(UNSCHEDULABLE);
        }
        let ours = |taint: &Taint| {
            taint.effect == NO_SCHEDULE
                && (taint.key == UNSCHEDULABLE
                    || TAINTS.iter().any(|(_, _, key)| *key == taint.key))
        };
        let mut taints: Vec<Taint> = node
            .value
            .taints
            .iter()
            .filter(|t| !ours(t) || scheduling.contains(&t.key.as_str()))
            .cloned()
            .collect();
        for key in scheduling {
            if !taints
                .iter()
                .any(|t| t.key == key && t.effect == NO_SCHEDULE)
            {
                taints.push(Taint {
                    key: key.into(),
                    value: String::new(),
                    effect: NO_SCHEDULE.into(),
                    added: None,
                });
            }
        }
        let evicting = TAINTS
            .iter()
            .find(|(c, s, _)| *c == "Ready" && holds(c, s))
            .map(|(_, _, key)| *key);
        let (evicting, wait) = match evicting {
            Some(key) => self.may_evict(node, key),
            None => (None, None),
        };
        let present = |taints: &[Taint], key: &str| {
            taints
                .iter()
                .any(|t| t.key == key && t.effect == NO_EXECUTE)
        };
        if evicting.is_none() && wait.is_some() {
            // It must wait for its turn: what stands, stands.
            return (taints, wait);
        }
        taints.retain(|t| {
            t.effect != NO_EXECUTE
                || ![NOT_READY, UNREACHABLE].contains(&t.key.as_str())
                || Some(t.key.as_str()) == evicting
        });
        if let Some(key) = evicting
            && !present(&taints, key)
        {
            let added = Some(cx.clock.now());
            taints.push(Taint {
                key: key.into(),
                value: String::new(),
                effect: NO_EXECUTE.into(),
                added,
            });
        }
        (taints, wait)
    }

    /// Whether the node may be emptied now, or when to ask again.
    fn may_evict(
        &self,
        node: &Object<Node>,
        key: &'static str,
    ) -> (Option<&'static str>, Option<Duration>) {
        let all = self.nodes.list();
        let verdict = zones::judge(
            all.iter()
                .map(|n| (n.value.zone.as_str(), n.value.status_of("Ready") == "True")),
            &self.config.rates,
        );
        let now = Instant::now();
        let mut state = self.state.lock();
        let was_deaf = std::mem::replace(&mut state.deaf, verdict == Verdict::Deaf);
        let rates = match verdict {
            Verdict::Deaf => return (None, None),
            Verdict::Rates(rates) => rates,
        };
        if was_deaf {
            // We hear again: everybody gets his time anew.
            state
                .health
                .values_mut()
                .for_each(|health| health.forgive(now));
        }
        // One that is being emptied already goes on, whatever the reason is called now.
        if node
            .value
            .no_execute()
            .any(|t| t.key == NOT_READY || t.key == UNREACHABLE)
        {
            return (Some(key), None);
        }
        let rate = rates.get(&node.value.zone).copied().unwrap_or(0.0);
        if rate <= 0.0 {
            return (None, Some(self.config.monitor_period));
        }
        let next = state
            .next_eviction
            .entry(node.value.zone.clone())
            .or_insert(now);
        if *next > now {
            return (None, Some(*next - now));
        }
        *next = now + Duration::from_secs_f64(1.0 / rate);
        (Some(key), None)
    }

    async fn mark_pods_not_ready(&self, cx: &Context, node: &Object<Node>) -> Result<(), Error> {
        for pod in self.pods.by_index(pod::BY_NODE, node.key.name()) {
            if !pod.value.is_ready {
                continue;
            }
            let patch = json!({
                "metadata": {"uid": &*pod.uid},
                "status": {"conditions": [
                    {"type": "Ready", "status": "False", "lastTransitionTime": rfc3339(cx.clock.now())},
                ]},
            });
            let patched = cx
                .client
                .patch_status(self.pods.resource(), &pod.key, &Patch::Strategic(patch))
                .await;
            if patched.optional()?.is_some() {
                let reference = ObjectRef::new(self.pods.resource(), &pod.key, &pod.uid);
                cx.events
                    .warning(reference, "NodeNotReady", "Node is not ready");
            }
        }
        Ok(())
    }
}
