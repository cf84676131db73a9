//! Jobs.

use api::Tree;
use api::batch::v1::{CronJob, Job};
use serde_json::Value;

use super::age::{Now, human};
use super::cells;
use super::text::{NONE, boolean, containers, format_selector};

pub fn job(object: &Tree, now: Now) -> Vec<Value> {
    let job = Job::of(object);
    let (meta, spec, status) = (job.metadata(), job.spec(), job.status());
    let succeeded = status.succeeded();
    let completions = match (spec.completions(), spec.parallelism().unwrap_or_default()) {
        (Some(wanted), _) => format!("{succeeded}/{wanted}"),
        (None, parallelism @ 2..) => format!("{succeeded}/1 of {parallelism}"),
        (None, _) => format!("{succeeded}/1"),
    };
    let took = match (status.start_time(), status.completion_time()) {
        (None, _) => String::new(),
        (started, None) => now.since(started),
        (Some(started), Some(ended)) => human(ended.seconds() - started.seconds()),
    };
    let [names, images] = containers(spec.template().spec().containers());
    cells![
        meta.name(),
        state(job),
        completions,
        took,
        now.since(meta.creation_timestamp()),
        names,
        images,
        format_selector(spec.selector()),
    ]
}

fn state(job: Job<'_>) -> &'static str {
    let conditions = job.status().conditions();
    // The first of a type counts.
    let has = |kind: &str| {
        conditions
            .iter()
            .find(|c| c.type_() == kind)
            .is_some_and(|c| c.status() == "True")
    };
    if has("Complete") {
        "Complete"
    } else if has("Failed") {
        "Failed"
    } else if job.metadata().deletion_timestamp().is_some() {
        "Terminating"
    } else if has("Suspended") {
        "Suspended"
    } else if has("FailureTarget") {
        "FailureTarget"
    } else if has("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    }
}

pub fn cron_job(object: &Tree, now: Now) -> Vec<Value> {
    let job = CronJob::of(object);
    let (meta, spec, status) = (job.metadata(), job.spec(), job.status());
    let last = match status.last_schedule_time() {
        None => NONE.to_owned(),
        last => now.since(last),
    };
    let made = spec.job_template().spec();
    let [names, images] = containers(made.template().spec().containers());
    cells![
        meta.name(),
        spec.schedule(),
        spec.time_zone().unwrap_or(NONE),
        boolean(spec.suspend()),
        status.active().len(),
        last,
        now.since(meta.creation_timestamp()),
        names,
        images,
        format_selector(made.selector()),
    ]
}
