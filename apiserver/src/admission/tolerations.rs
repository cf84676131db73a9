//! DefaultTolerationSeconds: a pod stays five minutes on a node that is not ready or not reachable, unless it says otherwise.

use api::Tree;
use api::core::v1::{Pod, PodMut};
use async_trait::async_trait;

use super::{Attributes, Mutate, Operation};
use crate::status::Status;

const TAINTS: [&str; 2] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
];
const SECONDS: i64 = 300;

/// See the module.
pub struct DefaultTolerationSeconds;

#[async_trait]
impl Mutate for DefaultTolerationSeconds {
    fn handles(&self, a: &Attributes<'_>) -> bool {
        a.is("", "pods") && matches!(a.operation, Operation::Create | Operation::Update)
    }

    async fn mutate(
        &self,
        _: &Attributes<'_>,
        new: &mut Tree,
        _: Option<&Tree>,
    ) -> Result<(), Status> {
        for taint in TAINTS {
            let tolerated = Pod::of(new).spec().tolerations().iter().any(|toleration| {
                matches!(toleration.key(), key if key.is_empty() || key == taint)
                    && matches!(toleration.effect(), "" | "NoExecute")
            });
            if !tolerated {
                let mut pod = PodMut::of(new);
                let mut spec = pod.spec_mut();
                let mut toleration = spec.push_tolerations();
                toleration.set_key(taint);
                toleration.set_operator("Exists");
                toleration.set_effect("NoExecute");
                toleration.set_toleration_seconds(SECONDS);
            }
        }
        Ok(())
    }
}
