//! NodeResourcesFit: what the pods of a node request stays within its allocatable; the emptier node is the better one
//! (LeastAllocated over CPU and memory, weight 1 each).

use crate::plugins::{Filter, MAX_SCORE, Plugin, Refusal, Score, Shortage, Template};
use crate::pod::{CPU, EPHEMERAL_STORAGE, MEMORY};
use crate::snapshot::{NodeIx, Nodes};

/// See the file's documentation.
pub struct NodeResourcesFit;

impl Filter for NodeResourcesFit {
    fn plugin(&self) -> Plugin {
        Plugin::NodeResourcesFit
    }

    fn volatile(&self) -> bool {
        true
    }

    fn check(&self, template: &Template, nodes: &Nodes, at: NodeIx) -> Result<(), Refusal> {
        let requests = &template.needs.requests;
        let mut short = Vec::new();
        let mut need = |resource: &str, requested: i64, used: i64, capacity: i64| {
            if requested > 0 && requested > capacity - used {
                short.push(Shortage {
                    resource: resource.into(),
                    requested,
                    used,
                    capacity,
                });
            }
        };
        need("pods", 1, nodes.pod_count(at), nodes.pods(at));
        need(
            CPU,
            requests.milli_cpu,
            nodes.requested_milli_cpu(at),
            nodes.milli_cpu(at),
        );
        need(
            MEMORY,
            requests.memory,
            nodes.requested_memory(at),
            nodes.memory(at),
        );
        need(
            EPHEMERAL_STORAGE,
            requests.ephemeral_storage,
            nodes.requested_ephemeral_storage(at),
            nodes.ephemeral_storage(at),
        );
        for (name, requested) in &requests.scalars {
            let (capacity, used) = nodes
                .scalar(name)
                .map_or((0, 0), |id| nodes.scalar_amounts(id, at));
            need(name, *requested, used, capacity);
        }
        if short.is_empty() {
            Ok(())
        } else {
            Err(Refusal::Resources(short.into()))
        }
    }
}

impl Score for NodeResourcesFit {
    fn plugin(&self) -> Plugin {
        Plugin::NodeResourcesFit
    }

    fn weight(&self) -> i64 {
        1
    }

    fn volatile(&self) -> bool {
        true
    }

    fn score(&self, template: &Template, nodes: &Nodes, at: NodeIx) -> i64 {
        let (milli_cpu, memory) = template.needs.least_allocated;
        let free = [
            unused(nodes.nonzero_milli_cpu(at) + milli_cpu, nodes.milli_cpu(at)),
            unused(nodes.nonzero_memory(at) + memory, nodes.memory(at)),
        ];
        let (sum, weights) = free
            .iter()
            .flatten()
            .fold((0, 0), |(sum, n), score| (sum + score, n + 1));
        if weights == 0 { 0 } else { sum / weights }
    }
}

/// The unused part on a scale of 0–100; None for a resource that the node does not have.
fn unused(requested: i64, capacity: i64) -> Option<i64> {
    match capacity {
        0 => None,
        _ if requested > capacity => Some(0),
        _ => Some((capacity - requested) * MAX_SCORE / capacity),
    }
}
