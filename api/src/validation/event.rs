//! Events, of the core group and of events.k8s.io: one and the same object with two names for some of its fields.

use super::check::{IMMUTABLE, each, internal, required, same, shown};
use super::format;
use crate::Tree;
use crate::core::v1::Event as CoreEvent;
use crate::events::v1::Event;
use crate::field::{BadValue, Error, ErrorList, Path};
use crate::schema::{Scalar, Shape};
use crate::view::View;

const REPORTING_INSTANCE_MAX: usize = 128;
const ACTION_MAX: usize = 128;
const REASON_MAX: usize = 128;
const NOTE_MAX: usize = 1024;

/// What both groups' events say.
struct Common<'a> {
    namespace: &'a str,
    involved_namespace: &'a str,
    has_time: bool,
    controller: (&'static str, &'a str),
    instance: &'a str,
    action: &'a str,
    reason: &'a str,
    message: &'a str,
}

impl Common<'_> {
    fn check(&self, errors: &mut ErrorList) {
        let path = Path::new("involvedObject.namespace");
        let mismatch = "does not match event.namespace";
        if !self.has_time {
            let matches = if self.involved_namespace.is_empty() {
                matches!(self.namespace, "" | "default")
            } else {
                self.namespace == self.involved_namespace
            };
            if !matches {
                errors.push(Error::invalid(&path, self.involved_namespace, mismatch));
            }
            return;
        }
        if self.involved_namespace.is_empty()
            && !matches!(self.namespace, "default" | "kube-system")
        {
            errors.push(Error::invalid(&path, "", mismatch));
        }
        let (field, controller) = self.controller;
        required(errors, &Path::new(field), controller);
        each(
            errors,
            &Path::new(field),
            controller,
            format::label_key(controller),
        );
        for (field, value, max) in [
            ("reportingInstance", self.instance, REPORTING_INSTANCE_MAX),
            ("action", self.action, ACTION_MAX),
            ("reason", self.reason, REASON_MAX),
        ] {
            let path = Path::new(field);
            required(errors, &path, value);
            too_long(errors, &path, value, max);
        }
        too_long(errors, &Path::new("message"), self.message, NOTE_MAX);
    }
}

fn too_long(errors: &mut ErrorList, path: &Path<'_>, value: &str, max: usize) {
    if value.len() > max {
        let why = format!("can have at most {max} characters");
        errors.push(Error::invalid(path, "", why));
    }
}

pub(super) fn core(errors: &mut ErrorList, event: CoreEvent<'_>) {
    Common {
        namespace: event.metadata().namespace(),
        involved_namespace: event.involved_object().namespace(),
        has_time: event.event_time().is_some(),
        controller: ("reportingComponent", event.reporting_component()),
        instance: event.reporting_instance(),
        action: event.action(),
        reason: event.reason(),
        message: event.message(),
    }
    .check(errors);
}

fn common(errors: &mut ErrorList, event: Event<'_>) {
    Common {
        namespace: event.metadata().namespace(),
        involved_namespace: event.regarding().namespace(),
        has_time: event.event_time().is_some(),
        controller: ("reportingController", event.reporting_controller()),
        instance: event.reporting_instance(),
        action: event.action(),
        reason: event.reason(),
        message: event.note(),
    }
    .check(errors);
}

pub(super) fn create(errors: &mut ErrorList, event: Event<'_>) {
    common(errors, event);
    series(errors, event);
    if event.event_time().is_none() {
        errors.push(Error::required(&Path::new("eventTime"), ""));
    }
    if !matches!(event.type_(), "Normal" | "Warning") {
        errors.push(Error::invalid(
            &Path::new("type"),
            "",
            format!("has invalid value: {}", event.type_()),
        ));
    }
    let source = event.deprecated_source();
    for (field, set) in [
        (
            "firstTimestamp",
            event.deprecated_first_timestamp().is_some(),
        ),
        ("lastTimestamp", event.deprecated_last_timestamp().is_some()),
        ("count", event.deprecated_count() != 0),
        (
            "source",
            !source.component().is_empty() || !source.host().is_empty(),
        ),
    ] {
        if set {
            errors.push(Error::invalid(&Path::new(field), "", "needs to be unset"));
        }
    }
}

fn series(errors: &mut ErrorList, event: Event<'_>) {
    let Some(series) = event.series() else { return };
    if series.count() < 2 {
        errors.push(Error::invalid(
            &Path::new("series.count"),
            "",
            "should be at least 2",
        ));
    }
    if series.last_observed_time().is_none() {
        errors.push(Error::required(&Path::new("series.lastObservedTime"), ""));
    }
}

/// An event changes by its series alone.
pub(super) fn update(errors: &mut ErrorList, new: &Tree, old: &Tree) {
    /// Names in this group, and as upstream calls them in errors.
    const FIXED: &[(&str, &str)] = &[
        ("regarding", "involvedObject"),
        ("reason", "reason"),
        ("note", "message"),
        ("deprecatedSource", "source"),
        ("deprecatedFirstTimestamp", "firstTimestamp"),
        ("deprecatedLastTimestamp", "lastTimestamp"),
        ("deprecatedCount", "count"),
        ("type", "type"),
        ("eventTime", "eventTime"),
        ("action", "action"),
        ("related", "related"),
        ("reportingController", "reportingController"),
        ("reportingInstance", "reportingInstance"),
    ];
    let (event, before) = (Event::of(new), Event::of(old));
    common(errors, event);
    let node = |event: Event<'_>, changed: Event<'_>| {
        same(
            event.series().and_then(View::node),
            changed.series().and_then(View::node),
        )
    };
    if !node(event, before) {
        series(errors, event);
    }
    for (field, name) in FIXED {
        let (now, was) = (new.root().get(field), old.root().get(field));
        if !same(now, was) {
            let value = now_shown(new, field);
            errors.push(Error::invalid(&Path::new(name), value, IMMUTABLE));
        }
    }
}

/// A field's value, absent ones as Go's zero value of their type.
fn now_shown(event: &Tree, field: &str) -> BadValue {
    let root = event.root();
    if let Some(value) = root.get(field) {
        return match value.as_str() {
            Some(text) => text.into(),
            None if value.type_id().is_some() => internal(Some(value)),
            None => shown(Some(value)),
        };
    }
    let Some(field) = root.ty().and_then(|ty| Some(ty.field_at(ty.field(field)?))) else {
        return shown(None);
    };
    match &field.shape {
        Shape::Scalar(Scalar::String) => "".into(),
        Shape::Scalar(Scalar::Int32) => 0.into(),
        Shape::Message(ty) if !field.pointer => internal(Some(Tree::new(*ty).root())),
        _ => shown(None),
    }
}
