//! Nodes in arrays, one for each thing that is known of them: filters and scores run down the few that they need.

use std::sync::Arc;

use crate::labels::Labels;
use crate::pod::{HostPort, Load, Resources, Taint};
use crate::snapshot::{GroupId, NodeChange};
use crate::text::{Map, Text};

/// A node's place in the arrays; valid as long as the node is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeIx(pub u32);

impl NodeIx {
    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The column of a resource that is neither CPU, memory nor ephemeral storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScalarId(usize);

/// What a node is, without what runs on it: the projection of a Node object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeShape {
    /// `metadata.name`.
    pub name: Text,
    /// `metadata.labels`.
    pub labels: Labels,
    /// `spec.taints`.
    pub taints: Arc<[Taint]>,
    /// `spec.unschedulable`.
    pub unschedulable: bool,
    /// `status.allocatable`.
    pub allocatable: Resources,
    /// `status.allocatable.pods`.
    pub pods: i64,
    /// `status.images`: each name with the image's size in bytes, sorted by name.
    pub images: Arc<[(Text, i64)]>,
    /// `status.declaredFeatures`, sorted.
    pub features: Arc<[Text]>,
}

impl NodeShape {
    /// A node of which only the name is known.
    pub fn named(name: &str) -> NodeShape {
        NodeShape {
            name: name.into(),
            labels: Labels::default(),
            taints: Arc::new([]),
            unschedulable: false,
            allocatable: Resources::default(),
            pods: 0,
            images: Arc::new([]),
            features: Arc::new([]),
        }
    }
}

/// The nodes.
#[derive(Debug, Default)]
pub struct Nodes {
    by_name: Map<Text, NodeIx>,
    free: Vec<NodeIx>,
    live: usize,
    // Shapes; None where the place is free, or kept for pods whose node is not there.
    shape: Vec<Option<NodeShape>>,
    name: Vec<Text>,
    // Allocatable.
    milli_cpu: Vec<i64>,
    memory: Vec<i64>,
    ephemeral_storage: Vec<i64>,
    pods: Vec<i64>,
    // Filling.
    requested_milli_cpu: Vec<i64>,
    requested_memory: Vec<i64>,
    requested_ephemeral_storage: Vec<i64>,
    nonzero_milli_cpu: Vec<i64>,
    nonzero_memory: Vec<i64>,
    pod_count: Vec<i64>,
    ports: Vec<Vec<HostPort>>,
    groups: Vec<Vec<(GroupId, u32)>>,
    // A column each, by resource.
    scalar_ids: Map<Text, ScalarId>,
    scalar_allocatable: Vec<Vec<i64>>,
    scalar_requested: Vec<Vec<i64>>,
    // Image name → nodes that have it.
    image_nodes: Map<Text, u32>,
}

macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        $($(#[$doc])* pub fn $name(&self, at: NodeIx) -> i64 { self.$name[at.index()] })*
    };
}

impl Nodes {
    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// How many places there are, free ones included.
    pub fn capacity(&self) -> usize {
        self.shape.len()
    }

    /// The places of all nodes, ascending.
    pub fn iter(&self) -> impl Iterator<Item = NodeIx> {
        self.shape
            .iter()
            .enumerate()
            .filter(|(_, shape)| shape.is_some())
            .map(|(i, _)| NodeIx(i as u32))
    }

    /// The node of this name.
    pub fn find(&self, name: &str) -> Option<NodeIx> {
        self.by_name
            .get(name)
            .copied()
            .filter(|at| self.shape[at.index()].is_some())
    }

    /// What the node at this place is; None where there is none.
    pub fn shape(&self, at: NodeIx) -> Option<&NodeShape> {
        self.shape.get(at.index())?.as_ref()
    }

    /// The name of the node at this place, also of one that is gone while pods remain on it.
    pub fn name(&self, at: NodeIx) -> &Text {
        &self.name[at.index()]
    }

    columns! {
        /// Allocatable CPU, thousandths of a core.
        milli_cpu,
        /// Allocatable memory, bytes.
        memory,
        /// Allocatable ephemeral storage, bytes.
        ephemeral_storage,
        /// How many pods it may hold.
        pods,
        /// CPU requested by the pods on it, thousandths of a core.
        requested_milli_cpu,
        /// Memory requested by the pods on it, bytes.
        requested_memory,
        /// Ephemeral storage requested by the pods on it, bytes.
        requested_ephemeral_storage,
        /// As requested, with defaults for containers that ask for none.
        nonzero_milli_cpu,
        /// As requested, with defaults for containers that ask for none.
        nonzero_memory,
        /// How many pods are on it.
        pod_count,
    }

    /// The column of resource `name`; None when no node and no pod ever named it.
    pub fn scalar(&self, name: &str) -> Option<ScalarId> {
        self.scalar_ids.get(name).copied()
    }

    /// How much of it there is on the node, and how much is requested.
    pub fn scalar_amounts(&self, id: ScalarId, at: NodeIx) -> (i64, i64) {
        let amount = |column: &Vec<i64>| column.get(at.index()).copied().unwrap_or(0);
        (
            amount(&self.scalar_allocatable[id.0]),
            amount(&self.scalar_requested[id.0]),
        )
    }

    /// Host ports in use.
    pub fn ports(&self, at: NodeIx) -> &[HostPort] {
        &self.ports[at.index()]
    }

    /// The groups of pods on the node, terminating ones left out, with how many of each.
    pub fn groups(&self, at: NodeIx) -> &[(GroupId, u32)] {
        &self.groups[at.index()]
    }

    /// How many nodes have the image.
    pub fn nodes_with_image(&self, name: &str) -> u32 {
        self.image_nodes.get(name).copied().unwrap_or(0)
    }

    pub(super) fn set(&mut self, shape: NodeShape) -> NodeChange {
        let at = self.find_or_reserve(&shape.name);
        let i = at.index();
        let known = self.shape[i].take();
        if known.as_ref() == Some(&shape) {
            self.shape[i] = known;
            return NodeChange::None;
        }
        let added = known.is_none();
        match known {
            Some(old) => self.count_images(&old, false),
            None => self.live += 1,
        }
        self.count_images(&shape, true);
        self.milli_cpu[i] = shape.allocatable.milli_cpu;
        self.memory[i] = shape.allocatable.memory;
        self.ephemeral_storage[i] = shape.allocatable.ephemeral_storage;
        self.pods[i] = shape.pods;
        for column in &mut self.scalar_allocatable {
            if let Some(amount) = column.get_mut(i) {
                *amount = 0;
            }
        }
        for (name, amount) in &shape.allocatable.scalars {
            let id = self.scalar_id(name);
            *cell(&mut self.scalar_allocatable[id.0], i) = *amount;
        }
        self.shape[i] = Some(shape);
        if added {
            NodeChange::Added(at)
        } else {
            NodeChange::Changed(at)
        }
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<NodeIx> {
        let at = self.find(name)?;
        let shape = self.shape[at.index()].take()?;
        self.count_images(&shape, false);
        self.live -= 1;
        self.release(at);
        Some(at)
    }

    /// The place of the node, or one kept for it until it comes.
    pub(super) fn find_or_reserve(&mut self, name: &str) -> NodeIx {
        if let Some(at) = self.by_name.get(name) {
            return *at;
        }
        let name: Text = name.into();
        let at = self.free.pop().unwrap_or_else(|| self.grow());
        self.name[at.index()] = name.clone();
        self.by_name.insert(name, at);
        at
    }

    pub(super) fn load(&mut self, at: NodeIx, load: &Load, group: Option<GroupId>) {
        self.fill(at, load, 1);
        let i = at.index();
        self.ports[i].extend(load.ports.iter().cloned());
        if let Some(group) = group {
            match self.groups[i].iter_mut().find(|(id, _)| *id == group) {
                Some((_, count)) => *count += 1,
                None => self.groups[i].push((group, 1)),
            }
        }
    }

    pub(super) fn unload(&mut self, at: NodeIx, load: &Load, group: Option<GroupId>) {
        self.fill(at, load, -1);
        let i = at.index();
        for port in load.ports.iter() {
            if let Some(held) = self.ports[i].iter().position(|p| p == port) {
                self.ports[i].swap_remove(held);
            }
        }
        if let Some(group) = group
            && let Some(place) = self.groups[i].iter().position(|(id, _)| *id == group)
        {
            self.groups[i][place].1 -= 1;
            if self.groups[i][place].1 == 0 {
                self.groups[i].swap_remove(place);
            }
        }
        self.release(at);
    }

    fn fill(&mut self, at: NodeIx, load: &Load, sign: i64) {
        let i = at.index();
        self.requested_milli_cpu[i] += sign * load.requests.milli_cpu;
        self.requested_memory[i] += sign * load.requests.memory;
        self.requested_ephemeral_storage[i] += sign * load.requests.ephemeral_storage;
        self.nonzero_milli_cpu[i] += sign * load.nonzero_milli_cpu;
        self.nonzero_memory[i] += sign * load.nonzero_memory;
        self.pod_count[i] += sign;
        for (name, amount) in &load.requests.scalars {
            let id = self.scalar_id(name);
            *cell(&mut self.scalar_requested[id.0], i) += sign * amount;
        }
    }

    /// Frees the place if neither node nor pods are there any more.
    fn release(&mut self, at: NodeIx) {
        let i = at.index();
        if self.shape[i].is_none() && self.pod_count[i] == 0 {
            self.by_name.remove(&self.name[i]);
            self.free.push(at);
        }
    }

    fn grow(&mut self) -> NodeIx {
        let at = NodeIx(self.shape.len() as u32);
        self.shape.push(None);
        self.name.push(Text::from(""));
        self.ports.push(Vec::new());
        self.groups.push(Vec::new());
        for column in [
            &mut self.milli_cpu,
            &mut self.memory,
            &mut self.ephemeral_storage,
            &mut self.pods,
            &mut self.requested_milli_cpu,
            &mut self.requested_memory,
            &mut self.requested_ephemeral_storage,
            &mut self.nonzero_milli_cpu,
            &mut self.nonzero_memory,
            &mut self.pod_count,
        ] {
            column.push(0);
        }
        at
    }

    fn scalar_id(&mut self, name: &Text) -> ScalarId {
        if let Some(id) = self.scalar_ids.get(name) {
            return *id;
        }
        let id = ScalarId(self.scalar_allocatable.len());
        self.scalar_ids.insert(name.clone(), id);
        self.scalar_allocatable.push(Vec::new());
        self.scalar_requested.push(Vec::new());
        id
    }

    fn count_images(&mut self, shape: &NodeShape, here: bool) {
        for (name, _) in shape.images.iter() {
            if here {
                *self.image_nodes.entry(name.clone()).or_default() += 1;
            } else if let Some(count) = self.image_nodes.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.image_nodes.remove(name);
                }
            }
        }
    }
}

/// The cell of a column that grows as far as it is used.
fn cell(column: &mut Vec<i64>, i: usize) -> &mut i64 {
    if column.len() <= i {
        column.resize(i + 1, 0);
    }
    &mut column[i]
}
