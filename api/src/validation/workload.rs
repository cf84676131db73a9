//! Deployments, ReplicaSets and ReplicationControllers, and the scale of any workload.

use super::check::{each, immutable, not_negative, same, selector, selects, shown};
use super::format;
use super::pod;
use crate::apps::v1::{Deployment, DeploymentStrategy, ReplicaSet, RollingUpdateDeployment};
use crate::core::v1::{PodTemplateSpec, ReplicationController};
use crate::field::{BadValue, Error, ErrorKind, ErrorList, Path, quote};
use crate::meta::v1::LabelSelector;
use crate::view::View;
use crate::{IntOrString, Tree};

pub(super) const SPEC: Path<'static> = Path::new("spec");
const STATUS: Path<'static> = Path::new("status");
pub(super) const MORE_THAN_REPLICAS: &str = "cannot be greater than status.replicas";
const MORE_THAN_READY: &str = "cannot be greater than readyReplicas";

/// A workload's selector, and its template which the selector must select. `empty` is said of a selector that selects all.
fn selector_and_template(
    errors: &mut ErrorList,
    labels: Option<LabelSelector<'_>>,
    template: PodTemplateSpec<'_>,
    empty: &str,
) -> bool {
    let path = SPEC.child("selector");
    let Some(labels) = labels else {
        errors.push(Error::required(&path, ""));
        unselected(errors, template);
        pods(errors, template);
        return true;
    };
    let before = errors.len();
    selector(errors, &path, Some(labels));
    let valid = errors.len() == before;
    let selects_all = labels.match_labels().is_empty() && labels.match_expressions().is_empty();
    if selects_all {
        errors.push(Error::invalid(
            &path,
            shown(labels.node()),
            empty.to_owned(),
        ));
    }
    if !valid {
        errors.push(Error::invalid(
            &path,
            shown(labels.node()),
            "invalid label selector",
        ));
        return false;
    }
    if !selects_all && !selects(labels, template.metadata().labels()) {
        unselected(errors, template);
    }
    pods(errors, template);
    true
}

pub(super) fn unselected(errors: &mut ErrorList, template: PodTemplateSpec<'_>) {
    errors.push(Error::invalid(
        &SPEC.child("template.metadata.labels"),
        shown(template.metadata().labels().node()),
        "`selector` does not match template `labels`",
    ));
}

pub(super) fn pods(errors: &mut ErrorList, template: PodTemplateSpec<'_>) {
    pod::template(errors, &SPEC.child("template"), template);
}

/// Pods of a workload that keeps them running.
pub(super) fn always_running(errors: &mut ErrorList, template: PodTemplateSpec<'_>, kind: &str) {
    let policy = template.spec().restart_policy();
    if policy != "Always" {
        errors.push(Error::not_supported(
            &SPEC.child("template.spec.restartPolicy"),
            policy,
            &["Always"],
        ));
    }
    if template.spec().has_active_deadline_seconds() {
        errors.push(Error::forbidden(
            &SPEC.child("template.spec.activeDeadlineSeconds"),
            format!("activeDeadlineSeconds in {kind} is not Supported"),
        ));
    }
}

const EMPTY_SELECTOR: &str = "empty selector is invalid for deployment";

pub(super) fn deployment(errors: &mut ErrorList, deployment: Deployment<'_>) {
    let spec = deployment.spec();
    not_negative(
        errors,
        &SPEC.child("replicas"),
        spec.replicas().unwrap_or(0),
    );
    if selector_and_template(errors, spec.selector(), spec.template(), EMPTY_SELECTOR) {
        always_running(errors, spec.template(), "ReplicaSet");
    }
    strategy(errors, &SPEC.child("strategy"), spec.strategy());
    not_negative(
        errors,
        &SPEC.child("minReadySeconds"),
        spec.min_ready_seconds(),
    );
    if let Some(limit) = spec.revision_history_limit() {
        not_negative(errors, &SPEC.child("revisionHistoryLimit"), limit);
    }
    if let Some(seconds) = spec.progress_deadline_seconds() {
        let path = SPEC.child("progressDeadlineSeconds");
        not_negative(errors, &path, seconds);
        if seconds <= spec.min_ready_seconds() {
            errors.push(Error::invalid(
                &path,
                seconds,
                "must be greater than minReadySeconds",
            ));
        }
    }
}

fn strategy(errors: &mut ErrorList, path: &Path<'_>, strategy: DeploymentStrategy<'_>) {
    let place = path.child("rollingUpdate");
    match (strategy.type_(), strategy.rolling_update()) {
        ("Recreate", Some(_)) => errors.push(Error::forbidden(
            &place,
            "may not be specified when strategy `type` is 'Recreate'",
        )),
        ("Recreate", None) => {}
        ("RollingUpdate", None) => errors.push(Error::required(
            &place,
            "this should be defaulted and never be nil",
        )),
        ("RollingUpdate", Some(rolling)) => rolling_update(errors, &place, rolling),
        (other, rolling) => {
            let rolling = rolling.map_or("null".to_owned(), |rolling| {
                let text = |value: Option<IntOrString>| match value {
                    Some(IntOrString::String(text)) => quote(&text),
                    Some(IntOrString::Int(number)) => number.to_string(),
                    None => "0".to_owned(),
                };
                format!(
                    "{{\"MaxUnavailable\":{},\"MaxSurge\":{}}}",
                    text(rolling.max_unavailable()),
                    text(rolling.max_surge())
                )
            });
            let value = format!("{{\"Type\":{},\"RollingUpdate\":{rolling}}}", quote(other));
            errors.push(Error::not_supported(
                path,
                BadValue::Json(value),
                &["Recreate", "RollingUpdate"],
            ));
        }
    }
}

fn rolling_update(errors: &mut ErrorList, path: &Path<'_>, rolling: RollingUpdateDeployment<'_>) {
    let unavailable = rolling.max_unavailable().unwrap_or(IntOrString::Int(0));
    let surge = rolling.max_surge().unwrap_or(IntOrString::Int(0));
    let place = path.child("maxUnavailable");
    int_or_percent(errors, &place, &unavailable);
    int_or_percent(errors, &path.child("maxSurge"), &surge);
    if amount(&unavailable) == 0 && amount(&surge) == 0 {
        errors.push(Error::invalid(
            &place,
            json(&unavailable),
            "may not be 0 when `maxSurge` is 0",
        ));
    }
    at_most_all(errors, &place, &unavailable);
}

pub(super) fn json(value: &IntOrString) -> BadValue {
    BadValue::Json(match value {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(text) => quote(text),
    })
}

/// The number, or the percentage; 0 of what is neither.
pub(super) fn amount(value: &IntOrString) -> i64 {
    match value {
        IntOrString::Int(number) => i64::from(*number),
        IntOrString::String(text) => format::as_percent(text)
            .or_else(|| text.parse().ok())
            .unwrap_or(0),
    }
}

/// A number that is not negative, or a percentage.
pub(super) fn int_or_percent(errors: &mut ErrorList, path: &Path<'_>, value: &IntOrString) {
    match value {
        IntOrString::Int(number) => not_negative(errors, path, *number),
        IntOrString::String(text) => each(errors, path, text, format::percent(text)),
    }
}

pub(super) fn at_most_all(errors: &mut ErrorList, path: &Path<'_>, value: &IntOrString) {
    if let IntOrString::String(text) = value
        && format::as_percent(text).is_some_and(|percent| percent > 100)
    {
        errors.push(Error::invalid(
            path,
            json(value),
            "must not be greater than 100%",
        ));
    }
}

pub(super) fn selector_stays(
    errors: &mut ErrorList,
    new: Option<LabelSelector<'_>>,
    old: Option<LabelSelector<'_>>,
) {
    let none = LabelSelector::at(None);
    immutable(
        errors,
        &SPEC.child("selector"),
        new.unwrap_or(none),
        old.unwrap_or(none),
    );
}

pub(super) fn deployment_update(errors: &mut ErrorList, new: Deployment<'_>, old: Deployment<'_>) {
    deployment(errors, new);
    selector_stays(errors, new.spec().selector(), old.spec().selector());
}

/// Numbers of a status: none is negative.
pub(super) fn counts(errors: &mut ErrorList, counts: &[(&str, i64)]) {
    for (field, count) in counts {
        not_negative(errors, &STATUS.child(field), *count);
    }
}

/// Numbers that must not be more than another.
pub(super) fn at_most(errors: &mut ErrorList, field: &str, count: i32, most: i32, why: &str) {
    if count > most {
        errors.push(Error::invalid(&STATUS.child(field), count, why));
    }
}

pub(super) fn deployment_status(errors: &mut ErrorList, new: Deployment<'_>, old: Deployment<'_>) {
    let status = new.status();
    let (replicas, ready) = (status.replicas(), status.ready_replicas());
    counts(
        errors,
        &[
            ("observedGeneration", status.observed_generation()),
            ("replicas", replicas.into()),
            ("updatedReplicas", status.updated_replicas().into()),
            ("readyReplicas", ready.into()),
            ("availableReplicas", status.available_replicas().into()),
            ("unavailableReplicas", status.unavailable_replicas().into()),
            (
                "terminatingReplicas",
                status.terminating_replicas().unwrap_or(0).into(),
            ),
            (
                "collisionCount",
                status.collision_count().unwrap_or(0).into(),
            ),
        ],
    );
    at_most(
        errors,
        "updatedReplicas",
        status.updated_replicas(),
        replicas,
        MORE_THAN_REPLICAS,
    );
    at_most(errors, "readyReplicas", ready, replicas, MORE_THAN_REPLICAS);
    at_most(
        errors,
        "availableReplicas",
        status.available_replicas(),
        replicas,
        MORE_THAN_REPLICAS,
    );
    at_most(
        errors,
        "availableReplicas",
        status.available_replicas(),
        ready,
        MORE_THAN_READY,
    );
    collisions(
        errors,
        status.collision_count(),
        old.status().collision_count(),
    );
}

pub(super) fn collisions(errors: &mut ErrorList, new: Option<i32>, old: Option<i32>) {
    if old.is_some_and(|old| new.is_none_or(|new| new < old)) {
        errors.push(Error::invalid(
            &STATUS.child("collisionCount"),
            new.unwrap_or(0),
            "cannot be decremented",
        ));
    }
}

pub(super) fn replica_set(errors: &mut ErrorList, set: ReplicaSet<'_>) {
    let spec = set.spec();
    not_negative(
        errors,
        &SPEC.child("replicas"),
        spec.replicas().unwrap_or(0),
    );
    not_negative(
        errors,
        &SPEC.child("minReadySeconds"),
        spec.min_ready_seconds(),
    );
    if selector_and_template(errors, spec.selector(), spec.template(), EMPTY_SELECTOR) {
        always_running(errors, spec.template(), "ReplicaSet");
    }
}

pub(super) fn replica_set_update(errors: &mut ErrorList, new: ReplicaSet<'_>, old: ReplicaSet<'_>) {
    replica_set(errors, new);
    selector_stays(errors, new.spec().selector(), old.spec().selector());
}

/// A ReplicationController's selector is a map of labels, and its template may be absent.
pub(super) fn replication_controller(
    errors: &mut ErrorList,
    controller: ReplicationController<'_>,
) {
    let (spec, selector) = (controller.spec(), controller.spec().selector());
    not_negative(
        errors,
        &SPEC.child("minReadySeconds"),
        spec.min_ready_seconds(),
    );
    if selector.is_empty() {
        errors.push(Error::required(&SPEC.child("selector"), ""));
    }
    match spec.replicas() {
        Some(replicas) => not_negative(errors, &SPEC.child("replicas"), replicas),
        None => errors.push(Error::required(&SPEC.child("replicas"), "")),
    }
    let Some(template) = spec.template() else {
        errors.push(Error::required(&SPEC.child("template"), ""));
        return;
    };
    let labels = template.metadata().labels();
    if !selector
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value))
    {
        unselected(errors, template);
    }
    pods(errors, template);
    always_running(errors, template, "ReplicationController");
}

/// What a conversion to a version that is long gone could not express: no object has it but by hand.
const NOT_CONVERTIBLE: &str = "non-convertible.kubernetes.io";

pub(super) fn replication_controller_update(
    errors: &mut ErrorList,
    new: ReplicationController<'_>,
    old: ReplicationController<'_>,
) {
    replication_controller(errors, new);
    for (key, value) in old.metadata().annotations() {
        let Some((_, field)) = key
            .split_once('/')
            .filter(|(prefix, _)| prefix.starts_with(NOT_CONVERTIBLE))
        else {
            continue;
        };
        let path = SPEC.child("selector");
        let (before, now) = (old.spec().selector(), new.spec().selector());
        if !field.contains("selector") {
            errors.push(Error::new(
                ErrorKind::NotFound,
                &Path::new(field),
                value,
                "unknown non-convertible field",
            ));
        } else if !same(now.node(), before.node()) {
            errors.push(Error::invalid(
                &path,
                shown(now.node()),
                "cannot update non-convertible selector",
            ));
        }
    }
}

/// The numbers in the status of a ReplicaSet or a ReplicationController.
struct Counted {
    replicas: i32,
    fully_labeled: i32,
    ready: i32,
    available: i32,
    observed_generation: i64,
    terminating: i32,
}

fn counted(errors: &mut ErrorList, status: &Counted) {
    let (replicas, ready) = (status.replicas, status.ready);
    counts(
        errors,
        &[
            ("replicas", replicas.into()),
            ("fullyLabeledReplicas", status.fully_labeled.into()),
            ("readyReplicas", ready.into()),
            ("availableReplicas", status.available.into()),
            ("observedGeneration", status.observed_generation),
            ("terminatingReplicas", status.terminating.into()),
        ],
    );
    for (field, count) in [
        ("fullyLabeledReplicas", status.fully_labeled),
        ("readyReplicas", ready),
        ("availableReplicas", status.available),
    ] {
        at_most(errors, field, count, replicas, MORE_THAN_REPLICAS);
    }
    at_most(
        errors,
        "availableReplicas",
        status.available,
        ready,
        MORE_THAN_READY,
    );
}

pub(super) fn replica_set_status(errors: &mut ErrorList, set: ReplicaSet<'_>) {
    let status = set.status();
    let status = Counted {
        replicas: status.replicas(),
        fully_labeled: status.fully_labeled_replicas(),
        ready: status.ready_replicas(),
        available: status.available_replicas(),
        observed_generation: status.observed_generation(),
        terminating: status.terminating_replicas().unwrap_or(0),
    };
    counted(errors, &status);
}

pub(super) fn replication_controller_status(
    errors: &mut ErrorList,
    controller: ReplicationController<'_>,
) {
    let status = controller.status();
    let status = Counted {
        replicas: status.replicas(),
        fully_labeled: status.fully_labeled_replicas(),
        ready: status.ready_replicas(),
        available: status.available_replicas(),
        observed_generation: status.observed_generation(),
        terminating: 0,
    };
    counted(errors, &status);
}

/// The scale of any workload.
pub fn scale(tree: &Tree) -> ErrorList {
    let mut errors = ErrorList::new();
    let replicas = tree
        .root()
        .path("spec.replicas")
        .and_then(|node| node.as_i64());
    not_negative(&mut errors, &SPEC.child("replicas"), replicas.unwrap_or(0));
    errors
}
