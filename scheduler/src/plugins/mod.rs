//! The rules: which nodes can take a pod, and which of those is best. One file a plugin, named as upstream's.
//!
//! A [`Filter`] or [`Score`] looks at one node at a time. Whether its answer depends on what runs on the node is its
//! [`volatile`](Filter::volatile): answers that do not are computed once per template and shape of the cluster, the others
//! again for each node whose filling changed. [`pod_topology_spread`] looks at the cluster as a whole, and is asked by
//! [`crate::decision`] in a way of its own.
//!
//! To add a plugin: a file here with a type that implements `Filter`, `Score` or both, a line in [`filters`] or
//! [`scores`], a variant of [`Refusal`] when it can refuse, and what may help in [`crate::queue::Event`].
//!
//! Plugins must not know each other, nor the queue, nor the API.

mod image_locality;
mod node_affinity;
mod node_declared_features;
mod node_name;
mod node_ports;
mod node_resources_balanced_allocation;
mod node_resources_fit;
mod node_unschedulable;
pub mod pod_topology_spread;
mod refusal;
mod taint_toleration;
mod template;

pub use refusal::{Plugin, Refusal, Shortage, Skew};
pub use template::{Constraint, Spread, Template};

use crate::snapshot::{NodeIx, Nodes};

/// The highest score that a plugin gives a node, before its weight.
pub const MAX_SCORE: i64 = 100;

/// A rule that a node meets or not.
pub trait Filter: Sync {
    /// Which plugin it is.
    fn plugin(&self) -> Plugin;
    /// Whether the answer depends on the pods that are on the node.
    fn volatile(&self) -> bool {
        false
    }
    /// Why the node at `at` cannot take a pod of `template`, if it cannot.
    fn check(&self, template: &Template, nodes: &Nodes, at: NodeIx) -> Result<(), Refusal>;
}

/// How a plugin's scores become 0–100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalise {
    /// They are.
    Not,
    /// In proportion to the highest among the nodes that can take the pod.
    ToHighest,
    /// As above, then the other way round: the highest becomes 0.
    ToHighestReversed,
}

impl Normalise {
    /// The normalised score, when the highest is `highest`.
    pub fn apply(self, score: i64, highest: i64) -> i64 {
        match self {
            Normalise::Not => score,
            Normalise::ToHighest if highest == 0 => score,
            Normalise::ToHighest => MAX_SCORE * score / highest,
            Normalise::ToHighestReversed if highest == 0 => MAX_SCORE,
            Normalise::ToHighestReversed => MAX_SCORE - MAX_SCORE * score / highest,
        }
    }
}

/// A preference among the nodes that can take a pod.
pub trait Score: Sync {
    /// Which plugin it is.
    fn plugin(&self) -> Plugin;
    /// How often it counts; upstream's default.
    fn weight(&self) -> i64;
    /// Whether the answer depends on the pods that are on the node.
    fn volatile(&self) -> bool {
        false
    }
    /// How its scores become 0–100.
    fn normalise(&self) -> Normalise {
        Normalise::Not
    }
    /// The score of the node at `at` for a pod of `template`: 0–100 unless it is normalised, never negative.
    fn score(&self, template: &Template, nodes: &Nodes, at: NodeIx) -> i64;
}

/// The filters, in upstream's order: the first that refuses is the reason given.
pub fn filters() -> &'static [&'static dyn Filter] {
    &[
        &node_name::NodeName,
        &node_unschedulable::NodeUnschedulable,
        &taint_toleration::TaintToleration,
        &node_affinity::NodeAffinity,
        &node_ports::NodePorts,
        &node_resources_fit::NodeResourcesFit,
        &node_declared_features::NodeDeclaredFeatures,
    ]
}

/// The scores of single nodes, in upstream's order.
pub fn scores() -> &'static [&'static dyn Score] {
    &[
        &taint_toleration::TaintToleration,
        &node_affinity::NodeAffinity,
        &node_resources_fit::NodeResourcesFit,
        &node_resources_balanced_allocation::NodeResourcesBalancedAllocation,
        &image_locality::ImageLocality,
    ]
}

/// How many [`scores`] there are.
pub const SCORES: usize = 5;

/// How many of them are normalised.
pub const NORMALISED: usize = 2;

/// How many of them are not: they depend on the node alone.
pub const OWN: usize = SCORES - NORMALISED;

/// The first refusal of all filters.
pub fn check(template: &Template, nodes: &Nodes, at: NodeIx) -> Result<(), Refusal> {
    filters()
        .iter()
        .try_for_each(|filter| filter.check(template, nodes, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalised_scores_are_upstreams() {
        assert_eq!(Normalise::ToHighest.apply(3, 7), 42);
        assert_eq!(Normalise::ToHighest.apply(0, 0), 0);
        assert_eq!(Normalise::ToHighestReversed.apply(3, 7), 58);
        assert_eq!(Normalise::ToHighestReversed.apply(0, 0), 100);
    }

    #[test]
    fn the_number_of_scores_is_as_declared() {
        assert_eq!(scores().len(), SCORES);
        assert_eq!(
            scores()
                .iter()
                .filter(|s| s.normalise() != Normalise::Not)
                .count(),
            NORMALISED
        );
    }
}
