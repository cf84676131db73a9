//! Jobs: pods that run to their end, as many as must succeed, each counted exactly once.
//!
//! A pod carries a finalizer until its end is counted. Its uid is written into the status first, then the finalizer is taken
//! off, then the uid gives way to a higher count: wherever this is interrupted, the next look goes on from what is stored.
//! Every write of a status names the revision that it was decided on, and no Job is looked at before the informer shows what
//! was last written of it. Pods that the informer still shows with a finalizer which has been taken off are known by uid.
//!
//! Numbers are decided in `outcome`, `manage`, `indexes`, `policy` and `backoff`; `count` keeps the books, `write` writes.

mod backoff;
mod count;
mod indexes;
mod look;
mod manage;
mod orphans;
mod outcome;
mod policy;
#[cfg(test)]
pub(crate) mod tests;
mod write;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use api::{batch::v1 as batch, core::v1 as core};
use parking_lot::Mutex;
use runtime::{
    Context, Controller, Expectations, Informer, Informers, Key, Next, Object, ReconcileError,
    Resource, Wiring, events::ObjectRef,
};

use self::{backoff::Failures, look::Look};
use crate::{
    object::{
        job::{Job, Mode},
        pod::{self, Pod},
        work::FINALIZER,
    },
    pods::{PodControl, strike_off},
    written::Written,
};

pub use orphans::OrphanPods;

/// How long changes of pods are gathered before a Job is looked at: upstream's number.
const GATHER: Duration = Duration::from_secs(1);

/// The controller of Jobs.
pub struct Jobs {
    jobs: Informer<Job>,
    pods: Informer<Pod>,
    expectations: Arc<Expectations>,
    /// Pods whose finalizer was taken off, by Job, as long as the informer shows it.
    taken_off: Arc<TakenOff>,
    failures: Arc<Mutex<BTreeMap<Key, Failures>>>,
    written: Written,
}

/// Uids of pods by the key of their Job.
#[derive(Debug, Default)]
struct TakenOff(Mutex<BTreeMap<Key, BTreeSet<String>>>);

impl TakenOff {
    fn expect(&self, job: &Key, uid: &str) {
        let mut all = self.0.lock();
        all.entry(job.clone()).or_default().insert(uid.to_owned());
    }

    /// The informer shows the pod without it, or the pod is gone, or it was not taken off.
    fn seen(&self, job: &Key, uid: &str) {
        let mut all = self.0.lock();
        if let Some(uids) = all.get_mut(job) {
            uids.remove(uid);
            if uids.is_empty() {
                all.remove(job);
            }
        }
    }

    fn of(&self, job: &Key) -> BTreeSet<String> {
        self.0.lock().get(job).cloned().unwrap_or_default()
    }

    fn forget(&self, job: &Key) {
        self.0.lock().remove(job);
    }
}

impl Jobs {
    /// The controller, reading from the given informers.
    pub fn new(informers: &Informers) -> Self {
        let pods = informers.informer(&Resource::of(core::Pod::TYPE));
        pods.add_index(pod::BY_OWNER, Pod::owner_values);
        Jobs {
            jobs: informers.informer(&Resource::of(batch::Job::TYPE)),
            pods,
            expectations: Arc::default(),
            taken_off: Arc::default(),
            failures: Arc::default(),
            written: Written::default(),
        }
    }

    fn forget(&self, key: &Key) {
        self.taken_off.forget(key);
        self.failures.lock().remove(key);
        self.written.forget(key);
    }
}

impl Controller for Jobs {
    const NAME: &'static str = "job-controller";

    fn wire(&self, wiring: &mut Wiring<'_>) {
        let (expectations, taken_off) = (self.expectations.clone(), self.taken_off.clone());
        let failures = self.failures.clone();
        wiring.watch(&self.jobs, move |change, queue| {
            match (change.old, change.new) {
                // What a status says comes from pods, mostly, and from here.
                (Some(old), Some(new)) if old.value.generation == new.value.generation => {
                    queue.add_after(new.key.clone(), GATHER);
                }
                (_, new) => {
                    let key = &change.latest().key;
                    if new.is_none() {
                        // Another of the same name may follow before anybody looks.
                        expectations.forget(&change.latest().uid);
                        taken_off.forget(key);
                        failures.lock().remove(key);
                    }
                    queue.add(key.clone());
                }
            }
        });
        let (jobs, expectations) = (self.jobs.clone(), self.expectations.clone());
        let taken_off = self.taken_off.clone();
        wiring.watch(&self.pods, move |change, queue| {
            let resource = jobs.resource();
            for (key, uid) in Pod::owners_of_kind(change, resource.group(), resource.kind()) {
                strike_off(change, &uid, &expectations);
                let pod = change.latest();
                if change.new.is_none() || !policy::work(&pod.value).tracked {
                    taken_off.seen(&key, &pod.uid);
                }
                queue.add_after(key, GATHER);
            }
            // Some Job may want to adopt it.
            if let Some(new) = change.new
                && new.value.controller.is_none()
                && new.value.deletion.is_none()
            {
                for job in jobs.in_namespace(new.key.namespace()) {
                    if job.value.selector.matches(&new.value.labels) {
                        queue.add_after(job.key.clone(), GATHER);
                    }
                }
            }
        });
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        let Some(job) = self.jobs.get(key) else {
            self.forget(key);
            return Ok(Next::Done);
        };
        if job.value.managed_by.is_some() {
            return Ok(Next::Done);
        }
        if job.value.is_finished() {
            self.expectations.forget(&job.uid);
            self.forget(key);
            return Ok(Next::Done);
        }
        if !self.written.is_seen(&cx.client, &self.jobs, key).await? {
            return Ok(Next::Retry);
        }
        let reference = ObjectRef::new(self.jobs.resource(), key, &job.uid);
        if job.value.mode == Mode::Other {
            let text = "Skipped Job sync because completion mode is unknown";
            cx.events.warning(reference, "UnknownCompletionMode", text);
            return Ok(Next::Done);
        }
        // Asked before the pods are read: a pod that arrives in between must not count as seen.
        let current = self.expectations.satisfied(&job.uid);
        let resource = self.jobs.resource();
        let control = PodControl::new(cx, &self.pods, &self.expectations, resource, &job)
            .with_finalizer(FINALIZER);
        let pods = control
            .claim(
                job.value.deleting,
                |pod| selects(&job, pod),
                control.candidates(),
            )
            .await?;
        Look::new(self, cx, &control, job.clone(), pods, current)
            .step()
            .await
    }
}

/// Whether a pod is the Job's by its labels; a Job without a selector selects nothing.
fn selects(job: &Object<Job>, pod: &Object<Pod>) -> bool {
    !job.value.selector.is_empty() && job.value.selector.matches(&pod.value.labels)
}
