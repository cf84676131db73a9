//! What pods see of ConfigMaps, Secrets and their own labels when these change while they run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may, and waits for real processes"
)]

mod support;

use serde_json::json;
use support::cluster::{Cluster, Launch};

/// One container for each file that is watched, named after it.
fn watchers(files: &[(&str, &str)]) -> serde_json::Value {
    let container = |(name, volume): &(&str, &str)| json!({"name": name, "args": ["follow", format!("/{volume}/text")], "volumeMounts": [{"name": volume, "mountPath": format!("/{volume}")}]});
    files.iter().map(container).collect()
}

fn says(cluster: &Cluster, container: &str, expected: &str) {
    cluster.until(&format!("{container} says {expected:?}"), || {
        (cluster.logs(&["p", "-c", container]) == expected).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_config_maps_secrets_and_labels_reach_a_running_pod() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    let kubectl = |args: &[&str]| cluster.api.kubectl(args).unwrap();
    cluster.create(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "default"}, "data": {"text": "one", "gone": "soon"}}));
    cluster.create(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key", "namespace": "default"}, "stringData": {"text": "first"}}));
    let label = json!({"path": "text", "fieldRef": {"fieldPath": "metadata.labels['app']"}});
    let mut containers = watchers(&[
        ("map", "config"),
        ("secret", "secret"),
        ("label", "labels"),
        ("all", "all"),
    ]);
    // A file that is mounted alone stays what it was.
    containers.as_array_mut().unwrap().push(json!({
        "name": "alone", "args": ["follow", "/alone"],
        "volumeMounts": [{"name": "config", "mountPath": "/alone", "subPath": "text"}],
    }));
    cluster.run("p", json!({
        "terminationGracePeriodSeconds": 0,
        "containers": containers,
        "volumes": [
            {"name": "config", "configMap": {"name": "settings"}},
            {"name": "secret", "secret": {"secretName": "key"}},
            {"name": "labels", "downwardAPI": {"items": [label]}},
            {"name": "all", "projected": {"sources": [{"configMap": {"name": "settings", "items": [{"key": "text", "path": "text"}]}}]}},
        ],
    }));
    let pod = cluster.ready("p");
    for (container, text) in [
        ("map", "one\n"),
        ("secret", "first\n"),
        ("label", "p\n"),
        ("all", "one\n"),
        ("alone", "one\n"),
    ] {
        says(&cluster, container, text);
    }
    let volume = cluster.machine.path().join(format!(
        "kubelet/pods/{}/volumes/kubernetes.io~configmap/config",
        pod["metadata"]["uid"].as_str().unwrap()
    ));
    assert!(volume.join("gone").exists());
    kubectl(&[
        "patch",
        "configmap",
        "settings",
        "-p",
        r#"{"data": {"text": "two", "gone": null, "new": "here"}}"#,
    ]);
    kubectl(&[
        "patch",
        "secret",
        "key",
        "-p",
        r#"{"stringData": {"text": "second"}}"#,
    ]);
    kubectl(&["label", "pod", "p", "app=other", "--overwrite"]);
    for (container, text) in [
        ("map", "one\ntwo\n"),
        ("secret", "first\nsecond\n"),
        ("label", "p\nother\n"),
        ("all", "one\ntwo\n"),
    ] {
        says(&cluster, container, text);
    }
    assert!(!volume.join("gone").exists() && volume.join("new").exists());
    assert_eq!(cluster.logs(&["p", "-c", "alone"]), "one\n");
    // One that vanishes leaves running pods what they had.
    kubectl(&["delete", "configmap", "settings"]);
    cluster.until("it is told", || {
        cluster
            .events()
            .contains(
                "MountVolume.SetUp failed for volume \"config\" : configmap \"settings\" not found",
            )
            .then_some(())
    });
    // Nor does it keep what comes after it from being brought up to date.
    kubectl(&[
        "patch",
        "secret",
        "key",
        "-p",
        r#"{"stringData": {"text": "third"}}"#,
    ]);
    says(&cluster, "secret", "first\nsecond\nthird\n");
    let after = cluster.ready("p");
    assert_eq!(cluster.logs(&["p", "-c", "map"]), "one\ntwo\n");
    let starts = |pod: &serde_json::Value| {
        let statuses = pod["status"]["containerStatuses"]
            .as_array()
            .unwrap()
            .clone();
        statuses
            .iter()
            .map(|status| status["state"]["running"]["startedAt"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(starts(&pod), starts(&after));
    cluster.delete("p");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_label_does_not_wait_for_the_next_look_at_volumes() {
    skip_without_containerd!();
    // Nobody looks by himself as long as this test runs.
    let cluster = Cluster::start_with(|_| Launch {
        sync_frequency: Some(3600),
        ..Default::default()
    })
    .await;
    let label = json!({"path": "text", "fieldRef": {"fieldPath": "metadata.labels['app']"}});
    cluster.run(
        "p",
        json!({
            "terminationGracePeriodSeconds": 0,
            "containers": watchers(&[("label", "labels")]),
            "volumes": [{"name": "labels", "downwardAPI": {"items": [label]}}],
        }),
    );
    cluster.ready("p");
    says(&cluster, "label", "p\n");
    cluster
        .api
        .kubectl(&["label", "pod", "p", "app=other", "--overwrite"])
        .unwrap();
    says(&cluster, "label", "p\nother\n");
    cluster.delete("p");
    cluster.stop().await;
}
