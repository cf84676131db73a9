//! `spec.podFailurePolicy` and `spec.successPolicy`.

use super::indexes;
use crate::batch::v1::{
    JobSpec, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule, SuccessPolicyRule,
};
use crate::field::{BadValue, Error, ErrorList, Path};
use crate::validation::check::{each, not_negative, shown, supported};
use crate::validation::format;
use crate::view::List;

const RULES_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;
const CONDITIONS_MAX: usize = 20;
const INDEXES_MAX: usize = 64 * 1024;
const ACTIONS: &[&str] = &["Count", "FailIndex", "FailJob", "Ignore"];
const OPERATORS: &[&str] = &["In", "NotIn"];
const STATUSES: &[&str] = &["False", "True", "Unknown"];

/// A value that must be there and be one of those allowed, which are named in either case.
fn chosen(errors: &mut ErrorList, path: &Path<'_>, value: &str, allowed: &[&str]) {
    if value.is_empty() {
        let allowed: Vec<String> = allowed.iter().map(|a| format!("\"{a}\"")).collect();
        let detail = format!("valid values: [{}]", allowed.join(" "));
        errors.push(Error::required(path, detail));
    } else {
        supported(errors, path, value, allowed);
    }
}

pub(super) fn failure(errors: &mut ErrorList, path: &Path<'_>, spec: JobSpec<'_>) {
    let Some(policy) = spec.pod_failure_policy() else {
        return;
    };
    let (list, rules) = (path.child("rules"), policy.rules());
    if rules.len() > RULES_MAX {
        errors.push(Error::too_many(&list, rules.len(), RULES_MAX));
    }
    for (at, rule) in rules.iter().enumerate() {
        failure_rule(errors, &list.index(at), spec, rule);
    }
}

fn failure_rule(
    errors: &mut ErrorList,
    path: &Path<'_>,
    spec: JobSpec<'_>,
    rule: PodFailurePolicyRule<'_>,
) {
    let (place, action) = (path.child("action"), rule.action());
    if action == "FailIndex" {
        if spec.backoff_limit_per_index().is_none() {
            let detail = "requires the backoffLimitPerIndex to be set";
            errors.push(Error::invalid(&place, action, detail));
        }
    } else {
        chosen(errors, &place, action, ACTIONS);
    }
    let (codes, conditions) = (rule.on_exit_codes(), rule.on_pod_conditions());
    if let Some(codes) = codes {
        exit_codes(errors, &path.child("onExitCodes"), spec, codes);
    }
    pod_conditions(errors, &path.child("onPodConditions"), conditions);
    let detail = match (codes.is_some(), !conditions.is_empty()) {
        (true, true) => "specifying both OnExitCodes and OnPodConditions is not supported",
        (false, false) => "specifying one of OnExitCodes and OnPodConditions is required",
        _ => return,
    };
    errors.push(Error::invalid(path, BadValue::Omitted, detail));
}

fn pod_conditions(
    errors: &mut ErrorList,
    path: &Path<'_>,
    patterns: List<'_, PodFailurePolicyOnPodConditionsPattern<'_>>,
) {
    if patterns.len() > CONDITIONS_MAX {
        errors.push(Error::too_many(path, patterns.len(), CONDITIONS_MAX));
    }
    for (at, pattern) in patterns.iter().enumerate() {
        let path = path.index(at);
        let r#type = pattern.type_();
        each(
            errors,
            &path.child("type"),
            r#type,
            format::label_key(r#type),
        );
        chosen(errors, &path.child("status"), pattern.status(), STATUSES);
    }
}

fn exit_codes(
    errors: &mut ErrorList,
    path: &Path<'_>,
    spec: JobSpec<'_>,
    requirement: PodFailurePolicyOnExitCodesRequirement<'_>,
) {
    let operator = requirement.operator();
    chosen(errors, &path.child("operator"), operator, OPERATORS);
    if let Some(name) = requirement.container_name() {
        let pod = spec.template().spec();
        let mut names = pod
            .containers()
            .iter()
            .chain(pod.init_containers().iter())
            .map(|container| container.name());
        if !names.any(|known| known == name) {
            let detail = "must be one of the container or initContainer names in the pod template";
            errors.push(Error::invalid(&path.child("containerName"), name, detail));
        }
    }
    let (place, values) = (path.child("values"), requirement.values());
    if values.is_empty() {
        let detail = "at least one value is required";
        errors.push(Error::invalid(&place, shown(values.node()), detail));
    } else if values.len() > EXIT_CODES_MAX {
        errors.push(Error::too_many(&place, values.len(), EXIT_CODES_MAX));
    }
    let all: Vec<i32> = values.iter().collect();
    for (at, value) in all.iter().enumerate() {
        let place = place.index(at);
        if operator == "In" && *value == 0 {
            let detail = "must not be 0 for the In operator";
            errors.push(Error::invalid(&place, *value, detail));
        }
        if all[..at].contains(value) {
            errors.push(Error::duplicate(&place, *value));
        }
    }
    if !all.is_sorted() {
        errors.push(Error::invalid(
            &place,
            shown(values.node()),
            "must be ordered",
        ));
    }
}

pub(super) fn success(errors: &mut ErrorList, path: &Path<'_>, spec: JobSpec<'_>) {
    let Some(policy) = spec.success_policy() else {
        return;
    };
    let (list, rules) = (path.child("rules"), policy.rules());
    if rules.is_empty() {
        let detail = "at least one rules must be specified when the successPolicy is specified";
        errors.push(Error::required(&list, detail));
    }
    if rules.len() > RULES_MAX {
        errors.push(Error::too_many(&list, rules.len(), RULES_MAX));
    }
    for (at, rule) in rules.iter().enumerate() {
        success_rule(
            errors,
            &list.index(at),
            spec.completions().unwrap_or(0),
            rule,
        );
    }
}

fn success_rule(
    errors: &mut ErrorList,
    path: &Path<'_>,
    completions: i32,
    rule: SuccessPolicyRule<'_>,
) {
    let (text, count) = (rule.succeeded_indexes(), rule.succeeded_count());
    if text.is_none() && count.is_none() {
        let detail = "at least one of succeededCount or succeededIndexes must be specified";
        errors.push(Error::required(path, detail));
    }
    let mut total = 0;
    if let Some(text) = text {
        let place = path.child("succeededIndexes");
        if text.len() > INDEXES_MAX {
            errors.push(Error::too_long(&place, INDEXES_MAX));
        }
        match indexes::count(text, completions) {
            Ok(count) => total = count,
            Err(error) => {
                let detail = format!("error parsing succeededIndexes: {error}");
                errors.push(Error::invalid(&place, text, detail));
            }
        }
    }
    let Some(count) = count else { return };
    let place = path.child("succeededCount");
    not_negative(errors, &place, count);
    if count > completions {
        let detail = format!(
            "must be less than or equal to {completions} (the number of specified completions)"
        );
        errors.push(Error::invalid(&place, count, detail));
    }
    if text.is_some() && i64::from(count) > total {
        let detail = format!(
            "must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
        );
        errors.push(Error::invalid(&place, count, detail));
    }
}
