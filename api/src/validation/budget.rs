//! PodDisruptionBudgets, and the conditions that are alike in every kind which took them from `metav1`.

use super::check::{each, not_negative, required, selector, shown, supported};
use super::format;
use super::workload::{at_most_all, int_or_percent, json};
use crate::IntOrString;
use crate::field::{BadValue, Error, ErrorList, Path, quote};
use crate::meta::v1::Condition;
use crate::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use crate::time::ZERO_SECONDS;
use crate::view::{List, View};

const SPEC: Path<'static> = Path::new("spec");
const STATUS: Path<'static> = Path::new("status");
const BOTH: &str = "minAvailable and maxUnavailable cannot be both set";
const POLICIES: &[&str] = &["AlwaysAllow", "IfHealthyBudget"];
const REASON_MAX: usize = 1024;
const MESSAGE_MAX: usize = 32 * 1024;

pub(super) fn check(errors: &mut ErrorList, budget: PodDisruptionBudget<'_>) {
    let spec = budget.spec();
    let (min, max) = (spec.min_available(), spec.max_unavailable());
    if min.is_some() && max.is_some() {
        errors.push(Error::invalid(&SPEC, internal(spec), BOTH));
    }
    for (field, bound) in [("minAvailable", min), ("maxUnavailable", max)] {
        if let Some(bound) = bound {
            let path = SPEC.child(field);
            int_or_percent(errors, &path, &bound);
            at_most_all(errors, &path, &bound);
        }
    }
    selector(errors, &SPEC.child("selector"), spec.selector());
    if let Some(policy) = spec.unhealthy_pod_eviction_policy()
        && !POLICIES.contains(&policy)
    {
        let path = SPEC.child("unhealthyPodEvictionPolicy");
        errors.push(Error::not_supported(&path, policy, POLICIES));
    }
}

/// The spec as upstream's internal struct shows it.
fn internal(spec: PodDisruptionBudgetSpec<'_>) -> BadValue {
    let text = |value: BadValue| match value {
        BadValue::Json(text) => text,
        _ => String::new(),
    };
    let bound = |value: Option<IntOrString>| value.map_or("null".to_owned(), |v| text(json(&v)));
    let policy = spec.unhealthy_pod_eviction_policy();
    BadValue::Json(format!(
        "{{\"MinAvailable\":{},\"Selector\":{},\"MaxUnavailable\":{},\"UnhealthyPodEvictionPolicy\":{}}}",
        bound(spec.min_available()),
        text(shown(spec.selector().and_then(|s| s.node()))),
        bound(spec.max_unavailable()),
        policy.map_or("null".to_owned(), quote),
    ))
}

pub(super) fn status(errors: &mut ErrorList, budget: PodDisruptionBudget<'_>) {
    let status = budget.status();
    conditions(errors, &STATUS.child("conditions"), status.conditions());
    for (field, count) in [
        ("disruptionsAllowed", status.disruptions_allowed()),
        ("currentHealthy", status.current_healthy()),
        ("desiredHealthy", status.desired_healthy()),
        ("expectedPods", status.expected_pods()),
    ] {
        not_negative(errors, &STATUS.child(field), count);
    }
}

/// Conditions of the form that `metav1` gives them.
pub(super) fn conditions(
    errors: &mut ErrorList,
    path: &Path<'_>,
    conditions: List<'_, Condition<'_>>,
) {
    for (at, condition) in conditions.iter().enumerate() {
        let path = path.index(at);
        let ty = condition.type_();
        if conditions.iter().take(at).any(|c| c.type_() == ty) {
            errors.push(Error::duplicate(&path, ty));
        }
        let place = path.child("type");
        if ty.is_empty() {
            errors.push(Error::required(&place, "is required"));
        } else {
            each(errors, &place, ty, format::label_key(ty));
        }
        let place = path.child("status");
        if required(errors, &place, condition.status()) {
            let known = &["False", "True", "Unknown"];
            supported(errors, &place, condition.status(), known);
        }
        if condition.observed_generation() < 0 {
            let place = path.child("observedGeneration");
            let words = "must be greater than or equal to zero";
            errors.push(Error::invalid(
                &place,
                condition.observed_generation(),
                words,
            ));
        }
        let since = condition.last_transition_time();
        if since.is_none_or(|t| t.seconds() == ZERO_SECONDS) {
            errors.push(Error::required(&path.child("lastTransitionTime"), ""));
        }
        let (place, reason) = (path.child("reason"), condition.reason());
        if required(errors, &place, reason) {
            each(errors, &place, reason, format::condition_reason(reason));
            if reason.len() > REASON_MAX {
                errors.push(Error::too_long(&place, REASON_MAX));
            }
        }
        if condition.message().len() > MESSAGE_MAX {
            errors.push(Error::too_long(&path.child("message"), MESSAGE_MAX));
        }
    }
}
