//! NodeAffinity: the node selector and the required node affinity select nodes, the preferred one ranks them.

use crate::plugins::{Filter, Normalise, Plugin, Refusal, Score, Template};
use crate::pod::Needs;
use crate::snapshot::{NodeIx, NodeShape, Nodes};

/// See the file's documentation.
pub struct NodeAffinity;

/// Whether node selector and required affinity select the node.
pub(super) fn selects(needs: &Needs, shape: &NodeShape) -> bool {
    needs
        .node_selector
        .iter()
        .all(|(key, value)| shape.labels.get(key) == Some(value))
        && needs
            .required
            .as_ref()
            .is_none_or(|terms| terms.iter().any(|t| t.matches(&shape.name, &shape.labels)))
}

impl Filter for NodeAffinity {
    fn plugin(&self) -> Plugin {
        Plugin::NodeAffinity
    }

    fn check(&self, template: &Template, nodes: &Nodes, at: NodeIx) -> Result<(), Refusal> {
        let selected = nodes
            .shape(at)
            .is_some_and(|shape| selects(&template.needs, shape));
        if selected {
            Ok(())
        } else {
            Err(Refusal::Affinity)
        }
    }
}

impl Score for NodeAffinity {
    fn plugin(&self) -> Plugin {
        Plugin::NodeAffinity
    }

    fn weight(&self) -> i64 {
        2
    }

    fn normalise(&self) -> Normalise {
        Normalise::ToHighest
    }

    /// The sum of the weights of the preferred terms that select the node.
    fn score(&self, template: &Template, nodes: &Nodes, at: NodeIx) -> i64 {
        let Some(shape) = nodes.shape(at) else {
            return 0;
        };
        let preferred = template.needs.preferred.iter().flatten();
        preferred
            .filter(|p| p.term.matches(&shape.name, &shape.labels))
            .map(|p| i64::from(p.weight))
            .sum()
    }
}
