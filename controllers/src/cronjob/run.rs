//! One look at a CronJob and its Jobs.

use std::{sync::Arc, time::Duration};

use api::{
    batch::v1::{self as batch, JobMut, JobTemplateSpec},
    tree::Tree,
};
use jiff::Timestamp;
use runtime::{
    Context, Error, Key, Object, ReconcileError, ResultExt,
    client::{DeleteOptions, Propagation, WriteOptions},
    events::ObjectRef,
    object::Meta,
};

use super::{
    CronJobs,
    due::{Plan, job_name},
    model::{CronJob, Policy, Reference, Status},
    names_zone, schedule, time_zone,
};
use crate::object::{
    job::{COMPLETE, Job, finished},
    owner::Owner,
};

/// The annotation that says for which time a Job was made.
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

/// What is seen of a CronJob, and what becomes of its status.
pub(super) struct Run<'a> {
    controller: &'a CronJobs,
    cx: &'a Context,
    cron_job: Arc<Object<CronJob>>,
    jobs: Vec<Arc<Object<Job>>>,
    /// The status as it becomes.
    pub status: Status,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        controller: &'a CronJobs,
        cx: &'a Context,
        cron_job: Arc<Object<CronJob>>,
        jobs: Vec<Arc<Object<Job>>>,
    ) -> Self {
        Run {
            controller,
            cx,
            status: cron_job.value.status.clone(),
            cron_job,
            jobs,
        }
    }

    fn c(&self) -> &CronJob {
        &self.cron_job.value
    }

    fn reference(&self) -> ObjectRef {
        let resource = self.controller.cron_jobs.resource();
        ObjectRef::new(resource, &self.cron_job.key, &self.cron_job.uid)
    }

    fn tell(&self, reason: &str, text: String) {
        self.cx.events.normal(self.reference(), reason, text);
    }

    fn warn(&self, reason: &str, text: String) {
        self.cx.events.warning(self.reference(), reason, text);
    }

    /// Deletes the oldest Jobs beyond those that are kept. What fails is tried again at the next look.
    pub(super) async fn clean_up(&mut self) {
        for (success, keep) in [
            (true, self.c().keep_successful),
            (false, self.c().keep_failed),
        ] {
            let Some(keep) = keep.and_then(|keep| usize::try_from(keep).ok()) else {
                continue;
            };
            for job in beyond(&self.jobs, success, keep) {
                // It has been told.
                let _ = self.delete_job(&job.key, &job.uid).await;
            }
        }
    }

    /// Deletes a Job with its pods.
    async fn delete_job(&mut self, job: &Key, uid: &str) -> Result<(), Error> {
        let options = DeleteOptions {
            propagation: Some(Propagation::Background),
            ..DeleteOptions::of_uid(uid)
        };
        let resource = self.controller.jobs.resource();
        if let Err(error) = self.cx.client.delete(resource, job, &options).await {
            self.warn("FailedDelete", format!("Deleted job: {error}"));
            return Err(error);
        }
        self.status.remove(uid);
        self.tell("SuccessfulDelete", format!("Deleted job {}", job.name()));
        Ok(())
    }

    /// Notes what has ended, and starts what is due. Returns after which time to look again.
    pub(super) async fn step(&mut self) -> Result<Option<Duration>, ReconcileError> {
        self.note_ended().await?;
        self.note_missing().await?;
        let cron_job = self.cron_job.clone();
        let c = &cron_job.value;
        if c.deleting {
            return Ok(None);
        }
        if let Err(error) = time_zone(c) {
            let name = c.time_zone.as_deref().unwrap_or_default();
            self.warn(
                "UnknownTimeZone",
                format!("invalid timeZone: {name:?}: {error}"),
            );
            return Ok(None);
        }
        if c.suspended {
            return Ok(None);
        }
        if names_zone(c) {
            let text = format!(
                "CRON_TZ or TZ used in schedule {:?} is not officially supported, see \
                 https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details",
                c.schedule
            );
            self.warn("UnsupportedSchedule", text);
        }
        let schedule = match schedule(c) {
            Ok(schedule) => schedule,
            Err(error) => {
                let text = format!("unparseable schedule: {:?} : {error}", c.schedule);
                self.warn("UnparseableSchedule", text);
                return Ok(None);
            }
        };
        let plan = Plan {
            cron_job: c,
            schedule: &schedule,
            here: &self.controller.here,
        };
        let now = self.cx.clock.now();
        let missed = match plan.missed(now, true) {
            Ok(missed) => missed,
            Err(error) => {
                let text = format!("invalid schedule: {} : {error}", c.schedule);
                self.warn("InvalidSchedule", text);
                return Ok(None);
            }
        };
        let Some(time) = missed.last else {
            return Ok(plan.wait(now));
        };
        if missed.are_many() {
            let text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
            self.warn("TooManyMissedTimes", text.to_owned());
        }
        if self.start(time, now).await? {
            // The next time counts from this one.
            let mut value = c.clone();
            value.status.last_schedule = self.status.last_schedule;
            let plan = Plan {
                cron_job: &value,
                ..plan
            };
            return Ok(plan.wait(now));
        }
        Ok(plan.wait(now))
    }

    /// Takes Jobs that have ended out of those that run, and notes the last success.
    async fn note_ended(&mut self) -> Result<(), Error> {
        for job in self.jobs.clone() {
            let listed = self.status.has(&job.uid);
            let Some(condition) = finished(&job.value.status.conditions) else {
                if !listed && !self.is_listed_now(&job.uid).await? {
                    let name = job.key.name();
                    let text =
                        format!("Saw a job that the controller did not create or forgot: {name}");
                    self.warn("UnexpectedJob", text);
                }
                continue;
            };
            if listed {
                self.status.remove(&job.uid);
                let (name, r#type) = (job.key.name(), &condition.r#type);
                let text = format!("Saw completed job: {name}, condition: {type}");
                self.tell("SawCompletedJob", text);
            }
            if condition.r#type == COMPLETE {
                let last = self.status.last_successful.max(job.value.status.completed);
                self.status.last_successful = last;
            }
        }
        Ok(())
    }

    /// Whether the status as it is now has a Job: the informer of Jobs may be ahead of that of CronJobs.
    async fn is_listed_now(&self, uid: &str) -> Result<bool, Error> {
        let (resource, key) = (self.controller.cron_jobs.resource(), &self.cron_job.key);
        let live = self.cx.client.get(resource, key).await?;
        Ok(Object::<CronJob>::read(&live).value.status.has(uid))
    }

    /// Takes Jobs that are gone out of those that run.
    async fn note_missing(&mut self) -> Result<(), Error> {
        for job in self.status.active.clone() {
            if self.jobs.iter().any(|known| *known.uid == *job.uid) {
                continue;
            }
            // Perhaps the informer does not know it yet.
            let key = Key::new(&job.namespace, &job.name);
            let resource = self.controller.jobs.resource();
            if self
                .cx
                .client
                .get(resource, &key)
                .await
                .optional()?
                .is_none()
            {
                self.tell(
                    "MissingJob",
                    format!("Active job went missing: {}", job.name),
                );
                self.status.remove(&job.uid);
            }
        }
        Ok(())
    }

    /// Starts the run of a time, unless that was done, is too late, or must not be. Tells whether it did.
    async fn start(&mut self, time: Timestamp, now: Timestamp) -> Result<bool, ReconcileError> {
        let cron_job = self.cron_job.clone();
        let c = &cron_job.value;
        let late = now.duration_since(time);
        if c.starting_deadline
            .is_some_and(|seconds| late > jiff::SignedDuration::from_secs(seconds))
        {
            let when = time.strftime("%a, %d %b %Y %H:%M:%S +0000");
            self.warn(
                "MissSchedule",
                format!("Missed scheduled time to start a job: {when}"),
            );
            return Ok(false);
        }
        let name = job_name(cron_job.key.name(), time);
        if self.status.active.iter().any(|job| job.name == name)
            || self.status.last_schedule == Some(time)
        {
            return Ok(false);
        }
        match c.policy {
            Policy::Forbid if !self.status.active.is_empty() => {
                let text = "Not starting job because prior execution is running and concurrency policy is Forbid";
                self.tell("JobAlreadyActive", text.to_owned());
                return Ok(false);
            }
            Policy::Replace => self.end_others().await?,
            _ => {}
        }
        let Some(job) = self.create(&name, time).await? else {
            return Ok(false);
        };
        self.status.active.push(job);
        self.status.last_schedule = Some(time);
        Ok(true)
    }

    async fn end_others(&mut self) -> Result<(), Error> {
        for job in self.status.active.clone() {
            let key = Key::new(&job.namespace, &job.name);
            let resource = self.controller.jobs.resource();
            match self.cx.client.get(resource, &key).await {
                Ok(live) => {
                    let uid = Meta::of(&live).uid.to_owned();
                    self.delete_job(&key, &uid).await?;
                    self.status.remove(&job.uid);
                }
                Err(error) => {
                    self.warn("FailedGet", format!("Get job: {error}"));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Creates the Job of a time. None if it is another's, or is known to run.
    async fn create(
        &self,
        name: &str,
        time: Timestamp,
    ) -> Result<Option<Reference>, ReconcileError> {
        let Some(template) = &self.c().template else {
            return Ok(None);
        };
        let zone = time_zone(self.c()).map_err(|e| ReconcileError::message(e.to_string()))?;
        let namespace = self.cron_job.key.namespace();
        let owner = Owner::controller(self.controller.cron_jobs.resource(), &self.cron_job);
        let job = job(
            JobTemplateSpec::of(template),
            namespace,
            name,
            &owner,
            &when(time, zone),
        );
        let (client, resource) = (&self.cx.client, self.controller.jobs.resource());
        let options = WriteOptions::default();
        let created = client.create(resource, namespace, &job, &options).await;
        let live = match created {
            Ok(live) => {
                self.tell("SuccessfulCreate", format!("Created job {name}"));
                live
            }
            Err(error) if error.is_already_exists() => {
                // Ours, if the process ended or the reply was lost before the status was written.
                let live = client.get(resource, &Key::new(namespace, name)).await?;
                let known = Object::<Job>::read(&live);
                let owner = known.value.controller.as_ref();
                let ours = owner.is_some_and(|owner| *owner.uid == *self.cron_job.uid);
                if !ours || self.status.has(&known.uid) {
                    return Ok(None);
                }
                live
            }
            Err(error) => {
                if !error.is_namespace_terminating() {
                    self.warn("FailedCreate", format!("Error creating job: {error}"));
                }
                return Err(error.into());
            }
        };
        let meta = Meta::of(&live);
        let reference = Reference::to_job(namespace, name, meta.uid, meta.resource_version);
        Ok(Some(reference))
    }
}

/// A time as it is read in a zone.
fn when(time: Timestamp, zone: jiff::tz::TimeZone) -> String {
    if zone == jiff::tz::TimeZone::UTC {
        return time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    }
    let zoned = time.to_zoned(zone);
    let offset = if zoned.offset().is_zero() { "Z" } else { "%:z" };
    zoned
        .strftime(&format!("%Y-%m-%dT%H:%M:%S{offset}"))
        .to_string()
}

/// A Job from the template: a copy of it, so that nothing is lost that we do not know.
fn job(
    template: JobTemplateSpec<'_>,
    namespace: &str,
    name: &str,
    owner: &Owner,
    scheduled: &str,
) -> Tree {
    let mut tree = Tree::new(batch::Job::TYPE);
    let mut job = JobMut::of(&mut tree);
    job.set_spec(template.spec());
    let mut metadata = job.metadata_mut();
    metadata.set_name(name);
    metadata.set_namespace(namespace);
    for (key, value) in template.metadata().labels().iter() {
        metadata.labels_mut().insert(key, value);
    }
    for (key, value) in template.metadata().annotations().iter() {
        metadata.annotations_mut().insert(key, value);
    }
    metadata.annotations_mut().insert(SCHEDULED, scheduled);
    owner.write(metadata.push_owner_references());
    tree
}

/// The oldest Jobs of those that ended well, or badly, beyond the number that is kept.
fn beyond(jobs: &[Arc<Object<Job>>], success: bool, keep: usize) -> Vec<Arc<Object<Job>>> {
    let mut ended: Vec<_> = jobs
        .iter()
        .filter(|job| {
            let condition = finished(&job.value.status.conditions);
            condition.is_some_and(|c| (c.r#type == COMPLETE) == success)
        })
        .cloned()
        .collect();
    ended.sort_by_key(|job| {
        let started = job.value.status.started;
        (started.is_none(), started, job.key.clone())
    });
    ended.truncate(ended.len().saturating_sub(keep));
    ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        job::tests::{at, job as a_job},
        object::condition::Condition,
    };

    #[test]
    fn the_oldest_beyond_the_limit_go_each_of_its_kind() {
        let job = |name: &str, r#type: &str, started: Option<i64>| {
            Arc::new(Object {
                key: Key::new("ns", name),
                uid: name.into(),
                resource_version: "1".into(),
                value: a_job(|j| {
                    j.status.started = started.map(at);
                    j.status.conditions = vec![Condition::new(r#type, "True", "", "", at(9))];
                }),
            })
        };
        let jobs = [
            job("c", "Complete", Some(3)),
            job("a", "Complete", Some(1)),
            job("never", "Complete", None),
            job("bad", "Failed", Some(0)),
            job("b", "Complete", Some(1)),
            job("runs", "Suspended", Some(0)),
        ];
        let names = |success, keep| {
            let gone = beyond(&jobs, success, keep);
            gone.iter()
                .map(|j| j.key.name().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(true, 1), ["a", "b", "c"]);
        assert_eq!(names(true, 4), [""; 0]);
        assert_eq!(names(false, 0), ["bad"]);
    }

    #[test]
    fn a_time_is_written_in_the_zone_of_the_schedule() {
        let time: Timestamp = "2026-07-09T14:45:00Z".parse().expect("a time");
        let written = |name: &str| when(time, api::cron::zone(name).expect("known"));
        assert_eq!(written(""), "2026-07-09T14:45:00Z");
        assert_eq!(written("Asia/Kathmandu"), "2026-07-09T20:30:00+05:45");
        assert_eq!(written("America/New_York"), "2026-07-09T10:45:00-04:00");
        assert_eq!(written("Africa/Abidjan"), "2026-07-09T14:45:00Z");
    }
}
