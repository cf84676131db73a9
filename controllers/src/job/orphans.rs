//! Pods that no Job counts any more, and that still have the finalizer: their Job is gone or has finished, or they were
//! released. Nobody else takes it off, and they would never go.

use api::{batch::v1 as batch, core::v1 as core};
use runtime::{
    Context, Controller, Informer, Informers, Key, Next, Object, ReconcileError, Resource,
    ResultExt, Wiring,
};

use super::{Jobs, write::take_off_finalizer};
use crate::object::{
    job::Job,
    owner::Owner,
    pod::{self, Pod},
};

/// Takes the finalizer off. Its keys are pods.
pub struct OrphanPods {
    jobs: Informer<Job>,
    pods: Informer<Pod>,
}

impl OrphanPods {
    /// The controller, reading from the given informers.
    pub fn new(informers: &Informers) -> Self {
        let pods = informers.informer(&Resource::of(core::Pod::TYPE));
        pods.add_index(pod::BY_OWNER, Pod::owner_values);
        OrphanPods {
            jobs: informers.informer(&Resource::of(batch::Job::TYPE)),
            pods,
        }
    }
}

fn is_tracked(pod: &Object<Pod>) -> bool {
    pod.value.work.as_ref().is_some_and(|work| work.tracked)
}

/// Whether the owner is a Job of the version that has the finalizer.
fn is_job(owner: &Owner) -> bool {
    owner.kind == "Job" && owner.api_version == "batch/v1"
}

impl Controller for OrphanPods {
    const NAME: &'static str = Jobs::NAME;

    fn wire(&self, wiring: &mut Wiring<'_>) {
        wiring.watch(&self.pods, |change, queue| {
            if let Some(pod) = change.new.filter(|pod| is_tracked(pod)) {
                queue.add(pod.key.clone());
            }
        });
        let pods = self.pods.clone();
        wiring.watch(&self.jobs, move |change, queue| {
            let ended = change.new.is_none_or(|job| job.value.is_finished());
            if ended && let Some(job) = change.states().next() {
                for pod in pods.by_index(pod::BY_OWNER, &job.uid) {
                    if is_tracked(&pod) {
                        queue.add(pod.key.clone());
                    }
                }
            }
        });
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        let Some(pod) = self.pods.get(key).filter(|pod| is_tracked(pod)) else {
            return Ok(Next::Done);
        };
        if let Some(owner) = &pod.value.controller
            && (!is_job(owner) || !self.is_abandoned(cx, &pod, owner).await?)
        {
            return Ok(Next::Done);
        }
        take_off_finalizer(cx, self.pods.resource(), &pod).await?;
        Ok(Next::Done)
    }
}

impl OrphanPods {
    /// Whether the pod's Job will not count it any more. That one is gone is asked for, not taken from the informer, which may
    /// not know it yet.
    async fn is_abandoned(
        &self,
        cx: &Context,
        pod: &Object<Pod>,
        owner: &Owner,
    ) -> Result<bool, ReconcileError> {
        let key = owner.key_beside(&pod.key);
        let known = self.jobs.get(&key).filter(|job| *job.uid == *owner.uid);
        let job = match known {
            Some(job) => job,
            None => {
                let live = cx.client.get(self.jobs.resource(), &key).await.optional()?;
                let live = live.map(|tree| Object::<Job>::read(&tree));
                match live.filter(|job| *job.uid == *owner.uid) {
                    Some(job) => std::sync::Arc::new(job),
                    None => return Ok(true),
                }
            }
        };
        Ok(job.value.managed_by.is_none() && job.value.is_finished())
    }
}
