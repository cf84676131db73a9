//! TaintToleration: taints keep off the pods that do not tolerate them, or make a node less welcome to them.

use crate::plugins::{Filter, Normalise, Plugin, Refusal, Score, Template};
use crate::pod::{Effect, untolerated};
use crate::snapshot::{NodeIx, Nodes};

/// See the file's documentation.
pub struct TaintToleration;

impl Filter for TaintToleration {
    fn plugin(&self) -> Plugin {
        Plugin::TaintToleration
    }

    fn check(&self, template: &Template, nodes: &Nodes, at: NodeIx) -> Result<(), Refusal> {
        let Some(shape) = nodes.shape(at) else {
            return Ok(());
        };
        match untolerated(&shape.taints, &template.needs.tolerations) {
            Some(place) => Err(Refusal::Taint(
                shape.taints.clone(),
                u16::try_from(place).unwrap_or(u16::MAX),
            )),
            None => Ok(()),
        }
    }
}

impl Score for TaintToleration {
    fn plugin(&self) -> Plugin {
        Plugin::TaintToleration
    }

    fn weight(&self) -> i64 {
        3
    }

    fn normalise(&self) -> Normalise {
        Normalise::ToHighestReversed
    }

    /// The number of taints that would rather not have the pod.
    fn score(&self, template: &Template, nodes: &Nodes, at: NodeIx) -> i64 {
        let Some(shape) = nodes.shape(at) else {
            return 0;
        };
        let unwelcome = shape.taints.iter().filter(|taint| {
            taint.effect == Effect::PreferNoSchedule
                && !template
                    .needs
                    .tolerations
                    .iter()
                    .any(|t| t.tolerates(taint))
        });
        unwelcome.count() as i64
    }
}
