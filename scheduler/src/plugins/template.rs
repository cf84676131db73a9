//! What pods have in common that are filtered and scored alike.

use std::sync::Arc;

use crate::labels::Selector;
use crate::pod::{InclusionPolicy, Needs};
use crate::text::Text;

/// A topology spread constraint, with everything that it takes from the pod resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Constraint {
    /// How much more pods than the least filled domain a domain may have.
    pub max_skew: i32,
    /// The label whose values are the domains.
    pub topology_key: Text,
    /// Which pods are counted, `matchLabelKeys` included.
    pub selector: Selector,
    /// Whether the pod itself is counted once it is placed.
    pub self_match: bool,
    /// Below so many domains the least filled one counts as empty.
    pub min_domains: i32,
    /// Whether nodes outside the pod's affinity are counted.
    pub node_affinity_policy: InclusionPolicy,
    /// Whether nodes with taints that the pod does not tolerate are counted.
    pub node_taints_policy: InclusionPolicy,
}

impl Constraint {
    /// Whether the domains are single machines.
    pub fn by_hostname(&self) -> bool {
        &*self.topology_key == "kubernetes.io/hostname"
    }
}

/// How pods of a template are spread.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Spread {
    /// Where pods are counted; empty without constraints, so that templates of several namespaces are one.
    pub namespace: Text,
    /// `DoNotSchedule`.
    pub hard: Box<[Constraint]>,
    /// `ScheduleAnyway`, or the system's defaults.
    pub soft: Box<[Constraint]>,
    /// Whether nodes that lack one of the labels of `soft` are ignored: not for the system's defaults, so that clusters
    /// without zones are spread over hosts.
    pub require_all: bool,
}

/// What pods have in common that are filtered and scored alike: a Deployment's pods have one template, and so have
/// those of two Deployments that ask for the same and are counted alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Template {
    /// What a pod asks of a node.
    pub needs: Arc<Needs>,
    /// How the pods are spread.
    pub spread: Arc<Spread>,
}
