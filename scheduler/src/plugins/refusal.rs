//! Why a node cannot take a pod: a small value, rendered only when somebody asks.

use std::sync::Arc;

use crate::pod::{HostPort, Taint};
use crate::text::Text;

/// The plugins, by upstream's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // The names say it: each is documented in the file of its name.
pub enum Plugin {
    NodeName,
    NodeUnschedulable,
    TaintToleration,
    NodeAffinity,
    NodePorts,
    NodeResourcesFit,
    NodeResourcesBalancedAllocation,
    ImageLocality,
    PodTopologySpread,
    NodeDeclaredFeatures,
}

impl Plugin {
    /// Upstream's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Plugin::NodeName => "NodeName",
            Plugin::NodeUnschedulable => "NodeUnschedulable",
            Plugin::TaintToleration => "TaintToleration",
            Plugin::NodeAffinity => "NodeAffinity",
            Plugin::NodePorts => "NodePorts",
            Plugin::NodeResourcesFit => "NodeResourcesFit",
            Plugin::NodeResourcesBalancedAllocation => "NodeResourcesBalancedAllocation",
            Plugin::ImageLocality => "ImageLocality",
            Plugin::PodTopologySpread => "PodTopologySpread",
            Plugin::NodeDeclaredFeatures => "NodeDeclaredFeatures",
        }
    }
}

impl Plugin {
    /// Whether it may refuse a node for the pods that are there.
    pub fn yields_to_priority(self) -> bool {
        matches!(
            self,
            Plugin::NodePorts | Plugin::NodeResourcesFit | Plugin::PodTopologySpread
        )
    }
}

/// A resource of which a node has not enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// `pods`, `cpu` (in thousandths of a core), `memory` …
    pub resource: Text,
    /// What the pod asks for.
    pub requested: i64,
    /// What is taken.
    pub used: i64,
    /// What the node has in all.
    pub capacity: i64,
}

impl Shortage {
    fn reason(&self) -> String {
        if &*self.resource == "pods" {
            "Too many pods".into()
        } else {
            format!("Insufficient {}", self.resource)
        }
    }

    fn detail(&self) -> String {
        let unit = if &*self.resource == "cpu" { "m" } else { "" };
        let Shortage {
            resource,
            requested,
            used,
            capacity,
        } = self;
        format!("{resource}: {requested}{unit} requested, {used}{unit} of {capacity}{unit} in use")
    }
}

/// Why a node cannot take a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another node is asked for by name.
    NodeName,
    /// The node is cordoned.
    Unschedulable,
    /// The taint at this place is not tolerated.
    Taint(Arc<[Taint]>, u16),
    /// The node selector or the required node affinity does not select it.
    Affinity,
    /// The required node affinity names other nodes.
    NotNamed,
    /// This host port is taken.
    Port(Box<HostPort>),
    /// These resources do not suffice.
    Resources(Arc<[Shortage]>),
    /// It does not declare this feature.
    Feature(&'static str),
    /// It lacks the label of a spread constraint.
    SpreadLabel(Text),
    /// Its domain would be too full.
    Skew(Box<Skew>),
}

/// A spread constraint that would be violated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skew {
    /// The label whose values are the domains.
    pub topology_key: Text,
    /// Matching pods in the node's domain.
    pub count: i64,
    /// Matching pods in the least filled domain.
    pub least: i64,
    /// What is allowed.
    pub max_skew: i32,
}

impl Refusal {
    /// The plugin that refused.
    pub fn plugin(&self) -> Plugin {
        match self {
            Refusal::NodeName => Plugin::NodeName,
            Refusal::Unschedulable => Plugin::NodeUnschedulable,
            Refusal::Taint(..) => Plugin::TaintToleration,
            Refusal::Affinity | Refusal::NotNamed => Plugin::NodeAffinity,
            Refusal::Port(_) => Plugin::NodePorts,
            Refusal::Resources(_) => Plugin::NodeResourcesFit,
            Refusal::Feature(_) => Plugin::NodeDeclaredFeatures,
            Refusal::SpreadLabel(_) | Refusal::Skew(_) => Plugin::PodTopologySpread,
        }
    }

    /// Whether the node could take the pod if other pods went away from it.
    pub fn resolvable(&self) -> bool {
        match self {
            Refusal::Port(_) | Refusal::Skew(_) => true,
            // What an empty node would not have either is never freed; for the number of pods upstream does not look.
            Refusal::Resources(short) => short
                .iter()
                .all(|s| &*s.resource == "pods" || s.requested <= s.capacity),
            _ => false,
        }
    }

    /// Calls `reason` with each of upstream's phrases for it.
    pub fn for_each_reason(&self, mut reason: impl FnMut(&str)) {
        match self {
            Refusal::NodeName => reason("node(s) didn't match the requested node name"),
            Refusal::Unschedulable => reason("node(s) were unschedulable"),
            Refusal::Taint(..) => reason("node(s) had untolerated taint(s)"),
            Refusal::Affinity => reason("node(s) didn't match Pod's node affinity/selector"),
            Refusal::NotNamed => reason("node(s) didn't satisfy plugin(s) [NodeAffinity]"),
            Refusal::Port(_) => {
                reason("node(s) didn't have free ports for the requested pod ports")
            }
            Refusal::Resources(short) => short.iter().for_each(|s| reason(&s.reason())),
            Refusal::Feature(_) => reason("node(s) didn't match Pod's required features"),
            Refusal::SpreadLabel(_) => {
                reason(
                    "node(s) didn't match pod topology spread constraints (missing required label)",
                );
            }
            Refusal::Skew(_) => reason("node(s) didn't match pod topology spread constraints"),
        }
    }

    /// The particulars of this node, for people; empty when the reason says it all.
    pub fn detail(&self) -> String {
        match self {
            Refusal::Taint(taints, at) => taints
                .get(usize::from(*at))
                .map(|t| t.to_string())
                .unwrap_or_default(),
            Refusal::Port(port) => port.to_string(),
            Refusal::Resources(short) => short
                .iter()
                .map(Shortage::detail)
                .collect::<Vec<_>>()
                .join("; "),
            Refusal::Feature(feature) => (*feature).into(),
            Refusal::SpreadLabel(key) => key.to_string(),
            Refusal::Skew(skew) => format!(
                "{}: {} matching pods here, {} in the least filled domain, maxSkew {}",
                skew.topology_key, skew.count, skew.least, skew.max_skew
            ),
            Refusal::NodeName | Refusal::Unschedulable | Refusal::Affinity | Refusal::NotNamed => {
                String::new()
            }
        }
    }
}
