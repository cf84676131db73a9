//! Jobs and CronJobs.

use super::{Rule, rules};
use crate::batch::v1::{
    CronJob, CronJobMut, Job, JobMut, PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyOnPodConditionsPatternMut,
};

pub(super) const RULES: &[Rule] = rules![
    CronJob => cron_job,
    Job => job,
    PodFailurePolicyOnPodConditionsPattern => |mut pattern: PodFailurePolicyOnPodConditionsPatternMut<'_>| pattern.default_status("True"),
];

fn job(mut job: JobMut<'_>) {
    let mut spec = job.spec_mut();
    let view = spec.view();
    if view.completions().is_none() && view.parallelism().is_none() {
        spec.set_completions(1);
    }
    spec.default_parallelism(1);
    let by_index = spec.view().backoff_limit_per_index().is_some();
    spec.default_backoff_limit(if by_index { i32::MAX } else { 6 });
    spec.default_completion_mode("NonIndexed");
    spec.default_suspend(false);
    let failures_decide = spec.view().pod_failure_policy().is_some();
    spec.default_pod_replacement_policy(if failures_decide {
        "Failed"
    } else {
        "TerminatingOrFailed"
    });
    spec.default_manual_selector(false);
    if job.view().metadata().labels().is_empty() {
        let template = job.view().spec().template().metadata();
        let labels: Vec<(String, String)> = template
            .labels()
            .iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        for (key, value) in labels {
            job.metadata_mut().labels_mut().insert(&key, &value);
        }
    }
}

fn cron_job(mut job: CronJobMut<'_>) {
    let mut spec = job.spec_mut();
    spec.default_concurrency_policy("Allow");
    spec.default_suspend(false);
    spec.default_successful_jobs_history_limit(3);
    spec.default_failed_jobs_history_limit(1);
}
