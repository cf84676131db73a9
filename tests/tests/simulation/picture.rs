//! What the log says: of each object as much as the invariants look at.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use api::apps::v1::{Deployment, ReplicaSet};
use api::codec::protobuf;
use api::core::v1::{Node, Pod};
use api::meta::v1::ObjectMeta;
use api::{IntOrString, Schema, Tree, TypeId};
use bytes::Bytes;
use store::Change;

/// What a node has, or pods on it take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Thousandths of a core.
    pub cpu: i64,
    /// Bytes.
    pub memory: i64,
    /// Pods.
    pub pods: i64,
}

impl Resources {
    /// Whether so much is there.
    pub fn fit(self, there: Resources) -> bool {
        self.cpu <= there.cpu && self.memory <= there.memory && self.pods <= there.pods
    }
}

impl AddAssign for Resources {
    fn add_assign(&mut self, other: Resources) {
        self.cpu += other.cpu;
        self.memory += other.memory;
        self.pods += other.pods;
    }
}

/// A uid, or the name of a node, as a number that is given once: they are compared many times at every revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uid(pub usize);

impl Uid {
    /// The uid of an owner that there is none of, or of no node.
    pub const NONE: Uid = Uid(0);
}

/// The uids that were met.
#[derive(Default)]
struct Uids(BTreeMap<String, Uid>);

impl Uids {
    fn of(&mut self, text: &str) -> Uid {
        if text.is_empty() {
            return Uid::NONE;
        }
        match self.0.get(text) {
            Some(known) => *known,
            None => {
                let uid = Uid(self.0.len() + 1);
                self.0.insert(text.to_owned(), uid);
                uid
            }
        }
    }

    fn of_controller(&mut self, metadata: ObjectMeta<'_>) -> Uid {
        let owners = metadata.owner_references();
        let owner = owners.iter().find(|owner| owner.controller() == Some(true));
        owner.map_or(Uid::NONE, |owner| self.of(owner.uid()))
    }
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFacts {
    pub uid: Uid,
    /// The owner that manages it.
    pub owner: Uid,
    pub image: String,
    /// None before it is bound.
    pub node: Uid,
    pub requests: Resources,
    pub deleting: bool,
    /// It ended, and takes nothing of its node any more.
    pub over: bool,
    pub ready: bool,
    /// It has been ready at some time.
    pub was_ready: bool,
}

impl PodFacts {
    /// It counts as a replica.
    pub fn is_active(&self) -> bool {
        !self.deleting && !self.over
    }
}

/// A ReplicaSet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetFacts {
    pub uid: Uid,
    /// The Deployment.
    pub owner: Uid,
    pub image: String,
    pub generation: i64,
    pub replicas: i64,
    pub observed: i64,
    pub available: i64,
}

/// A Deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentFacts {
    pub uid: Uid,
    pub image: String,
    pub generation: i64,
    pub replicas: i64,
    pub max_surge: i64,
    pub max_unavailable: i64,
    pub observed: i64,
    /// Of the status: all, updated, ready, available.
    pub counts: [i64; 4],
}

/// A node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeFacts {
    /// What its pods name it by.
    pub uid: Uid,
    /// What it has.
    pub there: Resources,
}

/// All that is known. Keys are as in the log, without what stands for the kind.
#[derive(Default)]
pub struct Picture {
    pub pods: BTreeMap<String, PodFacts>,
    pub sets: BTreeMap<String, SetFacts>,
    pub deployments: BTreeMap<String, DeploymentFacts>,
    pub nodes: BTreeMap<String, NodeFacts>,
    uids: Uids,
}

impl Picture {
    /// Takes a change in. False if nothing that is known here changed.
    pub fn apply(&mut self, change: &Change) -> bool {
        let Ok(key) = std::str::from_utf8(&change.key) else {
            return false;
        };
        let (value, uids) = (change.value.as_ref(), &mut self.uids);
        if let Some(key) = key.strip_prefix("pods/") {
            let was_ready = self.pods.get(key).is_some_and(|pod| pod.was_ready);
            set(&mut self.pods, key, value.map(|v| pod(v, was_ready, uids)))
        } else if let Some(key) = key.strip_prefix("replicasets/") {
            set(&mut self.sets, key, value.map(|v| replica_set(v, uids)))
        } else if let Some(key) = key.strip_prefix("deployments/") {
            set(
                &mut self.deployments,
                key,
                value.map(|v| deployment(v, uids)),
            )
        } else if let Some(key) = key.strip_prefix("minions/") {
            set(&mut self.nodes, key, value.map(|v| node(v, uids.of(key))))
        } else {
            false
        }
    }
}

/// Whether that changed anything.
fn set<F: PartialEq>(facts: &mut BTreeMap<String, F>, key: &str, new: Option<F>) -> bool {
    if facts.get(key) == new.as_ref() {
        return false;
    }
    match new {
        Some(new) => facts.insert(key.to_owned(), new),
        None => facts.remove(key),
    };
    true
}

/// The stored bytes of a built-in kind.
fn decode(value: &Bytes, ty: TypeId) -> Tree {
    let unknown = protobuf::unwrap_unknown(value).expect("built-in kinds are stored as protobuf");
    protobuf::decode(Schema::builtin(), ty, value.slice(unknown.raw)).expect("what was stored")
}

fn pod(value: &Bytes, was_ready: bool, uids: &mut Uids) -> PodFacts {
    let tree = decode(value, Pod::TYPE);
    let pod = Pod::of(&tree);
    let mut requests = Resources {
        pods: 1,
        ..Resources::default()
    };
    for container in pod.spec().containers().iter() {
        for (name, quantity) in container.resources().requests().iter() {
            match name {
                "cpu" => requests.cpu += quantity.milli_value(),
                "memory" => requests.memory += quantity.value(),
                _ => {}
            }
        }
    }
    let mut conditions = pod.status().conditions().iter();
    let ready = conditions.any(|c| c.type_() == "Ready" && c.status() == "True");
    PodFacts {
        uid: uids.of(pod.metadata().uid()),
        owner: uids.of_controller(pod.metadata()),
        image: image(pod.spec()),
        node: uids.of(pod.spec().node_name()),
        requests,
        deleting: pod.metadata().deletion_timestamp().is_some(),
        over: matches!(pod.status().phase(), "Succeeded" | "Failed"),
        ready,
        was_ready: was_ready || ready,
    }
}

fn image(spec: api::core::v1::PodSpec<'_>) -> String {
    let container = spec.containers().iter().next();
    container
        .map(|container| container.image().to_owned())
        .unwrap_or_default()
}

fn replica_set(value: &Bytes, uids: &mut Uids) -> SetFacts {
    let tree = decode(value, ReplicaSet::TYPE);
    let set = ReplicaSet::of(&tree);
    SetFacts {
        uid: uids.of(set.metadata().uid()),
        owner: uids.of_controller(set.metadata()),
        image: image(set.spec().template().spec()),
        generation: set.metadata().generation(),
        replicas: set.spec().replicas().unwrap_or(1).into(),
        observed: set.status().observed_generation(),
        available: set.status().available_replicas().into(),
    }
}

fn deployment(value: &Bytes, uids: &mut Uids) -> DeploymentFacts {
    let tree = decode(value, Deployment::TYPE);
    let deployment = Deployment::of(&tree);
    let (spec, status) = (deployment.spec(), deployment.status());
    let replicas = i64::from(spec.replicas().unwrap_or(1));
    let rolling = spec.strategy().rolling_update();
    let scaled = |value: Option<IntOrString>, up: bool| {
        let value = value.expect("the server's default");
        value.scaled(replicas, up).expect("a number or percentage")
    };
    DeploymentFacts {
        uid: uids.of(deployment.metadata().uid()),
        image: image(spec.template().spec()),
        generation: deployment.metadata().generation(),
        replicas,
        max_surge: scaled(rolling.and_then(|r| r.max_surge()), true),
        max_unavailable: scaled(rolling.and_then(|r| r.max_unavailable()), false),
        observed: status.observed_generation(),
        counts: [
            status.replicas().into(),
            status.updated_replicas().into(),
            status.ready_replicas().into(),
            status.available_replicas().into(),
        ],
    }
}

fn node(value: &Bytes, uid: Uid) -> NodeFacts {
    let tree = decode(value, Node::TYPE);
    let node = Node::of(&tree);
    let there = node.status().allocatable();
    let there = Resources {
        cpu: there.get("cpu").map_or(0, |q| q.milli_value()),
        memory: there.get("memory").map_or(0, |q| q.value()),
        pods: there.get("pods").map_or(0, |q| q.value()),
    };
    NodeFacts { uid, there }
}
