//! DaemonSets, and the ControllerRevisions in which they and StatefulSets keep their templates.

use serde_json::Value;

use super::check::{not_negative, selector, selects, shown};
use super::workload::{
    SPEC, always_running, amount, at_most_all, collisions, counts, int_or_percent, json, pods,
    selector_stays, unselected,
};
use crate::IntOrString;
use crate::apps::v1::{
    ControllerRevision, DaemonSet, DaemonSetUpdateStrategy, RollingUpdateDaemonSet,
};
use crate::field::{BadValue, Error, ErrorList, Path, quote};
use crate::view::View;

const EMPTY_SELECTOR: &str = "empty selector is invalid for daemonset";

pub(super) fn create(errors: &mut ErrorList, set: DaemonSet<'_>) {
    let spec = set.spec();
    let path = SPEC.child("selector");
    let before = errors.len();
    selector(errors, &path, spec.selector());
    let valid = errors.len() == before;
    let labels = spec.template().metadata().labels();
    // None selects nothing.
    if valid && !spec.selector().is_some_and(|s| selects(s, labels)) {
        unselected(errors, spec.template());
    }
    if let Some(selector) = spec.selector()
        && selector.match_labels().is_empty()
        && selector.match_expressions().is_empty()
    {
        let value = shown(selector.node());
        errors.push(Error::invalid(&path, value, EMPTY_SELECTOR));
    }
    pods(errors, spec.template());
    always_running(errors, spec.template(), "DaemonSet");
    not_negative(
        errors,
        &SPEC.child("minReadySeconds"),
        spec.min_ready_seconds(),
    );
    strategy(
        errors,
        &SPEC.child("updateStrategy"),
        spec.update_strategy(),
    );
    if let Some(limit) = spec.revision_history_limit() {
        not_negative(errors, &SPEC.child("revisionHistoryLimit"), limit);
    }
}

pub(super) fn update(errors: &mut ErrorList, new: DaemonSet<'_>, old: DaemonSet<'_>) {
    selector_stays(errors, new.spec().selector(), old.spec().selector());
    create(errors, new);
}

fn strategy(errors: &mut ErrorList, path: &Path<'_>, strategy: DaemonSetUpdateStrategy<'_>) {
    let place = path.child("rollingUpdate");
    match (strategy.type_(), strategy.rolling_update()) {
        ("OnDelete", _) => {}
        ("RollingUpdate", None) => errors.push(Error::required(&place, "")),
        ("RollingUpdate", Some(rolling)) => rolling_update(errors, &place, rolling),
        (other, rolling) => {
            let text =
                |value: Option<IntOrString>| match json(&value.unwrap_or(IntOrString::Int(0))) {
                    BadValue::Json(text) => text,
                    _ => String::new(),
                };
            let rolling = rolling.map_or("null".to_owned(), |rolling| {
                format!(
                    "{{\"MaxUnavailable\":{},\"MaxSurge\":{}}}",
                    text(rolling.max_unavailable()),
                    text(rolling.max_surge())
                )
            });
            let value = format!("{{\"Type\":{},\"RollingUpdate\":{rolling}}}", quote(other));
            let value = BadValue::Json(value);
            let allowed = &["RollingUpdate", "OnDelete"];
            errors.push(Error::not_supported(path, value, allowed));
        }
    }
}

fn rolling_update(errors: &mut ErrorList, path: &Path<'_>, rolling: RollingUpdateDaemonSet<'_>) {
    let unavailable = rolling.max_unavailable().unwrap_or(IntOrString::Int(0));
    let surge = rolling.max_surge().unwrap_or(IntOrString::Int(0));
    let (most, beside) = (path.child("maxUnavailable"), path.child("maxSurge"));
    int_or_percent(errors, &most, &unavailable);
    int_or_percent(errors, &beside, &surge);
    at_most_all(errors, &most, &unavailable);
    at_most_all(errors, &beside, &surge);
    match (amount(&unavailable) != 0, amount(&surge) != 0) {
        (true, true) => errors.push(Error::invalid(
            &beside,
            json(&surge),
            "may not be set when maxUnavailable is non-zero",
        )),
        (false, false) => errors.push(Error::required(&most, "cannot be 0 when maxSurge is 0")),
        _ => {}
    }
}

pub(super) fn status(errors: &mut ErrorList, new: DaemonSet<'_>, old: DaemonSet<'_>) {
    let status = new.status();
    counts(
        errors,
        &[
            (
                "currentNumberScheduled",
                status.current_number_scheduled().into(),
            ),
            ("numberMisscheduled", status.number_misscheduled().into()),
            (
                "desiredNumberScheduled",
                status.desired_number_scheduled().into(),
            ),
            ("numberReady", status.number_ready().into()),
            ("observedGeneration", status.observed_generation()),
            (
                "updatedNumberScheduled",
                status.updated_number_scheduled().into(),
            ),
            ("numberAvailable", status.number_available().into()),
            ("numberUnavailable", status.number_unavailable().into()),
            (
                "collisionCount",
                status.collision_count().unwrap_or(0).into(),
            ),
        ],
    );
    collisions(
        errors,
        status.collision_count(),
        old.status().collision_count(),
    );
}

const REVISION: Path<'static> = Path::new("revision");
const DATA: Path<'static> = Path::new("data");

pub(super) fn revision(errors: &mut ErrorList, revision: ControllerRevision<'_>) {
    not_negative(errors, &REVISION, revision.revision());
    // What is stored is well-formed: the body was.
    let data = revision.data().map(serde_json::from_slice::<Value>);
    match data {
        None | Some(Ok(Value::Null)) => {
            errors.push(Error::required(&DATA, "data is mandatory"));
        }
        Some(Ok(Value::Object(_))) => {}
        Some(Ok(_)) => errors.push(Error::required(&DATA, "data must be a valid JSON object")),
        Some(Err(error)) => errors.push(Error::invalid(
            &DATA,
            "<value omitted>",
            format!("error parsing data: {error}"),
        )),
    }
}

pub(super) fn revision_update(
    errors: &mut ErrorList,
    new: ControllerRevision<'_>,
    old: ControllerRevision<'_>,
) {
    not_negative(errors, &REVISION, new.revision());
    let data = |revision: ControllerRevision<'_>| revision.data().map(<[u8]>::to_vec);
    if data(new) != data(old) {
        let node = new.node().and_then(|node| node.get("data"));
        errors.push(Error::invalid(&DATA, shown(node), super::check::IMMUTABLE));
    }
}
