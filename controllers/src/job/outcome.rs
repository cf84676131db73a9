//! Whether a Job has come to its end, and which. Pure.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use runtime::Object;

use super::{
    indexes::Indexes,
    policy::{enough, has_failed, judge, work},
};
use crate::object::{
    job::{Job, Status, holds},
    pod::{Phase, Pod},
};

/// The condition that says that a Job is going to fail: its pods end first.
pub(super) const FAILURE_TARGET: &str = "FailureTarget";
/// The condition that says that a Job is going to be complete: its pods end first.
pub(super) const SUCCESS_CRITERIA_MET: &str = "SuccessCriteriaMet";

/// How a Job ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Well or badly.
    pub success: bool,
    /// One word for programs.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

impl Outcome {
    fn failure(reason: &str, message: &str) -> Outcome {
        Outcome {
            success: false,
            reason: reason.to_owned(),
            message: message.to_owned(),
        }
    }

    /// As many pods have succeeded as were wanted.
    pub(super) fn completed() -> Outcome {
        Outcome {
            success: true,
            reason: "CompletionsReached".to_owned(),
            message: "Reached expected number of succeeded pods".to_owned(),
        }
    }
}

/// What is known of a Job's pods.
pub(super) struct Known<'a> {
    /// Its pods.
    pub pods: &'a [Arc<Object<Pod>>],
    /// How many have failed and count.
    pub failed: i32,
    /// Indexes that have succeeded.
    pub succeeded: &'a Indexes,
    /// Indexes that have failed; of a Job with a limit for each.
    pub failed_indexes: Option<&'a Indexes>,
}

/// The end of a Job, if it has come, but for its having all completions. `status` is as it stands, with its time of start.
pub(super) fn outcome(
    job: &Job,
    status: &Status,
    known: &Known<'_>,
    now: Timestamp,
) -> Option<Outcome> {
    // What was once said stays.
    for (announced, success) in [(SUCCESS_CRITERIA_MET, true), (FAILURE_TARGET, false)] {
        if let Some(condition) = holds(&status.conditions, announced) {
            return Some(Outcome {
                success,
                reason: condition.reason.clone(),
                message: condition.message.clone(),
            });
        }
    }
    let mut failed = known.pods.iter().filter(|pod| has_failed(job, &pod.value));
    if let Some(message) = failed.find_map(|pod| judge(job, pod).fails_job) {
        return Some(Outcome::failure("PodFailurePolicy", &message));
    }
    if known.failed > job.backoff_limit || restarted_too_often(job, known.pods) {
        return Some(Outcome::failure(
            "BackoffLimitExceeded",
            "Job has reached the specified backoff limit",
        ));
    }
    if deadline(job, status, now).is_some_and(|left| left.is_zero()) {
        return Some(Outcome::failure(
            "DeadlineExceeded",
            "Job was active longer than specified deadline",
        ));
    }
    if !job.is_indexed() {
        return None;
    }
    if let Some(lost) = known.failed_indexes.map(Indexes::len) {
        if job.max_failed_indexes.is_some_and(|most| lost > most) {
            return Some(Outcome::failure(
                "MaxFailedIndexesExceeded",
                "Job has exceeded the specified maximal number of failed indexes",
            ));
        }
        if lost > 0 && lost + known.succeeded.len() >= job.completions.unwrap_or(0) {
            return Some(Outcome::failure("FailedIndexes", "Job has failed indexes"));
        }
    }
    enough(job, known.succeeded).map(|message| Outcome {
        success: true,
        reason: "SuccessPolicy".to_owned(),
        message,
    })
}

/// Whether the kubelet has restarted containers more often than the Job takes.
fn restarted_too_often(job: &Job, pods: &[Arc<Object<Pod>>]) -> bool {
    if !job.restarts_on_failure {
        return false;
    }
    let running = pods
        .iter()
        .filter(|pod| matches!(pod.value.phase, Phase::Running | Phase::Pending));
    let restarts = running.fold(0_i32, |sum, pod| {
        sum.saturating_add(work(&pod.value).restarts)
    });
    restarts > 0 && restarts >= job.backoff_limit
}

/// How long until a Job that is active has been so for too long.
pub(super) fn deadline(job: &Job, status: &Status, now: Timestamp) -> Option<SignedDuration> {
    let (seconds, started) = (job.active_deadline?, status.started?);
    let left = SignedDuration::from_secs(seconds).saturating_sub(now.duration_since(started));
    (!job.suspended).then(|| left.max(SignedDuration::ZERO))
}

/// Indexes that are lost: those whose last failure was one too many, or that the failure policy gives up.
pub(super) fn failed_indexes(job: &Job, status: &Status, pods: &[Arc<Object<Pod>>]) -> Indexes {
    let completions = job.completions.unwrap_or(0);
    let before = status.failed_indexes.as_deref().unwrap_or_default();
    let limit = job.backoff_limit_per_index.unwrap_or(i32::MAX);
    let lost = pods.iter().filter_map(|pod| {
        let (index, work) = (valid_index(job, pod)?, work(&pod.value));
        if !work.tracked || !has_failed(job, &pod.value) {
            return None;
        }
        let verdict = judge(job, pod);
        (verdict.fails_index || (verdict.counts && work.index_failures >= limit)).then_some(index)
    });
    Indexes::parse(before, completions).union(&lost.collect())
}

/// Indexes that have succeeded, with the pods that have not been counted yet.
pub(super) fn succeeded_indexes(job: &Job, before: &Indexes, pods: &[Arc<Object<Pod>>]) -> Indexes {
    let new = pods
        .iter()
        .filter(|pod| pod.value.phase == Phase::Succeeded && work(&pod.value).tracked);
    before.union(&new.filter_map(|pod| valid_index(job, pod)).collect())
}

/// The index that a pod works on, if it is one of the Job's.
pub(super) fn valid_index(job: &Job, pod: &Object<Pod>) -> Option<i32> {
    let index = work(&pod.value).index?;
    (index < job.completions.unwrap_or(0)).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        job::tests::{at, job, pod},
        object::{
            condition::Condition,
            job::{Action, FailureRule, Mode, Requirement, SuccessRule},
        },
    };

    fn of(job: &Job, pods: &[Arc<Object<Pod>>], failed: i32, succeeded: &str) -> String {
        let succeeded = Indexes::parse(succeeded, job.completions.unwrap_or(0));
        let lost = failed_indexes(job, &job.status, pods);
        let known = Known {
            pods,
            failed,
            succeeded: &succeeded,
            failed_indexes: job.backoff_limit_per_index.map(|_| &lost),
        };
        outcome(job, &job.status, &known, at(100))
            .map(|end| format!("{}{}", if end.success { "+" } else { "-" }, end.reason))
            .unwrap_or_default()
    }

    #[test]
    fn failures_beyond_the_limit_and_time_beyond_the_deadline_end_a_job() {
        let limited = job(|j| j.backoff_limit = 2);
        assert_eq!(of(&limited, &[], 2, ""), "");
        assert_eq!(of(&limited, &[], 3, ""), "-BackoffLimitExceeded");
        let late = |seconds: i64, suspended: bool| {
            let job = job(|j| {
                (j.active_deadline, j.suspended) = (Some(seconds), suspended);
                j.status.started = Some(at(40));
            });
            of(&job, &[], 0, "")
        };
        assert_eq!(
            (late(61, false), late(60, true)),
            (String::new(), String::new())
        );
        assert_eq!(late(60, false), "-DeadlineExceeded");
        // Restarts count where the kubelet makes them, and only of pods that go on.
        let restarted = |phase: Phase, restarts: i32, limit: i32| {
            let job = job(|j| (j.restarts_on_failure, j.backoff_limit) = (true, limit));
            let pod = pod("p", |p| {
                p.phase = phase;
                p.work.as_mut().expect("a job's").restarts = restarts;
            });
            of(&job, &[pod], 0, "")
        };
        assert_eq!(restarted(Phase::Running, 2, 2), "-BackoffLimitExceeded");
        assert_eq!(restarted(Phase::Running, 1, 0), "-BackoffLimitExceeded");
        assert_eq!(restarted(Phase::Running, 0, 0), "");
        assert_eq!(restarted(Phase::Running, 1, 2), "");
        assert_eq!(restarted(Phase::Succeeded, 9, 2), "");
    }

    #[test]
    fn what_was_announced_stays_and_failures_come_before_success() {
        let announced = |types: &[&str]| {
            let job = job(|j| {
                let conditions = types
                    .iter()
                    .map(|t| Condition::new(t, "True", "Said", "", at(1)));
                j.status.conditions = conditions.collect();
            });
            of(&job, &[], 99, "")
        };
        assert_eq!(announced(&[FAILURE_TARGET]), "-Said");
        assert_eq!(announced(&[SUCCESS_CRITERIA_MET]), "+Said");
        assert_eq!(announced(&[]), "-BackoffLimitExceeded");
        let failed = pod("f", |p| {
            p.phase = Phase::Failed;
            p.work.as_mut().expect("a job's").failures = vec![("main".into(), 3)];
        });
        let policy = job(|j| {
            j.failure_policy = Some(vec![FailureRule {
                action: Action::FailJob,
                matches: Requirement::ExitCodes {
                    container: None,
                    within: true,
                    values: vec![3],
                },
            }]);
        });
        assert_eq!(of(&policy, &[failed], 1, ""), "-PodFailurePolicy");
        assert_eq!(of(&policy, &[pod("runs", |_| ())], 0, ""), "");
    }

    #[test]
    fn indexes_end_a_job_when_too_many_are_lost_or_all_are_done() {
        let indexed = |most: Option<i32>, lost: &str, succeeded: &str| {
            let job = job(|j| {
                (j.mode, j.backoff_limit) = (Mode::Indexed, i32::MAX);
                (j.backoff_limit_per_index, j.max_failed_indexes) = (Some(0), most);
                j.status.failed_indexes = Some(lost.to_owned());
                j.success_policy = Some(vec![SuccessRule {
                    indexes: None,
                    count: Some(2),
                }]);
            });
            of(&job, &[], 0, succeeded)
        };
        assert_eq!(indexed(None, "", ""), "");
        assert_eq!(indexed(None, "1", "0"), "");
        assert_eq!(indexed(None, "1,2", "0,3"), "-FailedIndexes");
        assert_eq!(indexed(Some(0), "1", "0"), "-MaxFailedIndexesExceeded");
        assert_eq!(indexed(Some(1), "1", "0"), "");
        assert_eq!(indexed(Some(1), "1", "0,2"), "+SuccessPolicy");
    }
}
