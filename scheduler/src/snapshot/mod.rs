//! The cluster as the scheduler sees it: nodes in arrays, the pods on them, and a log of which nodes changed.
//!
//! A snapshot is plain data with one writer; deciding only reads it. Pods enter it when the API shows them on a node
//! ([`Snapshot::place`]) or when the scheduler has chosen one for them and the binding is on its way
//! ([`Snapshot::assume`]); the API's word later confirms what was assumed, or [`Snapshot::forget`] takes it back.
//!
//! Two kinds of change are told apart, because what is derived from the snapshot is kept up to date by them:
//! a node's *shape* (labels, taints, allocatable, images …) changes rarely, and everything derived is made anew
//! ([`Snapshot::shape_version`]); a node's *filling* changes with every pod, and is named in the change log
//! ([`Snapshot::changes_since`]).
//!
//! It must not know plugins, queues or the API.

mod groups;
mod nodes;

pub use groups::{Group, GroupId};
pub use nodes::{NodeIx, NodeShape, Nodes, ScalarId};

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::pod::{Load, PodKey};
use crate::text::{Map, Text};
use groups::Groups;

/// A pod on a node.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Its node's place.
    pub node: NodeIx,
    /// Its uid: a pod of the same name may follow it.
    pub uid: Text,
    /// What it takes.
    pub load: Arc<Load>,
    /// Chosen by us and not yet confirmed by the API.
    pub assumed: bool,
    /// When it was created, in seconds of the Unix epoch; 0 until that is known.
    pub since: i64,
    group: Option<GroupId>,
}

/// The cluster.
#[derive(Debug, Default)]
pub struct Snapshot {
    nodes: Nodes,
    pods: Map<PodKey, Placed>,
    groups: Groups,
    /// How many pods there are of each priority.
    priorities: BTreeMap<i32, usize>,
    changes: VecDeque<NodeIx>,
    changes_base: u64,
    shape_version: u64,
}

/// What became of a node that the API showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeChange {
    /// Nothing that the scheduler looks at.
    None,
    /// It is new.
    Added(NodeIx),
    /// It changed in a way that may matter.
    Changed(NodeIx),
}

impl Snapshot {
    /// The nodes.
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// The pod, when it is on a node.
    pub fn pod(&self, key: &PodKey) -> Option<&Placed> {
        self.pods.get(key)
    }

    /// How many pods are on nodes.
    pub fn pod_count(&self) -> usize {
        self.pods.len()
    }

    /// The pods on `node`, in no particular order.
    pub fn pods_on(&self, node: NodeIx) -> impl Iterator<Item = (&PodKey, &Placed)> {
        self.pods
            .iter()
            .filter(move |(_, placed)| placed.node == node)
    }

    /// The pods on nodes whose priority is below this, in no particular order.
    pub fn below(&self, priority: i32) -> impl Iterator<Item = (&PodKey, &Placed)> {
        self.pods
            .iter()
            .filter(move |(_, placed)| placed.load.priority < priority)
    }

    /// The lowest priority of all pods that are on nodes.
    pub fn lowest_priority(&self) -> Option<i32> {
        self.priorities
            .first_key_value()
            .map(|(priority, _)| *priority)
    }

    /// A group of pods alike in namespace and labels.
    pub fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(id)
    }

    /// Grows when any node appears, vanishes, or changes its shape.
    pub fn shape_version(&self) -> u64 {
        self.shape_version
    }

    /// The position after the last change of filling.
    pub fn change_position(&self) -> u64 {
        self.changes_base + self.changes.len() as u64
    }

    /// The nodes whose filling changed since `position`, with repetitions; None when the log no longer reaches back so
    /// far, and looking at every node is cheaper.
    pub fn changes_since(&self, position: u64) -> Option<impl Iterator<Item = NodeIx>> {
        let skip = usize::try_from(position.checked_sub(self.changes_base)?).ok()?;
        (skip <= self.changes.len()).then(|| self.changes.range(skip..).copied())
    }

    /// Takes a node as the API shows it.
    pub fn set_node(&mut self, shape: NodeShape) -> NodeChange {
        let change = self.nodes.set(shape);
        if change != NodeChange::None {
            self.shape_version += 1;
        }
        change
    }

    /// Takes a node away. Pods that are still on it stay known, and count again if it comes back.
    pub fn remove_node(&mut self, name: &str) -> Option<NodeIx> {
        let at = self.nodes.remove(name)?;
        self.shape_version += 1;
        Some(at)
    }

    /// Takes a pod that the API shows on `node`: it is new there, or it confirms what was assumed, or it changed.
    /// Returns the place of its node and what was known of it before.
    pub fn place(
        &mut self,
        key: PodKey,
        uid: Text,
        load: Arc<Load>,
        node: &str,
    ) -> (NodeIx, Option<Placed>) {
        let at = self.nodes.find_or_reserve(node);
        if let Some(known) = self.pods.get_mut(&key)
            && known.node == at
            && known.uid == uid
            && known.load == load
        {
            let before = known.clone();
            known.assumed = false;
            return (at, Some(before));
        }
        let before = self.remove_pod(&key);
        self.insert(key, uid, load, at, false);
        (at, before)
    }

    /// Notes when a pod was created.
    pub fn set_since(&mut self, key: &PodKey, since: i64) {
        if let Some(placed) = self.pods.get_mut(key) {
            placed.since = since;
        }
    }

    /// Puts a pod back that was taken off with [`Snapshot::remove_pod`], to see what would be without it.
    pub fn put_back(&mut self, key: PodKey, placed: Placed) {
        let (assumed, since) = (placed.assumed, placed.since);
        self.insert(key.clone(), placed.uid, placed.load, placed.node, assumed);
        self.set_since(&key, since);
    }

    /// Counts a pod on the node chosen for it, before the API knows. False, and nothing done, when it is on a node
    /// already.
    pub fn assume(&mut self, key: PodKey, uid: Text, load: Arc<Load>, node: NodeIx) -> bool {
        if self.pods.contains_key(&key) {
            return false;
        }
        self.insert(key, uid, load, node, true);
        true
    }

    /// Takes an assumption back; what the API has confirmed meanwhile stays.
    pub fn forget(&mut self, key: &PodKey, uid: &str) -> Option<Placed> {
        let assumed = self
            .pods
            .get(key)
            .is_some_and(|placed| placed.assumed && &*placed.uid == uid);
        if assumed { self.remove_pod(key) } else { None }
    }

    /// Takes a pod away that the API shows no longer, or no longer running.
    pub fn remove_pod(&mut self, key: &PodKey) -> Option<Placed> {
        let placed = self.pods.remove(key)?;
        self.nodes.unload(placed.node, &placed.load, placed.group);
        if let Some(group) = placed.group {
            self.groups.leave(group);
        }
        if let Some(pods) = self.priorities.get_mut(&placed.load.priority) {
            *pods -= 1;
            if *pods == 0 {
                self.priorities.remove(&placed.load.priority);
            }
        }
        self.log(placed.node);
        Some(placed)
    }

    fn insert(&mut self, key: PodKey, uid: Text, load: Arc<Load>, node: NodeIx, assumed: bool) {
        // A pod on its way out counts in no topology.
        let group = (!load.terminating).then(|| self.groups.join(&key.namespace, &load.labels));
        self.nodes.load(node, &load, group);
        *self.priorities.entry(load.priority).or_default() += 1;
        self.pods.insert(
            key,
            Placed {
                node,
                uid,
                load,
                assumed,
                since: 0,
                group,
            },
        );
        self.log(node);
    }

    fn log(&mut self, node: NodeIx) {
        self.changes.push_back(node);
        // Catching up over more changes than there are nodes is dearer than starting anew.
        let most = self.nodes.capacity().max(256);
        while self.changes.len() > most {
            self.changes.pop_front();
            self.changes_base += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::Resources;

    fn shape(name: &str, milli_cpu: i64) -> NodeShape {
        NodeShape {
            allocatable: Resources {
                milli_cpu,
                ..Default::default()
            },
            pods: 10,
            ..NodeShape::named(name)
        }
    }

    fn load(milli_cpu: i64) -> Arc<Load> {
        Arc::new(Load {
            requests: Resources {
                milli_cpu,
                ..Default::default()
            },
            ..Default::default()
        })
    }

    fn key(name: &str) -> PodKey {
        PodKey::new("default", name)
    }

    #[test]
    fn an_assumption_is_confirmed_without_counting_twice() {
        let mut s = Snapshot::default();
        let NodeChange::Added(n) = s.set_node(shape("a", 1000)) else {
            panic!()
        };
        assert!(s.assume(key("p"), "u".into(), load(100), n));
        assert!(
            !s.assume(key("p"), "u".into(), load(100), n),
            "it is there already"
        );
        let position = s.change_position();
        let (_, before) = s.place(key("p"), "u".into(), load(100), "a");
        assert!(before.is_some_and(|b| b.assumed));
        assert_eq!(
            (s.nodes().requested_milli_cpu(n), s.nodes().pod_count(n)),
            (100, 1)
        );
        assert_eq!(
            s.changes_since(position).map(Iterator::count),
            Some(0),
            "nothing changed on the node"
        );
        assert!(
            s.forget(&key("p"), "u").is_none(),
            "what is confirmed is not forgotten"
        );
    }

    #[test]
    fn an_assumption_that_failed_is_taken_back() {
        let mut s = Snapshot::default();
        let NodeChange::Added(n) = s.set_node(shape("a", 1000)) else {
            panic!()
        };
        s.assume(key("p"), "u".into(), load(100), n);
        assert!(
            s.forget(&key("p"), "other").is_none(),
            "a pod of the same name is another pod"
        );
        assert!(s.forget(&key("p"), "u").is_some());
        assert_eq!(
            (s.nodes().requested_milli_cpu(n), s.nodes().pod_count(n)),
            (0, 0)
        );
    }

    #[test]
    fn pods_on_a_node_that_is_not_there_yet_count_when_it_comes() {
        let mut s = Snapshot::default();
        s.place(key("p"), "u".into(), load(100), "a");
        assert_eq!(s.nodes().len(), 0);
        let NodeChange::Added(n) = s.set_node(shape("a", 1000)) else {
            panic!()
        };
        assert_eq!(s.nodes().requested_milli_cpu(n), 100);
        s.remove_node("a");
        assert_eq!((s.nodes().len(), s.pod_count()), (0, 1));
        let NodeChange::Added(n) = s.set_node(shape("a", 2000)) else {
            panic!()
        };
        assert_eq!(s.nodes().requested_milli_cpu(n), 100);
    }

    #[test]
    fn a_node_that_comes_back_the_same_changes_nothing() {
        let mut s = Snapshot::default();
        s.set_node(shape("a", 1000));
        let version = s.shape_version();
        assert_eq!(s.set_node(shape("a", 1000)), NodeChange::None);
        assert_eq!(s.shape_version(), version);
        assert!(matches!(
            s.set_node(shape("a", 1001)),
            NodeChange::Changed(_)
        ));
    }

    #[test]
    fn the_places_of_nodes_that_are_gone_are_used_again() {
        let mut s = Snapshot::default();
        for i in 0..100 {
            s.set_node(shape(&format!("n{i}"), 1));
            s.remove_node(&format!("n{i}"));
        }
        assert_eq!(s.nodes().capacity(), 1);
    }

    #[test]
    fn the_change_log_says_when_it_no_longer_reaches_back() {
        let mut s = Snapshot::default();
        let NodeChange::Added(n) = s.set_node(shape("a", 1000)) else {
            panic!()
        };
        for i in 0..300 {
            s.assume(key(&format!("p{i}")), "u".into(), load(0), n);
        }
        assert!(s.changes_since(0).is_none());
        assert_eq!(
            s.changes_since(s.change_position() - 3)
                .map(Iterator::count),
            Some(3)
        );
        assert!(s.changes_since(s.change_position() + 1).is_none());
    }

    #[test]
    fn moving_a_pod_frees_the_node_it_was_on() {
        let mut s = Snapshot::default();
        let NodeChange::Added(a) = s.set_node(shape("a", 1000)) else {
            panic!()
        };
        let NodeChange::Added(b) = s.set_node(shape("b", 1000)) else {
            panic!()
        };
        s.assume(key("p"), "u".into(), load(100), a);
        s.place(key("p"), "u".into(), load(100), "b");
        assert_eq!(
            (
                s.nodes().requested_milli_cpu(a),
                s.nodes().requested_milli_cpu(b)
            ),
            (0, 100)
        );
    }
}
