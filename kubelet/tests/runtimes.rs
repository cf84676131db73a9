//! Which OCI runtime runs the containers: crun where the host's cgroups let it, runc elsewhere, or the one that is asked for.
//!
//! A host has one mode of cgroups. That of the hybrid looks like v1 in a mount namespace without the v2 hierarchy, so that
//! there both choices are tested: the test runs itself again in such a namespace.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may, and waits for real processes"
)]

mod support;

use std::path::Path;
use std::process::Command;

use kubelet::oci::CgroupMode;
use serde_json::json;
use support::cluster::Cluster;

const AGAIN: &str = "GANTRY_TEST_WITHOUT_UNIFIED";

fn installed(program: &str) -> bool {
    ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]
        .iter()
        .any(|dir| Path::new(dir).join(program).exists())
}

/// The runtime which a container's state is of: crun and runc keep it in files of different names.
fn runtime_of(container: &str) -> &'static str {
    let state = Path::new("/run/containerd/runc/pods").join(container);
    match ["status", "state.json"].map(|file| state.join(file).exists()) {
        [true, false] => "crun",
        [false, true] => "runc",
        other => panic!("{}: {other:?}", state.display()),
    }
}

/// Runs a pod and does to it what goes through the runtime; the runtime that ran it.
async fn run(cluster: &Cluster, name: &str) -> &'static str {
    let before = cluster.tasks().await;
    cluster.run(
        name,
        json!({
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "c", "args": ["say", "here", "then", "sleep", "1000"],
                "resources": {"limits": {"memory": "64Mi", "cpu": "500m"}},
                "readinessProbe": {"exec": {"command": ["/payload", "exists", "/proc/self"]}, "periodSeconds": 1},
            }],
        }),
    );
    cluster.ready(name);
    assert_eq!(cluster.logs(&[name]), "here\n");
    let tasks = cluster.tasks().await;
    let task = tasks.iter().find(|task| !before.contains(task)).unwrap();
    runtime_of(&task.0)
}

/// This test once more where the v2 hierarchy is not mounted.
fn again_without_unified() {
    let script = "umount /sys/fs/cgroup/unified && exec \"$@\"";
    let output = Command::new("unshare")
        .args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            script,
            "sh",
        ])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &support::test_name(), "--nocapture"])
        .env(AGAIN, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("1 passed"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn crun_runs_pods_where_the_cgroups_let_it_and_runc_elsewhere() {
    skip_without_containerd!();
    if !installed("crun") || !installed("runc") {
        return e2e::skip(&support::test_name(), "needs crun and runc");
    }
    let mode = kubelet::oci::Host::detect(None).unwrap().cgroups;
    let mut cluster = Cluster::start().await;
    let chosen = run(&cluster, "default").await;
    println!("\nCGROUPS {mode:?}: {chosen}");
    match mode {
        CgroupMode::Hybrid => {
            assert_eq!(chosen, "runc");
            cluster.delete("default");
            cluster.stop().await;
            return again_without_unified();
        }
        CgroupMode::V1 | CgroupMode::V2 => assert_eq!(chosen, "crun"),
    }
    assert!(std::env::var_os(AGAIN).is_none() || mode == CgroupMode::V1);
    // Another runtime is for what starts from now on: what runs belongs to the one that it was started with.
    cluster.kill();
    cluster.launch.flags = vec!["--oci-runtime".into(), "runc".into()];
    cluster.restart();
    assert_eq!(run(&cluster, "other").await, "runc");
    let default = cluster.ready("default");
    assert_eq!(default["status"]["containerStatuses"][0]["restartCount"], 0);
    for name in ["default", "other"] {
        cluster.delete(name);
    }
    // With a grace of 0 the objects are gone at once, and the kubelet ends what it still finds.
    cluster.no_tasks().await;
    cluster.stop().await;
}
