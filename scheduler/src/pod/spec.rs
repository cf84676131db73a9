//! A pod that waits for a node.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::labels::{Labels, Selector};
use crate::pod::Needs;
use crate::text::Text;

/// Whether nodes that a pod could not use are counted in a topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InclusionPolicy {
    /// Only nodes that satisfy the pod's affinity (or whose taints it tolerates).
    Honor,
    /// All nodes.
    Ignore,
}

/// An entry of `spec.topologySpreadConstraints`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SpreadConstraint {
    /// How much more pods than the least filled domain a domain may have.
    pub max_skew: i32,
    /// The label whose values are the domains.
    pub topology_key: Text,
    /// `DoNotSchedule`; otherwise `ScheduleAnyway`.
    pub hard: bool,
    /// Which pods are counted.
    pub selector: Selector,
    /// Below so many domains the least filled one counts as empty.
    pub min_domains: i32,
    /// Whether nodes outside the pod's affinity are counted; `Honor` by default.
    pub node_affinity_policy: InclusionPolicy,
    /// Whether nodes with taints that the pod does not tolerate are counted; `Ignore` by default.
    pub node_taints_policy: InclusionPolicy,
    /// Keys whose value on the pod itself joins the selector.
    pub match_label_keys: Box<[Text]>,
}

/// The controller of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// `apps/v1` and the like.
    pub api_version: Text,
    /// Its kind.
    pub kind: Text,
    /// Its name.
    pub name: Text,
}

/// What decides where a pod goes. Pods of one template have equal ones, and share one.
#[derive(Clone, Debug)]
pub struct PodSpec {
    hash: u64,
    /// The namespace.
    pub namespace: Text,
    /// The pod's labels.
    pub labels: Labels,
    /// Its controller.
    pub owner: Option<Owner>,
    /// What it asks of a node.
    pub needs: Arc<Needs>,
    /// How it is to be spread.
    pub spread: Box<[SpreadConstraint]>,
    /// Fields that are set and that this scheduler does not understand yet, as paths. The pod is refused for them.
    pub unsupported: Box<[Text]>,
}

impl PodSpec {
    /// Closes a spec.
    pub fn new(
        namespace: Text,
        labels: Labels,
        owner: Option<Owner>,
        needs: Arc<Needs>,
        spread: Vec<SpreadConstraint>,
        unsupported: Vec<Text>,
    ) -> PodSpec {
        let mut hasher = DefaultHasher::new();
        (&namespace, &labels, &owner, &needs, &spread, &unsupported).hash(&mut hasher);
        PodSpec {
            hash: hasher.finish(),
            namespace,
            labels,
            owner,
            needs,
            spread: spread.into(),
            unsupported: unsupported.into(),
        }
    }
}

impl PartialEq for PodSpec {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
            && self.namespace == other.namespace
            && self.labels == other.labels
            && self.owner == other.owner
            && (Arc::ptr_eq(&self.needs, &other.needs) || self.needs == other.needs)
            && self.spread == other.spread
            && self.unsupported == other.unsupported
    }
}

impl Eq for PodSpec {}

impl Hash for PodSpec {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}
