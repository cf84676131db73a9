//! The books of a Job: each pod's end is counted once.

use std::{collections::BTreeSet, sync::Arc};

use futures::future::join_all;
use runtime::{Error, Object};

use super::{
    look::{Look, as_i32},
    outcome::{FAILURE_TARGET, SUCCESS_CRITERIA_MET, valid_index},
    policy::{has_failed, judge},
    write::{ensure, take_off_finalizer},
};
use crate::object::{
    condition,
    job::{COMPLETE, FAILED, Status, holds},
    pod::{Phase, Pod},
};

/// Uids that stand in a status at most, so that it stays small: upstream's number.
const MAX_UNCOUNTED: usize = 500;

impl Look<'_> {
    /// Counts the pods that have ended, and ends the Job if that is due.
    pub(super) async fn count(&mut self) -> Result<(), Error> {
        let mut with_finalizer: BTreeSet<String> = self
            .pods
            .iter()
            .filter(|pod| self.is_open(pod))
            .map(|pod| pod.uid.to_string())
            .collect();
        settle(&mut self.status, &with_finalizer);
        let (ended, more) = self.note_ended();
        if self.j().is_indexed() {
            self.status.succeeded = self.succeeded_indexes.len();
            self.status.completed_indexes = self.succeeded_indexes.to_string();
            self.status.failed_indexes = self.failed_indexes.as_ref().map(ToString::to_string);
        }
        self.announce();
        self.write().await?;
        let failures = self.failures;
        self.jobs
            .failures
            .lock()
            .insert(self.job.key.clone(), failures);

        let results = join_all(ended.iter().map(|pod| self.take_off_one(pod))).await;
        let mut failure = None;
        for (pod, result) in ended.iter().zip(results) {
            match result {
                Ok(()) => {
                    with_finalizer.remove(&*pod.uid);
                }
                Err(error) => failure = Some(error),
            }
        }
        settle(&mut self.status, &with_finalizer);
        if let Some(error) = failure {
            self.write().await?;
            return Err(error);
        }
        let finished = !more && self.finish();
        self.write().await?;
        if finished {
            self.tell_end();
        }
        Ok(())
    }

    /// Notes the pods whose end is to be counted, and returns them; and whether there are more than fit.
    fn note_ended(&mut self) -> (Vec<Arc<Object<Pod>>>, bool) {
        let (job, known) = (self.job.clone(), self.stored.0.uncounted.clone());
        let j = &job.value;
        let fails = self
            .outcome
            .as_ref()
            .is_some_and(|outcome| !outcome.success);
        let (mut ended, mut new_indexes) = (Vec::new(), 0);
        for pod in self.pods.clone() {
            let failed = has_failed(j, &pod.value);
            if !self.is_open(&pod) || !self.may_take_off(&pod, failed) {
                continue;
            }
            ended.push(pod.clone());
            let index = valid_index(j, &pod);
            let uid = pod.uid.to_string();
            let counted = &mut self.status.uncounted;
            if pod.value.phase == Phase::Succeeded && !known.failed.contains(&uid) {
                if j.is_indexed() {
                    // Its index is enough to count it once.
                    if index.is_some_and(|index| !self.before.contains(index)) {
                        new_indexes += 1;
                    }
                } else if !known.succeeded.contains(&uid) {
                    counted.succeeded.push(uid);
                }
            } else if (failed || fails)
                && !known.failed.contains(&uid)
                && (!j.is_indexed() || index.is_some())
                && judge(j, &pod).counts
            {
                counted.failed.push(uid);
            }
            if new_indexes + counted.succeeded.len() + counted.failed.len() >= MAX_UNCOUNTED {
                return (ended, true);
            }
        }
        (ended, false)
    }

    /// Whether a pod may go: it has ended, or its end does not matter any more.
    fn may_take_off(&self, pod: &Object<Pod>, failed: bool) -> bool {
        if self.j().deleting || self.outcome.is_some() || pod.value.phase == Phase::Succeeded {
            return true;
        }
        let is_last = || self.last_failed.values().any(|last| last.uid == pod.uid);
        failed && !is_last()
    }

    /// Says how the Job is going to end, before any trace of its pods goes.
    fn announce(&mut self) {
        let Some(outcome) = self.outcome.clone() else {
            return;
        };
        let announced = if outcome.success {
            SUCCESS_CRITERIA_MET
        } else {
            FAILURE_TARGET
        };
        if holds(&self.status.conditions, announced).is_none() {
            condition::remove(&mut self.status.conditions, announced);
            let (now, reason) = (self.cx.clock.now(), &outcome.reason);
            ensure(
                &mut self.status,
                announced,
                "True",
                reason,
                &outcome.message,
                now,
            );
        }
    }

    /// Ends the Job, unless pods are left that are not counted or still terminate.
    fn finish(&mut self) -> bool {
        let Some(outcome) = self.outcome.clone() else {
            return false;
        };
        let uncounted = &self.status.uncounted;
        if !uncounted.succeeded.is_empty()
            || !uncounted.failed.is_empty()
            || self.status.terminating.is_some_and(|n| n > 0)
        {
            return false;
        }
        let now = self.cx.clock.now();
        let r#type = if outcome.success { COMPLETE } else { FAILED };
        let (reason, message) = (&outcome.reason, &outcome.message);
        ensure(&mut self.status, r#type, "True", reason, message, now);
        if outcome.success {
            self.status.completed = Some(now);
        }
        true
    }

    fn tell_end(&self) {
        let Some(outcome) = &self.outcome else {
            return;
        };
        let (events, reference) = (&self.cx.events, || self.control.reference());
        if !outcome.success {
            events.warning(reference(), &outcome.reason, outcome.message.clone());
            return;
        }
        let wanted = self.j().completions;
        if wanted.is_some_and(|wanted| self.status.succeeded > wanted) {
            let text = "Too many succeeded pods running after completion count reached";
            events.warning(reference(), "TooManySucceededPods", text);
        }
        events.normal(reference(), "Completed", "Job completed");
    }

    /// Takes the finalizer off pods that do not count.
    pub(super) async fn take_off(&mut self, pods: &[Arc<Object<Pod>>]) -> Result<(), Error> {
        let open = pods.iter().filter(|pod| self.is_open(pod));
        let results = join_all(open.map(|pod| self.take_off_one(pod))).await;
        self.taken_off = self.jobs.taken_off.of(&self.job.key);
        results.into_iter().collect()
    }

    async fn take_off_one(&self, pod: &Object<Pod>) -> Result<(), Error> {
        let taken_off = &self.jobs.taken_off;
        taken_off.expect(&self.job.key, &pod.uid);
        let done = take_off_finalizer(self.cx, self.jobs.pods.resource(), pod).await;
        let known = self
            .jobs
            .pods
            .get(&pod.key)
            .filter(|known| known.uid == pod.uid);
        // The informer may have shown it meanwhile, before it was expected.
        let shows = known.is_some_and(|known| super::policy::work(&known.value).tracked);
        // Of an unknown fate it counts as not taken off: the uid stands in the status, and the next look tries again.
        if !shows || done.is_err() {
            taken_off.seen(&self.job.key, &pod.uid);
        }
        done
    }
}

/// Counts the pods whose finalizer is off.
fn settle(status: &mut Status, with_finalizer: &BTreeSet<String>) {
    let settle = |uids: &mut Vec<String>| {
        let before = uids.len();
        uids.retain(|uid| with_finalizer.contains(uid));
        as_i32(before - uids.len())
    };
    status.succeeded += settle(&mut status.uncounted.succeeded);
    status.failed += settle(&mut status.uncounted.failed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::job::Uncounted;

    #[test]
    fn what_has_lost_its_finalizer_moves_into_the_counts_once() {
        let uids = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let mut status = Status {
            succeeded: 3,
            failed: 1,
            uncounted: Uncounted {
                succeeded: uids(&["a", "b"]),
                failed: uids(&["c", "d", "e"]),
            },
            ..Status::default()
        };
        let with_finalizer: BTreeSet<String> = uids(&["b", "d", "x"]).into_iter().collect();
        for _ in 0..2 {
            settle(&mut status, &with_finalizer);
            assert_eq!((status.succeeded, status.failed), (4, 3));
            assert_eq!(status.uncounted.succeeded, ["b"]);
            assert_eq!(status.uncounted.failed, ["d"]);
        }
    }
}
