//! Jobs that have finished and say for how long they are of interest: after that they go, with their pods.

use std::time::Duration;

use api::batch::v1 as batch;
use jiff::{SignedDuration, Timestamp};
use runtime::{
    Context, Controller, Informer, Informers, Key, Next, Object, ReconcileError, Resource,
    ResultExt, Wiring,
    client::{DeleteOptions, Propagation},
};

use crate::object::job::{Job, finished};

/// Deletes Jobs after `spec.ttlSecondsAfterFinished`.
pub struct TtlAfterFinished {
    jobs: Informer<Job>,
}

impl TtlAfterFinished {
    /// The controller, reading from the given informers.
    pub fn new(informers: &Informers) -> Self {
        TtlAfterFinished {
            jobs: informers.informer(&Resource::of(batch::Job::TYPE)),
        }
    }
}

impl Controller for TtlAfterFinished {
    const NAME: &'static str = "ttl-after-finished-controller";

    fn wire(&self, wiring: &mut Wiring<'_>) {
        wiring.watch(&self.jobs, |change, queue| {
            if let Some(job) = change.new.filter(|job| job.value.ttl.is_some()) {
                queue.add(job.key.clone());
            }
        });
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        let now = cx.clock.now();
        let left = self.jobs.get(key).and_then(|job| left(&job.value, now));
        match left {
            None => return Ok(Next::Done),
            Some(left) if !left.is_zero() => return Ok(Next::After(left)),
            Some(_) => {}
        }
        // It may have been given more time since.
        let Some(live) = cx.client.get(self.jobs.resource(), key).await.optional()? else {
            return Ok(Next::Done);
        };
        let job = Object::<Job>::read(&live);
        match self::left(&job.value, now) {
            None => Ok(Next::Done),
            Some(left) if !left.is_zero() => Ok(Next::After(left)),
            Some(_) => {
                let options = DeleteOptions {
                    propagation: Some(Propagation::Foreground),
                    ..DeleteOptions::of_uid(&job.uid)
                };
                cx.client
                    .delete(self.jobs.resource(), key, &options)
                    .await
                    .optional()?;
                Ok(Next::Done)
            }
        }
    }
}

/// How long a Job may still stay; none if it need not go.
fn left(job: &Job, now: Timestamp) -> Option<Duration> {
    let ttl = job.ttl.filter(|_| !job.deleting)?;
    let end = finished(&job.status.conditions)?.last_transition?;
    let left = SignedDuration::from_secs(ttl.into()).saturating_sub(now.duration_since(end));
    Some(Duration::try_from(left).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        job::tests::{at, job},
        object::condition::Condition,
    };

    #[test]
    fn a_job_stays_for_its_time_after_its_end() {
        let ended = |status: &str| {
            job(|j| {
                j.ttl = Some(10);
                j.status.conditions = vec![Condition::new("Failed", status, "", "", at(100))];
            })
        };
        let seconds = |job: &Job, now| left(job, at(now)).map(|left| left.as_secs());
        assert_eq!(seconds(&ended("True"), 104), Some(6));
        assert_eq!(seconds(&ended("True"), 110), Some(0));
        assert_eq!(seconds(&ended("True"), 500), Some(0));
        assert_eq!(seconds(&ended("False"), 500), None);
        assert_eq!(seconds(&job(|j| j.ttl = Some(1)), 500), None);
        let kept = Job {
            ttl: None,
            ..ended("True")
        };
        assert_eq!(seconds(&kept, 500), None);
        let going = Job {
            deleting: true,
            ..ended("True")
        };
        assert_eq!(seconds(&going, 500), None);
    }
}
