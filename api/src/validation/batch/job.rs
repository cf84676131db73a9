//! What a Job wants.

use super::{policy, template};
use crate::batch::v1::{Job, JobSpec};
use crate::field::{BadValue, Error, ErrorList, Path};
use crate::meta::v1::ObjectMeta;
use crate::validation::check::{
    IMMUTABLE, domain_prefixed_path, internal, not_negative, quoted, same, selector, selects, shown,
};
use crate::validation::{format, pod};
use crate::view::View;

const SPEC: Path<'static> = Path::new("spec");
/// What an indexed Job may run at once, and how many of its indexes may fail.
const INDEXED_MAX: i32 = 100_000;
/// From so many completions on, the bounds of an indexed Job with limits by index are lower.
const COMPLETIONS_SOFT_MAX: i32 = 100_000;
const HIGH_COMPLETIONS_MAX: i32 = 10_000;
const MANAGED_BY_MAX: usize = 63;

pub(in crate::validation) fn create(errors: &mut ErrorList, job: Job<'_>) {
    generated_selector(errors, job);
    check(errors, job.spec());
    name_for_pods(errors, job);
}

pub(in crate::validation) fn update(errors: &mut ErrorList, new: Job<'_>, old: Job<'_>) {
    let (spec, before) = (new.spec(), old.spec());
    check(errors, spec);
    completions(errors, spec, before);
    if !same(
        spec.selector().and_then(View::node),
        before.selector().and_then(View::node),
    ) {
        let value = shown(spec.selector().and_then(View::node));
        errors.push(Error::invalid(&SPEC.child("selector"), value, IMMUTABLE));
    }
    template::update(errors, new, old);
    fixed_text(
        errors,
        "completionMode",
        spec.completion_mode(),
        before.completion_mode(),
    );
    let (policy, was) = (spec.pod_failure_policy(), before.pod_failure_policy());
    fixed(errors, "podFailurePolicy", policy, was);
    fixed_number(
        errors,
        "backoffLimitPerIndex",
        spec.backoff_limit_per_index(),
        before.backoff_limit_per_index(),
    );
    fixed_text(errors, "managedBy", spec.managed_by(), before.managed_by());
    fixed(
        errors,
        "successPolicy",
        spec.success_policy(),
        before.success_policy(),
    );
    name_for_pods(errors, new);
}

fn fixed<'a, V: View<'a>>(errors: &mut ErrorList, field: &str, new: Option<V>, old: Option<V>) {
    let (new, old) = (new.and_then(View::node), old.and_then(View::node));
    if !same(new, old) {
        errors.push(Error::invalid(&SPEC.child(field), internal(new), IMMUTABLE));
    }
}

fn fixed_text(errors: &mut ErrorList, field: &str, new: Option<&str>, old: Option<&str>) {
    if new != old {
        let value = new.map_or(BadValue::Json("null".to_owned()), quoted);
        errors.push(Error::invalid(&SPEC.child(field), value, IMMUTABLE));
    }
}

fn number(value: Option<i32>) -> BadValue {
    value.map_or(BadValue::Json("null".to_owned()), BadValue::from)
}

fn fixed_number(errors: &mut ErrorList, field: &str, new: Option<i32>, old: Option<i32>) {
    if new != old {
        errors.push(Error::invalid(&SPEC.child(field), number(new), IMMUTABLE));
    }
}

fn is_indexed(spec: JobSpec<'_>) -> bool {
    spec.completion_mode() == Some("Indexed")
}

/// Completions of an indexed Job may change, together with its parallelism.
fn completions(errors: &mut ErrorList, new: JobSpec<'_>, old: JobSpec<'_>) {
    if !is_indexed(new) {
        fixed_number(errors, "completions", new.completions(), old.completions());
    } else if new.completions() != old.completions()
        && new.completions().is_some()
        && new.completions() != new.parallelism()
    {
        let detail = "can only be modified in tandem with spec.parallelism";
        let path = SPEC.child("completions");
        errors.push(Error::invalid(&path, number(new.completions()), detail));
    }
}

/// The labels that select the pods of one Job alone must stand in the template as the server makes them.
fn generated_selector(errors: &mut ErrorList, job: Job<'_>) {
    let (spec, metadata) = (job.spec(), job.metadata());
    let Some(selector) = spec.selector() else {
        return;
    };
    if spec.manual_selector() == Some(true) {
        return;
    }
    if metadata.uid().is_empty() {
        errors.push(Error::required(&Path::new("metadata.uid"), ""));
    }
    let wanted = [
        ("controller-uid", metadata.uid()),
        ("job-name", metadata.name()),
        ("batch.kubernetes.io/controller-uid", metadata.uid()),
        ("batch.kubernetes.io/job-name", metadata.name()),
    ];
    for (key, value) in wanted {
        has_label(errors, spec.template().metadata(), key, value);
    }
    let labels = selector.match_labels();
    let by_labels = labels
        .iter()
        .all(|(key, value)| wanted.contains(&(key, value)));
    let by_expressions = selector.match_expressions().iter().all(|requirement| {
        let value = wanted.iter().find(|(key, _)| *key == requirement.key());
        let value = value.map(|(_, value)| *value);
        match requirement.operator() {
            "In" => value.is_some_and(|value| requirement.values().contains(value)),
            "NotIn" => !value.is_some_and(|value| requirement.values().contains(value)),
            "Exists" => value.is_some(),
            _ => value.is_none(),
        }
    });
    if is_valid(selector) && !(by_labels && by_expressions) {
        let value = shown(selector.node());
        let detail = "`selector` not auto-generated";
        errors.push(Error::invalid(&SPEC.child("selector"), value, detail));
    }
}

fn is_valid(labels: crate::meta::v1::LabelSelector<'_>) -> bool {
    let mut found = ErrorList::new();
    selector(&mut found, &SPEC, Some(labels));
    found.is_empty()
}

fn has_label(errors: &mut ErrorList, metadata: ObjectMeta<'_>, key: &str, wanted: &str) {
    let labels = SPEC.child("template.metadata.labels");
    let (path, detail) = (labels.key(key), format!("must be '{wanted}'"));
    match metadata.labels().get(key) {
        None => errors.push(Error::required(&path, detail)),
        Some(value) if value != wanted => {
            let value = shown(metadata.labels().node());
            errors.push(Error::invalid(&path, value, detail));
        }
        Some(_) => {}
    }
}

/// The highest index of an indexed Job ends the longest name of a host.
fn name_for_pods(errors: &mut ErrorList, job: Job<'_>) {
    let completions = job.spec().completions().filter(|count| *count > 0);
    let Some(completions) = completions.filter(|_| is_indexed(job.spec())) else {
        return;
    };
    let name = job.metadata().name();
    let host = format!("{name}-{}", completions - 1);
    if !format::dns_label(&host).is_empty() {
        let detail = format!("will not able to create pod with invalid DNS label: {host}");
        errors.push(Error::invalid(&Path::new("metadata.name"), name, detail));
    }
}

fn check(errors: &mut ErrorList, spec: JobSpec<'_>) {
    self::spec(errors, &SPEC, spec);
    let path = SPEC.child("selector");
    let labels = spec.selector();
    if labels.is_none() {
        errors.push(Error::required(&path, ""));
    }
    selector(errors, &path, labels);
    let template = spec.template().metadata().labels();
    // Without a selector nothing is selected; by one that is wrong nobody can tell.
    if labels.is_none_or(|labels| is_valid(labels) && !selects(labels, template)) {
        errors.push(Error::invalid(
            &SPEC.child("template.metadata.labels"),
            shown(template.node()),
            "`selector` does not match template `labels`",
        ));
    }
}

/// What the Job of a CronJob must be, too.
pub(super) fn spec(errors: &mut ErrorList, path: &Path<'_>, spec: JobSpec<'_>) {
    let numbers = [
        ("parallelism", spec.parallelism().map(i64::from)),
        ("completions", spec.completions().map(i64::from)),
        ("activeDeadlineSeconds", spec.active_deadline_seconds()),
        ("backoffLimit", spec.backoff_limit().map(i64::from)),
        (
            "ttlSecondsAfterFinished",
            spec.ttl_seconds_after_finished().map(i64::from),
        ),
        (
            "backoffLimitPerIndex",
            spec.backoff_limit_per_index().map(i64::from),
        ),
        ("maxFailedIndexes", spec.max_failed_indexes().map(i64::from)),
    ];
    for (field, number) in numbers {
        if let Some(number) = number {
            not_negative(errors, &path.child(field), number);
        }
    }
    if spec.max_failed_indexes().is_some() && spec.backoff_limit_per_index().is_none() {
        let path = path.child("backoffLimitPerIndex");
        errors.push(Error::required(&path, "when maxFailedIndexes is specified"));
    }
    if let Some(manager) = spec.managed_by() {
        let place = path.child("managedBy");
        domain_prefixed_path(errors, &place, manager);
        if manager.len() > MANAGED_BY_MAX {
            errors.push(Error::too_long(&place, MANAGED_BY_MAX));
        }
    }
    match spec.completion_mode() {
        None | Some("NonIndexed") => not_indexed(errors, path, spec),
        Some("Indexed") => indexed(errors, path, spec),
        Some(other) => errors.push(Error::not_supported(
            &path.child("completionMode"),
            quoted(other),
            &["NonIndexed", "Indexed"],
        )),
    }
    policy::failure(errors, &path.child("podFailurePolicy"), spec);
    if let Some(success) = spec.success_policy() {
        let path = path.child("successPolicy");
        if is_indexed(spec) {
            policy::success(errors, &path, spec);
        } else {
            let value = internal(success.node());
            errors.push(Error::invalid(
                &path,
                value,
                "requires indexed completion mode",
            ));
        }
    }
    replacement(errors, &path.child("podReplacementPolicy"), spec);
    pod::template(errors, &path.child("template"), spec.template());
    restart_policy(errors, &path.child("template.spec.restartPolicy"), spec);
}

fn not_indexed(errors: &mut ErrorList, path: &Path<'_>, spec: JobSpec<'_>) {
    let limits = [
        ("backoffLimitPerIndex", spec.backoff_limit_per_index()),
        ("maxFailedIndexes", spec.max_failed_indexes()),
    ];
    for (field, limit) in limits {
        if let Some(limit) = limit {
            let detail = "requires indexed completion mode";
            errors.push(Error::invalid(&path.child(field), limit, detail));
        }
    }
}

/// A number that is more than it may be. `more` says when.
fn at_most(errors: &mut ErrorList, path: &Path<'_>, number: Option<i32>, most: i32, more: &str) {
    if let Some(number) = number.filter(|number| *number > most) {
        let detail = format!("must be less than or equal to {most}{more}");
        errors.push(Error::invalid(path, number, detail));
    }
}

fn indexed(errors: &mut ErrorList, path: &Path<'_>, spec: JobSpec<'_>) {
    let at_once = path.child("parallelism");
    let failures = path.child("maxFailedIndexes");
    let (completions, parallelism) = (spec.completions(), spec.parallelism());
    let most_failures = spec.max_failed_indexes();
    if completions.is_none() {
        let detail = "when completion mode is Indexed";
        errors.push(Error::required(&path.child("completions"), detail));
    }
    let more = " when completion mode is Indexed";
    at_most(errors, &at_once, parallelism, INDEXED_MAX, more);
    if let (Some(completions), Some(failed)) = (completions, most_failures)
        && failed > completions
    {
        let detail = "must be less than or equal to completions";
        errors.push(Error::invalid(&failures, failed, detail));
    }
    at_most(errors, &failures, most_failures, INDEXED_MAX, "");
    if completions.is_none_or(|count| count <= COMPLETIONS_SOFT_MAX)
        || spec.backoff_limit_per_index().is_none()
    {
        return;
    }
    if most_failures.is_none() {
        let detail = format!("must be specified when completions is above {COMPLETIONS_SOFT_MAX}");
        errors.push(Error::required(&failures, detail));
    }
    let more = format!(
        " when completions are above {COMPLETIONS_SOFT_MAX} and used with backoff limit per index"
    );
    at_most(errors, &at_once, parallelism, HIGH_COMPLETIONS_MAX, &more);
    at_most(
        errors,
        &failures,
        most_failures,
        HIGH_COMPLETIONS_MAX,
        &more,
    );
}

fn replacement(errors: &mut ErrorList, path: &Path<'_>, spec: JobSpec<'_>) {
    let allowed: &[&str] = if spec.pod_failure_policy().is_some() {
        &["Failed"]
    } else {
        &["Failed", "TerminatingOrFailed"]
    };
    if let Some(policy) = spec.pod_replacement_policy()
        && !allowed.contains(&policy)
    {
        errors.push(Error::not_supported(path, policy, allowed));
    }
}

fn restart_policy(errors: &mut ErrorList, path: &Path<'_>, spec: JobSpec<'_>) {
    match spec.template().spec().restart_policy() {
        "Always" | "" => {
            let detail = "valid values: \"OnFailure\", \"Never\"";
            errors.push(Error::required(path, detail));
        }
        policy @ "OnFailure" if spec.pod_failure_policy().is_some() => {
            let detail = "only \"Never\" is supported when podFailurePolicy is specified";
            errors.push(Error::invalid(path, policy, detail));
        }
        "OnFailure" | "Never" => {}
        other => errors.push(Error::not_supported(path, other, &["OnFailure", "Never"])),
    }
}
