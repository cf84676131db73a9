//! Pods that were to be disrupted and were not: whoever meant to has thought better of it, and the condition is taken back.

use std::time::Duration;

use api::core::v1::{self as core};
use jiff::{SignedDuration, Timestamp};
use runtime::{
    Context, Controller, Informer, Informers, Key, Next, Patch, ReconcileError, Resource,
    ResultExt, Wiring,
};
use serde_json::json;

use super::Disruption;
use crate::object::{pod::Pod, rfc3339};

/// How long a disruption may be announced.
const TIMEOUT: SignedDuration = SignedDuration::from_secs(2 * 60);

/// The half of the disruption controller that looks after announced disruptions. Its keys are pods.
pub struct StaleDisruptions {
    pods: Informer<Pod>,
}

impl StaleDisruptions {
    /// The controller, reading from the given informers.
    pub fn new(informers: &Informers) -> Self {
        StaleDisruptions {
            pods: informers.informer(&Resource::of(core::Pod::TYPE)),
        }
    }
}

/// How long the announcement on a pod may still stand; `None` if there is none to take back.
fn left(pod: &Pod, now: Timestamp) -> Option<Duration> {
    let since = pod.disruption.filter(|_| pod.is_active())?;
    let left = TIMEOUT - now.duration_since(since);
    Some(Duration::try_from(left).unwrap_or_default())
}

impl Controller for StaleDisruptions {
    const NAME: &'static str = Disruption::NAME;
    const EVENT_SOURCE: &'static str = Disruption::EVENT_SOURCE;

    fn workers(&self) -> usize {
        1
    }

    fn wire(&self, wiring: &mut Wiring<'_>) {
        wiring.watch(&self.pods, |change, queue| {
            if change.new.is_some_and(|pod| pod.value.disruption.is_some()) {
                queue.add(change.latest().key.clone());
            }
        });
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        let Some(pod) = self.pods.get(key) else {
            return Ok(Next::Done);
        };
        let now = cx.clock.now();
        match left(&pod.value, now) {
            None => return Ok(Next::Done),
            Some(left) if !left.is_zero() => return Ok(Next::After(left)),
            Some(_) => {}
        }
        let resource = self.pods.resource();
        let Some(live) = cx.client.get(resource, key).await.optional()? else {
            return Ok(Next::Done);
        };
        let metadata = core::Pod::of(&live).metadata();
        if metadata.uid() != &*pod.uid {
            return Ok(Next::Done);
        }
        let patch = Patch::Strategic(json!({
            "metadata": {"uid": &*pod.uid, "resourceVersion": metadata.resource_version()},
            "status": {"conditions": [{
                "type": "DisruptionTarget", "status": "False", "lastTransitionTime": rfc3339(now),
                "observedGeneration": metadata.generation(), "reason": null, "message": null,
            }]},
        }));
        cx.client
            .patch_status(resource, key, &patch)
            .await
            .optional()?;
        Ok(Next::Done)
    }
}
