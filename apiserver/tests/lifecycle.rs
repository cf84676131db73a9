//! How objects come, change and go: deletion with grace and finalizers, generations, subresources, concurrency.

mod common;

use common::Client;
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/default/pods";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const MERGE: &str = "application/merge-patch+json";

fn pod(name: &str, node: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "nodeName": node, "containers": [{ "name": "c", "image": "x" }],
        "terminationGracePeriodSeconds": 30 } })
}

async fn deployment(client: &Client) -> Value {
    let labels = json!({ "a": "b" });
    let template = json!({ "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "c", "image": "x" }] } });
    let spec =
        json!({ "replicas": 2, "selector": { "matchLabels": labels }, "template": template });
    client
        .post(
            DEPLOYMENTS,
            &json!({ "metadata": { "name": "d" }, "spec": spec }),
        )
        .await
        .ok()
}

#[tokio::test]
async fn a_scheduled_pod_is_given_time_and_an_unscheduled_one_is_not() {
    let client = common::start().await;
    client.post(PODS, &pod("free", "")).await.ok();
    client.post(PODS, &pod("bound", "n1")).await.ok();
    client.delete(&format!("{PODS}/free")).await.ok();
    assert_eq!(client.get(&format!("{PODS}/free")).await.code, 404);

    let dying = client.delete(&format!("{PODS}/bound")).await.ok();
    assert_eq!(dying["metadata"]["deletionGracePeriodSeconds"], 30);
    assert!(dying["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(dying["metadata"]["generation"], 2);
    // Asking again changes nothing; only less time may be asked for.
    let again = client
        .delete(&format!("{PODS}/bound?gracePeriodSeconds=60"))
        .await
        .ok();
    assert_eq!(again, dying);
    let sooner = client
        .delete(&format!("{PODS}/bound?gracePeriodSeconds=5"))
        .await
        .ok();
    assert_eq!(sooner["metadata"]["deletionGracePeriodSeconds"], 5);
    // An update cannot bring it back.
    let mut back = sooner.clone();
    back["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("deletionTimestamp");
    let kept = client.put(&format!("{PODS}/bound"), &back).await.ok();
    assert_eq!(
        kept["metadata"]["deletionTimestamp"],
        sooner["metadata"]["deletionTimestamp"]
    );
    // What the kubelet does at the end.
    client
        .delete(&format!("{PODS}/bound?gracePeriodSeconds=0"))
        .await
        .ok();
    assert_eq!(client.get(&format!("{PODS}/bound")).await.code, 404);
}

#[tokio::test]
async fn finalizers_hold_an_object_until_the_last_is_gone() {
    let client = common::start().await;
    let finalizers = json!(["example.com/a", "example.com/b"]);
    client
        .post(
            MAPS,
            &json!({ "metadata": { "name": "a", "finalizers": finalizers } }),
        )
        .await
        .ok();
    let held = client.delete(&format!("{MAPS}/a")).await.ok();
    assert!(held["metadata"]["deletionTimestamp"].is_string());
    let path = format!("{MAPS}/a");
    client
        .patch(
            &path,
            MERGE,
            r#"{"metadata":{"finalizers":["example.com/b"]}}"#,
        )
        .await
        .ok();
    assert_eq!(client.get(&path).await.code, 200);
    let (code, _, message) = client
        .post(MAPS, &json!({ "metadata": { "name": "a" } }))
        .await
        .refused();
    assert_eq!(
        (code, message.as_str()),
        (
            409,
            "object is being deleted: configmaps \"a\" already exists"
        )
    );
    client
        .patch(&path, MERGE, r#"{"metadata":{"finalizers":null}}"#)
        .await
        .ok();
    assert_eq!(client.get(&path).await.code, 404);
}

#[tokio::test]
async fn propagation_policies_become_finalizers() {
    let client = common::start().await;
    for (policy, finalizer) in [
        ("Orphan", Some("orphan")),
        ("Foreground", Some("foregroundDeletion")),
        ("Background", None),
    ] {
        deployment(&client).await;
        client
            .delete_with(
                &format!("{DEPLOYMENTS}/d"),
                &json!({ "propagationPolicy": policy }),
            )
            .await
            .ok();
        let left = client.get(&format!("{DEPLOYMENTS}/d")).await;
        match finalizer {
            None => assert_eq!(left.code, 404),
            Some(finalizer) => {
                let left = left.ok();
                assert_eq!(left["metadata"]["finalizers"], json!([finalizer]));
                assert_eq!(left["metadata"]["generation"], 2);
                client
                    .patch(
                        &format!("{DEPLOYMENTS}/d"),
                        MERGE,
                        r#"{"metadata":{"finalizers":null}}"#,
                    )
                    .await
                    .ok();
            }
        }
    }
}

#[tokio::test]
async fn preconditions_guard_a_deletion() {
    let client = common::start().await;
    let made = client
        .post(MAPS, &json!({ "metadata": { "name": "a" } }))
        .await
        .ok();
    for wrong in [json!({ "uid": "other" }), json!({ "resourceVersion": "1" })] {
        let (code, reason, _) = client
            .delete_with(&format!("{MAPS}/a"), &json!({ "preconditions": wrong }))
            .await
            .refused();
        assert_eq!((code, reason.as_str()), (409, "Conflict"));
    }
    let right = json!({ "uid": made["metadata"]["uid"], "resourceVersion": made["metadata"]["resourceVersion"] });
    client
        .delete_with(&format!("{MAPS}/a"), &json!({ "preconditions": right }))
        .await
        .ok();
}

#[tokio::test]
async fn a_collection_is_deleted_by_selector() {
    let client = common::start().await;
    for i in 0..10 {
        let labels = json!({ "half": (i % 2).to_string() });
        client
            .post(
                MAPS,
                &json!({ "metadata": { "name": format!("m{i}"), "labels": labels } }),
            )
            .await
            .ok();
    }
    let gone = client
        .delete(&format!("{MAPS}?labelSelector=half%3D0"))
        .await
        .ok();
    assert_eq!(gone["items"].as_array().unwrap().len(), 5);
    assert_eq!(
        client.get(MAPS).await.ok()["items"]
            .as_array()
            .unwrap()
            .len(),
        5
    );
}

#[tokio::test]
async fn a_namespace_ends_when_it_is_empty() {
    let client = common::start().await;
    client
        .post(
            "/api/v1/namespaces",
            &json!({ "metadata": { "name": "n" } }),
        )
        .await
        .ok();
    let ending = client.delete("/api/v1/namespaces/n").await.ok();
    assert_eq!(ending["status"]["phase"], "Terminating");
    let answer = client
        .post(
            "/api/v1/namespaces/n/configmaps",
            &json!({ "metadata": { "name": "late" } }),
        )
        .await;
    let status = answer.json();
    assert_eq!(answer.code, 403);
    assert_eq!(
        status["message"],
        "configmaps \"late\" is forbidden: unable to create new content in namespace n because it is being terminated"
    );
    let cause = json!({ "reason": "NamespaceTerminating", "message": "namespace n is being terminated",
        "field": "metadata.namespace" });
    assert_eq!(status["details"]["causes"], json!([cause]));
    let finalized = json!({ "metadata": { "name": "n" }, "spec": { "finalizers": [] } });
    client
        .put("/api/v1/namespaces/n/finalize", &finalized)
        .await
        .ok();
    assert_eq!(client.get("/api/v1/namespaces/n").await.code, 404);
    let (code, _, message) = client.delete("/api/v1/namespaces/default").await.refused();
    assert_eq!(
        (code, message.as_str()),
        (
            403,
            "namespaces \"default\" is forbidden: this namespace may not be deleted"
        )
    );
}

#[tokio::test]
async fn status_and_spec_are_changed_apart() {
    let client = common::start().await;
    let made = deployment(&client).await;
    assert_eq!(made["metadata"]["generation"], 1);
    let path = format!("{DEPLOYMENTS}/d");
    let mut object = made.clone();
    object["spec"]["replicas"] = 9.into();
    object["status"] = json!({ "replicas": 3, "observedGeneration": 1 });
    let status = client.put(&format!("{path}/status"), &object).await.ok();
    assert_eq!(
        (&status["spec"]["replicas"], &status["status"]["replicas"]),
        (&json!(2), &json!(3))
    );
    assert_eq!(status["metadata"]["generation"], 1);
    let mut object = status.clone();
    object["spec"]["replicas"] = 9.into();
    object["status"]["replicas"] = 99.into();
    object["metadata"]["generation"] = 77.into();
    let spec = client.put(&path, &object).await.ok();
    assert_eq!(
        (&spec["spec"]["replicas"], &spec["status"]["replicas"]),
        (&json!(9), &json!(3))
    );
    assert_eq!(spec["metadata"]["generation"], 2);
    let labelled = client
        .patch(&path, MERGE, r#"{"metadata":{"labels":{"x":"y"}}}"#)
        .await
        .ok();
    assert_eq!(labelled["metadata"]["generation"], 2);
}

#[tokio::test]
async fn a_workload_is_scaled() {
    let client = common::start().await;
    deployment(&client).await;
    let path = format!("{DEPLOYMENTS}/d/scale");
    let scale = client.get(&path).await.ok();
    assert_eq!(
        (
            &scale["kind"],
            &scale["spec"]["replicas"],
            &scale["status"]["selector"]
        ),
        (&json!("Scale"), &json!(2), &json!("a=b"))
    );
    let mut wanted = scale.clone();
    wanted["spec"]["replicas"] = 5.into();
    assert_eq!(client.put(&path, &wanted).await.ok()["spec"]["replicas"], 5);
    assert_eq!(client.put(&path, &wanted).await.refused().0, 409);
    assert_eq!(
        client
            .patch(&path, MERGE, r#"{"spec":{"replicas":7}}"#)
            .await
            .ok()["spec"]["replicas"],
        7
    );
    let whole = client.get(&format!("{DEPLOYMENTS}/d")).await.ok();
    assert_eq!(
        (&whole["spec"]["replicas"], &whole["metadata"]["generation"]),
        (&json!(7), &json!(3))
    );
}

#[tokio::test]
async fn a_time_beyond_all_calendars_leaves_an_object_that_can_be_read() {
    let client = common::start().await;
    for (name, seconds) in [("a", "300000000000"), ("b", "9223372036854775807")] {
        client.post(PODS, &pod(name, "n1")).await.ok();
        let path = format!("{PODS}/{name}");
        let grace = format!("{path}?gracePeriodSeconds={seconds}");
        let going = client.delete(&grace).await.ok();
        let last = "9999-12-31T23:59:59Z";
        assert_eq!(going["metadata"]["deletionTimestamp"], last);
        let labels = r#"{"metadata":{"labels":{"l":"v"}}}"#;
        let patched = client.patch(&path, MERGE, labels).await.ok();
        assert_eq!(patched["metadata"]["deletionTimestamp"], last);
    }
    client.get(PODS).await.ok();
}

#[tokio::test]
async fn a_budget_decides_on_evictions() {
    let client = common::start().await;
    let pods = ["a", "b"];
    for name in pods {
        let mut object = pod(name, "n1");
        object["metadata"]["labels"] = json!({ "app": "x" });
        client.post(PODS, &object).await.ok();
        let status = json!({ "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] } });
        client
            .patch(&format!("{PODS}/{name}/status"), MERGE, status.to_string())
            .await
            .ok();
    }
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    let spec = json!({ "minAvailable": 1, "selector": { "matchLabels": { "app": "x" } } });
    let made = client
        .post(
            budgets,
            &json!({ "metadata": { "name": "p" }, "spec": spec }),
        )
        .await
        .ok();
    let mut ready = made.clone();
    ready["status"] = json!({ "observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1,
        "expectedPods": 2 });
    client
        .put(&format!("{budgets}/p/status"), &ready)
        .await
        .ok();
    let eviction = |name: &str| json!({ "metadata": { "name": name } });
    let done = client
        .post(&format!("{PODS}/a/eviction"), &eviction("a"))
        .await;
    assert_eq!(done.code, 201, "{}", done.text());
    let going = client.get(&format!("{PODS}/a")).await.ok();
    assert!(going["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(going["status"]["conditions"][1]["type"], "DisruptionTarget");
    let budget = client.get(&format!("{budgets}/p")).await.ok();
    assert_eq!(budget["status"]["disruptionsAllowed"], 0);
    let condition = &budget["status"]["conditions"][0];
    assert_eq!(
        (
            &condition["type"],
            &condition["status"],
            &condition["reason"]
        ),
        (
            &json!("DisruptionAllowed"),
            &json!("False"),
            &json!("InsufficientPods")
        )
    );
    assert!(budget["status"]["disruptedPods"]["a"].is_string());
    let (code, reason, _) = client
        .post(&format!("{PODS}/b/eviction"), &eviction("b"))
        .await
        .refused();
    assert_eq!((code, reason.as_str()), (429, "TooManyRequests"));
    assert!(
        client.get(&format!("{PODS}/b")).await.ok()["metadata"]
            .get("deletionTimestamp")
            .is_none()
    );
}

#[tokio::test]
async fn a_pod_gets_its_account_token_priority_and_tolerations() {
    let client = common::start().await;
    let made = client.post(PODS, &pod("p", "")).await.ok();
    let spec = &made["spec"];
    assert_eq!(spec["serviceAccountName"], "default");
    let volume = spec["volumes"][0]["name"].as_str().unwrap();
    assert!(
        volume.starts_with("kube-api-access-") && volume.len() == 21,
        "{volume}"
    );
    assert_eq!(spec["containers"][0]["volumeMounts"][0]["name"], volume);
    assert_eq!(spec["containers"][0]["volumeMounts"][0]["readOnly"], true);
    assert_eq!(
        (&spec["priority"], &spec["preemptionPolicy"]),
        (&json!(0), &json!("PreemptLowerPriority"))
    );
    let keys: Vec<_> = spec["tolerations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["key"].as_str().unwrap())
        .collect();
    assert_eq!(
        keys,
        [
            "node.kubernetes.io/not-ready",
            "node.kubernetes.io/unreachable"
        ]
    );
    assert_eq!(
        (&made["status"]["phase"], &made["status"]["qosClass"]),
        (&json!("Pending"), &json!("BestEffort"))
    );
    let mut critical = pod("q", "");
    critical["spec"]["priorityClassName"] = "system-node-critical".into();
    assert_eq!(
        client.post(PODS, &critical).await.ok()["spec"]["priority"],
        2_000_001_000_i64
    );
    critical["spec"]["priorityClassName"] = "none".into();
    let (code, _, message) = client.post(PODS, &critical).await.refused();
    assert_eq!(
        (code, message.as_str()),
        (
            403,
            "pods \"q\" is forbidden: no PriorityClass with name none was found"
        )
    );
}

#[tokio::test]
async fn writers_of_one_object_lose_no_update() {
    let client = std::sync::Arc::new(common::start().await);
    client
        .post(MAPS, &json!({ "metadata": { "name": "a" } }))
        .await
        .ok();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let client = client.clone();
        writers.spawn(async move {
            for i in 0..20 {
                let patch = format!(r#"{{"data":{{"w{writer}":"{i}"}}}}"#);
                // Others may win every attempt; then the client is told to try again.
                while client
                    .patch(&format!("{MAPS}/a"), MERGE, patch.clone())
                    .await
                    .code
                    == 409
                {}
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    let data = client.get(&format!("{MAPS}/a")).await.ok()["data"].clone();
    assert_eq!(
        data,
        (0..8)
            .map(|w| (format!("w{w}"), json!("19")))
            .collect::<Value>()
    );
}

#[tokio::test]
async fn a_dry_run_answers_as_if_and_stores_nothing() {
    let client = common::start().await;
    let revision = client.server.api.view.applied();
    let made = client
        .post(
            &format!("{MAPS}?dryRun=All"),
            &json!({ "metadata": { "name": "a" } }),
        )
        .await;
    assert_eq!(made.code, 201);
    assert!(made.json()["metadata"].get("resourceVersion").is_none());
    assert_eq!(client.get(&format!("{MAPS}/a")).await.code, 404);
    assert_eq!(client.server.api.view.applied(), revision);
}

#[tokio::test]
async fn names_are_generated() {
    let client = common::start().await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let made = client
            .post(MAPS, &json!({ "metadata": { "generateName": "web-" } }))
            .await
            .ok();
        let name = made["metadata"]["name"].as_str().unwrap().to_owned();
        assert!(name.starts_with("web-") && name.len() == 9, "{name}");
        assert!(seen.insert(name));
    }
}

#[tokio::test]
async fn events_are_the_same_in_both_groups() {
    let client = common::start().await;
    let event = json!({ "metadata": { "name": "e" }, "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "c",
        "reportingInstance": "i", "action": "a", "reason": "r", "type": "Normal", "note": "hello",
        "regarding": { "kind": "Pod", "namespace": "default", "name": "p" } });
    client
        .post("/apis/events.k8s.io/v1/namespaces/default/events", &event)
        .await
        .ok();
    let core = client
        .get("/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dp")
        .await
        .ok();
    assert_eq!(core["items"][0]["message"], "hello");
    assert_eq!(core["items"][0]["involvedObject"]["name"], "p");
    assert_eq!(core["items"][0]["reportingComponent"], "c");
    let new = client
        .get("/apis/events.k8s.io/v1/namespaces/default/events/e")
        .await
        .ok();
    assert_eq!(new["note"], "hello");
}
