//! The counts of one spread constraint, kept up to date node by node.

use std::collections::BTreeMap;

use crate::plugins::{Constraint, Template, pod_topology_spread as spread};
use crate::snapshot::{NodeIx, NodeShape, Snapshot};
use crate::text::{Map, Set, Text};

/// Where a node is in a topology: what its bucket has in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Coordinate {
    /// It has the label: this domain, or with domains of one node each, so many matching pods.
    Labelled(i64),
    /// It lacks the label.
    Unlabelled,
}

impl Coordinate {
    pub(super) fn is_labelled(self) -> bool {
        matches!(self, Coordinate::Labelled(_))
    }
}

#[derive(Clone, Debug)]
struct Node {
    /// The domain; with domains of one node each, only whether there is one.
    domain: Option<u32>,
    pods: u32,
    labelled: bool,
    counted: bool,
}

/// The counts of one constraint.
#[derive(Debug)]
pub(super) struct Topology {
    hard: bool,
    by_node: bool,
    nodes: Vec<Node>,
    /// Matching pods by domain; empty with domains of one node each.
    domains: Vec<i64>,
    /// How many domains count.
    counted_domains: usize,
    /// How many counted domains have so many pods; for hard constraints.
    histogram: BTreeMap<i64, usize>,
    /// The domain whose name is empty, which nodes without the label are in too where labels are not required.
    unnamed: Option<u32>,
}

impl Topology {
    pub(super) fn make(
        snapshot: &Snapshot,
        template: &Template,
        constraints: &[Constraint],
        i: usize,
        hard: bool,
    ) -> Topology {
        let constraint = &constraints[i];
        let nodes = snapshot.nodes();
        let value = |shape: &NodeShape| shape.labels.get(&constraint.topology_key).cloned();
        // Preferred spreading counts by machine whatever the label says; required spreading goes by the label's value.
        let by_node = constraint.by_hostname()
            && (!hard || is_unique(nodes.iter().filter_map(|at| value(nodes.shape(at)?))));
        let require_all = hard || template.spread.require_all;

        let mut ids: Map<Text, u32> = Map::default();
        let mut counted_domains: Set<u32> = Set::default();
        let make_node = |at: u32| {
            let shape = nodes.shape(NodeIx(at));
            let value = shape.and_then(value);
            let labelled = value.is_some();
            let counted = shape.is_some_and(|shape| {
                (!require_all || spread::has_labels(constraints, shape))
                    && spread::is_counted(constraint, template, shape)
            });
            // Where labels are not required, nodes without are a domain together.
            let domain = value
                .or_else(|| (shape.is_some() && !require_all).then(|| Text::from("")))
                .map(|value| {
                    let next = ids.len() as u32;
                    if by_node {
                        at
                    } else {
                        *ids.entry(value).or_insert(next)
                    }
                });
            if let Some(domain) = domain.filter(|_| counted) {
                counted_domains.insert(domain);
            }
            Node {
                domain,
                labelled,
                counted,
                pods: 0,
            }
        };
        let made: Vec<Node> = (0..nodes.capacity() as u32).map(make_node).collect();
        let counted_domains = counted_domains.len();
        let histogram = if hard {
            BTreeMap::from([(0, counted_domains)])
        } else {
            BTreeMap::new()
        };
        let domains = if by_node {
            Vec::new()
        } else {
            vec![0; ids.len()]
        };
        let unnamed = ids.get("").copied();
        Topology {
            hard,
            by_node,
            nodes: made,
            domains,
            counted_domains,
            histogram,
            unnamed,
        }
    }

    /// The node holds so many matching pods.
    pub(super) fn set(&mut self, at: NodeIx, pods: u32) {
        let node = &mut self.nodes[at.index()];
        let before = std::mem::replace(&mut node.pods, pods);
        let Some(domain) = node.domain.filter(|_| node.counted && before != pods) else {
            return;
        };
        let (from, to) = if self.by_node {
            (i64::from(before), i64::from(pods))
        } else {
            let count = &mut self.domains[domain as usize];
            let from = *count;
            *count += i64::from(pods) - i64::from(before);
            (from, *count)
        };
        if self.hard {
            if let Some(domains) = self.histogram.get_mut(&from) {
                *domains -= 1;
                if *domains == 0 {
                    self.histogram.remove(&from);
                }
            }
            *self.histogram.entry(to).or_default() += 1;
        }
    }

    pub(super) fn coordinate(&self, at: NodeIx) -> Coordinate {
        let node = &self.nodes[at.index()];
        match node.domain {
            Some(_) if self.by_node && !node.labelled => Coordinate::Unlabelled,
            // A host that is not counted is a domain without pods to a required constraint.
            Some(_) if self.by_node && self.hard && !node.counted => Coordinate::Labelled(0),
            Some(_) if self.by_node => Coordinate::Labelled(i64::from(node.pods)),
            Some(domain) if node.labelled => Coordinate::Labelled(i64::from(domain)),
            _ => Coordinate::Unlabelled,
        }
    }

    /// The count of matching pods where the coordinate is; None without the label.
    pub(super) fn count(&self, coordinate: Coordinate) -> Option<i64> {
        match coordinate {
            Coordinate::Unlabelled => None,
            Coordinate::Labelled(pods) if self.by_node => Some(pods),
            Coordinate::Labelled(domain) => {
                self.domains.get(usize::try_from(domain).ok()?).copied()
            }
        }
    }

    /// Whether each node is a domain.
    pub(super) fn by_node(&self) -> bool {
        self.by_node
    }

    /// How many domains count.
    pub(super) fn domains(&self) -> usize {
        self.counted_domains
    }

    /// The lowest count of all domains that count.
    pub(super) fn lowest(&self) -> Option<i64> {
        self.histogram.first_key_value().map(|(count, _)| *count)
    }

    /// How many different domains these are; nodes without the label are in the one without a name.
    pub(super) fn distinct(&self, coordinates: impl Iterator<Item = Coordinate>) -> usize {
        let named = |coordinate| match (coordinate, self.unnamed) {
            (Coordinate::Unlabelled, Some(unnamed)) => Coordinate::Labelled(i64::from(unnamed)),
            _ => coordinate,
        };
        let mut all: Vec<Coordinate> = coordinates.map(named).collect();
        all.sort_unstable();
        all.dedup();
        all.len()
    }
}

fn is_unique(values: impl Iterator<Item = Text>) -> bool {
    let mut seen: Set<Text> = Set::default();
    values.into_iter().all(|value| seen.insert(value))
}
