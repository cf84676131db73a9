//! What an autoscaler looks at: one source a metric, and the value that is aimed at.

use super::super::check::{each, enumerated, label_name, quoted};
use super::super::{format, pod};
use super::{ApiVersion, reference, wrong_version};
use crate::Quantity;
use crate::autoscaling::v2::{
    ContainerResourceMetricSource, ExternalMetricSource, HorizontalPodAutoscalerSpec,
    MetricIdentifier, MetricSpec, MetricTarget, ObjectMetricSource, PodsMetricSource,
};
use crate::field::{Error, ErrorList, Path};

const OBJECT: &str = "Object";
const EXTERNAL: &str = "External";
const TYPES: &[&str] = &["ContainerResource", EXTERNAL, OBJECT, "Pods", "Resource"];
const TARGETS: &[&str] = &["Utilization", "Value", "AverageValue"];

pub(super) fn all(
    errors: &mut ErrorList,
    path: &Path<'_>,
    spec: HorizontalPodAutoscalerSpec<'_>,
    old: Option<HorizontalPodAutoscalerSpec<'_>>,
) {
    let version = match old {
        Some(old) if old.metrics().iter().any(is_misdescribed) => ApiVersion::Any,
        _ => ApiVersion::Formed,
    };
    let metrics = spec.metrics();
    for (at, metric) in metrics.iter().enumerate() {
        self::metric(errors, &path.index(at), metric, version);
    }
    // What is measured on the pods themselves cannot be measured when there are none.
    let outside = |metric: MetricSpec<'_>| matches!(metric.type_(), OBJECT | EXTERNAL);
    if spec.min_replicas() == Some(0) && !metrics.iter().any(outside) {
        let why = "must specify at least one Object or External metric to support scaling to zero replicas";
        errors.push(Error::forbidden(path, why));
    }
}

/// Whether the object of a metric is in a version that is none.
fn is_misdescribed(metric: MetricSpec<'_>) -> bool {
    let described = metric.object().filter(|_| metric.type_() == OBJECT);
    described.is_some_and(|object| {
        let version = object.described_object().api_version();
        wrong_version(version, ApiVersion::Formed).is_some()
    })
}

fn metric(errors: &mut ErrorList, path: &Path<'_>, metric: MetricSpec<'_>, version: ApiVersion) {
    let (place, ty) = (path.child("type"), metric.type_());
    if ty.is_empty() {
        let why = "must specify a metric source type";
        errors.push(Error::required(&place, why));
    }
    enumerated(errors, &place, ty, TYPES);
    // Of several sources the first is looked at.
    if let Some(source) = metric.object() {
        object(errors, &path.child("object"), source, version);
    } else if let Some(source) = metric.external() {
        external(errors, &path.child("external"), source);
    } else if let Some(source) = metric.pods() {
        pods(errors, &path.child("pods"), source);
    } else if let Some(source) = metric.resource() {
        let path = path.child("resource");
        resource_name(errors, &path, source.name());
        usage(errors, &path.child("target"), source.target());
    } else if let Some(source) = metric.container_resource() {
        container_resource(errors, &path.child("containerResource"), source);
    }
    let sources = [
        ("object", OBJECT, metric.object().is_some()),
        ("external", EXTERNAL, metric.external().is_some()),
        ("pods", "Pods", metric.pods().is_some()),
        ("resource", "Resource", metric.resource().is_some()),
        (
            "containerResource",
            "ContainerResource",
            metric.container_resource().is_some(),
        ),
    ];
    match sources.iter().find(|(_, of, _)| *of == ty) {
        // Upstream says it a second time.
        None => enumerated(errors, &place, ty, TYPES),
        Some((_, _, true)) => {}
        Some((field, _, false)) => {
            let why = "must populate information for the given metric source";
            errors.push(Error::required(&path.child(field), why));
        }
    }
    let given = sources.iter().filter(|(_, _, given)| *given);
    if given.clone().count() > 1 {
        for (field, _, _) in given.filter(|(_, of, _)| *of != ty) {
            let why = "must populate the given metric source only";
            errors.push(Error::forbidden(&path.child(field), why));
        }
    }
}

fn object(
    errors: &mut ErrorList,
    path: &Path<'_>,
    source: ObjectMetricSource<'_>,
    version: ApiVersion,
) {
    let described = source.described_object();
    reference(errors, &path.child("describedObject"), described, version);
    identifier(errors, &path.child("metric"), source.metric());
    let (path, target) = (path.child("target"), source.target());
    self::target(errors, &path, target);
    if target.value().is_none() && target.average_value().is_none() {
        let why = "must set either a target value or averageValue";
        errors.push(Error::required(&path.child("averageValue"), why));
    }
}

fn external(errors: &mut ErrorList, path: &Path<'_>, source: ExternalMetricSource<'_>) {
    identifier(errors, &path.child("metric"), source.metric());
    let (path, target) = (path.child("target"), source.target());
    self::target(errors, &path, target);
    match (target.value(), target.average_value()) {
        (None, None) => {
            let why = "must set either a target value for metric or a per-pod target";
            errors.push(Error::required(&path.child("averageValue"), why));
        }
        (Some(_), Some(_)) => {
            let why = "may not set both a target value for metric and a per-pod target";
            errors.push(Error::forbidden(&path.child("value"), why));
        }
        _ => {}
    }
}

fn pods(errors: &mut ErrorList, path: &Path<'_>, source: PodsMetricSource<'_>) {
    identifier(errors, &path.child("metric"), source.metric());
    let (path, target) = (path.child("target"), source.target());
    self::target(errors, &path, target);
    if target.average_value().is_none() {
        let why = "must specify a positive target averageValue";
        errors.push(Error::required(&path.child("averageValue"), why));
    }
}

fn container_resource(
    errors: &mut ErrorList,
    path: &Path<'_>,
    source: ContainerResourceMetricSource<'_>,
) {
    let (place, name) = (path.child("name"), source.name());
    resource_name(errors, path, name);
    if !name.is_empty() {
        pod::container_resource_name(errors, &place, name);
    }
    let place = path.child("container");
    if source.container().is_empty() {
        errors.push(Error::required(&place, "must specify a container"));
    } else {
        label_name(errors, &place, source.container());
    }
    usage(errors, &path.child("target"), source.target());
}

/// The name of the resource at `path` has to be there.
fn resource_name(errors: &mut ErrorList, path: &Path<'_>, name: &str) {
    if name.is_empty() {
        let why = "must specify a resource name";
        errors.push(Error::required(&path.child("name"), why));
    }
}

/// How much of a resource is to be used: so much, or so much of what was asked for.
fn usage(errors: &mut ErrorList, path: &Path<'_>, target: MetricTarget<'_>) {
    self::target(errors, path, target);
    match (target.average_utilization(), target.average_value()) {
        (None, None) => {
            let why = "must set either a target raw value or a target utilization";
            errors.push(Error::required(&path.child("averageUtilization"), why));
        }
        (Some(_), Some(_)) => {
            let why = "may not set both a target raw value and a target utilization";
            errors.push(Error::forbidden(&path.child("averageValue"), why));
        }
        _ => {}
    }
}

fn target(errors: &mut ErrorList, path: &Path<'_>, target: MetricTarget<'_>) {
    let (place, ty) = (path.child("type"), target.type_());
    if ty.is_empty() {
        let why = "must specify a metric target type";
        errors.push(Error::required(&place, why));
    }
    if !TARGETS.contains(&ty) {
        let why = "must be either Utilization, Value, or AverageValue";
        errors.push(Error::invalid(&place, quoted(ty), why));
    }
    for (field, value) in [
        ("value", target.value()),
        ("averageValue", target.average_value()),
    ] {
        above_zero(errors, &path.child(field), value);
    }
    if let Some(percent) = target.average_utilization()
        && percent < 1
    {
        let place = path.child("averageUtilization");
        errors.push(Error::invalid(&place, percent, "must be greater than 0"));
    }
}

fn above_zero(errors: &mut ErrorList, path: &Path<'_>, value: Option<Quantity>) {
    if let Some(value) = value
        && value.signum() <= 0
    {
        errors.push(Error::invalid(path, value.to_string(), "must be positive"));
    }
}

fn identifier(errors: &mut ErrorList, path: &Path<'_>, metric: MetricIdentifier<'_>) {
    let (place, name) = (path.child("name"), metric.name());
    if name.is_empty() {
        errors.push(Error::required(&place, "must specify a metric name"));
    } else {
        each(errors, &place, name, format::path_segment(name, false));
    }
}
