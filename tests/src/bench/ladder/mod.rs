//! `--scale`: the same figures with 10 to 5,000 simulated nodes, and how each of them grows (`rung.rs` takes those of one number
//! of nodes, `table.rs` prints them, `plot.rs` draws them).

pub mod plot;
pub mod rung;
pub mod table;

use super::row::{Row, Unit};

/// The numbers of nodes.
pub const RUNGS: [usize; 4] = [10, 100, 1_000, 5_000];

/// What may grow with them.
pub const LADDER: &[Row] = &[
    Row::new(
        "scale-schedule",
        "pods bound of those that wait when the scheduler starts",
        Unit::PerSecond,
        None,
    ),
    Row::new(
        "scale-rollout",
        "a Deployment of two pods a node (at least 100, at most 2,000): pods available",
        Unit::PerSecond,
        None,
    ),
    Row::new(
        "scale-memory",
        "anonymous memory of the control plane with those pods",
        Unit::Megabytes,
        None,
    ),
    Row::new(
        "scale-memory-server",
        "the same of API server and store alone",
        Unit::Megabytes,
        None,
    ),
    Row::new(
        "scale-idle-cpu",
        "processor of the control plane: only heartbeats of the nodes",
        Unit::Percent,
        None,
    ),
    Row::new(
        "scale-list-nodes",
        "LIST of all nodes: p50",
        Unit::Milliseconds,
        None,
    ),
];

/// The rungs up to so many nodes.
pub fn rungs(most: usize) -> impl Iterator<Item = usize> {
    RUNGS.into_iter().filter(move |nodes| *nodes <= most)
}

/// By what a row's figures of one rung are kept.
pub fn key(row: &Row, nodes: usize) -> String {
    format!("{}@{nodes}", row.name)
}

/// The pods of the Deployment on so many nodes.
fn replicas(nodes: usize) -> usize {
    (2 * nodes).clamp(100, 2_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ladder_ends_at_its_most_and_its_pods_are_bounded() {
        assert_eq!(rungs(999).collect::<Vec<_>>(), [10, 100]);
        assert_eq!(rungs(5_000).count(), RUNGS.len());
        assert_eq!(RUNGS.map(replicas), [100, 200, 2_000, 2_000]);
    }
}
