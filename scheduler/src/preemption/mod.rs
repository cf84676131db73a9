//! Which pods of lower priority would have to go so that a pod fits: a pure function of a snapshot, as a decision is.
//!
//! On each node that refuses the pod for what runs there, all pods of lower priority are taken off; if the pod fits then, as
//! many as can be are put back, the most important first. Of the nodes that are left, the one is taken where the least is
//! lost. The snapshot is as before when the answer is given.
//!
//! Upstream: `pkg/scheduler/framework/plugins/defaultpreemption`.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/>

mod budgets;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;

pub use budgets::{Budget, Budgets};

use crate::decision::{Explanation, Verdict, slow};
use crate::plugins::Template;
use crate::pod::PodKey;
use crate::snapshot::{NodeIx, Placed, Snapshot};
use crate::text::{Map, Text};

/// So many nodes are compared at least, and a tenth of all: upstream's defaults.
const CANDIDATES: usize = 100;
const CANDIDATES_PART: usize = 10;

/// A pod that has to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Victim {
    /// Which.
    pub key: PodKey,
    /// Its uid.
    pub uid: Text,
}

/// What would make room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preemption {
    /// Where.
    pub node: NodeIx,
    /// Who has to go, the most important first.
    pub victims: Vec<Victim>,
}

/// The node where a pod of this template and priority costs the least, and whom it costs; none if nobody's going helps.
/// `explanation` is why the pod fits nowhere now; nodes are looked at from the place on that `draw` names.
pub fn choose(
    snapshot: &mut Snapshot,
    template: &Template,
    priority: i32,
    explanation: &Explanation,
    budgets: &Budgets,
    draw: u64,
) -> Option<Preemption> {
    let mut lower: Map<NodeIx, Vec<PodKey>> = Map::default();
    for (key, placed) in snapshot.below(priority) {
        lower.entry(placed.node).or_default().push(key.clone());
    }
    let capacity = snapshot.nodes().capacity();
    let most = CANDIDATES.max(snapshot.nodes().len() / CANDIDATES_PART);
    let start = usize::try_from(draw % capacity.max(1) as u64).unwrap_or_default();
    let circle = (start..capacity).chain(0..start);
    let mut best: Option<(Cost, Preemption)> = None;
    let mut found = 0;
    for at in circle.filter_map(|at| u32::try_from(at).ok()).map(NodeIx) {
        let Some(Verdict::Refused(refusal)) = explanation.verdict(at) else {
            continue;
        };
        let Some(lower) = lower.remove(&at).filter(|_| refusal.resolvable()) else {
            continue;
        };
        let Some((cost, victims)) = victims(snapshot, template, at, lower, budgets) else {
            continue;
        };
        if best.as_ref().is_none_or(|(least, _)| cost < *least) {
            best = Some((cost, Preemption { node: at, victims }));
        }
        found += 1;
        if found == most {
            break;
        }
    }
    best.map(|(_, preemption)| preemption)
}

/// What is lost on a node, in the order in which it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    /// Pods beyond what their disruption budgets allow.
    violations: usize,
    highest: i32,
    /// Of the priorities, each from the lowest there is.
    sum: u64,
    pods: usize,
    /// Since when the one has run, of those of the highest priority, that has run longest: the later the better.
    oldest: Reverse<i64>,
}

/// Who has to go from the node at `at` where `lower` are all that may; none if that is not enough.
fn victims(
    snapshot: &mut Snapshot,
    template: &Template,
    at: NodeIx,
    lower: Vec<PodKey>,
    budgets: &Budgets,
) -> Option<(Cost, Vec<Victim>)> {
    let taken = lower.into_iter();
    let mut off: Vec<(PodKey, Placed)> = taken
        .filter_map(|key| snapshot.remove_pod(&key).map(|placed| (key, placed)))
        .collect();
    if !slow::fits(snapshot, template, at) {
        for (key, placed) in off {
            snapshot.put_back(key, placed);
        }
        return None;
    }
    off.sort_by_cached_key(|(key, placed)| {
        (Reverse(placed.load.priority), placed.since, key.clone())
    });
    // Those that a budget protects are spared before the others.
    let violating = budgets.violated_by(&off);
    let mut order: Vec<usize> = (0..off.len()).collect();
    order.sort_by_key(|i| !violating[*i]);
    let mut stays = vec![false; off.len()];
    for i in order {
        let (key, placed) = &off[i];
        snapshot.put_back(key.clone(), placed.clone());
        stays[i] = slow::fits(snapshot, template, at);
        if !stays[i] {
            snapshot.remove_pod(key);
        }
    }
    let mut cost = Cost {
        violations: 0,
        highest: i32::MIN,
        sum: 0,
        pods: 0,
        oldest: Reverse(i64::MAX),
    };
    let mut victims = Vec::new();
    let fates = stays.into_iter().zip(violating).zip(off);
    for ((_, violates), (key, placed)) in fates.filter(|((stays, _), _)| !stays) {
        let priority = placed.load.priority;
        if priority > cost.highest || victims.is_empty() {
            (cost.highest, cost.oldest) = (priority, Reverse(placed.since));
        } else if priority == cost.highest {
            cost.oldest = cost.oldest.max(Reverse(placed.since));
        }
        cost.violations += usize::from(violates);
        cost.sum += u64::from(priority.abs_diff(i32::MIN));
        cost.pods += 1;
        victims.push(Victim {
            key: key.clone(),
            uid: placed.uid.clone(),
        });
        snapshot.put_back(key, placed);
    }
    Some((cost, victims))
}
