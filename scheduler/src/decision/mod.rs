//! Which node a pod goes to, and why: a pure function of a snapshot, a template and a draw.
//!
//! Every node is looked at, always: where upstream stops after a tenth of 5,000 nodes to save time, there is no time to
//! save here. Among the nodes with the highest score, the first at or after the place that the draw names is taken, in a
//! circle; the caller makes draws from a seeded source.
//!
//! There are two ways to the same answer. [`slow`] is the definition: a loop over all nodes, filters and scores. It serves
//! pods that name their nodes (a DaemonSet's), and is what the other way is tested against. `fast` keeps for each
//! template the nodes that can take its pods, sorted, and looks again only at nodes that changed; its file explains how.
//!
//! It knows plugins and snapshot, and must not know queues, clocks or the API.

mod explanation;
mod fast;
pub mod slow;

pub use explanation::{Explanation, NodeScores, Verdict};

use std::sync::Arc;

use crate::plugins::Template;
use crate::snapshot::{NodeIx, Snapshot};
use crate::text::{Map, Text};

/// The names of nodes by their places.
pub(crate) type Names = Arc<[Option<Text>]>;

/// What was decided for a pod.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The node chosen; None when no node can take the pod.
    pub node: Option<NodeIx>,
    /// How many nodes could have taken it.
    pub feasible: usize,
    /// Why, for every node.
    pub explanation: Explanation,
}

/// How many rows (templates times nodes) are kept sorted, of about 100 bytes each.
const ROWS: usize = 1_000_000;
/// How many templates are kept sorted at most, however few the nodes.
const TEMPLATES: usize = 1_024;

/// Decides, and remembers what decisions for the same template have in common.
#[derive(Debug, Default)]
pub struct Engine {
    candidates: Map<Template, (u64, fast::Candidates)>,
    uses: u64,
    names: Option<(u64, Names)>,
}

impl Engine {
    /// The node for a pod of `template`, with ties broken by `draw`.
    pub fn decide(&mut self, snapshot: &Snapshot, template: &Template, draw: u64) -> Decision {
        let names = self.names(snapshot);
        let constraints = template.spread.hard.len() + template.spread.soft.len();
        if template.needs.node_names().is_some() || constraints > fast::MOST_CONSTRAINTS {
            return slow::decide(snapshot, template, names, draw);
        }
        self.uses += 1;
        let now = self.uses;
        if let Some((used, candidates)) = self.candidates.get_mut(template) {
            *used = now;
            return candidates.decide(snapshot, template, names, draw);
        }
        let most = (ROWS / snapshot.nodes().capacity().max(1)).clamp(16, TEMPLATES);
        if self.candidates.len() >= most {
            // The older half: forgetting one at a time would look through all of them for each new template.
            let mut uses: Vec<u64> = self.candidates.values().map(|(used, _)| *used).collect();
            uses.sort_unstable();
            let middle = uses[uses.len() / 2];
            self.candidates.retain(|_, (used, _)| *used > middle);
        }
        let (_, candidates) = self
            .candidates
            .entry(template.clone())
            .or_insert_with(|| (now, fast::Candidates::default()));
        candidates.decide(snapshot, template, names, draw)
    }

    fn names(&mut self, snapshot: &Snapshot) -> Names {
        let version = snapshot.shape_version();
        match &self.names {
            Some((of, names)) if *of == version => names.clone(),
            _ => {
                let names = names_of(snapshot);
                self.names = Some((version, names.clone()));
                names
            }
        }
    }
}

/// The names of all nodes, by their places.
pub(crate) fn names_of(snapshot: &Snapshot) -> Names {
    let nodes = snapshot.nodes();
    (0..nodes.capacity())
        .map(|i| {
            nodes
                .shape(NodeIx(i as u32))
                .map(|shape| shape.name.clone())
        })
        .collect()
}

/// How far `at` is from the place that the draw names, in a circle of `capacity` places: the nearest of equals is taken.
fn distance(at: NodeIx, draw: u64, capacity: usize) -> u64 {
    let capacity = capacity.max(1) as u64;
    (u64::from(at.0) + capacity - draw % capacity) % capacity
}
