//! How pods spread over the cluster.

use super::super::check::{each, positive, quoted, selector, supported};
use super::super::format;
use crate::core::v1::TopologySpreadConstraint;
use crate::field::{BadValue, Error, ErrorList, Path};
use crate::meta::v1::LabelSelector;
use crate::view::{List, Zero};

/// All constraints of a pod.
pub(super) fn check(
    errors: &mut ErrorList,
    path: &Path<'_>,
    constraints: List<'_, TopologySpreadConstraint<'_>>,
) {
    for (at, constraint) in constraints.iter().enumerate() {
        let place = path.index(at);
        let (key, action) = (constraint.topology_key(), constraint.when_unsatisfiable());
        positive(errors, &place.child("maxSkew"), constraint.max_skew());
        if key.is_empty() {
            errors.push(Error::required(
                &place.child("topologyKey"),
                "can not be empty",
            ));
        }
        supported(
            errors,
            &place.child("whenUnsatisfiable"),
            action,
            &["DoNotSchedule", "ScheduleAnyway"],
        );
        let repeats = |later: TopologySpreadConstraint<'_>| {
            (later.topology_key(), later.when_unsatisfiable()) == (key, action)
        };
        if constraints.iter().skip(at + 1).any(repeats) {
            errors.push(Error::duplicate(
                &place.child("{topologyKey, whenUnsatisfiable}"),
                format!("{{{key}, {action}}}"),
            ));
        }
        if let Some(domains) = constraint.min_domains() {
            let place = place.child("minDomains");
            positive(errors, &place, domains);
            if action != "DoNotSchedule" {
                errors.push(Error::invalid(
                    &place,
                    BadValue::Json(domains.to_string()),
                    format!(
                        "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
                    ),
                ));
            }
        }
        for (field, policy) in [
            ("nodeAffinityPolicy", constraint.node_affinity_policy()),
            ("nodeTaintsPolicy", constraint.node_taints_policy()),
        ] {
            if let Some(policy) = policy
                && !matches!(policy, "Honor" | "Ignore")
            {
                errors.push(Error::not_supported(
                    &place.child(field),
                    quoted(policy),
                    &["Honor", "Ignore"],
                ));
            }
        }
        let (keys, labels) = (constraint.match_label_keys(), constraint.label_selector());
        label_keys(errors, &place, keys, List::zero(), labels);
        selector(errors, &place.child("labelSelector"), labels);
    }
}

/// Keys whose values are the pod's own.
pub(super) fn label_keys(
    errors: &mut ErrorList,
    path: &Path<'_>,
    matching: List<'_, str>,
    mismatching: List<'_, str>,
    selector: Option<LabelSelector<'_>>,
) {
    for (field, keys) in [
        ("matchLabelKeys", matching),
        ("mismatchLabelKeys", mismatching),
    ] {
        let place = path.child(field);
        if !keys.is_empty() && selector.is_none() {
            errors.push(Error::forbidden(
                &place,
                "must not be specified when labelSelector is not set",
            ));
            continue;
        }
        for (at, key) in keys.iter().enumerate() {
            each(errors, &place.index(at), key, format::label_key(key));
        }
    }
    if let Some(selector) = selector {
        in_both(errors, path, matching, selector);
    }
    let place = path.child("matchLabelKeys");
    for (at, key) in matching.iter().enumerate() {
        if mismatching.contains(key) {
            errors.push(Error::invalid(
                &place.index(at),
                key,
                "exists in both matchLabelKeys and mismatchLabelKeys",
            ));
        }
    }
}

/// A key that the API server adds to a selector must not stand there already; one such is what the API server added itself.
fn in_both(
    errors: &mut ErrorList,
    path: &Path<'_>,
    keys: List<'_, str>,
    selector: LabelSelector<'_>,
) {
    let expressions = selector.match_expressions();
    for (at, expression) in expressions.iter().enumerate() {
        let key = expression.key();
        let seen = selector.match_labels().contains_key(key)
            || expressions
                .iter()
                .take(at)
                .any(|earlier| earlier.key() == key);
        // The last one of equal keys counts.
        if let Some((index, _)) = keys
            .iter()
            .enumerate()
            .filter(|(_, name)| *name == key)
            .last()
            && seen
        {
            errors.push(Error::invalid(
                &path.index(index),
                key,
                "exists in both matchLabelKeys and labelSelector",
            ));
        }
    }
}
