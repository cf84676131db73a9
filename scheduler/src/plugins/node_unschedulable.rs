//! NodeUnschedulable: cordoned nodes take only pods that tolerate the taint which cordoning adds.

use crate::plugins::{Filter, Plugin, Refusal, Template};
use crate::pod::{Effect, Taint};
use crate::snapshot::{NodeIx, Nodes};

/// See the file's documentation.
pub struct NodeUnschedulable;

impl Filter for NodeUnschedulable {
    fn plugin(&self) -> Plugin {
        Plugin::NodeUnschedulable
    }

    fn check(&self, template: &Template, nodes: &Nodes, at: NodeIx) -> Result<(), Refusal> {
        if !nodes.shape(at).is_some_and(|shape| shape.unschedulable) {
            return Ok(());
        }
        let cordoned = Taint {
            key: "node.kubernetes.io/unschedulable".into(),
            value: "".into(),
            effect: Effect::NoSchedule,
        };
        let tolerated = template
            .needs
            .tolerations
            .iter()
            .any(|t| t.tolerates(&cordoned));
        if tolerated {
            Ok(())
        } else {
            Err(Refusal::Unschedulable)
        }
    }
}
