//! TaintNodesByCondition: a new node is not ready until its controller has found it so.

use api::Tree;
use api::core::v1::{Node, NodeMut};
use async_trait::async_trait;

use super::{Attributes, Mutate, Operation};
use crate::status::Status;

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const EFFECT: &str = "NoSchedule";

/// See the module.
pub struct TaintNodesByCondition;

#[async_trait]
impl Mutate for TaintNodesByCondition {
    fn handles(&self, a: &Attributes<'_>) -> bool {
        a.is("", "nodes") && a.operation == Operation::Create
    }

    async fn mutate(
        &self,
        _: &Attributes<'_>,
        new: &mut Tree,
        _: Option<&Tree>,
    ) -> Result<(), Status> {
        let tainted = Node::of(new)
            .spec()
            .taints()
            .iter()
            .any(|t| t.key() == NOT_READY && t.effect() == EFFECT);
        if !tainted {
            let mut node = NodeMut::of(new);
            let mut spec = node.spec_mut();
            let mut taint = spec.push_taints();
            taint.set_key(NOT_READY);
            taint.set_effect(EFFECT);
        }
        Ok(())
    }
}
