//! CronJobs: a Job for each time of a schedule.
//!
//! The name of a Job is made from the CronJob's name and the time, so that it is made once, whatever becomes of the reply and of
//! this process. What has been used of the schedule stands in the status; of several times that were missed the last is made
//! up for. No CronJob is looked at before the informer shows what was last written of it.

mod due;
mod model;
mod run;

use std::time::Duration;

use api::{
    batch::v1 as batch,
    cron::{Schedule, ScheduleError, UnknownZone, zone},
};
use jiff::tz::TimeZone;
use runtime::{
    Context, Controller, Informer, Informers, Key, Next, Object, Patch, ReconcileError, Resource,
    SharedClock, Wiring, object::Meta,
};

use self::{due::Plan, model::CronJob, run::Run};
use crate::{
    object::job::{self, Job},
    written::Written,
};

/// The controller of CronJobs.
pub struct CronJobs {
    cron_jobs: Informer<CronJob>,
    jobs: Informer<Job>,
    clock: SharedClock,
    /// Where a schedule is read that names no zone.
    here: TimeZone,
    written: Written,
}

impl CronJobs {
    /// The controller, reading from the given informers, which tells the time by this clock and in this zone.
    pub fn new(informers: &Informers, clock: SharedClock, here: TimeZone) -> Self {
        let jobs = informers.informer(&Resource::of(batch::Job::TYPE));
        jobs.add_index(job::BY_OWNER, Job::owner_values);
        CronJobs {
            cron_jobs: informers.informer(&Resource::of(batch::CronJob::TYPE)),
            jobs,
            clock,
            here,
            written: Written::default(),
        }
    }
}

/// A schedule with the zone that the CronJob names; a zone in the schedule itself counts more, as upstream has it.
fn schedule(cron_job: &CronJob) -> Result<Schedule, ScheduleError> {
    let schedule = Schedule::parse(&cron_job.schedule)?;
    let named = cron_job.time_zone.as_deref();
    match named.filter(|_| !names_zone(cron_job)).map(zone) {
        Some(Ok(zone)) => Ok(schedule.in_zone(zone)),
        _ => Ok(schedule),
    }
}

/// The schedule itself names a zone: only one from before that was refused.
fn names_zone(cron_job: &CronJob) -> bool {
    cron_job.schedule.contains("TZ")
}

/// The zone that the CronJob names; UTC without one.
fn time_zone(cron_job: &CronJob) -> Result<TimeZone, UnknownZone> {
    zone(cron_job.time_zone.as_deref().unwrap_or_default())
}

/// How long until the next time of the schedule.
fn wait(
    cron_job: &CronJob,
    here: &TimeZone,
    clock: &SharedClock,
) -> Result<Option<Duration>, ScheduleError> {
    let plan = Plan {
        cron_job,
        schedule: &schedule(cron_job)?,
        here,
    };
    Ok(plan.wait(clock.now()))
}

impl Controller for CronJobs {
    const NAME: &'static str = "cronjob-controller";

    fn wire(&self, wiring: &mut Wiring<'_>) {
        let (clock, here) = (self.clock.clone(), self.here.clone());
        wiring.watch(&self.cron_jobs, move |change, queue| {
            let key = change.latest().key.clone();
            let plan = |cron_job: &Object<CronJob>| {
                let value = &cron_job.value;
                (value.schedule.clone(), value.time_zone.clone())
            };
            match (change.old, change.new) {
                // What another schedule would have done in the past is not made up for.
                (Some(old), Some(new)) if plan(old) != plan(new) => {
                    match wait(&new.value, &here, &clock) {
                        Ok(Some(time)) => queue.add_after(key, time),
                        // Somebody must be told.
                        Ok(None) | Err(_) => queue.add(key),
                    }
                }
                _ => queue.add(key),
            }
        });
        wiring.watch(&self.jobs, |change, queue| {
            for job in change.states() {
                if let Some(owner) = &job.value.controller
                    && owner.kind == "CronJob"
                    && owner.group() == "batch"
                {
                    queue.add(owner.key_beside(&job.key));
                }
            }
        });
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        let Some(cron_job) = self.cron_jobs.get(key) else {
            self.written.forget(key);
            return Ok(Next::Done);
        };
        if !self
            .written
            .is_seen(&cx.client, &self.cron_jobs, key)
            .await?
        {
            return Ok(Next::Retry);
        }
        let jobs = self.jobs.by_index(job::BY_OWNER, &cron_job.uid);
        let mut run = Run::new(self, cx, cron_job.clone(), jobs);
        run.clean_up().await;
        let next = run.step().await;
        // Also of a step that failed half way.
        if run.status != cron_job.value.status {
            let patch = Patch::Merge(run.status.patch(&cron_job.resource_version));
            let resource = self.cron_jobs.resource();
            match cx.client.patch_status(resource, key, &patch).await {
                Ok(tree) => self.written.at(key, key, Meta::of(&tree).resource_version),
                Err(error) => {
                    if error.may_have_taken_effect() {
                        self.written.unknown(key, key);
                    }
                    return Err(error.into());
                }
            }
        }
        Ok(next?.map_or(Next::Done, Next::After))
    }
}
