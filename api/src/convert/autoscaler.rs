//! HorizontalPodAutoscalers: `v1` has a field for the use of CPU alone; what else `v2` says travels in annotations, in forms of
//! their own (upstream's `pkg/apis/autoscaling/v1/conversion.go`).

use serde_json::{Map, Value, json};

pub(super) const V1: &str = "autoscaling/v1.HorizontalPodAutoscaler";
pub(super) const V2: &str = "autoscaling/v2.HorizontalPodAutoscaler";

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// The annotations that say in `v1` what is a field in `v2`.
pub(crate) const ANNOTATIONS: [&str; 6] = [
    METRICS,
    CURRENT_METRICS,
    CONDITIONS,
    BEHAVIOR,
    "autoscaling.alpha.kubernetes.io/scale-down-tolerance",
    "autoscaling.alpha.kubernetes.io/scale-up-tolerance",
];

/// A controller of `v1` that was told nothing aimed at this use of the CPU, in percent.
const DEFAULT_CPU: i64 = 80;

pub(super) fn drop_annotations(document: &mut Value) {
    let Some(Value::Object(annotations)) = document.pointer_mut("/metadata/annotations") else {
        return;
    };
    annotations.retain(|name, _| !ANNOTATIONS.contains(&name.as_str()));
    if annotations.is_empty()
        && let Some(Value::Object(metadata)) = document.get_mut("metadata")
    {
        metadata.shift_remove("annotations");
    }
}

/// A value as it stands in an annotation: escaped as Go escapes it.
fn annotate(document: &mut Value, name: &str, value: &Value) {
    let text = value
        .to_string()
        .replace('&', "\\u0026")
        .replace('<', "\\u003c")
        .replace('>', "\\u003e");
    document["metadata"]["annotations"][name] = text.into();
}

fn take(document: &mut Value, part: &str, field: &str) -> Option<Value> {
    document.get_mut(part)?.as_object_mut()?.shift_remove(field)
}

fn list(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

/// The use of the CPU that a metric (or its status) is about, if it is about that.
fn cpu(metric: &Value, what: &str) -> Option<i64> {
    let resource = &metric["resource"];
    if metric["type"] != "Resource" || resource["name"] != "cpu" {
        return None;
    }
    resource[what]["averageUtilization"].as_i64()
}

pub(super) fn to_v1(document: &mut Value) {
    drop_annotations(document);
    let metrics = list(take(document, "spec", "metrics"));
    let behavior = take(document, "spec", "behavior");
    let current = list(take(document, "status", "currentMetrics"));
    let conditions = list(take(document, "status", "conditions"));

    if let Some(percent) = metrics.iter().find_map(|metric| cpu(metric, "target")) {
        document["spec"]["targetCPUUtilizationPercentage"] = percent.into();
    }
    if let Some(percent) = current
        .iter()
        .filter_map(|metric| cpu(metric, "current"))
        .next_back()
    {
        document["status"]["currentCPUUtilizationPercentage"] = percent.into();
    }
    let others = metrics
        .iter()
        .filter(|metric| cpu(metric, "target").is_none());
    let others: Vec<Value> = others
        .map(|metric| each_source(metric, spec_to_v1))
        .collect();
    if !others.is_empty() {
        annotate(document, METRICS, &others.into());
    }
    if !current.is_empty() {
        let current: Vec<Value> = current
            .iter()
            .map(|m| each_source(m, status_to_v1))
            .collect();
        annotate(document, CURRENT_METRICS, &current.into());
    }
    if let Some(behavior) = behavior.filter(|behavior| !behavior.is_null()) {
        annotate(document, BEHAVIOR, &behavior_to_go(&behavior));
    }
    if !conditions.is_empty() {
        let ordered = conditions.iter().map(|condition| {
            let mut out = Map::new();
            out.insert("type".into(), condition["type"].clone());
            out.insert("status".into(), condition["status"].clone());
            out.insert(
                "lastTransitionTime".into(),
                condition["lastTransitionTime"].clone(),
            );
            copy(
                condition,
                &mut out,
                &[
                    ("reason", "reason"),
                    ("message", "message"),
                    ("observedGeneration", "observedGeneration"),
                ],
            );
            Value::Object(out)
        });
        annotate(document, CONDITIONS, &ordered.collect());
    }
}

pub(super) fn to_v2(document: &mut Value) {
    let annotation = |document: &Value, name: &str| -> Option<Value> {
        serde_json::from_str(document["metadata"]["annotations"][name].as_str()?).ok()
    };
    let sources = |document: &Value, name: &str, back: fn(&str, &Value) -> Value| {
        let items = list(annotation(document, name));
        items
            .iter()
            .map(|item| each_source(item, back))
            .collect::<Vec<Value>>()
    };
    let mut metrics = sources(document, METRICS, spec_to_v2);
    let current = sources(document, CURRENT_METRICS, status_to_v2);
    let conditions = annotation(document, CONDITIONS).filter(Value::is_array);
    let behavior = annotation(document, BEHAVIOR)
        .map(|behavior| behavior_from_go(&behavior))
        .filter(|behavior| {
            behavior
                .as_object()
                .is_some_and(|fields| !fields.is_empty())
        });
    drop_annotations(document);

    let percent = take(document, "spec", "targetCPUUtilizationPercentage").and_then(|p| p.as_i64());
    let percent = percent.or(metrics.is_empty().then_some(DEFAULT_CPU));
    let of_cpu = |what: &str, value: Value| json!({ "type": "Resource", "resource": { "name": "cpu", what: value } });
    metrics.extend(percent.map(|percent| {
        of_cpu(
            "target",
            json!({ "type": "Utilization", "averageUtilization": percent }),
        )
    }));
    document["spec"]["metrics"] = metrics.into();
    if let Some(behavior) = behavior {
        document["spec"]["behavior"] = behavior;
    }
    let used = take(document, "status", "currentCPUUtilizationPercentage").and_then(|p| p.as_i64());
    if !current.is_empty() {
        document["status"]["currentMetrics"] = current.into();
    } else if let Some(used) = used {
        let metric = of_cpu("current", json!({ "averageUtilization": used }));
        document["status"]["currentMetrics"] = json!([metric]);
    }
    if let Some(conditions) = conditions {
        document["status"]["conditions"] = conditions;
    }
}

/// A metric with its source in another form; the type stays, and the sources keep upstream's order.
fn each_source(metric: &Value, change: fn(&str, &Value) -> Value) -> Value {
    let mut out = Map::new();
    out.insert("type".to_owned(), metric["type"].clone());
    for source in [
        "object",
        "pods",
        "resource",
        "containerResource",
        "external",
    ] {
        if let Some(value) = metric.get(source).filter(|value| !value.is_null()) {
            out.insert(source.to_owned(), change(source, value));
        }
    }
    Value::Object(out)
}

/// Copies what is there, under new names; an empty text counts as absent.
fn copy(from: &Value, to: &mut Map<String, Value>, names: &[(&str, &str)]) {
    for (old, new) in names {
        let value = from.pointer(&format!("/{}", old.replace('.', "/")));
        if let Some(value) = value.filter(|value| !value.is_null() && **value != "") {
            to.insert((*new).to_owned(), value.clone());
        }
    }
}

/// A quantity by value: `0` where there is none.
fn quantity(value: &Value) -> Value {
    match value {
        Value::Null => "0".into(),
        other => other.clone(),
    }
}

/// An object of another kind that a metric is about.
fn reference(object: &Value) -> Value {
    let mut out = Map::new();
    out.insert("kind".into(), object["kind"].clone());
    out.insert("name".into(), object["name"].clone());
    copy(object, &mut out, &[("apiVersion", "apiVersion")]);
    Value::Object(out)
}

fn spec_to_v1(source: &str, v2: &Value) -> Value {
    let (target, metric) = (&v2["target"], &v2["metric"]);
    let mut out = Map::new();
    match source {
        "object" => {
            out.insert("target".into(), reference(&v2["describedObject"]));
            out.insert("metricName".into(), metric["name"].clone());
            out.insert("targetValue".into(), quantity(&target["value"]));
            copy(
                v2,
                &mut out,
                &[
                    ("metric.selector", "selector"),
                    ("target.averageValue", "averageValue"),
                ],
            );
        }
        "pods" => {
            out.insert("metricName".into(), metric["name"].clone());
            out.insert(
                "targetAverageValue".into(),
                quantity(&target["averageValue"]),
            );
            copy(v2, &mut out, &[("metric.selector", "selector")]);
        }
        "external" => {
            out.insert("metricName".into(), metric["name"].clone());
            copy(
                v2,
                &mut out,
                &[
                    ("metric.selector", "metricSelector"),
                    ("target.value", "targetValue"),
                    ("target.averageValue", "targetAverageValue"),
                ],
            );
        }
        _ => {
            out.insert("name".into(), v2["name"].clone());
            copy(
                v2,
                &mut out,
                &[
                    ("target.averageUtilization", "targetAverageUtilization"),
                    ("target.averageValue", "targetAverageValue"),
                ],
            );
            if source == "containerResource" {
                out.insert("container".into(), v2["container"].clone());
            }
        }
    }
    Value::Object(out)
}

fn spec_to_v2(source: &str, v1: &Value) -> Value {
    let mut target = Map::new();
    let mut out = Map::new();
    let (kind, names): (&str, &[(&str, &str)]) = match source {
        "object" if v1["averageValue"].is_null() => ("Value", &[("targetValue", "value")]),
        "object" if v1["targetValue"] == "0" => {
            ("AverageValue", &[("averageValue", "averageValue")])
        }
        "object" => (
            "AverageValue",
            &[("targetValue", "value"), ("averageValue", "averageValue")],
        ),
        "pods" => ("AverageValue", &[("targetAverageValue", "averageValue")]),
        "external" => (
            if v1["targetValue"].is_null() {
                "AverageValue"
            } else {
                "Value"
            },
            &[
                ("targetValue", "value"),
                ("targetAverageValue", "averageValue"),
            ],
        ),
        _ => (
            if v1["targetAverageUtilization"].is_null() {
                "AverageValue"
            } else {
                "Utilization"
            },
            &[
                ("targetAverageValue", "averageValue"),
                ("targetAverageUtilization", "averageUtilization"),
            ],
        ),
    };
    target.insert("type".into(), kind.into());
    copy(v1, &mut target, names);
    identify(source, v1, &mut out);
    out.insert("target".into(), target.into());
    Value::Object(out)
}

fn status_to_v1(source: &str, v2: &Value) -> Value {
    let (current, metric) = (&v2["current"], &v2["metric"]);
    let mut out = Map::new();
    match source {
        "object" => {
            out.insert("target".into(), reference(&v2["describedObject"]));
            out.insert("metricName".into(), metric["name"].clone());
            out.insert("currentValue".into(), quantity(&current["value"]));
            copy(
                v2,
                &mut out,
                &[
                    ("metric.selector", "selector"),
                    ("current.averageValue", "averageValue"),
                ],
            );
        }
        "pods" => {
            out.insert("metricName".into(), metric["name"].clone());
            out.insert(
                "currentAverageValue".into(),
                quantity(&current["averageValue"]),
            );
            copy(v2, &mut out, &[("metric.selector", "selector")]);
        }
        "external" => {
            out.insert("metricName".into(), metric["name"].clone());
            copy(v2, &mut out, &[("metric.selector", "metricSelector")]);
            out.insert("currentValue".into(), quantity(&current["value"]));
            copy(
                v2,
                &mut out,
                &[("current.averageValue", "currentAverageValue")],
            );
        }
        _ => {
            out.insert("name".into(), v2["name"].clone());
            copy(
                v2,
                &mut out,
                &[("current.averageUtilization", "currentAverageUtilization")],
            );
            out.insert(
                "currentAverageValue".into(),
                quantity(&current["averageValue"]),
            );
            if source == "containerResource" {
                out.insert("container".into(), v2["container"].clone());
            }
        }
    }
    Value::Object(out)
}

fn status_to_v2(source: &str, v1: &Value) -> Value {
    let (mut current, mut out) = (Map::new(), Map::new());
    copy(
        v1,
        &mut current,
        match source {
            "object" => &[("currentValue", "value"), ("averageValue", "averageValue")],
            "external" => &[
                ("currentValue", "value"),
                ("currentAverageValue", "averageValue"),
            ],
            _ => &[
                ("currentAverageValue", "averageValue"),
                ("currentAverageUtilization", "averageUtilization"),
            ],
        },
    );
    identify(source, v1, &mut out);
    out.insert("current".into(), current.into());
    Value::Object(out)
}

/// Which metric it is, in the form of `v2`.
fn identify(source: &str, v1: &Value, out: &mut Map<String, Value>) {
    if source == "object" {
        out.insert("describedObject".into(), reference(&v1["target"]));
    }
    if matches!(source, "resource" | "containerResource") {
        copy(v1, out, &[("name", "name"), ("container", "container")]);
        return;
    }
    let mut metric = Map::new();
    metric.insert("name".into(), v1["metricName"].clone());
    let selector = if source == "external" {
        "metricSelector"
    } else {
        "selector"
    };
    copy(v1, &mut metric, &[(selector, "selector")]);
    out.insert("metric".into(), metric.into());
}

/// The fields of a behavior, of its rules and of their policies, and how upstream's annotation names them.
const GO_NAMES: [(&str, &str); 9] = [
    ("scaleUp", "ScaleUp"),
    ("scaleDown", "ScaleDown"),
    ("stabilizationWindowSeconds", "StabilizationWindowSeconds"),
    ("selectPolicy", "SelectPolicy"),
    ("policies", "Policies"),
    ("tolerance", "Tolerance"),
    ("type", "Type"),
    ("value", "Value"),
    ("periodSeconds", "PeriodSeconds"),
];

/// A behavior as upstream's annotation has it: its internal type, in which every field stands.
fn behavior_to_go(behavior: &Value) -> Value {
    let named = |value: &Value, fields: std::ops::Range<usize>, inner: &dyn Fn(&Value) -> Value| {
        let entry = |(name, go): &(&str, &str)| ((*go).to_owned(), inner(&value[*name]));
        Value::Object(GO_NAMES[fields].iter().map(entry).collect())
    };
    let policy = |policy: &Value| named(policy, 6..9, &Value::clone);
    let rules = |rules: &Value| match rules {
        Value::Null => Value::Null,
        rules => named(rules, 2..6, &|value| match value {
            Value::Array(policies) => policies.iter().map(policy).collect(),
            other => other.clone(),
        }),
    };
    named(behavior, 0..2, &rules)
}

fn behavior_from_go(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(go, value)| {
                let name = GO_NAMES
                    .iter()
                    .find(|(_, name)| name.eq_ignore_ascii_case(go));
                let name = name.map_or(go.as_str(), |(name, _)| name);
                (name.to_owned(), behavior_from_go(value))
            })
            .collect(),
        Value::Array(items) => items.iter().map(behavior_from_go).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2() -> Value {
        json!({
            "metadata": { "name": "a" },
            "spec": {
                "maxReplicas": 3,
                "metrics": [
                    { "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 } } },
                    { "type": "Resource", "resource": { "name": "memory", "target": { "type": "AverageValue", "averageValue": "1Gi" } } },
                    { "type": "ContainerResource", "containerResource": { "name": "memory", "container": "c", "target": { "type": "Utilization", "averageUtilization": 5 } } },
                    { "type": "Pods", "pods": { "metric": { "name": "p", "selector": { "matchLabels": { "a": "<b>" } } }, "target": { "type": "AverageValue", "averageValue": "5" } } },
                    { "type": "Object", "object": { "describedObject": { "kind": "Service", "name": "s", "apiVersion": "v1" }, "metric": { "name": "o" }, "target": { "type": "Value", "value": "7" } } },
                    { "type": "External", "external": { "metric": { "name": "e" }, "target": { "type": "AverageValue", "averageValue": "9" } } },
                ],
                "behavior": { "scaleUp": { "selectPolicy": "Max", "policies": [{ "type": "Pods", "value": 4, "periodSeconds": 15 }] } },
            },
            "status": {
                "currentMetrics": [{ "type": "Resource", "resource": { "name": "cpu", "current": { "averageValue": "10m", "averageUtilization": 40 } } }],
                "conditions": [{ "type": "AbleToScale", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z", "reason": "r" }],
            },
        })
    }

    #[test]
    fn what_only_v2_can_say_travels_in_annotations_and_comes_back() {
        let mut object = v2();
        to_v1(&mut object);
        assert_eq!(object["spec"]["targetCPUUtilizationPercentage"], 50);
        assert_eq!(object["status"]["currentCPUUtilizationPercentage"], 40);
        let annotations = object["metadata"]["annotations"].clone();
        assert_eq!(
            annotations[BEHAVIOR],
            r#"{"ScaleUp":{"StabilizationWindowSeconds":null,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":15}],"Tolerance":null},"ScaleDown":null}"#
        );
        assert!(
            annotations[METRICS]
                .as_str()
                .unwrap()
                .contains(r"\u003cb\u003e")
        );
        to_v2(&mut object);
        let mut expected = v2();
        // The metric of the CPU comes last.
        let metrics = expected["spec"]["metrics"].as_array_mut().unwrap();
        metrics.rotate_left(1);
        assert_eq!(object, expected);
    }

    #[test]
    fn annotations_that_are_no_json_are_dropped() {
        let mut object =
            json!({ "metadata": { "annotations": { (METRICS): "{", "b": "c" } }, "spec": {} });
        to_v2(&mut object);
        assert_eq!(object["metadata"]["annotations"], json!({ "b": "c" }));
        assert_eq!(
            object["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"],
            80
        );
    }
}
