//! One look at a Job and its pods.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use api::core::v1::PodTemplateSpec;
use runtime::{Context, Error, Next, Object, ReconcileError};

use super::{
    GATHER, Jobs,
    backoff::Failures,
    indexes::Indexes,
    manage::{self, Step},
    outcome::{self, Outcome, deadline, failed_indexes, outcome, succeeded_indexes, valid_index},
    policy::{has_failed, judge, work},
    write::ensure,
};
use crate::{
    object::{
        job::{Job, Status},
        pod::{Phase, Pod},
    },
    pods::PodControl,
};

/// What is seen of a Job, and what becomes of its status.
pub(super) struct Look<'a> {
    pub jobs: &'a Jobs,
    pub cx: &'a Context,
    pub control: &'a PodControl<'a>,
    pub job: Arc<Object<Job>>,
    /// All that was asked for has been seen.
    pub current: bool,
    /// Its pods; those of an indexed Job by index.
    pub pods: Vec<Arc<Object<Pod>>>,
    /// Those of them that are neither finished nor terminating.
    pub active: Vec<Arc<Object<Pod>>>,
    /// Those of them whose finalizer is off, whatever the informer shows.
    pub taken_off: BTreeSet<String>,
    /// The status as it becomes.
    pub status: Status,
    /// The status as it is stored, and at which revision.
    pub stored: (Status, String),
    /// Indexes that had succeeded.
    pub before: Indexes,
    /// Indexes that have succeeded.
    pub succeeded_indexes: Indexes,
    /// Indexes that have failed; of a Job with a limit for each.
    pub failed_indexes: Option<Indexes>,
    /// The last failed pod of an index that goes on: it stays until another takes over its count of failures.
    pub last_failed: BTreeMap<i32, Arc<Object<Pod>>>,
    /// Failures in a row.
    pub failures: Failures,
    /// How it ends, if it does.
    pub outcome: Option<Outcome>,
    succeeded: i32,
    failed: i32,
    next: Option<Duration>,
}

impl<'a> Look<'a> {
    /// Reads what there is.
    pub(super) fn new(
        jobs: &'a Jobs,
        cx: &'a Context,
        control: &'a PodControl<'a>,
        job: Arc<Object<Job>>,
        mut pods: Vec<Arc<Object<Pod>>>,
        current: bool,
    ) -> Self {
        // Counts of indexes are told in their order.
        pods.sort_by_cached_key(|pod| (work(&pod.value).index, pod.key.clone()));
        let active: Vec<_> = pods
            .iter()
            .filter(|p| p.value.is_active())
            .cloned()
            .collect();
        let status = job.value.status.clone();
        let mut look = Look {
            jobs,
            cx,
            control,
            current,
            active,
            taken_off: jobs.taken_off.of(&job.key),
            stored: (status.clone(), job.resource_version.to_string()),
            before: Indexes::default(),
            succeeded_indexes: Indexes::default(),
            failed_indexes: None,
            last_failed: BTreeMap::new(),
            failures: jobs
                .failures
                .lock()
                .get(&job.key)
                .copied()
                .unwrap_or_default(),
            outcome: None,
            succeeded: 0,
            failed: 0,
            next: None,
            status,
            pods,
            job,
        };
        look.read_counts();
        look
    }

    pub(super) fn j(&self) -> &Job {
        &self.job.value
    }

    /// Whether a pod's end is still to be counted.
    pub(super) fn is_open(&self, pod: &Object<Pod>) -> bool {
        work(&pod.value).tracked && !self.taken_off.contains(&*pod.uid)
    }

    fn read_counts(&mut self) {
        let job = self.job.clone();
        let (j, counted) = (&job.value, &self.stored.0.uncounted);
        // Pods that have ended, and of which the status does not know.
        let new = |known: &[String], ended: &dyn Fn(&Pod) -> bool| -> Vec<Arc<Object<Pod>>> {
            let open = self.pods.iter().filter(|pod| self.is_open(pod));
            open.filter(|pod| !known.iter().any(|uid| **uid == *pod.uid))
                .filter(|pod| !j.is_indexed() || valid_index(j, pod).is_some())
                .filter(|pod| ended(&pod.value))
                .cloned()
                .collect()
        };
        let succeeded = new(&counted.succeeded, &|pod| pod.phase == Phase::Succeeded);
        let failed = new(&counted.failed, &|pod| has_failed(j, pod));
        let counting = failed.iter().filter(|pod| judge(j, pod).counts).count();
        let known = (counted.succeeded.len(), counted.failed.len());
        self.failures = self
            .failures
            .after(succeeded.iter().map(|p| &**p), failed.iter().map(|p| &**p));
        self.succeeded = self.status.succeeded + as_i32(succeeded.len() + known.0);
        self.failed = self.status.failed + as_i32(counting + known.1);
        if !j.is_indexed() {
            return;
        }
        let completions = j.completions.unwrap_or(0);
        self.before = Indexes::parse(&self.status.completed_indexes, completions);
        self.succeeded_indexes = succeeded_indexes(j, &self.before, &self.pods);
        self.succeeded = self.succeeded_indexes.len();
        if j.backoff_limit_per_index.is_some() {
            self.failed_indexes = Some(failed_indexes(j, &self.status, &self.pods));
            self.last_failed = self.last_failed_by_index();
        }
    }

    fn last_failed_by_index(&self) -> BTreeMap<i32, Arc<Object<Pod>>> {
        let active: BTreeSet<i32> = self
            .active
            .iter()
            .filter_map(|pod| work(&pod.value).index)
            .collect();
        let mut last: BTreeMap<i32, Arc<Object<Pod>>> = BTreeMap::new();
        for pod in self.pods.iter().filter(|pod| self.is_open(pod)) {
            let Some(index) = valid_index(self.j(), pod) else {
                continue;
            };
            let lost = self.failed_indexes.as_ref();
            if !has_failed(self.j(), &pod.value)
                || self.succeeded_indexes.contains(index)
                || lost.is_some_and(|lost| lost.contains(index))
                || active.contains(&index)
            {
                continue;
            }
            let failures = |pod: &Object<Pod>| {
                let work = work(&pod.value);
                let all = work
                    .index_failures
                    .saturating_add(work.index_ignored_failures);
                (all, work.ended)
            };
            let later = last.get(&index).is_none_or(|known| {
                let ((mine, ended), (theirs, before)) = (failures(pod), failures(known));
                theirs <= mine && before <= ended
            });
            if later {
                last.insert(index, pod.clone());
            }
        }
        last
    }

    /// Makes the next step, and writes what is seen.
    pub(super) async fn step(mut self) -> Result<Next, ReconcileError> {
        let now = self.cx.clock.now();
        if self.status.started.is_none() && !self.j().suspended {
            self.status.started = Some(now);
        }
        let known = outcome::Known {
            pods: &self.pods,
            failed: self.failed,
            succeeded: &self.succeeded_indexes,
            failed_indexes: self.failed_indexes.as_ref(),
        };
        self.outcome = outcome(self.j(), &self.status, &known, now);
        self.status.active = as_i32(self.active.len());
        self.status.ready = Some(as_i32(ready(&self.active)));
        let terminating = self.pods.iter().filter(|pod| pod.value.is_terminating());
        self.status.terminating = Some(as_i32(terminating.count()));

        let managed = if self.outcome.is_some() {
            let ended = self.end_active().await;
            // As long as pods may be left of which we do not know, it has not ended.
            if ended.is_err() || !self.current {
                self.outcome = None;
            }
            ended
        } else {
            let looked = self.current && !self.j().deleting;
            let managed = if looked { self.manage().await } else { Ok(()) };
            if self.is_complete() {
                self.outcome = Some(Outcome::completed());
            } else if looked {
                self.suspend_or_resume();
            }
            managed
        };
        if self.outcome.is_none()
            && let Some(left) = deadline(self.j(), &self.status, now)
        {
            self.look_again(Duration::try_from(left).unwrap_or_default());
        }
        self.count().await?;
        managed?;
        let expires = self.jobs.expectations.expires_in(&self.job.uid);
        let next = self.next.into_iter().chain(expires).min();
        Ok(next.map_or(Next::Done, Next::After))
    }

    fn look_again(&mut self, after: Duration) {
        self.next = Some(self.next.map_or(after, |next| next.min(after)));
    }

    fn is_complete(&self) -> bool {
        let enough = match self.j().completions {
            Some(completions) => self.succeeded >= completions,
            None => self.succeeded > 0,
        };
        enough && self.status.active == 0
    }

    fn suspend_or_resume(&mut self) {
        let now = self.cx.clock.now();
        let (status, reason, message, event) = if self.j().suspended {
            ("True", "JobSuspended", "Job suspended", "Suspended")
        } else {
            ("False", "JobResumed", "Job resumed", "Resumed")
        };
        if !ensure(&mut self.status, "Suspended", status, reason, message, now) {
            return;
        }
        let reference = self.control.reference();
        self.cx.events.normal(reference, event, message);
        // The time before does not count towards the deadline.
        self.status.started = (!self.j().suspended).then_some(now);
    }

    /// Deletes what is still active of a Job that ends. The finalizers come off where the pods are counted.
    async fn end_active(&mut self) -> Result<(), Error> {
        let victims = self.active.clone();
        self.control.delete_all(&victims).await?;
        self.note_deleted(&victims);
        Ok(())
    }

    fn note_deleted(&mut self, victims: &[Arc<Object<Pod>>]) {
        let gone = as_i32(victims.len());
        self.status.active -= gone;
        self.status.ready = self.status.ready.map(|n| n - as_i32(ready(victims)));
        self.status.terminating = self.status.terminating.map(|n| n + gone);
    }

    /// Deletes or creates what is too much or missing.
    async fn manage(&mut self) -> Result<(), Error> {
        let known = manage::Known {
            pods: &self.pods,
            active: &self.active,
            succeeded: self.succeeded,
            succeeded_indexes: &self.succeeded_indexes,
            failed_indexes: self.failed_indexes.as_ref(),
            last_failed: &self.last_failed,
            failures: self.failures,
        };
        match manage::next(self.j(), &known, self.cx.clock.now()) {
            Step::Nothing => Ok(()),
            Step::Wait(time) => {
                self.look_again(time.max(GATHER));
                Ok(())
            }
            Step::Delete(victims) => {
                // These do not count: nobody waits for how they end.
                self.take_off(&victims).await?;
                self.control.delete_all(&victims).await?;
                self.note_deleted(&victims);
                Ok(())
            }
            Step::Create(missing) => self.create(&missing).await,
        }
    }

    async fn create(&mut self, missing: &[Option<i32>]) -> Result<(), Error> {
        let job = self.job.clone();
        let Some(template) = &job.value.template else {
            return Ok(());
        };
        let (template, owner) = (PodTemplateSpec::of(template), self.control.owner());
        let index = |at: usize| missing.get(at).copied().flatten();
        self.control
            .create_each(
                missing.len(),
                |at| manage::prefix(job.key.name(), index(at)),
                |at, prefix, name| {
                    let replaced = index(at).and_then(|index| self.last_failed.get(&index));
                    let replaced = replaced.map(|pod| &**pod);
                    manage::pod(&job, template, owner, (prefix, name), index(at), replaced)
                },
            )
            .await?;
        self.status.active += as_i32(missing.len());
        Ok(())
    }
}

fn ready(pods: &[Arc<Object<Pod>>]) -> usize {
    pods.iter().filter(|pod| pod.value.is_ready).count()
}

pub(super) fn as_i32(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
