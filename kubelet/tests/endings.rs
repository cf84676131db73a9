//! How containers are ended: their hooks, beside each other, and the grace that they have together.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may, and waits for real processes"
)]

mod support;

use std::time::{Duration, Instant};

use serde_json::json;
use support::cluster::Cluster;

fn delete(cluster: &Cluster, name: &str, grace: &str) {
    let grace = format!("--grace-period={grace}");
    let delete = ["delete", "pod", name, "--wait=false", &grace];
    cluster.api.kubectl(&delete).unwrap();
}

/// How long it takes until nothing is left of the pod.
fn gone(cluster: &Cluster, name: &str) -> Duration {
    let began = Instant::now();
    cluster.until(&format!("{name} is gone"), || {
        cluster.get("pod", name).is_none().then_some(())
    });
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_of_one_pod_run_beside_each_other_and_one_that_lasts_does_not_hold_up_its_end() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    // Without its hook, each of them would use up the grace: SIGTERM means nothing to it. It outlives the hook, which fails
    // where the container's first process ends before it.
    let container = |name: &str| {
        json!({
            "name": name, "args": ["until", "/stop", "then", "sleep", "1"],
            "lifecycle": {"preStop": {"exec": {"command": ["/payload", "sleep", "1", "then", "write", "/stop", "x"]}}},
        })
    };
    cluster.run(
        "several",
        json!({"terminationGracePeriodSeconds": 25, "containers": [container("a"), container("b"), container("c")]}),
    );
    cluster.run("starting", json!({
        "terminationGracePeriodSeconds": 1,
        "containers": [
            {"name": "a", "args": ["sleep", "1000"], "lifecycle": {"postStart": {"exec": {"command": ["/payload", "sleep", "1000"]}}}},
            {"name": "b", "args": ["sleep", "1000"]},
        ],
    }));
    cluster.ready("several");
    delete(&cluster, "several", "25");
    let took = gone(&cluster, "several");
    assert!(took < Duration::from_secs(15), "{took:?}");
    cluster.until("the hook runs", || {
        let events = cluster.events();
        let mut lines = events.lines().filter(|line| line.starts_with("starting "));
        lines
            .any(|line| line.contains("Container started"))
            .then_some(())
    });
    // Who comes after it waits for it, and never comes.
    assert_eq!(cluster.tasks().await.len(), 1);
    cluster.until("both are in the making", || {
        let status = cluster.pod("starting")["status"]["containerStatuses"].clone();
        let waits = |status: &serde_json::Value| {
            status["state"]["waiting"]["reason"] == "ContainerCreating"
        };
        status.as_array()?.iter().all(waits).then_some(())
    });
    delete(&cluster, "starting", "1");
    let took = gone(&cluster, "starting");
    assert!(took < Duration::from_secs(15), "{took:?}");
    let events = cluster.events();
    assert!(
        !events.contains("FailedPreStopHook") && !events.contains("FailedPostStartHook"),
        "{events}"
    );
    assert!(
        !events
            .lines()
            .any(|line| line.starts_with("starting ") && line.contains("container b")),
        "{events}"
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_has_one_grace_which_can_be_shortened() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    // SIGTERM means nothing to them.
    let stubborn = |name: &str| json!({"name": name, "args": ["sleep", "1000"]});
    let mut sidecars = [stubborn("first"), stubborn("second")];
    for sidecar in &mut sidecars {
        sidecar["restartPolicy"] = "Always".into();
    }
    cluster.run(
        "together",
        json!({"terminationGracePeriodSeconds": 6, "initContainers": sidecars, "containers": [stubborn("main")]}),
    );
    cluster.run(
        "hurried",
        json!({"terminationGracePeriodSeconds": 60, "containers": [stubborn("c")]}),
    );
    cluster.ready("together");
    cluster.ready("hurried");
    delete(&cluster, "hurried", "60");
    delete(&cluster, "together", "6");
    // Six seconds for all of them, and two for each that comes after those.
    let took = gone(&cluster, "together");
    assert!(
        took > Duration::from_secs(5) && took < Duration::from_secs(15),
        "{took:?}"
    );
    assert!(cluster.get("pod", "hurried").is_some());
    delete(&cluster, "hurried", "3");
    let took = gone(&cluster, "hurried");
    assert!(took < Duration::from_secs(12), "{took:?}");
    cluster.stop().await;
}
