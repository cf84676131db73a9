//! Init containers that stay: begun before what they serve, kept while it runs, ended after it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may, and waits for real processes"
)]

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::cluster::{Cluster, pod};

/// The status of a container or init container.
fn status(pod: &Value, name: &str) -> Value {
    ["initContainerStatuses", "containerStatuses"]
        .iter()
        .flat_map(|list| pod["status"][list].as_array().into_iter().flatten())
        .find(|status| status["name"] == name)
        .cloned()
        .unwrap_or_default()
}

fn time(status: &Value, state: &str, which: &str) -> jiff::Timestamp {
    status["state"][state][which]
        .as_str()
        .unwrap_or_else(|| panic!("{which} of {status}"))
        .parse()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_is_there_before_and_while_the_others_run_and_does_not_keep_the_pod() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    cluster.run("job", json!({
        "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
        "initContainers": [
            {"name": "proxy", "restartPolicy": "Always", "args": ["sleep", "2", "then", "serve", "8080"],
                "startupProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 30}},
            {"name": "once", "args": ["say", "second"]},
        ],
        "containers": [{"name": "main", "args": ["sleep", "4", "then", "say", "done"]}],
    }));
    // Until it has started, nothing that comes after it is begun.
    let early = cluster.until("the sidecar runs", || {
        let pod = cluster.pod("job");
        status(&pod, "proxy")["state"]["running"]
            .is_object()
            .then_some(pod)
    });
    assert_eq!(status(&early, "proxy")["started"], false);
    assert!(
        status(&early, "once")["state"]["waiting"].is_object(),
        "{early}"
    );
    let running = cluster.ready("job");
    let [proxy, once, main] = ["proxy", "once", "main"].map(|name| status(&running, name));
    assert_eq!(
        (&proxy["started"], &proxy["ready"]),
        (&json!(true), &json!(true))
    );
    assert!(
        time(&proxy, "running", "startedAt") < time(&once, "terminated", "startedAt")
            && time(&once, "terminated", "finishedAt") <= time(&main, "running", "startedAt"),
        "{running}"
    );
    // It is over when the main container is; the sidecar is ended for it.
    let done = cluster.phase("job", "Succeeded");
    assert_eq!(status(&done, "main")["state"]["terminated"]["exitCode"], 0);
    cluster.until("the sidecar was ended", || {
        status(&cluster.pod("job"), "proxy")["state"]["terminated"]
            .is_object()
            .then_some(())
    });
    assert_eq!(cluster.pod("job")["status"]["phase"], "Succeeded");
    cluster.delete("job");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_ends_is_started_again_whatever_the_pods_policy_and_disturbs_no_other() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    cluster.run("p", json!({
        "restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
        "initContainers": [{"name": "brief", "restartPolicy": "Always", "args": ["sleep", "1", "then", "exit", "3"]}],
        "containers": [{"name": "main", "args": ["sleep", "1000"]}],
    }));
    let before = cluster.phase("p", "Running");
    let after = cluster.until("it was started again and waits", || {
        let pod = cluster.pod("p");
        let brief = status(&pod, "brief");
        (brief["restartCount"].as_u64()? >= 1
            && brief["state"]["waiting"]["reason"] == "CrashLoopBackOff")
            .then_some(pod)
    });
    assert_eq!(
        status(&after, "brief")["lastState"]["terminated"]["exitCode"],
        3
    );
    assert_eq!(after["status"]["phase"], "Running");
    assert_eq!(
        status(&before, "main")["state"]["running"],
        status(&after, "main")["state"]["running"]
    );
    let ready = after["status"]["conditions"].as_array().unwrap().iter();
    let ready = ready
        .clone()
        .find(|condition| condition["type"] == "Ready")
        .unwrap();
    assert_eq!(
        ready["status"], "False",
        "a sidecar counts for readiness: {ready}"
    );
    cluster.delete("p");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sidecars_end_after_the_main_container_and_in_the_reverse_of_their_order() {
    skip_without_containerd!();
    let mut cluster = Cluster::start().await;
    // Each ends a good second after it is told to, which is when its hook is done and its turn has come.
    let container = |name: &str, sidecar: bool| {
        let mut container = json!({
            "name": name, "args": ["linger", "1.2"],
            "lifecycle": {"preStop": {"exec": {"command": ["/payload", "sleep", "4"]}}},
        });
        if sidecar {
            container["restartPolicy"] = "Always".into();
        }
        container
    };
    let mut object = pod(
        "p",
        json!({
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 20,
            "initContainers": [container("first", true), container("second", true)],
            "containers": [container("main", false)],
        }),
    );
    // Its object stays to be read after its end.
    object["metadata"]["finalizers"] = json!(["test.local/stay"]);
    cluster.create(&object);
    cluster.ready("p");
    cluster
        .api
        .kubectl(&["delete", "pod", "p", "--wait=false"])
        .unwrap();
    let began = Instant::now();
    let ended = cluster.until("all have ended", || {
        let pod = cluster.pod("p");
        ["main", "second", "first"]
            .iter()
            .all(|name| status(&pod, name)["state"]["terminated"].is_object())
            .then_some(pod)
    });
    let times = ["main", "second", "first"]
        .map(|name| time(&status(&ended, name), "terminated", "finishedAt"));
    assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
    // Their hooks run beside each other.
    assert!(began.elapsed() < Duration::from_secs(12), "{times:?}");
    for name in ["main", "second", "first"] {
        let terminated = &status(&ended, name)["state"]["terminated"];
        assert_eq!(terminated["exitCode"], 0, "{name} {terminated}");
    }
    // Nothing of it is on the node any more, whose kubelet keeps what the object tells of its end: now, and anew.
    let released = cluster.until("the kubelet lets the object go", || {
        let pod = cluster.pod("p");
        (pod["metadata"]["deletionGracePeriodSeconds"] == 0).then_some(pod)
    });
    cluster.kill();
    cluster.restart();
    cluster.run("other", json!({"terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "args": ["sleep", "1000"]}]}));
    cluster.ready("other");
    for name in ["main", "second", "first"] {
        assert_eq!(
            status(&cluster.pod("p"), name)["state"],
            status(&ended, name)["state"]
        );
    }
    assert_eq!(cluster.pod("p")["status"], released["status"]);
    cluster.delete("other");
    cluster
        .api
        .kubectl(&[
            "patch",
            "pod",
            "p",
            "--type=merge",
            "-p",
            r#"{"metadata": {"finalizers": null}}"#,
        ])
        .unwrap();
    cluster.until("p is gone", || {
        cluster.get("pod", "p").is_none().then_some(())
    });
    cluster.stop().await;
}
