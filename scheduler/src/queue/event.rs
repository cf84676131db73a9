//! What happens in the cluster, and whom it may help.

use crate::plugins::{Plugin, Template, check};
use crate::snapshot::{NodeIx, Nodes};
use crate::text::Text;

/// Something that may help a pod which no node could take.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// A node is new or changed: labels, taints, allocatable, whether it is cordoned.
    Node(NodeIx),
    /// A node is gone.
    NodeGone,
    /// A pod left this node, or takes less of it.
    Freed {
        /// The node.
        node: NodeIx,
        /// The pod's namespace.
        namespace: Text,
    },
    /// A pod came to a node, or its labels changed.
    Placed {
        /// Its namespace.
        namespace: Text,
    },
}

impl Event {
    /// Whether a pod of `template` in `namespace`, which `plugins` refused, may find a node now.
    ///
    /// What holds of one node is asked of that node, by the filters themselves: a node that still refuses the pod did
    /// not become its node. Spreading depends on all nodes; everything that moves its counts may help there.
    pub fn helps(
        &self,
        template: &Template,
        namespace: &str,
        plugins: &[Plugin],
        nodes: &Nodes,
    ) -> bool {
        let spread = plugins.contains(&Plugin::PodTopologySpread);
        let fits = |at: NodeIx| nodes.shape(at).is_some() && check(template, nodes, at).is_ok();
        match self {
            Event::Node(at) => spread || fits(*at),
            Event::NodeGone => spread,
            Event::Freed {
                node,
                namespace: of,
            } => (spread && **of == *namespace) || fits(*node),
            Event::Placed { namespace: of } => spread && **of == *namespace,
        }
    }
}
