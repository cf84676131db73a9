//! Names, labels, owners and what else stands in metadata.

use serde_json::json;

use super::{DEPLOYMENTS, MAPS, PODS, create, deployment, map, pod, with};
use crate::request::{Bad, get, send};

/// Upstream shows what changed as a difference of its internal types in Go.
const DIFF: &str = "the difference is shown in another notation";

pub fn cases() -> Vec<Bad> {
    let mut cases = Vec::new();
    let long = |n: usize| "x".repeat(n);
    for name in [
        "A",
        "a_b",
        ".",
        "..",
        "-a",
        "a-",
        "a/b",
        "a%b",
        "a b",
        "",
        "ä",
        "a..b",
        "\u{0}",
        &long(254),
    ] {
        cases.push(
            create(MAPS, &json!({ "metadata": { "name": name } }))
                .named(format!("the name {name:.40}")),
        );
    }
    for name in ["A-", &long(300), "a/", ""] {
        let object = json!({ "metadata": { "generateName": name } });
        cases.push(
            create(MAPS, &object)
                .named(format!("generateName {name:.40}"))
                .words_differ("a suffix is random"),
        );
    }
    let others = [
        (
            "/api/v1/namespaces",
            json!({ "metadata": { "name": "a.b" } }),
        ),
        (
            "/api/v1/namespaces",
            json!({ "metadata": { "name": "a", "namespace": "default" } }),
        ),
        (
            "/api/v1/namespaces/default/services",
            json!({ "metadata": { "name": "1a" }, "spec": { "ports": [{ "port": 1 }] } }),
        ),
        (
            "/api/v1/namespaces/default/services",
            json!({ "metadata": { "name": "a.b" }, "spec": {} }),
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            json!({ "metadata": { "name": "a/b" } }),
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            json!({ "metadata": { "name": ".." } }),
        ),
        ("/api/v1/nodes", json!({ "metadata": { "name": "N_1" } })),
        (
            "/apis/scheduling.k8s.io/v1/priorityclasses",
            json!({ "metadata": { "name": "system-x" }, "value": 2_000_000_001 }),
        ),
        (
            MAPS,
            json!({ "metadata": { "name": "b", "namespace": "other" } }),
        ),
        (MAPS, json!({ "metadata": { "name": "a" } })),
        ("/api/v1/namespaces/missing/configmaps", map()),
        ("/api/v1/namespaces/UPPER/configmaps", map()),
        (
            "/api/v1/namespaces/default/secrets",
            json!({ "metadata": { "name": "s" }, "type": "kubernetes.io/tls", "data": {} }),
        ),
        (
            "/api/v1/namespaces/default/secrets",
            json!({ "metadata": { "name": "s" }, "type": "kubernetes.io/service-account-token" }),
        ),
        (PODS, pod()),
        (
            PODS,
            json!({ "metadata": { "name": "q" }, "spec": { "containers": [] } }),
        ),
        (PODS, json!({ "metadata": { "name": "q" } })),
        (
            PODS,
            json!({ "metadata": { "name": "q" }, "spec": { "serviceAccountName": "missing", "containers": [{ "name": "c", "image": "i" }] } }),
        ),
        (
            PODS,
            json!({ "metadata": { "name": "q" }, "spec": { "priorityClassName": "missing", "containers": [{ "name": "c", "image": "i" }] } }),
        ),
        (DEPLOYMENTS, json!({ "metadata": { "name": "e" } })),
        (
            DEPLOYMENTS,
            with(
                deployment(),
                "/spec/selector",
                json!({ "matchLabels": { "app": "other" } }),
            ),
        ),
    ];
    cases.extend(others.iter().map(|(path, body)| create(path, body)));
    let owner =
        json!({ "apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "controller": true });
    for (field, value) in [
        ("labels", json!({ "-a": "b" })),
        ("labels", json!({ "a/b/c": "b" })),
        ("labels", json!({ "": "b" })),
        ("labels", json!({ "a": "b c" })),
        ("labels", json!({ "a": long(64) })),
        ("labels", json!({ long(64): "b" })),
        ("labels", json!({ format!("{}/a", long(254)): "b" })),
        ("annotations", json!({ "a b": "" })),
        ("annotations", json!({ "a": long(262_145) })),
        ("finalizers", json!(["x"])),
        ("finalizers", json!(["a.b/c d"])),
        ("finalizers", json!(["orphan", "foregroundDeletion"])),
        ("ownerReferences", json!([{}])),
        ("ownerReferences", json!([owner, owner])),
        (
            "ownerReferences",
            json!([{ "apiVersion": "a/b/c", "kind": "", "name": "", "uid": "" }]),
        ),
        (
            "ownerReferences",
            json!([{ "apiVersion": "v1", "kind": "Event", "name": "e", "uid": "u" }]),
        ),
        ("resourceVersion", json!("5")),
        ("generation", json!(-1)),
        ("namespace", json!("Default")),
    ] {
        let object = with(map(), &format!("/metadata/{field}"), value.clone());
        cases.push(
            create(MAPS, &object).named(format!("metadata.{field}: {:.60}", value.to_string())),
        );
    }
    for (name, object) in [
        ("a", json!({ "metadata": { "name": "x" } })),
        ("a", json!({ "metadata": {} })),
        (
            "a",
            json!({ "metadata": { "name": "a", "namespace": "other" } }),
        ),
        (
            "a",
            json!({ "metadata": { "name": "a", "uid": "00000000-0000-0000-0000-000000000000" } }),
        ),
        ("new", json!({ "metadata": { "name": "new" } })),
        (
            "new",
            json!({ "metadata": { "name": "new", "resourceVersion": "1" } }),
        ),
        ("new", json!({ "metadata": { "name": "new", "uid": "u" } })),
        ("A_B", json!({ "metadata": { "name": "A_B" } })),
    ] {
        let case = send("PUT", format!("{MAPS}/{name}"), object.to_string());
        cases.push(case.words_differ("UIDs are random"));
    }
    cases.push(send(
        "PUT",
        format!("{DEPLOYMENTS}/d"),
        with(
            deployment(),
            "/spec/selector",
            json!({ "matchLabels": { "app": "x" } }),
        )
        .to_string(),
    ));
    cases.push(
        send(
            "PUT",
            format!("{PODS}/p"),
            with(pod(), "/spec/containers/0/name", json!("other")).to_string(),
        )
        .words_differ(DIFF),
    );
    cases.push(
        send(
            "PUT",
            format!("{PODS}/p"),
            with(pod(), "/metadata/labels", json!({ "a b": "" })).to_string(),
        )
        .words_differ(DIFF),
    );
    cases.extend(
        ["A", "%20", "a%2Fb", "..", "%2e%2e", "nope", "%00", "%C3%A4"]
            .map(|name| get(format!("{MAPS}/{name}"))),
    );
    cases
}
