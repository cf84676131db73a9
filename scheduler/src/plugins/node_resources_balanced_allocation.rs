//! NodeResourcesBalancedAllocation: CPU and memory of a node should fill up alike. What counts is by how much the pod
//! would improve or worsen the balance.

use crate::plugins::{MAX_SCORE, Plugin, Score, Template};
use crate::snapshot::{NodeIx, Nodes};

/// See the file's documentation.
pub struct NodeResourcesBalancedAllocation;

impl Score for NodeResourcesBalancedAllocation {
    fn plugin(&self) -> Plugin {
        Plugin::NodeResourcesBalancedAllocation
    }

    fn weight(&self) -> i64 {
        1
    }

    fn volatile(&self) -> bool {
        true
    }

    fn score(&self, template: &Template, nodes: &Nodes, at: NodeIx) -> i64 {
        let (cpu, memory) = (
            template.needs.requests.milli_cpu,
            template.needs.requests.memory,
        );
        // Pods that ask for nothing change no balance; upstream skips the plugin for them.
        if cpu == 0 && memory == 0 {
            return 0;
        }
        let capacity = [nodes.milli_cpu(at), nodes.memory(at)];
        let before = [nodes.requested_milli_cpu(at), nodes.requested_memory(at)];
        let after = [before[0] + cpu, before[1] + memory];
        MAX_SCORE / 2 + (MAX_SCORE / 2 + balance(after, capacity) - balance(before, capacity)) / 2
    }
}

/// 100 when both are filled alike, down to 50 when one is full and the other empty.
fn balance(requested: [i64; 2], capacity: [i64; 2]) -> i64 {
    let deviation = if capacity.contains(&0) {
        0.0
    } else {
        let filled = |i: usize| (requested[i] as f64 / capacity[i] as f64).min(1.0);
        ((filled(0) - filled(1)) / 2.0).abs()
    };
    // Truncation is upstream's.
    ((1.0 - deviation) * MAX_SCORE as f64) as i64
}

#[cfg(test)]
mod tests {
    use super::balance;

    #[test]
    fn balance_is_highest_where_both_are_filled_alike() {
        assert_eq!(balance([500, 500], [1000, 1000]), 100);
        assert_eq!(balance([1000, 0], [1000, 1000]), 50);
        assert_eq!(
            balance([3000, 0], [1000, 1000]),
            50,
            "more than full is full"
        );
        assert_eq!(balance([500, 250], [1000, 1000]), 87);
        assert_eq!(
            balance([500, 9], [1000, 0]),
            100,
            "a resource that is not there weighs nothing"
        );
    }
}
