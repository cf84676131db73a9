//! HorizontalPodAutoscalers (upstream: `pkg/apis/autoscaling/validation`).
//!
//! One of `v1` is judged as the `v2` that it and its annotations say, which is what upstream judges: its errors name fields of `v2`.

mod metrics;

use super::check::{each, enumerated, not_negative, positive, quantity, required};
use super::format;
use crate::autoscaling::v2::{
    CrossVersionObjectReference, HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscaler,
    HorizontalPodAutoscalerSpec,
};
use crate::convert::convert;
use crate::field::{Error, ErrorList, Path};
use crate::tree::Tree;

const SPEC: Path<'static> = Path::new("spec");
const STATUS: Path<'static> = Path::new("status");
/// Seconds.
const WINDOW_MAX: i32 = 3600;
const PERIOD_MAX: i32 = 1800;
const SELECTIONS: &[&str] = &["Disabled", "Max", "Min"];
const POLICIES: &[&str] = &["Percent", "Pods"];
/// The kind of the core that can be scaled: of all others the group has to be told.
const CORE_TARGET: &str = "ReplicationController";

/// What the `apiVersion` of a reference has to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ApiVersion {
    /// Anything: what is there already stays valid.
    Any,
    /// Well-formed.
    Formed,
    /// One with a group.
    Grouped,
}

pub(super) fn create(errors: &mut ErrorList, scaler: HorizontalPodAutoscaler<'_>) {
    spec(errors, scaler.spec(), None);
}

pub(super) fn update(
    errors: &mut ErrorList,
    new: HorizontalPodAutoscaler<'_>,
    old: HorizontalPodAutoscaler<'_>,
) {
    spec(errors, new.spec(), Some(old.spec()));
}

pub(super) fn status(errors: &mut ErrorList, scaler: HorizontalPodAutoscaler<'_>) {
    let status = scaler.status();
    let list = STATUS.child("conditions");
    for (at, condition) in status.conditions().iter().enumerate() {
        if let Some(generation) = condition.observed_generation() {
            let path = list.index(at);
            not_negative(errors, &path.child("observedGeneration"), generation);
        }
    }
    for (field, count) in [
        ("currentReplicas", status.current_replicas()),
        ("desiredReplicas", status.desired_replicas()),
    ] {
        not_negative(errors, &STATUS.child(field), count);
    }
}

/// An autoscaler as `v2` has it. What cannot be said there is refused when it is stored.
fn in_v2(tree: &Tree) -> Option<Tree> {
    convert(
        tree,
        tree.schema(),
        HorizontalPodAutoscaler::TYPE,
        "autoscaling/v2",
    )
    .ok()
}

pub(super) fn create_v1(errors: &mut ErrorList, new: &Tree) {
    if let Some(new) = in_v2(new) {
        create(errors, HorizontalPodAutoscaler::of(&new));
    }
}

pub(super) fn update_v1(errors: &mut ErrorList, new: &Tree, old: &Tree) {
    if let (Some(new), Some(old)) = (in_v2(new), in_v2(old)) {
        let old = HorizontalPodAutoscaler::of(&old);
        update(errors, HorizontalPodAutoscaler::of(&new), old);
    }
}

pub(super) fn status_v1(errors: &mut ErrorList, new: &Tree, _: &Tree) {
    if let Some(new) = in_v2(new) {
        status(errors, HorizontalPodAutoscaler::of(&new));
    }
}

fn spec(
    errors: &mut ErrorList,
    spec: HorizontalPodAutoscalerSpec<'_>,
    old: Option<HorizontalPodAutoscalerSpec<'_>>,
) {
    let (min, max) = (spec.min_replicas(), spec.max_replicas());
    let place = SPEC.child("maxReplicas");
    if min.is_some_and(|min| max < min) {
        let why = "must be greater than or equal to `minReplicas`";
        errors.push(Error::invalid(&place, max, why));
    }
    let target = spec.scale_target_ref();
    let unchanged = old.map(|old| old.scale_target_ref()).is_some_and(|old| {
        (old.api_version(), old.kind()) == (target.api_version(), target.kind())
    });
    let version = match target.kind() {
        _ if unchanged => ApiVersion::Any,
        CORE_TARGET => ApiVersion::Formed,
        _ => ApiVersion::Grouped,
    };
    reference(errors, &SPEC.child("scaleTargetRef"), target, version);
    metrics::all(errors, &SPEC.child("metrics"), spec, old);
    if let Some(behavior) = spec.behavior() {
        let path = SPEC.child("behavior");
        for (field, rules) in [
            ("scaleUp", behavior.scale_up()),
            ("scaleDown", behavior.scale_down()),
        ] {
            if let Some(rules) = rules {
                self::rules(errors, &path.child(field), rules);
            }
        }
    }
    // What upstream has as marks on its types is told after all the rest.
    if let Some(min) = min {
        not_negative(errors, &SPEC.child("minReplicas"), min);
    }
    if max == 0 {
        errors.push(Error::required(&place, ""));
    } else if max < 0 {
        let why = "must be greater than or equal to 1";
        errors.push(Error::invalid(&place, max, why));
    }
}

/// A reference to another object, in whatever version that is.
fn reference(
    errors: &mut ErrorList,
    path: &Path<'_>,
    reference: CrossVersionObjectReference<'_>,
    version: ApiVersion,
) {
    for (field, value) in [("kind", reference.kind()), ("name", reference.name())] {
        let place = path.child(field);
        if required(errors, &place, value) {
            each(errors, &place, value, format::path_segment(value, false));
        }
    }
    let given = reference.api_version();
    if let Some(why) = wrong_version(given, version) {
        errors.push(Error::invalid(&path.child("apiVersion"), given, why));
    }
}

fn wrong_version(given: &str, wanted: ApiVersion) -> Option<String> {
    if wanted == ApiVersion::Any {
        return None;
    }
    if given.matches('/').count() > 1 {
        return Some(format!("unexpected GroupVersion string: {given}"));
    }
    let group = given.split_once('/').map_or("", |(group, _)| group);
    (wanted == ApiVersion::Grouped && group.is_empty())
        .then(|| "apiVersion must specify API group".to_owned())
}

fn rules(errors: &mut ErrorList, path: &Path<'_>, rules: HPAScalingRules<'_>) {
    if let Some(window) = rules.stabilization_window_seconds() {
        let place = path.child("stabilizationWindowSeconds");
        if window < 0 {
            let why = "must be greater than or equal to zero";
            errors.push(Error::invalid(&place, window, why));
        }
        at_most(errors, &place, window, WINDOW_MAX);
    }
    if let Some(selection) = rules.select_policy() {
        enumerated(errors, &path.child("selectPolicy"), selection, SELECTIONS);
    }
    let list = path.child("policies");
    if rules.policies().is_empty() {
        errors.push(Error::required(&list, "must specify at least one Policy"));
    }
    for (at, policy) in rules.policies().iter().enumerate() {
        self::policy(errors, &list.index(at), policy);
    }
    if let Some(tolerance) = rules.tolerance() {
        quantity(errors, &path.child("tolerance"), tolerance);
    }
}

fn policy(errors: &mut ErrorList, path: &Path<'_>, policy: HPAScalingPolicy<'_>) {
    enumerated(errors, &path.child("type"), policy.type_(), POLICIES);
    positive(errors, &path.child("value"), policy.value());
    let place = path.child("periodSeconds");
    positive(errors, &place, policy.period_seconds());
    at_most(errors, &place, policy.period_seconds(), PERIOD_MAX);
}

fn at_most(errors: &mut ErrorList, path: &Path<'_>, value: i32, max: i32) {
    if value > max {
        let why = format!("must be less than or equal to {max}");
        errors.push(Error::invalid(path, value, why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_most_targets_the_group_is_told() {
        let grouped = |given| wrong_version(given, ApiVersion::Grouped);
        assert_eq!(grouped("apps/v1"), None);
        for given in ["", "v1", "/", "/v1"] {
            assert_eq!(
                grouped(given).as_deref(),
                Some("apiVersion must specify API group")
            );
            assert_eq!(wrong_version(given, ApiVersion::Formed), None);
        }
        assert!(wrong_version("a/b/c", ApiVersion::Formed).is_some());
        assert_eq!(wrong_version("a/b/c", ApiVersion::Any), None);
    }
}
