//! NodePorts: a host port is had once on a node.

use crate::plugins::{Filter, Plugin, Refusal, Template};
use crate::snapshot::{NodeIx, Nodes};

/// See the file's documentation.
pub struct NodePorts;

impl Filter for NodePorts {
    fn plugin(&self) -> Plugin {
        Plugin::NodePorts
    }

    fn volatile(&self) -> bool {
        true
    }

    fn check(&self, template: &Template, nodes: &Nodes, at: NodeIx) -> Result<(), Refusal> {
        let taken = nodes.ports(at);
        match template
            .needs
            .ports
            .iter()
            .find(|wanted| taken.iter().any(|p| p.conflicts(wanted)))
        {
            Some(port) => Err(Refusal::Port(Box::new(port.clone()))),
            None => Ok(()),
        }
    }
}
