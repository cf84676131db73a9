//! What the scheduler keeps of a pod: small projections, shared among the pods of one template.
//!
//! These files know the rules by which a pod's fields become numbers and conditions. They know neither nodes' state nor
//! the API's wire form: `run::project` fills them from objects.

mod needs;
mod resources;
mod spec;
mod taint;

pub use needs::{HostPort, Needs, NeedsBuilder, NodeTerm, Preference};
pub use resources::{
    CPU, ContainerRequests, DEFAULT_MEMORY, DEFAULT_MILLI_CPU, EPHEMERAL_STORAGE, MEMORY,
    PodRequests, ResourceList, Resources, is_scalar,
};
pub use spec::{InclusionPolicy, Owner, PodSpec, SpreadConstraint};
pub use taint::{Effect, Taint, Toleration, TolerationOperator, untolerated};

use std::sync::Arc;

use crate::labels::Labels;
use crate::text::Text;

/// Namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PodKey {
    /// The namespace.
    pub namespace: Text,
    /// The name.
    pub name: Text,
}

impl PodKey {
    /// The key of `namespace/name`.
    pub fn new(namespace: impl Into<Text>, name: impl Into<Text>) -> PodKey {
        PodKey {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl std::fmt::Display for PodKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What a pod takes of its node, and what the others must know of it once it is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Load {
    /// Its requests, as counted against allocatable.
    pub requests: Resources,
    /// Its requests where each container that names none counts 100m and 200 MiB: what scores are computed with.
    pub nonzero_milli_cpu: i64,
    /// As above, bytes.
    pub nonzero_memory: i64,
    /// Host ports it holds.
    pub ports: Arc<[HostPort]>,
    /// Its labels; with the namespace, whose topology counts it is part of.
    pub labels: Labels,
    /// Being deleted: it still takes resources, and counts in no topology.
    pub terminating: bool,
    /// Its priority.
    pub priority: i32,
}
