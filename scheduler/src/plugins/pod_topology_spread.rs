//! PodTopologySpread: pods that belong together are spread over hosts, zones, or whatever label a constraint names
//! (KEP-895, KEP-3022 minDomains, KEP-3094 inclusion policies, KEP-3243 matchLabelKeys).
//!
//! It needs the whole cluster: what a node is worth depends on the counts of all. Here are its formulas, which the slow
//! model and the fast path of [`crate::decision`] share; each of them keeps the counts in its own way.

use crate::plugins::{Constraint, MAX_SCORE, Refusal, Skew, Template, node_affinity};
use crate::pod::{InclusionPolicy, untolerated};
use crate::snapshot::{NodeIx, NodeShape, Snapshot};

/// Upstream's default weight.
pub const WEIGHT: i64 = 2;

/// Whether pods on this node count in the topology of `constraint`.
pub fn is_counted(constraint: &Constraint, template: &Template, shape: &NodeShape) -> bool {
    use InclusionPolicy::Honor;
    (constraint.node_affinity_policy != Honor || node_affinity::selects(&template.needs, shape))
        && (constraint.node_taints_policy != Honor
            || untolerated(&shape.taints, &template.needs.tolerations).is_none())
}

/// Whether the node has the labels of all these constraints.
pub fn has_labels(constraints: &[Constraint], shape: &NodeShape) -> bool {
    constraints
        .iter()
        .all(|c| shape.labels.get(&c.topology_key).is_some())
}

/// How many pods on the node `constraint` counts in `namespace`; terminating ones are left out.
pub fn count_on(snapshot: &Snapshot, constraint: &Constraint, namespace: &str, at: NodeIx) -> i64 {
    // A selector that selects everything counts nothing: so does upstream's.
    if constraint.selector.is_empty() {
        return 0;
    }
    let counted = snapshot.nodes().groups(at).iter().filter(|(id, _)| {
        snapshot
            .group(*id)
            .is_some_and(|g| &*g.namespace == namespace && constraint.selector.matches(&g.labels))
    });
    counted.map(|(_, n)| i64::from(*n)).sum()
}

/// The least filled of `domains` domains, of which `lowest` is the lowest count.
pub fn least(constraint: &Constraint, domains: usize, lowest: Option<i64>) -> i64 {
    if (domains as i64) < i64::from(constraint.min_domains) {
        0
    } else {
        lowest.unwrap_or(0)
    }
}

/// Why a node whose domain holds `count` matching pods cannot take one more, when the least filled domain holds `least`.
pub fn check(constraint: &Constraint, count: i64, least: i64) -> Result<(), Refusal> {
    if count + i64::from(constraint.self_match) - least <= i64::from(constraint.max_skew) {
        return Ok(());
    }
    Err(Refusal::Skew(Box::new(Skew {
        topology_key: constraint.topology_key.clone(),
        count,
        least,
        max_skew: constraint.max_skew,
    })))
}

/// The weight of a topology with so many domains: few domains hold many pods each, and must not drown the others.
pub fn topology_weight(domains: usize) -> f64 {
    ((domains + 2) as f64).ln()
}

/// What a domain with `count` matching pods adds to a node's raw score; less is better.
pub fn part(constraint: &Constraint, count: i64, weight: f64) -> f64 {
    count as f64 * weight + f64::from(constraint.max_skew - 1)
}

/// The sum of the parts as a raw score.
pub fn raw_score(parts: f64) -> i64 {
    parts.round() as i64
}

/// The lowest and the highest of raw scores, as upstream normalises with them.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    lowest: i64,
    highest: i64,
}

impl Default for Range {
    fn default() -> Self {
        Range {
            lowest: i64::MAX,
            highest: 0,
        }
    }
}

impl Range {
    /// Widens the range to `score`.
    pub fn include(&mut self, score: i64) {
        self.lowest = self.lowest.min(score);
        self.highest = self.highest.max(score);
    }

    /// The score on a scale of 0–100, the lowest raw score being the best; None is a node that is ignored for want of a
    /// label.
    pub fn normalise(&self, raw: Option<i64>) -> i64 {
        match raw {
            None => 0,
            Some(_) if self.highest == 0 => MAX_SCORE,
            Some(raw) => MAX_SCORE * (self.highest + self.lowest - raw) / self.highest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_emptiest_domain_is_worth_most() {
        let mut range = Range::default();
        [2, 5, 9].into_iter().for_each(|s| range.include(s));
        assert_eq!(
            [Some(2), Some(5), Some(9), None].map(|s| range.normalise(s)),
            [100, 66, 22, 0]
        );
        assert_eq!(Range::default().normalise(Some(0)), 100);
    }
}
