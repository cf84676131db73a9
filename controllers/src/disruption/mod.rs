//! PodDisruptionBudgets: how many of some pods may be evicted just now, told in the budget's status, which evictions go by.
//!
//! The arithmetic is in `budget`; how many pods there should be, those say who keep them (`scale`). An eviction that was
//! allowed counts as made until its pod is seen going, or has not gone for two minutes.

mod budget;
mod model;
mod scale;
mod stale;

use std::sync::Arc;

use api::{core::v1 as core, policy::v1 as policy};
use runtime::{
    Change, Context, Controller, Informer, Informers, Key, Next, Object, Patch, ReconcileError,
    Resource, Wiring, events::ObjectRef,
};

use self::{
    model::{Budget, Status},
    scale::{Keepers, Scale},
};
use crate::object::pod::Pod;

pub use stale::StaleDisruptions;

/// The controller of PodDisruptionBudgets.
pub struct Disruption {
    budgets: Informer<Budget>,
    pods: Informer<Pod>,
    keepers: Keepers,
}

impl Disruption {
    /// The controller, reading from the given informers.
    pub fn new(informers: &Informers) -> Self {
        Disruption {
            budgets: informers.informer(&Resource::of(policy::PodDisruptionBudget::TYPE)),
            pods: informers.informer(&Resource::of(core::Pod::TYPE)),
            keepers: Keepers::new(informers),
        }
    }
}

fn selects(budget: &Budget, pod: &Pod) -> bool {
    let selector = budget.selector.as_ref();
    selector.is_some_and(|s| s.matches(&pod.labels))
}

impl Controller for Disruption {
    const NAME: &'static str = "disruption-controller";
    const EVENT_SOURCE: &'static str = "controllermanager";

    fn wire(&self, wiring: &mut Wiring<'_>) {
        wiring.watch_own(&self.budgets);
        let budgets = self.budgets.clone();
        wiring.watch(&self.pods, move |change: Change<'_, Pod>, queue| {
            for budget in budgets.in_namespace(change.latest().key.namespace()) {
                if change
                    .states()
                    .any(|pod| selects(&budget.value, &pod.value))
                {
                    queue.add(budget.key.clone());
                }
            }
        });
        let budgets = self.budgets.clone();
        self.keepers.wire(wiring, move |namespace| {
            let budgets = budgets.in_namespace(namespace);
            budgets.iter().map(|b| b.key.clone()).collect()
        });
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        let Some(budget) = self.budgets.get(key) else {
            return Ok(Next::Done);
        };
        let mut pods = self.pods.in_namespace(key.namespace());
        pods.retain(|pod| selects(&budget.value, &pod.value));
        self.tell_shared(cx, &budget, &pods);
        if pods.is_empty() {
            let text = "No matching pods found";
            cx.events.normal(self.reference(&budget), "NoPods", text);
        }
        let now = cx.clock.now();
        let wanted = match self.wanted(cx, &budget, &pods).await {
            Ok(wanted) => wanted,
            // Another time it may be told.
            Err(ReconcileError::Client(error)) if error.is_retriable() => return Err(error.into()),
            Err(error) => {
                let text = format!("Failed to calculate the number of expected pods: {error}");
                let object = self.reference(&budget);
                cx.events
                    .warning(object, "CalculateExpectedPodCountFailed", text);
                let status = budget::failed(&budget.value, &error.to_string(), now);
                self.store(cx, &budget, &status).await?;
                return Ok(Next::Done);
            }
        };
        let disrupted = budget::disrupted(&budget.value.status, &pods, now);
        for pod in &disrupted.stayed {
            let text = format!("Pod was expected by PDB {key} to be deleted but it wasn't");
            let object = ObjectRef::new(self.pods.resource(), &pod.key, &pod.uid);
            cx.events.warning(object, "NotDeleted", text);
        }
        let healthy = budget::healthy(&pods, &disrupted.pods);
        let status = budget::status(&budget.value, wanted, healthy, disrupted.pods, now);
        self.store(cx, &budget, &status).await?;
        Ok(disrupted.recheck.map_or(Next::Done, Next::After))
    }
}

impl Disruption {
    fn reference(&self, budget: &Object<Budget>) -> ObjectRef {
        ObjectRef::new(self.budgets.resource(), &budget.key, &budget.uid)
    }

    async fn wanted(
        &self,
        cx: &Context,
        budget: &Object<Budget>,
        pods: &[Arc<Object<Pod>>],
    ) -> Result<budget::Wanted, ReconcileError> {
        let bound = &budget.value.bound;
        let scale = if bound.needs_scale() {
            self.keepers.scale(cx, pods.iter().map(|p| &**p)).await?
        } else {
            Scale::default()
        };
        if scale.unmanaged {
            let text = "Pods selected by this PodDisruptionBudget were found to be unmanaged: nobody says how many of them there \
                        should be, so the status cannot be calculated correctly. To account for these pods, set \
                        \".spec.minAvailable\" to an integer value.";
            let object = self.reference(budget);
            cx.events.warning(object, "UnmanagedPods", text);
        }
        let wanted = bound.resolve(scale.expected, pods.len());
        wanted.map_err(|error| ReconcileError::Other(error.into()))
    }

    /// Tells of pods that several budgets select: they cannot be evicted.
    fn tell_shared(&self, cx: &Context, budget: &Object<Budget>, pods: &[Arc<Object<Pod>>]) {
        let mut others = self.budgets.in_namespace(budget.key.namespace());
        others.retain(|other| other.key != budget.key);
        for pod in pods {
            if others.iter().any(|o| selects(&o.value, &pod.value)) {
                let (namespace, name) = (pod.key.namespace(), pod.key.name());
                let text = format!(
                    "Pod {namespace:?}/{name:?} matches multiple PodDisruptionBudgets.  Chose {:?} arbitrarily.",
                    budget.key.name()
                );
                let object = ObjectRef::new(self.pods.resource(), &pod.key, &pod.uid);
                cx.events
                    .warning(object, "MultiplePodDisruptionBudgets", text);
            }
        }
    }

    async fn store(
        &self,
        cx: &Context,
        budget: &Object<Budget>,
        status: &Status,
    ) -> Result<(), ReconcileError> {
        let old = &budget.value.status;
        if status != old {
            let patch = Patch::Merge(budget::patch(old, status, &budget.resource_version));
            let resource = self.budgets.resource();
            cx.client
                .patch_status(resource, &budget.key, &patch)
                .await?;
        }
        Ok(())
    }
}
