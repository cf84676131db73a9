//! Seccomp profiles, as the kernel keeps them.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may, and waits for real processes"
)]

mod support;

use serde_json::{Value, json};
use support::cluster::Cluster;

/// A container that says how its system calls are filtered: 0 not at all, 2 by a profile.
fn told(name: &str, profile: Option<Value>) -> Value {
    let mut container = json!({"name": name, "args": ["status", "Seccomp:"]});
    if let Some(profile) = profile {
        container["securityContext"]["seccompProfile"] = profile;
    }
    container
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_binds_the_container_that_has_it_or_whose_pod_has_it() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    let runtime_default = json!({"type": "RuntimeDefault"});
    cluster.run(
        "own",
        json!({"restartPolicy": "Never", "containers": [
        told("free", None),
        told("bound", Some(runtime_default.clone())),
        ]}),
    );
    cluster.run(
        "of-pod",
        json!({
            "restartPolicy": "Never", "securityContext": {"seccompProfile": runtime_default},
            "containers": [
                told("bound", None),
                told("free", Some(json!({"type": "Unconfined"}))),
            ],
        }),
    );
    for (pod, container, mode) in [
        ("own", "free", 0),
        ("own", "bound", 2),
        ("of-pod", "bound", 2),
        ("of-pod", "free", 0),
    ] {
        cluster.phase(pod, "Succeeded");
        let said = cluster.logs(&[pod, "-c", container]);
        assert_eq!(said, format!("Seccomp:\t{mode}\n"), "{pod}/{container}");
    }
    for pod in ["own", "of-pod"] {
        cluster.delete(pod);
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_of_the_node_says_what_is_refused_and_a_missing_one_keeps_the_pod_waiting() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    let profiles = cluster.machine.path().join("kubelet/seccomp");
    std::fs::create_dir_all(&profiles).unwrap();
    let no_sleep = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["nanosleep", "clock_nanosleep"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}],
    });
    std::fs::write(profiles.join("awake.json"), no_sleep.to_string()).unwrap();
    for (name, file) in [("awake", "awake.json"), ("missing", "none.json")] {
        let profile = json!({"type": "Localhost", "localhostProfile": file});
        cluster.run(name, json!({"restartPolicy": "Never", "containers": [{
            "name": "c", "args": ["sleep", "1000"], "securityContext": {"seccompProfile": profile},
        }]}));
    }
    // A program that must not sleep and wants to breaks down.
    let ended = cluster.phase("awake", "Failed");
    let terminated = &ended["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(terminated["exitCode"], 101, "{terminated}");
    let waiting = cluster.waiting("missing", "CreateContainerError");
    let message = waiting["state"]["waiting"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("cannot load seccomp profile "),
        "{message}"
    );
    for pod in ["awake", "missing"] {
        cluster.delete(pod);
    }
    cluster.stop().await;
}
