//! Paths and methods that lead nowhere.

use super::{DEPLOYMENTS, MAPS, PODS};
use crate::request::{Bad, get, send};

pub fn cases() -> Vec<Bad> {
    let mut cases: Vec<Bad> = [
        "/api/v1/foos",
        "/api/v2",
        "/api/v2/pods",
        "/apis/foo",
        "/apis/foo/v1",
        "/apis/foo/v1/bars",
        "/apis/apps/v9",
        "/apis/apps/v9/deployments",
        "/apis/apps/v1/pods",
        "/api/v1/namespaces/default/foos/a",
        "/api/v1/namespaces/default/configmaps/a/status",
        "/api/v1/namespaces/default/configmaps/a/b/c",
        "/apis/apps/v1/namespaces/default/deployments/d/foo",
        "/apis/apps/v1/namespaces/default/deployments/nope/scale",
        "/api/v1/namespaces/default/pods/nope/log",
        "/foo",
        "/api/foo",
        "/healthz/foo",
        "/api/v1/nodes/nope",
        "/api/v1/namespaces/nope",
        "/api/v1/namespaces/default/nodes",
        "/apis/",
        "//",
        "/api//v1",
        "/api/v1/configmaps/a",
        "/version/x",
        "/openapi/v9",
        "/openapi/v3/apis/foo/v1",
        "/metrics/foo",
        "/logs",
        "/.well-known/foo",
        "/api/v1/namespaces/default/pods/p/log?tailLines=-1",
        "/api/v1/namespaces/default/pods/p/log?limitBytes=0",
        "/api/v1/namespaces/default/pods/p/log?sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z",
        "/api/v1/namespaces/default/pods/p/log?sinceSeconds=x",
        "/api/v1/namespaces/default/pods/p/log?container=nope",
        "/api/v1/namespaces/default/pods/p/log?follow=x",
        "/api/v1/namespaces/default/pods/p/log?stream=Foo",
        "/api/v1/namespaces/default/pods/p/binding",
        "/api/v1/watch/foos",
        "/api/v1/watch",
        "/api/v1/watch/namespaces/default/configmaps?labelSelector=a%20b",
        "/api/v1/proxy/nodes/x",
    ]
    .into_iter()
    .map(get)
    .collect();
    for (method, path) in [
        ("POST", format!("{MAPS}/a")),
        ("PUT", MAPS.to_owned()),
        ("PATCH", MAPS.to_owned()),
        ("POST", "/api/v1/configmaps".into()),
        ("DELETE", "/api/v1/configmaps".into()),
        ("POST", format!("{DEPLOYMENTS}/d/status")),
        ("DELETE", format!("{DEPLOYMENTS}/d/scale")),
        ("POST", "/apis".into()),
        ("DELETE", "/api/v1".into()),
        ("FOO", MAPS.to_owned()),
        ("TRACE", MAPS.to_owned()),
        ("OPTIONS", MAPS.to_owned()),
        ("HEAD", format!("{MAPS}/nope")),
        ("POST", "/version".into()),
        ("POST", "/foo".into()),
        ("DELETE", "/api/v1/namespaces".into()),
    ] {
        cases.push(send(method, path, "{}"));
    }
    for (path, body) in [
        (
            format!("{PODS}/nope/binding"),
            r#"{"target":{"kind":"Node","name":"n"}}"#,
        ),
        (format!("{PODS}/p/binding"), r#"{"target":{}}"#),
        (
            format!("{PODS}/p/binding"),
            r#"{"target":{"kind":"Pod","name":"n"}}"#,
        ),
        (
            format!("{PODS}/p/binding"),
            r#"{"metadata":{"name":"q"},"target":{"name":"n"}}"#,
        ),
        (format!("{PODS}/p/binding"), "{"),
        (
            format!("{PODS}/nope/eviction"),
            r#"{"metadata":{"name":"nope"}}"#,
        ),
        (format!("{PODS}/p/eviction"), r#"{"metadata":{"name":"q"}}"#),
        (
            format!("{PODS}/p/eviction"),
            r#"{"metadata":{"name":"p"},"deleteOptions":{"propagationPolicy":"x"}}"#,
        ),
        (format!("{PODS}/p/eviction"), "[]"),
        (
            "/api/v1/namespaces/default/serviceaccounts/nope/token".into(),
            r#"{"spec":{}}"#,
        ),
        (
            "/api/v1/namespaces/default/serviceaccounts/default/token".into(),
            r#"{"spec":{"expirationSeconds":1}}"#,
        ),
        (
            "/api/v1/namespaces/default/serviceaccounts/default/token".into(),
            r#"{"spec":{"expirationSeconds":99999999999}}"#,
        ),
        (
            "/api/v1/namespaces/default/serviceaccounts/default/token".into(),
            r#"{"spec":{"boundObjectRef":{"kind":"Foo","name":"x"}}}"#,
        ),
        (
            "/api/v1/namespaces/default/serviceaccounts/default/token".into(),
            r#"{"spec":{"boundObjectRef":{"kind":"Pod","apiVersion":"v1","name":"nope"}}}"#,
        ),
        (
            "/api/v1/namespaces/default/serviceaccounts/default/token".into(),
            r#"{"spec":1}"#,
        ),
    ] {
        cases.push(send("POST", path, body));
    }
    for body in [
        r#"{"metadata":{"name":"d"},"spec":{"replicas":-1}}"#,
        r#"{"metadata":{"name":"e"},"spec":{}}"#,
        r#"{"spec":{"replicas":"x"}}"#,
        r#"{"metadata":{"name":"d","resourceVersion":"1"},"spec":{"replicas":1}}"#,
    ] {
        cases.push(send("PUT", format!("{DEPLOYMENTS}/d/scale"), body));
    }
    for body in [
        r#"{"metadata":{"name":"x"},"spec":{"finalizers":["a"]}}"#,
        r#"{"metadata":{"name":"default"},"spec":{"finalizers":["a b"]}}"#,
    ] {
        cases.push(send("PUT", "/api/v1/namespaces/default/finalize", body));
    }
    cases
}
