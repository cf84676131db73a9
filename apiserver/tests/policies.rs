//! ValidatingAdmissionPolicy and MutatingAdmissionPolicy: what they refuse and change, what is wrong with them, and that they are
//! bounded. What upstream answers is compared by `tests/differential/sequences/policies.yaml`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::Duration;

use common::{Answer, Client, start};
use serde_json::{Value, json};
use tokio::time::Instant;

const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";
const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

fn about(group: &str, resource: &str, operations: &[&str]) -> Value {
    json!({ "resourceRules": [{
        "operations": operations, "apiGroups": [group], "apiVersions": ["v1"], "resources": [resource],
    }] })
}

fn deployment(name: &str, replicas: i64) -> Value {
    json!({ "metadata": { "name": name }, "spec": {
        "replicas": replicas,
        "selector": { "matchLabels": { "a": "b" } },
        "template": {
            "metadata": { "labels": { "a": "b" } },
            "spec": { "containers": [{ "name": "c", "image": "i" }] },
        },
    } })
}

fn config_map(name: &str, data: Value) -> Value {
    json!({ "metadata": { "name": name }, "data": data })
}

impl Client {
    async fn validating(&self, name: &str, spec: Value) -> Answer {
        let policy = json!({ "metadata": { "name": name }, "spec": spec });
        self.post(&format!("{GROUP}/validatingadmissionpolicies"), &policy)
            .await
    }

    async fn mutating(&self, name: &str, spec: Value) -> Answer {
        let policy = json!({ "metadata": { "name": name }, "spec": spec });
        self.post(&format!("{GROUP}/mutatingadmissionpolicies"), &policy)
            .await
    }

    /// Binds a policy of the same name.
    async fn bind(&self, kind: &str, name: &str, mut spec: Value) {
        spec["policyName"] = name.into();
        let binding = json!({ "metadata": { "name": name }, "spec": spec });
        let path = format!("{GROUP}/{kind}admissionpolicybindings");
        self.post(&path, &binding).await.ok();
    }
}

/// The conformance tests of the name: the marker is refused, though its message is a string and a number added.
#[tokio::test]
async fn a_deployment_is_validated() {
    let client = start().await;
    let spec = json!({
        "matchConstraints": about("apps", "deployments", &["CREATE", "UPDATE"]),
        "variables": [
            { "name": "replicas", "expression": "object.spec.replicas" },
            { "name": "odd", "expression": "variables.replicas % 2 == 1" },
        ],
        "validations": [
            { "expression": "object.spec.replicas > 1",
              "messageExpression": "'wants replicas > 1, got ' + object.spec.replicas" },
            { "expression": "namespaceObject.metadata.name == 'default'", "message": "elsewhere" },
            { "expression": "variables.odd" },
        ],
    });
    client.validating("p", spec).await.ok();
    client
        .post(DEPLOYMENTS, &deployment("unbound", 1))
        .await
        .ok();
    client
        .bind("validating", "p", json!({ "validationActions": ["Deny"] }))
        .await;

    let answer = client.post(DEPLOYMENTS, &deployment("marker", 1)).await;
    let causes = answer.json()["details"]["causes"].clone();
    let (code, reason, message) = answer.refused();
    let denied = "ValidatingAdmissionPolicy 'p' with binding 'p' denied request: failed expression: object.spec.replicas > 1";
    assert_eq!((code, reason.as_str()), (422, "Invalid"));
    assert_eq!(
        message,
        format!("deployments.apps \"marker\" is forbidden: {denied}")
    );
    assert_eq!(causes, json!([{ "message": denied }]));
    client.post(DEPLOYMENTS, &deployment("three", 3)).await.ok();
    let (_, _, message) = client
        .post(DEPLOYMENTS, &deployment("two", 2))
        .await
        .refused();
    assert!(
        message.ends_with("failed expression: variables.odd"),
        "{message}"
    );
    // Other kinds are none of the policy's business.
    client
        .post(CONFIG_MAPS, &config_map("c", json!({})))
        .await
        .ok();

    // A policy that is changed, and one that is unbound, is so at once.
    let path = format!("{GROUP}/validatingadmissionpolicies/p");
    let change = json!({ "spec": { "validations": [{ "expression": "true" }] } }).to_string();
    client
        .patch(&path, "application/merge-patch+json", change)
        .await
        .ok();
    client.post(DEPLOYMENTS, &deployment("two", 2)).await.ok();
    client
        .delete(&format!("{GROUP}/validatingadmissionpolicybindings/p"))
        .await
        .ok();
    client.post(DEPLOYMENTS, &deployment("one", 1)).await.ok();
}

#[tokio::test]
async fn a_deployment_is_mutated() {
    let client = start().await;
    let expression = "Object{metadata: Object.metadata{annotations: {'mutated-by': 'admission-policy'}}, \
                      spec: Object.spec{replicas: 1337}}";
    let spec = json!({
        "reinvocationPolicy": "Never",
        "matchConstraints": about("apps", "deployments", &["CREATE"]),
        "mutations": [{ "patchType": "ApplyConfiguration", "applyConfiguration": { "expression": expression } }],
    });
    client.mutating("p", spec).await.ok();
    client.bind("mutating", "p", json!({})).await;
    let made = client.post(DEPLOYMENTS, &deployment("d", 1)).await.ok();
    assert_eq!(made["spec"]["replicas"], 1337);
    assert_eq!(
        made["metadata"]["annotations"]["mutated-by"],
        "admission-policy"
    );
    assert_eq!(
        made["spec"]["template"]["spec"]["containers"][0]["image"],
        "i"
    );
}

#[tokio::test]
async fn what_one_policy_changes_another_is_asked_about_again() {
    let client = start().await;
    let spec = |reinvocation: &str, expression: &str| {
        json!({
            "reinvocationPolicy": reinvocation,
            "matchConstraints": about("", "configmaps", &["CREATE"]),
            "mutations": [{ "patchType": "JSONPatch", "jsonPatch": { "expression": expression } }],
        })
    };
    let count = "[JSONPatch{op: 'add', path: '/data/KEY', value: string(int(object.data.?KEY.orValue('0')) + 1)}]";
    for (name, reinvocation) in [("a", "IfNeeded"), ("b", "Never")] {
        let spec = spec(reinvocation, &count.replace("KEY", name));
        client.mutating(name, spec).await.ok();
        client.bind("mutating", name, json!({})).await;
    }
    let made = client
        .post(CONFIG_MAPS, &config_map("m", json!({ "x": "y" })))
        .await
        .ok();
    assert_eq!(made["data"], json!({ "x": "y", "a": "2", "b": "1" }));
}

#[tokio::test]
async fn pods_get_their_defaults_after_a_patch() {
    let client = start().await;
    let expression = "Object{spec: Object.spec{containers: [Object.spec.containers{name: 'side', image: 'car:latest'}]}}";
    let spec = json!({
        "reinvocationPolicy": "Never",
        "matchConstraints": about("", "pods", &["CREATE"]),
        "mutations": [{ "patchType": "ApplyConfiguration", "applyConfiguration": { "expression": expression } }],
    });
    client.mutating("p", spec).await.ok();
    client.bind("mutating", "p", json!({})).await;
    let pod = json!({ "metadata": { "name": "a" }, "spec": { "containers": [{ "name": "c", "image": "i" }] } });
    let made = client
        .post("/api/v1/namespaces/default/pods", &pod)
        .await
        .ok();
    let containers = made["spec"]["containers"].as_array().unwrap();
    let side = containers.iter().find(|c| c["name"] == "side").unwrap();
    assert_eq!(side["imagePullPolicy"], "Always");
    // The service account's volume is mounted into what a policy has added, since that step runs again.
    assert_eq!(side["volumeMounts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_policy_is_told_when_it_is_written() {
    let client = start().await;
    for (expression, why) in [
        (
            "foo.spec > 1",
            "compilation failed: ERROR: <input>:1:1: undeclared reference to 'foo' (in container '')\n | foo.spec > 1\n | ^",
        ),
        (
            "isIP(object.spec.address)",
            "compilation failed: ERROR: <input>:1:5: undeclared reference to 'isIP' (in container ''): not supported by this server",
        ),
        ("object.spec.replicas", "must evaluate to bool but got dyn"),
    ] {
        let spec = json!({
            "matchConstraints": about("apps", "deployments", &["CREATE"]),
            "validations": [{ "expression": expression }],
        });
        let answer = client.validating("p", spec).await;
        let cause = answer.json()["details"]["causes"][0].clone();
        let (code, reason, message) = answer.refused();
        assert_eq!((code, reason.as_str()), (422, "Invalid"));
        assert_eq!(cause["field"], "spec.validations[0].expression");
        let wanted = format!(
            "ValidatingAdmissionPolicy.admissionregistration.k8s.io \"p\" is invalid: spec.validations[0].expression: Invalid value: \"{expression}\": {why}"
        );
        assert!(message.starts_with(&wanted), "{message}");
    }
    let spec = json!({
        "reinvocationPolicy": "Never",
        "matchConstraints": about("apps", "deployments", &["CREATE"]),
        "mutations": [{ "patchType": "ApplyConfiguration", "applyConfiguration": { "expression": "{'a': 1}" } }],
    });
    let (_, _, message) = client.mutating("p", spec).await.refused();
    assert!(
        message.ends_with("must evaluate to Object but got map(string, int)"),
        "{message}"
    );
}

#[tokio::test]
async fn findings_can_warn_and_failures_can_be_ignored() {
    let client = start().await;
    let spec = |policy: &str| {
        json!({
            "failurePolicy": policy,
            "matchConstraints": about("", "configmaps", &["CREATE"]),
            "validations": [{ "expression": "object.data.a == 'b'", "message": "no b" }],
        })
    };
    client.validating("p", spec("Fail")).await.ok();
    client
        .bind(
            "validating",
            "p",
            json!({ "validationActions": ["Warn", "Audit"] }),
        )
        .await;
    let answer = client
        .post(CONFIG_MAPS, &config_map("a", json!({ "a": "c" })))
        .await;
    let warning = "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'p': no b";
    assert_eq!(answer.warnings(), [format!("299 - \"{warning}\"")]);
    answer.ok();

    let binding = format!("{GROUP}/validatingadmissionpolicybindings/p");
    let merge = "application/merge-patch+json";
    let change = json!({ "spec": { "validationActions": ["Deny"] } }).to_string();
    client.patch(&binding, merge, change).await.ok();
    let (code, _, message) = client
        .post(CONFIG_MAPS, &config_map("b", json!({})))
        .await
        .refused();
    assert_eq!(code, 422);
    assert!(
        message.ends_with("expression 'object.data.a == 'b'' resulted in error: no such key: data"),
        "{message}"
    );
    let change = json!({ "spec": spec("Ignore") }).to_string();
    client
        .patch(
            &format!("{GROUP}/validatingadmissionpolicies/p"),
            merge,
            change,
        )
        .await
        .ok();
    client
        .post(CONFIG_MAPS, &config_map("b", json!({})))
        .await
        .ok();
}

#[tokio::test]
async fn policies_do_not_bind_those_who_write_policies() {
    let client = start().await;
    let spec = json!({
        "matchConstraints": { "resourceRules": [{
            "operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"],
        }] },
        "validations": [{ "expression": "false", "reason": "Forbidden" }],
    });
    client.validating("nothing", spec.clone()).await.ok();
    client
        .bind(
            "validating",
            "nothing",
            json!({ "validationActions": ["Deny"] }),
        )
        .await;
    let (code, reason, _) = client
        .post(CONFIG_MAPS, &config_map("a", json!({})))
        .await
        .refused();
    assert_eq!((code, reason.as_str()), (403, "Forbidden"));
    let review = json!({ "spec": { "resourceAttributes": { "verb": "get", "resource": "pods" } } });
    client
        .post(
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            &review,
        )
        .await
        .ok();
    client
        .delete(&format!(
            "{GROUP}/validatingadmissionpolicybindings/nothing"
        ))
        .await
        .ok();
    client
        .post(CONFIG_MAPS, &config_map("a", json!({})))
        .await
        .ok();
}

#[tokio::test]
async fn no_policy_can_hang_the_server() {
    let client = start().await;
    let mut variables = vec![json!({ "name": "v0", "expression": "[object]" })];
    for at in 1..3000 {
        let expression = format!("[variables.v{}, variables.v{}]", at - 1, at - 1);
        variables.push(json!({ "name": format!("v{at}"), "expression": expression }));
    }
    let nested = "lists.range(3000).all(x, lists.range(3000).all(y, lists.range(3000).all(z, x + y + z >= 0)))";
    let spec = json!({
        "matchConstraints": about("", "configmaps", &["CREATE"]),
        "variables": variables,
        "validations": [
            { "expression": nested },
            { "expression": "variables.v2999 == variables.v2999" },
            { "expression": "variables.v40 == variables.v40" },
            { "expression": "'a'.matches('(a{99}){99}')" },
        ],
    });
    client.validating("p", spec).await.ok();
    client
        .bind("validating", "p", json!({ "validationActions": ["Deny"] }))
        .await;
    let start = Instant::now();
    let (_, _, message) = client
        .post(CONFIG_MAPS, &config_map("a", json!({})))
        .await
        .refused();
    assert!(message.contains("actual cost limit exceeded"), "{message}");
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}
