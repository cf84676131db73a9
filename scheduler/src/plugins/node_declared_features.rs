//! NodeDeclaredFeatures (KEP-5328): a pod that uses a feature goes only where the kubelet says that it has it.

use crate::plugins::{Filter, Plugin, Refusal, Template};
use crate::snapshot::{NodeIx, Nodes};

/// See the file's documentation.
pub struct NodeDeclaredFeatures;

impl Filter for NodeDeclaredFeatures {
    fn plugin(&self) -> Plugin {
        Plugin::NodeDeclaredFeatures
    }

    fn check(&self, template: &Template, nodes: &Nodes, at: NodeIx) -> Result<(), Refusal> {
        let Some(shape) = nodes.shape(at) else {
            return Ok(());
        };
        let missing = template
            .needs
            .features
            .iter()
            .find(|wanted| !shape.features.iter().any(|f| &**f == **wanted));
        missing.map_or(Ok(()), |feature| Err(Refusal::Feature(feature)))
    }
}
