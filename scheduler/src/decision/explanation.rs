//! Why a decision fell as it did, for every node: kept as references to what the decision was made from, rendered only
//! when somebody asks. What it holds never changes afterwards, whatever becomes of the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::decision::Names;
use crate::plugins::{
    MAX_SCORE, NORMALISED, Normalise, OWN, Plugin, Refusal, SCORES, pod_topology_spread, scores,
};
use crate::snapshot::NodeIx;
use crate::text::Text;

/// The scores of a node that could take the pod, each 0–100 before its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeScores {
    /// In the order of [`scores`].
    pub plugins: [i64; SCORES],
    /// PodTopologySpread's; None without constraints that rank nodes.
    pub spread: Option<i64>,
}

impl NodeScores {
    /// The weighted sum, by which nodes are compared.
    pub fn total(&self) -> i64 {
        let single: i64 = scores()
            .iter()
            .zip(self.plugins)
            .map(|(plugin, score)| plugin.weight() * score)
            .sum();
        single + pod_topology_spread::WEIGHT * self.spread.unwrap_or(0)
    }

    /// Each plugin with its score and its weight.
    pub fn each(&self) -> impl Iterator<Item = (Plugin, i64, i64)> {
        let single = scores()
            .iter()
            .zip(self.plugins)
            .map(|(plugin, score)| (plugin.plugin(), score, plugin.weight()));
        single.chain(self.spread.map(|score| {
            (
                Plugin::PodTopologySpread,
                score,
                pod_topology_spread::WEIGHT,
            )
        }))
    }
}

/// What was found of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It cannot take the pod.
    Refused(Refusal),
    /// It can, and is worth this.
    Fits(NodeScores),
}

/// A node's part of a shared explanation.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Row {
    /// No node at this place.
    Absent,
    /// Refused by itself.
    Refused(Refusal),
    /// In this bucket, with these scores of its own in the order of the scores that are not normalised.
    Fits { bucket: u32, own: [u8; OWN] },
}

/// What a decision found of a bucket's nodes.
#[derive(Clone, Debug)]
pub(super) enum Ranked {
    /// Nothing: it is empty.
    Empty,
    /// All are refused, for their topology.
    Refused(Refusal),
    /// They can take the pod.
    Fits {
        /// Normalised scores, in the order of the scores that are normalised.
        normalised: [i64; NORMALISED],
        /// PodTopologySpread's score.
        spread: Option<i64>,
    },
}

#[derive(Clone, Debug)]
pub(super) enum Found {
    /// By node, from the slow way; nodes that are not listed were `absent`.
    Listed {
        verdicts: Arc<BTreeMap<NodeIx, Verdict>>,
        absent: Option<Refusal>,
    },
    /// From the fast way: rows are shared with the decisions before and after.
    Shared {
        rows: imbl::Vector<Row>,
        ranked: Arc<[Ranked]>,
    },
    /// The pod contradicts itself: no node was looked at.
    Impossible(&'static str),
}

/// Why a decision fell as it did.
#[derive(Clone, Debug)]
pub struct Explanation {
    pub(super) names: Names,
    pub(super) nodes: usize,
    pub(super) found: Found,
}

impl Explanation {
    /// How many nodes there were.
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// The name of the node at this place, then.
    pub fn name(&self, at: NodeIx) -> Option<&Text> {
        self.names.get(at.index())?.as_ref()
    }

    /// The verdict on the node at this place.
    pub fn verdict(&self, at: NodeIx) -> Option<Verdict> {
        self.name(at)?;
        match &self.found {
            Found::Impossible(_) => None,
            Found::Listed { verdicts, absent } => verdicts
                .get(&at)
                .cloned()
                .or_else(|| absent.clone().map(Verdict::Refused)),
            Found::Shared { rows, ranked } => match rows.get(at.index())? {
                Row::Absent => None,
                Row::Refused(refusal) => Some(Verdict::Refused(refusal.clone())),
                Row::Fits { bucket, own } => match ranked.get(*bucket as usize)? {
                    Ranked::Empty => None,
                    Ranked::Refused(refusal) => Some(Verdict::Refused(refusal.clone())),
                    Ranked::Fits { normalised, spread } => Some(Verdict::Fits(NodeScores {
                        plugins: merge(own, normalised),
                        spread: *spread,
                    })),
                },
            },
        }
    }

    /// Every node with its verdict, by place.
    pub fn each(&self) -> impl Iterator<Item = (&Text, Verdict)> {
        (0..self.names.len() as u32)
            .map(NodeIx)
            .filter_map(|at| Some((self.name(at)?, self.verdict(at)?)))
    }

    /// Calls `refused` with every refusal and for how many nodes it holds.
    pub fn for_each_refusal(&self, mut refused: impl FnMut(&Refusal, usize)) {
        match &self.found {
            Found::Impossible(_) => {}
            Found::Listed { verdicts, absent } => {
                for verdict in verdicts.values() {
                    if let Verdict::Refused(refusal) = verdict {
                        refused(refusal, 1);
                    }
                }
                if let Some(refusal) = absent
                    && self.nodes > verdicts.len()
                {
                    refused(refusal, self.nodes - verdicts.len());
                }
            }
            Found::Shared { rows, ranked } => {
                for row in rows {
                    match row {
                        Row::Refused(refusal) => refused(refusal, 1),
                        Row::Fits { bucket, .. } => {
                            if let Some(Ranked::Refused(refusal)) = ranked.get(*bucket as usize) {
                                refused(refusal, 1);
                            }
                        }
                        Row::Absent => {}
                    }
                }
            }
        }
    }

    /// The plugins that refused nodes.
    pub fn refusing_plugins(&self) -> Vec<Plugin> {
        let mut plugins = Vec::new();
        if matches!(self.found, Found::Impossible(_)) {
            plugins.push(Plugin::NodeAffinity);
        }
        self.for_each_refusal(|refusal, _| {
            let plugin = refusal.plugin();
            if !plugins.contains(&plugin) {
                plugins.push(plugin);
            }
        });
        plugins.sort();
        plugins
    }

    /// How many nodes could take the pod if other pods went away from them.
    pub fn resolvable(&self) -> usize {
        let mut count = 0;
        self.for_each_refusal(|refusal, nodes| {
            if refusal.resolvable() {
                count += nodes;
            }
        });
        count
    }

    /// Upstream's message: for how many nodes each reason held.
    pub fn message(&self) -> String {
        if self.nodes == 0 {
            return "no nodes available to schedule pods".into();
        }
        if let Found::Impossible(why) = self.found {
            return format!("0/{} nodes are available: {why}.", self.nodes);
        }
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        self.for_each_refusal(|refusal, nodes| {
            refusal.for_each_reason(|reason| match reasons.get_mut(reason) {
                Some(count) => *count += nodes,
                None => {
                    reasons.insert(reason.to_owned(), nodes);
                }
            });
        });
        histogram(self.nodes, reasons)
    }

    /// What upstream adds when no pod could be preempted either: there is none of lower priority.
    pub fn nothing_to_preempt(&self) -> String {
        let resolvable = self.resolvable();
        let mut reasons = BTreeMap::new();
        for (reason, nodes) in [
            ("No preemption victims found for incoming pod", resolvable),
            (
                "Preemption is not helpful for scheduling",
                self.nodes - resolvable,
            ),
        ] {
            if nodes > 0 {
                reasons.insert(reason.to_owned(), nodes);
            }
        }
        format!("preemption: {}", histogram(self.nodes, reasons))
    }
}

fn histogram(nodes: usize, reasons: BTreeMap<String, usize>) -> String {
    let mut counted: Vec<String> = reasons
        .into_iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    // Sorted as strings, counts included: so does upstream.
    counted.sort();
    format!("0/{nodes} nodes are available: {}.", counted.join(", "))
}

fn merge(own: &[u8; OWN], normalised: &[i64; NORMALISED]) -> [i64; SCORES] {
    let (mut next_own, mut next_normalised) = (own.iter(), normalised.iter());
    let mut merged = [0; SCORES];
    for (slot, plugin) in merged.iter_mut().zip(scores()) {
        let score = match plugin.normalise() {
            Normalise::Not => next_own.next().map(|s| i64::from(*s)),
            _ => next_normalised.next().copied(),
        };
        *slot = score.unwrap_or(0).clamp(0, MAX_SCORE);
    }
    merged
}
