//! The definition of a decision: a loop over all nodes, filters and scores.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::decision::explanation::Found;
use crate::decision::{Decision, Explanation, Names, NodeScores, Verdict, distance, names_of};
use crate::plugins::{Refusal, SCORES, Template, check, pod_topology_spread as spread, scores};
use crate::snapshot::{NodeIx, Snapshot};

/// The node for a pod of `template`, by looking at every node anew.
pub fn model(snapshot: &Snapshot, template: &Template, draw: u64) -> Decision {
    decide(snapshot, template, names_of(snapshot), draw)
}

pub(super) fn decide(
    snapshot: &Snapshot,
    template: &Template,
    names: Names,
    draw: u64,
) -> Decision {
    let nodes = snapshot.nodes();
    let explain = |found| Explanation {
        names,
        nodes: nodes.len(),
        found,
    };
    let looked_at: Vec<NodeIx> = match template.needs.node_names() {
        None => nodes.iter().collect(),
        Some([]) => {
            let found = Found::Impossible("pod affinity terms conflict");
            return Decision {
                node: None,
                feasible: 0,
                explanation: explain(found),
            };
        }
        Some(named) => named.iter().filter_map(|name| nodes.find(name)).collect(),
    };
    let absent = template.needs.node_names().map(|_| Refusal::NotNamed);

    let mut verdicts = BTreeMap::new();
    let mut feasible = Vec::new();
    let topologies: Vec<Topology> = template
        .spread
        .hard
        .iter()
        .map(|c| Topology::of(snapshot, template, c))
        .collect();
    for at in looked_at {
        let refused = check(template, nodes, at).and_then(|()| {
            topologies
                .iter()
                .try_for_each(|topology| topology.check(snapshot, at))
        });
        match refused {
            Err(refusal) => {
                verdicts.insert(at, Verdict::Refused(refusal));
            }
            Ok(()) => feasible.push(at),
        }
    }

    let scored = score(snapshot, template, &feasible);
    let best = scored.iter().map(NodeScores::total).max();
    let node = feasible
        .iter()
        .zip(&scored)
        .filter(|(_, scores)| Some(scores.total()) == best)
        .map(|(at, _)| *at)
        .min_by_key(|at| distance(*at, draw, nodes.capacity()));
    verdicts.extend(
        feasible
            .iter()
            .copied()
            .zip(scored.into_iter().map(Verdict::Fits)),
    );
    let found = Found::Listed {
        verdicts: Arc::new(verdicts),
        absent,
    };
    Decision {
        node,
        feasible: feasible.len(),
        explanation: explain(found),
    }
}

/// Whether the node at `at` can take a pod of `template`.
pub fn fits(snapshot: &Snapshot, template: &Template, at: NodeIx) -> bool {
    let mut hard = template.spread.hard.iter();
    check(template, snapshot.nodes(), at).is_ok()
        && hard.all(|c| {
            Topology::of(snapshot, template, c)
                .check(snapshot, at)
                .is_ok()
        })
}

/// The domains of a hard constraint with their counts.
struct Topology<'a> {
    constraint: &'a crate::plugins::Constraint,
    counts: BTreeMap<&'a str, i64>,
}

impl<'a> Topology<'a> {
    fn of(
        snapshot: &'a Snapshot,
        template: &'a Template,
        constraint: &'a crate::plugins::Constraint,
    ) -> Self {
        let mut counts = BTreeMap::new();
        for at in snapshot.nodes().iter() {
            let Some(shape) = snapshot.nodes().shape(at) else {
                continue;
            };
            let Some(value) = shape.labels.get(&constraint.topology_key) else {
                continue;
            };
            if spread::has_labels(&template.spread.hard, shape)
                && spread::is_counted(constraint, template, shape)
            {
                *counts.entry(&**value).or_default() +=
                    spread::count_on(snapshot, constraint, &template.spread.namespace, at);
            }
        }
        Topology { constraint, counts }
    }

    fn check(&self, snapshot: &Snapshot, at: NodeIx) -> Result<(), Refusal> {
        let key = &self.constraint.topology_key;
        let value = snapshot
            .nodes()
            .shape(at)
            .and_then(|shape| shape.labels.get(key));
        let Some(value) = value else {
            return Err(Refusal::SpreadLabel(key.clone()));
        };
        let least = spread::least(
            self.constraint,
            self.counts.len(),
            self.counts.values().min().copied(),
        );
        spread::check(
            self.constraint,
            self.counts.get(&**value).copied().unwrap_or(0),
            least,
        )
    }
}

fn score(snapshot: &Snapshot, template: &Template, feasible: &[NodeIx]) -> Vec<NodeScores> {
    let nodes = snapshot.nodes();
    let mut all: Vec<NodeScores> = vec![
        NodeScores {
            plugins: [0; SCORES],
            spread: None
        };
        feasible.len()
    ];
    for (i, plugin) in scores().iter().enumerate() {
        let raw: Vec<i64> = feasible
            .iter()
            .map(|at| plugin.score(template, nodes, *at))
            .collect();
        let highest = raw.iter().copied().max().unwrap_or(0);
        for (scores, raw) in all.iter_mut().zip(raw) {
            scores.plugins[i] = plugin.normalise().apply(raw, highest);
        }
    }
    if !template.spread.soft.is_empty() {
        for (scores, spread) in all
            .iter_mut()
            .zip(score_spread(snapshot, template, feasible))
        {
            scores.spread = Some(spread);
        }
    }
    all
}

fn score_spread(snapshot: &Snapshot, template: &Template, feasible: &[NodeIx]) -> Vec<i64> {
    let constraints = &template.spread.soft;
    let shape = |at: &NodeIx| snapshot.nodes().shape(*at);
    let ignored = |at: &NodeIx| {
        template.spread.require_all
            && !shape(at).is_some_and(|s| spread::has_labels(constraints, s))
    };
    let considered = feasible.iter().filter(|at| !ignored(at)).count();

    let mut raw: Vec<Option<f64>> = feasible
        .iter()
        .map(|at| (!ignored(at)).then_some(0.0))
        .collect();
    for constraint in constraints {
        let value = |at: &NodeIx| shape(at).and_then(|s| s.labels.get(&constraint.topology_key));
        // A node without the label is in a domain of its own that has no name.
        let mut domains: BTreeMap<&str, i64> = BTreeMap::new();
        if !constraint.by_hostname() {
            for at in feasible.iter().filter(|at| !ignored(at)) {
                domains.insert(value(at).map_or("", |v| v), 0);
            }
            for at in snapshot.nodes().iter() {
                let Some(shape) = snapshot.nodes().shape(at) else {
                    continue;
                };
                let labelled =
                    !template.spread.require_all || spread::has_labels(constraints, shape);
                if !labelled || !spread::is_counted(constraint, template, shape) {
                    continue;
                }
                if let Some(count) = domains.get_mut(value(&at).map_or("", |v| v)) {
                    *count +=
                        spread::count_on(snapshot, constraint, &template.spread.namespace, at);
                }
            }
        }
        let size = if constraint.by_hostname() {
            considered
        } else {
            domains.len()
        };
        let weight = spread::topology_weight(size);
        for (at, sum) in feasible.iter().zip(&mut raw) {
            let (Some(sum), Some(value)) = (sum.as_mut(), value(at)) else {
                continue;
            };
            let count = if constraint.by_hostname() {
                spread::count_on(snapshot, constraint, &template.spread.namespace, *at)
            } else {
                domains.get(&**value).copied().unwrap_or(0)
            };
            *sum += spread::part(constraint, count, weight);
        }
    }
    let raw: Vec<Option<i64>> = raw
        .into_iter()
        .map(|sum| sum.map(spread::raw_score))
        .collect();
    let mut range = spread::Range::default();
    raw.iter().flatten().for_each(|score| range.include(*score));
    raw.into_iter()
        .map(|score| range.normalise(score))
        .collect()
}
