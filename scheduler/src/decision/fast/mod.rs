//! The fast way to a decision: everything that pods of one template have in common is kept, and only what changed since
//! the template's last pod is looked at again.
//!
//! **Buckets.** What a node is worth has two parts. Its *own* scores (how empty and how balanced it is, which images it
//! has) depend on this node alone. All others depend on the other nodes too, but only through few values: the raw scores
//! that are normalised by the highest one (taints, preferred affinity), and for each spread constraint the domain that
//! the node is in (a zone; for hosts, how many matching pods are on it). Nodes with equal values are in one *bucket*:
//! whatever happens elsewhere, they are refused together by the spread constraints, and their scores differ only in
//! their own part. A bucket keeps its nodes by the sum of their own scores.
//!
//! **A decision** therefore looks at buckets, not at nodes: it asks which are refused, normalises, adds the best own
//! sum of each, and takes the best node of the best bucket. A cluster of 5,000 nodes in three zones whose nodes hold
//! zero to three pods of a Deployment has twelve buckets.
//!
//! **A change** (a pod was placed on, or left, a node) is read from the snapshot's log when the template is next used:
//! that node is filtered and scored again by the volatile plugins and moves to another bucket or another level of its own;
//! the count of its zone changes. O(log n). When nodes themselves changed, everything is made anew.
//!
//! **Explanations** share the rows (a persistent vector): the decision before and after differ in one leaf of it.
//!
//! The answer is equal to the slow way's, ties included; `tests/fast_equals_slow.rs` holds it to that.

mod buckets;
mod topology;

use crate::decision::explanation::{Found, Ranked, Row};
use crate::decision::{Decision, Explanation, Names};
use crate::plugins::{
    Filter, MAX_SCORE, NORMALISED, Normalise, OWN, Refusal, Template, filters,
    pod_topology_spread as spread, scores,
};
use crate::snapshot::{GroupId, NodeIx, Nodes, Snapshot};
use crate::text::FastMap;
use buckets::{Buckets, Key};
use topology::{Coordinate, Topology};

/// Templates with more spread constraints than bits in a word go the slow way.
pub(super) const MOST_CONSTRAINTS: usize = 64;

/// How many groups of pods a template remembers its constraints' answers for.
const MOST_GROUPS: usize = 1 << 16;

/// What holds of a node whatever runs on it.
#[derive(Debug)]
struct Fixed {
    /// The first filter that refuses it, by its place among the filters.
    refused: Option<Box<(usize, Refusal)>>,
    /// Raw scores that are normalised, in order.
    raw: [i64; NORMALISED],
    /// Own scores, in order; volatile ones are 0 here.
    own: [u8; OWN],
}

/// The nodes for pods of one template.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// What they were made from: None before the first use.
    made_at: Option<u64>,
    position: u64,
    rows: imbl::Vector<Row>,
    fixed: Vec<Option<Fixed>>,
    /// Each node's bucket and level.
    places: Vec<Option<(u32, u16)>>,
    buckets: Buckets,
    hard: Vec<Topology>,
    soft: Vec<Topology>,
    /// Which constraints count pods of a group: a bit each, hard ones first.
    counted: FastMap<GroupId, u64>,
}

impl Candidates {
    pub(super) fn decide(
        &mut self,
        snapshot: &Snapshot,
        template: &Template,
        names: Names,
        draw: u64,
    ) -> Decision {
        self.catch_up(snapshot, template);
        let ranked = self.rank(template);
        let (node, feasible) = self.best(&ranked, draw, snapshot.nodes().capacity());
        let found = Found::Shared {
            rows: self.rows.clone(),
            ranked: ranked.into(),
        };
        Decision {
            node,
            feasible,
            explanation: Explanation {
                names,
                nodes: snapshot.nodes().len(),
                found,
            },
        }
    }

    fn catch_up(&mut self, snapshot: &Snapshot, template: &Template) {
        let changes = match self.made_at {
            Some(version) if version == snapshot.shape_version() => {
                snapshot.changes_since(self.position)
            }
            _ => None,
        };
        match changes {
            None => self.make(snapshot, template),
            Some(changes) => {
                for at in changes {
                    self.look_at(snapshot, template, at);
                }
            }
        }
        self.position = snapshot.change_position();
    }

    fn make(&mut self, snapshot: &Snapshot, template: &Template) {
        let nodes = snapshot.nodes();
        let capacity = nodes.capacity();
        let topologies = |constraints: &[_], hard: bool| {
            let make = |i| Topology::make(snapshot, template, constraints, i, hard);
            (0..constraints.len()).map(make).collect::<Vec<_>>()
        };
        *self = Candidates {
            made_at: Some(snapshot.shape_version()),
            fixed: (0..capacity)
                .map(|i| fix(template, nodes, NodeIx(i as u32)))
                .collect(),
            hard: topologies(&template.spread.hard, true),
            soft: topologies(&template.spread.soft, false),
            ..Candidates::default()
        };
        let mut rows = Vec::with_capacity(capacity);
        for at in (0..capacity as u32).map(NodeIx) {
            if nodes.shape(at).is_some() {
                self.count(snapshot, template, at);
            }
            let (row, place) = self.judge(nodes, template, at);
            if let Some((bucket, level)) = place {
                self.buckets.insert(bucket, level, at);
            }
            rows.push(row);
            self.places.push(place);
        }
        self.rows = rows.into();
    }

    /// Filters and scores one node again, and moves it to where it belongs now.
    fn look_at(&mut self, snapshot: &Snapshot, template: &Template, at: NodeIx) {
        // A place that is kept for pods of a node that is not there.
        let Some(Some(_)) = self.fixed.get(at.index()) else {
            return;
        };
        self.count(snapshot, template, at);
        let (row, place) = self.judge(snapshot.nodes(), template, at);
        let before = self.places[at.index()];
        if before != place {
            if let Some((bucket, level)) = before {
                self.buckets.remove(bucket, level, at);
            }
            if let Some((bucket, level)) = place {
                self.buckets.insert(bucket, level, at);
            }
            self.places[at.index()] = place;
        }
        if self.rows.get(at.index()) != Some(&row) {
            self.rows.set(at.index(), row);
        }
    }

    fn judge(
        &mut self,
        nodes: &Nodes,
        template: &Template,
        at: NodeIx,
    ) -> (Row, Option<(u32, u16)>) {
        let Some(Some(fixed)) = self.fixed.get(at.index()) else {
            return (Row::Absent, None);
        };
        let before_fixed = fixed
            .refused
            .as_ref()
            .map_or(usize::MAX, |refused| refused.0);
        let volatile = |(place, filter): (usize, &&dyn Filter)| {
            (place < before_fixed && filter.volatile())
                .then(|| filter.check(template, nodes, at).err())
                .flatten()
        };
        let refused = filters().iter().enumerate().find_map(volatile);
        if let Some(refusal) =
            refused.or_else(|| fixed.refused.as_ref().map(|refused| refused.1.clone()))
        {
            return (Row::Refused(refusal), None);
        }
        let mut own = fixed.own;
        let not_normalised = scores().iter().filter(|s| s.normalise() == Normalise::Not);
        let mut level = 0;
        for (slot, plugin) in own.iter_mut().zip(not_normalised) {
            if plugin.volatile() {
                *slot = as_own(plugin.score(template, nodes, at));
            }
            level += plugin.weight() as u16 * u16::from(*slot);
        }
        let coordinates = self
            .hard
            .iter()
            .chain(&self.soft)
            .map(|topology| topology.coordinate(at))
            .collect();
        let bucket = self.buckets.find(Key {
            raw: fixed.raw,
            coordinates,
        });
        (Row::Fits { bucket, own }, Some((bucket, level)))
    }

    /// Counts the node's pods in every topology.
    fn count(&mut self, snapshot: &Snapshot, template: &Template, at: NodeIx) {
        if self.hard.is_empty() && self.soft.is_empty() {
            return;
        }
        let constraints = || template.spread.hard.iter().chain(&*template.spread.soft);
        let mut counts = [0u32; MOST_CONSTRAINTS];
        if self.counted.len() > MOST_GROUPS {
            self.counted.clear();
        }
        for (group, pods) in snapshot.nodes().groups(at) {
            let counted = *self.counted.entry(*group).or_insert_with(|| {
                let Some(group) = snapshot.group(*group) else {
                    return 0;
                };
                let bit = |(i, c): (usize, &crate::plugins::Constraint)| {
                    let counts = group.namespace == template.spread.namespace
                        && !c.selector.is_empty()
                        && c.selector.matches(&group.labels);
                    if counts { 1 << i } else { 0 }
                };
                constraints()
                    .enumerate()
                    .map(bit)
                    .fold(0, |all, bit| all | bit)
            });
            let mut rest = counted;
            while rest != 0 {
                counts[rest.trailing_zeros() as usize] += *pods;
                rest &= rest - 1;
            }
        }
        for (topology, count) in self.hard.iter_mut().chain(&mut self.soft).zip(counts) {
            topology.set(at, count);
        }
    }

    /// What holds of each bucket, now.
    fn rank(&mut self, template: &Template) -> Vec<Ranked> {
        let mut ranked: Vec<Ranked> = self
            .buckets
            .iter()
            .map(|b| self.check_bucket(template, b))
            .collect();

        let mut highest = [0; NORMALISED];
        let mut considered = 0;
        let hard = self.hard.len();
        let ignored = |key: &Key| {
            template.spread.require_all && key.coordinates[hard..].iter().any(|c| !c.is_labelled())
        };
        for (bucket, ranked) in self.buckets.iter().zip(&ranked) {
            if !matches!(ranked, Ranked::Fits { .. }) {
                continue;
            }
            for (high, raw) in highest.iter_mut().zip(bucket.key().raw) {
                *high = raw.max(*high);
            }
            if !ignored(bucket.key()) {
                considered += bucket.size();
            }
        }

        let mut weights = Vec::with_capacity(self.soft.len());
        for (i, topology) in self.soft.iter_mut().enumerate() {
            let size = if topology.by_node() {
                considered
            } else {
                let with_nodes = self.buckets.iter().zip(&ranked).filter(|(bucket, ranked)| {
                    matches!(ranked, Ranked::Fits { .. }) && !ignored(bucket.key())
                });
                topology.distinct(with_nodes.map(|(bucket, _)| bucket.key().coordinates[hard + i]))
            };
            weights.push(spread::topology_weight(size));
        }

        let mut range = spread::Range::default();
        let mut raw = vec![None; ranked.len()];
        for ((bucket, ranked), raw) in self.buckets.iter().zip(&ranked).zip(&mut raw) {
            if matches!(ranked, Ranked::Fits { .. }) && !ignored(bucket.key()) {
                let mut sum = 0.0;
                for (i, (constraint, topology)) in
                    template.spread.soft.iter().zip(&self.soft).enumerate()
                {
                    if let Some(count) = topology.count(bucket.key().coordinates[hard + i]) {
                        sum += spread::part(constraint, count, weights[i]);
                    }
                }
                let score = spread::raw_score(sum);
                range.include(score);
                *raw = Some(score);
            }
        }

        let normalised_plugins = || scores().iter().filter(|s| s.normalise() != Normalise::Not);
        for ((bucket, ranked), raw) in self.buckets.iter().zip(&mut ranked).zip(raw) {
            if let Ranked::Fits { normalised, spread } = ranked {
                for (i, plugin) in normalised_plugins().enumerate() {
                    normalised[i] = plugin.normalise().apply(bucket.key().raw[i], highest[i]);
                }
                *spread = (!self.soft.is_empty()).then(|| range.normalise(raw));
            }
        }
        ranked
    }

    fn check_bucket(&self, template: &Template, bucket: &buckets::Bucket) -> Ranked {
        if bucket.size() == 0 {
            return Ranked::Empty;
        }
        for ((constraint, topology), coordinate) in template
            .spread
            .hard
            .iter()
            .zip(&self.hard)
            .zip(&bucket.key().coordinates)
        {
            let refused = match topology.count(*coordinate) {
                None => Err(Refusal::SpreadLabel(constraint.topology_key.clone())),
                Some(count) => spread::check(
                    constraint,
                    count,
                    spread::least(constraint, topology.domains(), topology.lowest()),
                ),
            };
            if let Err(refusal) = refused {
                return Ranked::Refused(refusal);
            }
        }
        Ranked::Fits {
            normalised: [0; NORMALISED],
            spread: None,
        }
    }

    fn best(&self, ranked: &[Ranked], draw: u64, capacity: usize) -> (Option<NodeIx>, usize) {
        let mut feasible = 0;
        let mut best: Option<(i64, u64, NodeIx)> = None;
        for (bucket, ranked) in self.buckets.iter().zip(ranked) {
            let Ranked::Fits { normalised, spread } = ranked else {
                continue;
            };
            feasible += bucket.size();
            let Some((level, nodes)) = bucket.highest() else {
                continue;
            };
            let shared: i64 = scores()
                .iter()
                .filter(|s| s.normalise() != Normalise::Not)
                .zip(normalised)
                .map(|(plugin, score)| plugin.weight() * score)
                .sum();
            let total = i64::from(level) + shared + spread::WEIGHT * spread.unwrap_or(0);
            if best.is_some_and(|(highest, ..)| highest > total) {
                continue;
            }
            let start = NodeIx((draw % capacity.max(1) as u64) as u32);
            let nearest = nodes.range(start..).next().or_else(|| nodes.first());
            let Some(at) = nearest.copied() else { continue };
            let distance = super::distance(at, draw, capacity);
            if best.is_none_or(|(highest, nearest, _)| total > highest || distance < nearest) {
                best = Some((total, distance, at));
            }
        }
        (best.map(|(_, _, at)| at), feasible)
    }
}

fn fix(template: &Template, nodes: &Nodes, at: NodeIx) -> Option<Fixed> {
    nodes.shape(at)?;
    let fixed = filters()
        .iter()
        .enumerate()
        .filter(|(_, filter)| !filter.volatile());
    let refused = fixed
        .into_iter()
        .find_map(|(i, filter)| Some(Box::new((i, filter.check(template, nodes, at).err()?))));
    let (mut raw, mut own) = ([0; NORMALISED], [0; OWN]);
    let (mut next_raw, mut next_own) = (raw.iter_mut(), own.iter_mut());
    for plugin in scores() {
        if plugin.normalise() != Normalise::Not {
            if let Some(slot) = next_raw.next() {
                *slot = plugin.score(template, nodes, at);
            }
        } else if let Some(slot) = next_own.next()
            && !plugin.volatile()
        {
            *slot = as_own(plugin.score(template, nodes, at));
        }
    }
    Some(Fixed { refused, raw, own })
}

fn as_own(score: i64) -> u8 {
    score.clamp(0, MAX_SCORE) as u8
}
