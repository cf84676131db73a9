//! What a CronJob wants.

use super::job;
use crate::batch::v1::{CronJob, CronJobSpec};
use crate::cron::{Schedule, zone};
use crate::field::{BadValue, Error, ErrorList, Path};
use crate::validation::check::{not_negative, one_of, required, shown};
use crate::view::View;

const SPEC: Path<'static> = Path::new("spec");
/// A run's name has eleven characters more, and is a label.
const NAME_MAX: usize = 52;

pub(in crate::validation) fn create(errors: &mut ErrorList, cron_job: CronJob<'_>) {
    check(errors, cron_job.spec(), None);
    let name = cron_job.metadata().name();
    if name.len() > NAME_MAX {
        let detail = format!("must be no more than {NAME_MAX} characters");
        errors.push(Error::invalid(&Path::new("metadata.name"), name, detail));
    }
}

pub(in crate::validation) fn update(errors: &mut ErrorList, new: CronJob<'_>, old: CronJob<'_>) {
    check(errors, new.spec(), Some(old.spec()));
}

fn check(errors: &mut ErrorList, spec: CronJobSpec<'_>, old: Option<CronJobSpec<'_>>) {
    if !spec.schedule().is_empty() {
        schedule(errors, spec, old);
    }
    if let Some(seconds) = spec.starting_deadline_seconds() {
        not_negative(errors, &SPEC.child("startingDeadlineSeconds"), seconds);
    }
    if let Some(name) = spec.time_zone()
        && old.is_none_or(|old| old.time_zone() != Some(name))
    {
        time_zone(errors, &SPEC.child("timeZone"), name);
    }
    let policy = spec.concurrency_policy();
    let policies = ["Allow", "Forbid", "Replace"];
    one_of(errors, &SPEC.child("concurrencyPolicy"), policy, &policies);
    let (path, template) = (SPEC.child("jobTemplate.spec"), spec.job_template().spec());
    job::spec(errors, &path, template);
    if let Some(selector) = template.selector() {
        let detail = "`selector` will be auto-generated";
        let value = shown(selector.node());
        errors.push(Error::invalid(&path.child("selector"), value, detail));
    }
    if template.manual_selector() == Some(true) {
        let path = path.child("manualSelector");
        errors.push(Error::not_supported(&path, true, &["nil", "false"]));
    }
    let limits = [
        (
            "successfulJobsHistoryLimit",
            spec.successful_jobs_history_limit(),
        ),
        ("failedJobsHistoryLimit", spec.failed_jobs_history_limit()),
    ];
    for (field, limit) in limits {
        if let Some(limit) = limit {
            not_negative(errors, &SPEC.child(field), limit);
        }
    }
    // What upstream declares in tags is checked after what it writes out.
    required(errors, &SPEC.child("schedule"), spec.schedule());
}

fn schedule(errors: &mut ErrorList, spec: CronJobSpec<'_>, old: Option<CronJobSpec<'_>>) {
    let (path, text) = (SPEC.child("schedule"), spec.schedule());
    if let Err(error) = Schedule::parse(text) {
        errors.push(Error::invalid(&path, text, error.to_string()));
    }
    // One that was there before it was refused may stay.
    let allowed = old.is_some_and(|old| old.schedule().contains("TZ"));
    if !text.contains("TZ") {
    } else if !allowed {
        let detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        errors.push(Error::invalid(&path, text, detail));
    } else if spec.time_zone().is_some() {
        let detail = "cannot use both timeZone field and TZ or CRON_TZ in schedule";
        errors.push(Error::invalid(&path, text, detail));
    }
}

fn time_zone(errors: &mut ErrorList, path: &Path<'_>, name: &str) {
    let mut refuse = |detail: String| {
        errors.push(Error::invalid(path, BadValue::from(name), detail));
    };
    if name.is_empty() {
        refuse("timeZone must be nil or non-empty string".to_owned());
        return;
    }
    let is_part = |part: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte);
        (1..=14).contains(&part.len())
            && part.bytes().all(allowed)
            && !matches!(part, "." | "..")
            && !part.starts_with('-')
    };
    if !name.split('/').all(is_part) {
        refuse(format!("unknown time zone {name}"));
        return;
    }
    if name.eq_ignore_ascii_case("Local") {
        refuse(
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
                .to_owned(),
        );
    }
    if name != "Local"
        && let Err(error) = zone(name)
    {
        refuse(error.to_string());
    }
}
