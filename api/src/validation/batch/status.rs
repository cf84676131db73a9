//! What a Job says of itself. Most rules bind only what changes: a status that was wrong before, or became so by a change of
//! the spec, can be mended step by step.

use super::indexes;
use crate::batch::v1::{Job, JobCondition, JobStatus, UncountedTerminatedPods};
use crate::field::{BadValue, Error, ErrorList, Path};
use crate::validation::check::{internal, not_negative, quoted};
use crate::view::{List, View};

const STATUS: Path<'static> = Path::new("status");

fn is(conditions: List<'_, JobCondition<'_>>, r#type: &str, status: &str) -> bool {
    let mut conditions = conditions.iter();
    conditions.any(|c| c.type_() == r#type && c.status() == status)
}

/// The conditions that rules go by, of one status.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ends {
    complete: bool,
    failed: bool,
    failure_target: bool,
    success_criteria_met: bool,
}

impl Ends {
    fn of(status: JobStatus<'_>) -> Ends {
        let holds = |r#type| is(status.conditions(), r#type, "True");
        Ends {
            complete: holds("Complete"),
            failed: holds("Failed"),
            failure_target: holds("FailureTarget"),
            success_criteria_met: holds("SuccessCriteriaMet"),
        }
    }

    fn finished(self) -> bool {
        self.complete || self.failed
    }
}

/// What changed.
struct Changed {
    complete: bool,
    failed: bool,
    finished: bool,
    failure_target: bool,
    success_criteria_met: bool,
    completed_indexes: bool,
    failed_indexes: bool,
    active: bool,
    ready: bool,
    terminating: bool,
    start: bool,
    completion: bool,
    uncounted: bool,
}

struct Check<'a, 'e> {
    errors: &'e mut ErrorList,
    job: Job<'a>,
    new: JobStatus<'a>,
    old: JobStatus<'a>,
    now: Ends,
    was: Ends,
    changed: Changed,
}

pub(in crate::validation) fn update(errors: &mut ErrorList, job: Job<'_>, old: Job<'_>) {
    let (new, old) = (job.status(), old.status());
    let (now, was) = (Ends::of(new), Ends::of(old));
    let uncounted = |status: JobStatus<'_>| {
        status
            .uncounted_terminated_pods()
            .map(|u| (texts(u.succeeded()), texts(u.failed())))
    };
    let changed = Changed {
        complete: now.complete != was.complete,
        failed: now.failed != was.failed,
        finished: now.finished() != was.finished(),
        failure_target: now.failure_target != was.failure_target,
        success_criteria_met: now.success_criteria_met != was.success_criteria_met,
        completed_indexes: new.completed_indexes() != old.completed_indexes(),
        failed_indexes: new.failed_indexes() != old.failed_indexes(),
        active: new.active() != old.active(),
        ready: new.ready() != old.ready(),
        terminating: new.terminating() != old.terminating(),
        start: new.start_time() != old.start_time(),
        completion: new.completion_time() != old.completion_time(),
        uncounted: uncounted(new) != uncounted(old),
    };
    let mut check = Check {
        errors,
        job,
        new,
        old,
        now,
        was,
        changed,
    };
    check.counts();
    check.ends();
    check.times_and_pods_at_the_end();
    check.indexes();
    check.rest();
    check.against_the_old();
}

fn texts(list: List<'_, str>) -> Vec<String> {
    list.iter().map(str::to_owned).collect()
}

fn time(time: Option<crate::Time>) -> BadValue {
    time.map_or(BadValue::Json("null".to_owned()), |time| {
        quoted(&format!("{:.0}", time.timestamp()))
    })
}

impl Check<'_, '_> {
    fn invalid(&mut self, field: &str, value: impl Into<BadValue>, detail: &str) {
        let error = Error::invalid(&STATUS.child(field), value, detail);
        self.errors.push(error);
    }

    fn conditions(&mut self, detail: &str) {
        self.invalid("conditions", BadValue::Omitted, detail);
    }

    fn counts(&mut self) {
        let status = self.new;
        for (field, count) in [
            ("active", Some(status.active())),
            ("succeeded", Some(status.succeeded())),
            ("failed", Some(status.failed())),
            ("ready", status.ready()),
            ("terminating", status.terminating()),
        ] {
            not_negative(self.errors, &STATUS.child(field), count.unwrap_or(0));
        }
        let Some(uncounted) = status.uncounted_terminated_pods() else {
            return;
        };
        let path = STATUS.child("uncountedTerminatedPods");
        let mut seen: Vec<&str> = Vec::new();
        for (field, uids) in [
            ("succeeded", uncounted.succeeded()),
            ("failed", uncounted.failed()),
        ] {
            let list = path.child(field);
            for (at, uid) in uids.iter().enumerate() {
                let place = list.index(at);
                if uid.is_empty() {
                    self.errors
                        .push(Error::invalid(&place, uid, "must not be empty"));
                } else if seen.contains(&uid) {
                    self.errors.push(Error::duplicate(&place, uid));
                } else {
                    seen.push(uid);
                }
            }
        }
    }

    fn ends(&mut self) {
        let (now, changed) = (self.now, &self.changed);
        let (ended, aimed) = (
            changed.complete || changed.failed,
            changed.complete || changed.failure_target,
        );
        let (finished, at_end) = (
            changed.complete || changed.completion,
            changed.start || changed.completion,
        );
        let (failed, completed) = (
            changed.failed || changed.failed_indexes,
            changed.complete || changed.success_criteria_met,
        );
        if ended && now.complete && now.failed {
            self.conditions("cannot set Complete=True and Failed=true conditions");
        }
        if aimed && now.complete && now.failure_target {
            self.conditions("cannot set Complete=True and FailureTarget=true conditions");
        }
        let (start, end) = (self.new.start_time(), self.new.completion_time());
        if finished && end.is_some() && !now.complete {
            let detail = "cannot set completionTime when there is no Complete=True condition";
            self.invalid("completionTime", time(end), detail);
        }
        if finished && end.is_none() && now.complete {
            let detail = "completionTime is required for Complete jobs";
            let error = Error::required(&STATUS.child("completionTime"), detail);
            self.errors.push(error);
        }
        if at_end && start.is_some_and(|start| end.is_some_and(|end| end < start)) {
            let detail = "must be equal to or after `startTime`";
            self.invalid("completionTime", time(end), detail);
        }
        if failed && now.failed && !now.failure_target {
            self.conditions(
                "cannot set Failed=True condition without the FailureTarget=true condition",
            );
        }
        if completed && now.complete && !now.success_criteria_met {
            self.conditions(
                "cannot set Complete=True condition without the SuccessCriteriaMet=true condition",
            );
        }
    }

    fn times_and_pods_at_the_end(&mut self) {
        if !self.now.finished() {
            return;
        }
        let (status, spec) = (self.new, self.job.spec());
        let finished = self.changed.finished;
        if (finished || self.changed.active) && status.active() > 0 {
            let detail = "active>0 is invalid for finished job";
            self.invalid("active", status.active(), detail);
        }
        let nothing_to_do = spec.suspend() == Some(true) && spec.completions() == Some(0);
        if (finished || self.changed.start) && !nothing_to_do && status.start_time().is_none() {
            let detail = "startTime is required for finished job";
            let error = Error::required(&STATUS.child("startTime"), detail);
            self.errors.push(error);
        }
        let is_empty =
            |u: UncountedTerminatedPods<'_>| u.succeeded().is_empty() && u.failed().is_empty();
        if let Some(uncounted) = status.uncounted_terminated_pods()
            && (finished || self.changed.uncounted)
            && !is_empty(uncounted)
        {
            let value = internal(uncounted.node());
            let detail = "must be empty for finished job";
            self.invalid("uncountedTerminatedPods", value, detail);
        }
    }

    fn indexes(&mut self) {
        let (status, spec) = (self.new, self.job.spec());
        let (completed, failed) = (status.completed_indexes(), status.failed_indexes());
        let changed = (self.changed.completed_indexes, self.changed.failed_indexes);
        let by_index = spec.backoff_limit_per_index().is_some();
        if let Some(completions) = spec.completions() {
            if changed.0
                && let Err(error) = indexes::count(completed, completions)
            {
                let detail = format!("error parsing completedIndexes: {error}");
                self.invalid("completedIndexes", completed, &detail);
            }
            if changed.1
                && by_index
                && let Some(failed) = failed
                && let Err(error) = indexes::count(failed, completions)
            {
                let detail = format!("error parsing failedIndexes: {error}");
                self.invalid("failedIndexes", quoted(failed), &detail);
            }
        }
        if changed.0 && !completed.is_empty() && spec.completion_mode() != Some("Indexed") {
            let detail = "cannot set non-empty completedIndexes when non-indexed completion mode";
            self.invalid("completedIndexes", completed, detail);
        }
        let Some(failed) = failed else { return };
        if changed.1 && !by_index {
            let detail = "cannot set non-null failedIndexes when backoffLimitPerIndex is null";
            self.invalid("failedIndexes", failed, detail);
        }
        if (changed.0 || changed.1)
            && let Some(completions) = spec.completions()
            && let Some(index) = indexes::overlap(completed, failed, completions)
        {
            let detail = format!("failedIndexes and completedIndexes overlap at index: {index}");
            self.invalid("failedIndexes", failed, &detail);
        }
    }

    fn rest(&mut self) {
        let (status, now, changed) = (self.new, self.now, &self.changed);
        let (pods, terms) = (
            changed.ready || changed.active,
            changed.finished || changed.terminating,
        );
        if let Some(terminating) = status.terminating().filter(|count| *count > 0)
            && terms
            && now.finished()
        {
            let detail = "terminating>0 is invalid for finished job";
            self.invalid("terminating", terminating, detail);
        }
        if let Some(ready) = status.ready().filter(|ready| *ready > status.active())
            && pods
        {
            let detail = "cannot set more ready pods than active";
            self.invalid("ready", ready, detail);
        }
        if now.success_criteria_met && now.failed {
            self.conditions("cannot set SuccessCriteriaMet=True and Failed=true conditions");
        }
        if now.success_criteria_met && now.failure_target {
            self.conditions("cannot set SuccessCriteriaMet=True and FailureTarget=true conditions");
        }
        let by_policy = self.job.spec().success_policy().is_some();
        if by_policy && !now.success_criteria_met && now.complete {
            self.conditions(
                "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True",
            );
        }
    }

    fn against_the_old(&mut self) {
        let (now, was) = (self.now, self.was);
        let (new, old, spec) = (self.new, self.old, self.job.spec());
        for (r#type, was, is) in [
            ("Failed", was.failed, now.failed),
            ("Complete", was.complete, now.complete),
            ("FailureTarget", was.failure_target, now.failure_target),
        ] {
            if was && !is {
                self.conditions(&format!(
                    "cannot disable the terminal {type}=True condition"
                ));
            }
        }
        if new.failed() < old.failed() {
            self.invalid("failed", new.failed(), "cannot decrease the failed counter");
        }
        // An indexed Job whose completions go with its parallelism can be made smaller.
        let shrinks =
            spec.completion_mode() == Some("Indexed") && spec.completions() == spec.parallelism();
        if !shrinks && new.succeeded() < old.succeeded() {
            let detail = "cannot decrease the succeeded counter";
            self.invalid("succeeded", new.succeeded(), detail);
        }
        let (end, before) = (new.completion_time(), old.completion_time());
        if end.is_some() && before.is_some() && end != before {
            self.invalid("completionTime", time(end), "field is immutable");
        }
        let resumes =
            is(old.conditions(), "Suspended", "True") && is(new.conditions(), "Suspended", "False");
        if self.changed.start
            && !resumes
            && old.start_time().is_some()
            && spec.suspend() != Some(true)
        {
            let detail = "field is immutable for unsuspended job once set";
            self.invalid("startTime", time(new.start_time()), detail);
        }
        if was.success_criteria_met && !now.success_criteria_met {
            self.conditions("cannot disable the SuccessCriteriaMet=True condition");
        }
        if was.complete && !was.success_criteria_met && now.success_criteria_met {
            self.conditions(
                "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions",
            );
        }
    }
}
