//! Values of the wrong type.

use serde_json::{Value, json};

use super::{DEPLOYMENTS, MAPS, create, deployment, map, with};
use crate::request::{Bad, send};

pub fn cases() -> Vec<Bad> {
    let mut cases = Vec::new();
    let maps: &[(&str, Value)] = &[
        ("/metadata", json!("x")),
        ("/metadata", json!([])),
        ("/metadata", json!(1)),
        ("/metadata/name", json!(1)),
        ("/metadata/name", json!({})),
        ("/metadata/name", json!(true)),
        ("/metadata/labels", json!([])),
        ("/metadata/labels", json!("a=b")),
        ("/metadata/labels", json!({ "a": 1 })),
        ("/metadata/labels", json!({ "a": true })),
        ("/metadata/labels", json!({ "a": {} })),
        ("/metadata/annotations", json!({ "a": [] })),
        ("/metadata/finalizers", json!("x")),
        ("/metadata/finalizers", json!([1])),
        ("/metadata/ownerReferences", json!({})),
        ("/metadata/ownerReferences", json!([{ "controller": "x" }])),
        ("/metadata/ownerReferences", json!(["x"])),
        ("/metadata/creationTimestamp", json!("yesterday")),
        ("/metadata/creationTimestamp", json!(1)),
        ("/metadata/deletionTimestamp", json!("2026-13-45T00:00:00Z")),
        ("/metadata/deletionGracePeriodSeconds", json!("1")),
        ("/metadata/deletionGracePeriodSeconds", json!(1.5)),
        ("/metadata/generation", json!(9_223_372_036_854_775_808_u64)),
        ("/metadata/generation", json!(1e300)),
        ("/metadata/managedFields", json!("x")),
        (
            "/metadata/managedFields",
            json!([{ "fieldsV1": "x", "manager": "m", "operation": "Update", "fieldsType": "FieldsV1", "apiVersion": "v1" }]),
        ),
        ("/metadata/managedFields", json!([{ "operation": "Foo" }])),
        ("/immutable", json!("true")),
        ("/immutable", json!(1)),
        ("/data", json!([])),
        ("/data", json!("x")),
        ("/data", json!({ "k": 1 })),
        ("/data", json!({ "k": { "a": 1 } })),
        ("/binaryData", json!({ "k": "not base64!" })),
        ("/binaryData", json!({ "k": [1] })),
        ("/binaryData", json!({ "k": "YQ" })),
    ];
    for (pointer, value) in maps {
        cases.push(create(MAPS, &with(map(), pointer, value.clone())));
    }
    let container = "/spec/template/spec/containers/0";
    let deployments: Vec<(String, Value)> = [
        ("/spec", json!([])),
        ("/spec", json!(null)),
        ("/spec/replicas", json!("3")),
        ("/spec/replicas", json!(1.5)),
        ("/spec/replicas", json!(2_147_483_648_u64)),
        ("/spec/replicas", json!(true)),
        ("/spec/replicas", json!(-1)),
        ("/spec/paused", json!("yes")),
        ("/spec/selector", json!("app=d")),
        ("/spec/selector", json!({ "matchExpressions": {} })),
        ("/spec/selector", json!({ "matchLabels": { "app": 1 } })),
        ("/spec/strategy", json!("Recreate")),
        (
            "/spec/strategy",
            json!({ "rollingUpdate": { "maxSurge": true } }),
        ),
        (
            "/spec/strategy",
            json!({ "rollingUpdate": { "maxSurge": 1.5 } }),
        ),
        (
            "/spec/strategy",
            json!({ "rollingUpdate": { "maxSurge": {} } }),
        ),
        (
            "/spec/strategy",
            json!({ "rollingUpdate": { "maxSurge": "x%" } }),
        ),
        ("/spec/template", json!([])),
        ("/spec/template/spec/containers", json!({})),
        ("/spec/template/spec/containers", json!("x")),
        ("/spec/template/spec/containers", json!([null])),
        ("/spec/template/spec/containers", json!(["x"])),
        (
            "/spec/template/spec/terminationGracePeriodSeconds",
            json!("30"),
        ),
        ("/spec/template/spec/hostNetwork", json!(0)),
        ("/spec/template/spec/nodeSelector", json!(["a"])),
        (
            "/spec/template/spec/volumes",
            json!([{ "name": "v", "configMap": "x" }]),
        ),
        (
            "/spec/template/spec/volumes",
            json!([{ "name": "v", "emptyDir": { "sizeLimit": true } }]),
        ),
    ]
    .map(|(pointer, value)| (pointer.to_owned(), value))
    .into_iter()
    .chain(
        [
            ("image", json!(1)),
            ("command", json!("sh")),
            ("args", json!([1])),
            ("ports", json!([{ "containerPort": "80" }])),
            ("ports", json!([{ "containerPort": 70_000 }])),
            ("ports", json!([{ "containerPort": 1e10 }])),
            ("env", json!({ "A": "b" })),
            ("env", json!([{ "name": "A", "value": 1 }])),
            ("env", json!([{ "name": "A", "value": true }])),
            ("resources", json!({ "limits": { "cpu": "abc" } })),
            ("resources", json!({ "limits": { "cpu": "" } })),
            ("resources", json!({ "limits": { "cpu": {} } })),
            ("resources", json!({ "limits": { "cpu": true } })),
            ("resources", json!({ "limits": { "cpu": "1e30" } })),
            ("resources", json!({ "limits": { "memory": "-1" } })),
            ("resources", json!({ "limits": { "memory": "1Zi" } })),
            ("resources", json!({ "limits": [] })),
            ("livenessProbe", json!({ "httpGet": { "port": {} } })),
            ("livenessProbe", json!({ "httpGet": { "port": true } })),
            ("livenessProbe", json!({ "periodSeconds": "1" })),
            ("securityContext", json!({ "runAsUser": "root" })),
        ]
        .map(|(field, value)| (format!("{container}/{field}"), value)),
    )
    .collect();
    let mut object = deployment();
    object["metadata"]["name"] = "new".into();
    for (pointer, value) in deployments {
        cases.push(
            create(DEPLOYMENTS, &with(object.clone(), &pointer, value.clone()))
                .named(format!("deployments {pointer}: {value}")),
        );
    }
    let leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    for time in [
        json!("x"),
        json!("2026-01-01T00:00:00Z"),
        json!("2026-01-01T00:00:00.0000001Z"),
        json!(5),
        json!("2026-01-01 00:00:00"),
        json!({}),
    ] {
        let lease = json!({ "metadata": { "name": "l" }, "spec": { "renewTime": time, "leaseDurationSeconds": 0 } });
        cases.push(create(leases, &lease));
    }
    for body in [
        r#"{"metadata":{"name":"b"},"immutable":1e400}"#,
        r#"{"metadata":{"name":"b","generation":1e400}}"#,
        r#"{"metadata":{"name":"b","generation":123456789012345678901234567890}}"#,
        r#"{"metadata":{"name":"b","generation":1.0}}"#,
        r#"{"metadata":{"name":"b","generation":-0}}"#,
        r#"{"metadata":{"name":"b"},"data":{"k":1e400}}"#,
    ] {
        cases.push(send("POST", MAPS, body));
    }
    let long = format!(
        r#"{{"metadata":{{"name":"b","generation":{}}}}}"#,
        "9".repeat(1_000_000)
    );
    cases.push(send("POST", MAPS, long).named("a number of a million digits"));
    cases
}
