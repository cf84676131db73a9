//! NodeName: a pod that names its node goes nowhere else. Pods that wait have no node yet, and the kubelet of the node
//! that a pod was created with takes it without asking here; the filter keeps the rule complete, as upstream does.

use crate::plugins::{Filter, Plugin, Refusal, Template};
use crate::snapshot::{NodeIx, Nodes};

/// See the file's documentation.
pub struct NodeName;

impl Filter for NodeName {
    fn plugin(&self) -> Plugin {
        Plugin::NodeName
    }

    fn check(&self, template: &Template, nodes: &Nodes, at: NodeIx) -> Result<(), Refusal> {
        match template.needs.node_name.as_deref() {
            Some(name) if name != &**nodes.name(at) => Err(Refusal::NodeName),
            _ => Ok(()),
        }
    }
}
