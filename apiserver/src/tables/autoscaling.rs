//! Pod autoscalers, in both versions.

use api::autoscaling::v2::{MetricSpec, MetricStatus, MetricTarget, MetricValueStatus};
use api::{Quantity, Tree};
use serde_json::Value;

use super::age::Now;
use super::cells;
use super::text::{NONE, UNSET, separated};

const UNKNOWN: &str = "<unknown>";

pub fn v2(object: &Tree, now: Now) -> Vec<Value> {
    let scaler = api::autoscaling::v2::HorizontalPodAutoscaler::of(object);
    let (meta, spec, status) = (scaler.metadata(), scaler.spec(), scaler.status());
    let current = status.current_metrics();
    let metrics = spec.metrics();
    let metrics = metrics
        .iter()
        .enumerate()
        .map(|(index, metric)| format_metric(metric, current.get(index)));
    cells![
        meta.name(),
        format!(
            "{}/{}",
            spec.scale_target_ref().kind(),
            spec.scale_target_ref().name()
        ),
        format_metrics(metrics.collect()),
        spec.min_replicas()
            .map_or_else(|| UNSET.to_owned(), |least| least.to_string()),
        spec.max_replicas(),
        status.current_replicas(),
        now.since(meta.creation_timestamp()),
    ]
}

/// This version knows one metric only; the others travel in an annotation, and are shown by the newer version.
pub fn v1(object: &Tree, now: Now) -> Vec<Value> {
    let scaler = api::autoscaling::v1::HorizontalPodAutoscaler::of(object);
    let (meta, spec, status) = (scaler.metadata(), scaler.spec(), scaler.status());
    let percent = |value: Option<i32>, otherwise: &str| {
        value.map_or_else(|| otherwise.to_owned(), |value| format!("{value}%"))
    };
    let metrics = spec.target_cpu_utilization_percentage().map(|target| {
        let current = percent(status.current_cpu_utilization_percentage(), UNKNOWN);
        format!("cpu: {current}/{target}%")
    });
    cells![
        meta.name(),
        format!(
            "{}/{}",
            spec.scale_target_ref().kind(),
            spec.scale_target_ref().name()
        ),
        format_metrics(metrics.into_iter().collect()),
        spec.min_replicas()
            .map_or_else(|| UNSET.to_owned(), |least| least.to_string()),
        spec.max_replicas(),
        status.current_replicas(),
        now.since(meta.creation_timestamp()),
    ]
}

fn format_metrics(mut metrics: Vec<String>) -> String {
    const MOST: usize = 2;
    let count = metrics.len();
    metrics.truncate(MOST);
    match count {
        0 => NONE.to_owned(),
        1..=MOST => separated(metrics, ", "),
        _ => format!("{} + {} more...", separated(metrics, ", "), count - MOST),
    }
}

fn format_metric(metric: MetricSpec<'_>, status: Option<MetricStatus<'_>>) -> String {
    match metric.type_() {
        "External" => {
            let current = status
                .and_then(|status| status.external())
                .map(|status| status.current());
            value_or_average(metric.external().map(|source| source.target()), current)
        }
        "Object" => {
            let current = status
                .and_then(|status| status.object())
                .map(|status| status.current());
            value_or_average(metric.object().map(|source| source.target()), current)
        }
        "Pods" => {
            let current = status
                .and_then(|status| status.pods())
                .map(|status| status.current());
            let current = current.map_or_else(
                || UNKNOWN.to_owned(),
                |current| quantity(current.average_value()),
            );
            format!(
                "{current}/{}",
                quantity(
                    metric
                        .pods()
                        .and_then(|source| source.target().average_value())
                )
            )
        }
        "Resource" => {
            let current = status
                .and_then(|status| status.resource())
                .map(|status| status.current());
            let source = metric.resource();
            average_or_share(
                source.map_or("", |s| s.name()),
                source.map(|s| s.target()),
                current,
            )
        }
        "ContainerResource" => {
            let current = status
                .and_then(|status| status.container_resource())
                .map(|status| status.current());
            let source = metric.container_resource();
            average_or_share(
                source.map_or("", |s| s.name()),
                source.map(|s| s.target()),
                current,
            )
        }
        _ => "<unknown type>".to_owned(),
    }
}

/// A quantity; what is absent reads as zero.
fn quantity(value: Option<Quantity>) -> String {
    value.map_or_else(|| "0".to_owned(), |value| value.to_string())
}

fn value_or_average(
    target: Option<MetricTarget<'_>>,
    current: Option<MetricValueStatus<'_>>,
) -> String {
    match target.and_then(|target| target.average_value()) {
        Some(average) => {
            let current = current.and_then(|current| current.average_value());
            format!(
                "{}/{average} (avg)",
                current.map_or_else(|| UNKNOWN.to_owned(), |value| value.to_string())
            )
        }
        None => {
            let current =
                current.map_or_else(|| UNKNOWN.to_owned(), |current| quantity(current.value()));
            format!(
                "{current}/{}",
                quantity(target.and_then(|target| target.value()))
            )
        }
    }
}

fn average_or_share(
    name: &str,
    target: Option<MetricTarget<'_>>,
    current: Option<MetricValueStatus<'_>>,
) -> String {
    if let Some(average) = target.and_then(|target| target.average_value()) {
        let current = current.map_or_else(
            || UNKNOWN.to_owned(),
            |current| quantity(current.average_value()),
        );
        return format!("{name}: {current}/{average}");
    }
    let percent = |share: Option<i32>, otherwise: &str| {
        share.map_or_else(|| otherwise.to_owned(), |share| format!("{share}%"))
    };
    let current = percent(
        current.and_then(|current| current.average_utilization()),
        UNKNOWN,
    );
    format!(
        "{name}: {current}/{}",
        percent(
            target.and_then(|target| target.average_utilization()),
            "<auto>"
        )
    )
}
