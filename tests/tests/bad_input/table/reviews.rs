//! Who is calling, and reviews of who may what.

use super::MAPS;
use crate::request::{Bad, get, send};

pub fn cases() -> Vec<Bad> {
    let mut cases = Vec::new();
    for (name, value) in [
        ("impersonate-group", "g"),
        ("impersonate-uid", "u"),
        ("impersonate-extra-x", "u"),
        ("impersonate-user", "nobody"),
        ("impersonate-user", "system:serviceaccount:default:x"),
        ("impersonate-user", ""),
    ] {
        cases.push(get(format!("{MAPS}/a")).with(name, value));
        cases.push(send("POST", MAPS, "{").with(name, value));
    }
    let nobody = |case: Bad| case.with("impersonate-user", "nobody");
    cases.push(nobody(send("DELETE", format!("{MAPS}/a"), "")));
    cases.push(nobody(send("PATCH", format!("{MAPS}/a/status"), "{}")));
    cases.push(nobody(get("/api/v1/nodes?watch=1")));
    cases.push(nobody(get("/metrics")));
    cases.push(nobody(get("/apis/foo/v1/bars/x")));
    cases.push(nobody(send("DELETE", "/apis/apps/v1/deployments", "")));
    let authorization = "/apis/authorization.k8s.io/v1";
    for body in [
        "{}",
        r#"{"spec":{"user":"u"}}"#,
        r#"{"spec":{"resourceAttributes":{}}}"#,
        r#"{"spec":{"user":"u","resourceAttributes":{},"nonResourceAttributes":{}}}"#,
        r#"{"metadata":{"name":"x"},"spec":{"user":"u","resourceAttributes":{}}}"#,
        r#"{"spec":{"user":"u","resourceAttributes":{"fieldSelector":{"rawSelector":"a=b","requirements":[{"key":"a","operator":"In","values":["b"]}]}}}}"#,
        r#"{"spec":{"user":"u","resourceAttributes":{"labelSelector":{"requirements":[{"key":"a","operator":"Foo"}]}}}}"#,
        r#"{"spec":{"user":1}}"#,
    ] {
        cases.push(send(
            "POST",
            format!("{authorization}/subjectaccessreviews"),
            body,
        ));
        cases.push(send(
            "POST",
            format!("{authorization}/selfsubjectaccessreviews"),
            body,
        ));
        cases.push(send(
            "POST",
            format!("{authorization}/namespaces/default/localsubjectaccessreviews"),
            body,
        ));
    }
    cases.push(send(
        "POST",
        format!("{authorization}/selfsubjectrulesreviews"),
        "{}",
    ));
    cases.push(send("POST", format!("{authorization}/namespaces/default/localsubjectaccessreviews"), r#"{"metadata":{"namespace":"other"},"spec":{"user":"u","resourceAttributes":{"namespace":"other"}}}"#));
    for body in [
        "{}",
        r#"{"spec":{"token":""}}"#,
        r#"{"spec":{"token":1}}"#,
        r#"{"metadata":{"name":"x"},"spec":{"token":"x"}}"#,
    ] {
        cases.push(send(
            "POST",
            "/apis/authentication.k8s.io/v1/tokenreviews",
            body,
        ));
    }
    cases.push(get(format!("{authorization}/subjectaccessreviews")));
    cases
}
