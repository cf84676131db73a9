//! In-place resize: what is asked through `pods/resize` is in force in the containers' cgroups, or is said to wait.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may, and waits for real processes"
)]

mod support;

use std::path::{Path, PathBuf};

use kubelet::oci::{CgroupMode, Host};
use serde_json::{Value, json};
use support::cluster::{Cluster, NODE};

fn status(pod: &Value, name: &str) -> Value {
    let statuses = ["containerStatuses", "initContainerStatuses"];
    let mut all = statuses
        .iter()
        .flat_map(|list| pod["status"][list].as_array().into_iter().flatten());
    all.find(|status| status["name"] == name)
        .cloned()
        .unwrap_or_default()
}

fn condition(pod: &Value, kind: &str) -> Option<Value> {
    let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.find(|c| c["type"] == kind).cloned()
}

fn resize(cluster: &Cluster, pod: &str, containers: &Value) {
    let patch = json!({"spec": {"containers": containers}}).to_string();
    let line = ["patch", "pod", pod, "--subresource", "resize", "-p", &patch];
    cluster.api.kubectl(&line).unwrap();
}

/// Waits until what the pod's spec says is in force.
fn resized(cluster: &Cluster, name: &str) -> Value {
    cluster.until(&format!("{name} is resized"), || {
        let pod = cluster.pod(name);
        let seen = pod["status"]["observedGeneration"] == pod["metadata"]["generation"];
        let under_way = ["PodResizePending", "PodResizeInProgress"];
        let ready = condition(&pod, "Ready").is_some_and(|ready| ready["status"] == "True");
        let done = seen && ready && under_way.iter().all(|kind| condition(&pod, kind).is_none());
        done.then_some(pod)
    })
}

/// The directory of a cgroup, by the end of its path.
fn cgroup(controller: &str, of: &str) -> PathBuf {
    fn find(dir: &Path, name: &str) -> Option<PathBuf> {
        let entries = std::fs::read_dir(dir).ok()?.flatten();
        let dirs = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let dirs: Vec<PathBuf> = dirs.map(|entry| entry.path()).collect();
        let own = dirs.iter().find(|dir| dir.ends_with(name)).cloned();
        own.or_else(|| dirs.iter().find_map(|dir| find(dir, name)))
    }
    let root = match Host::detect(None).unwrap().cgroups {
        CgroupMode::V2 => PathBuf::from("/sys/fs/cgroup"),
        _ => Path::new("/sys/fs/cgroup").join(controller),
    };
    find(&root, of).unwrap_or_else(|| panic!("no cgroup {of} below {}", root.display()))
}

/// Microseconds of CPU in each 100 ms, and bytes of memory, as the kernel has them.
fn limits(of: &str) -> (String, String) {
    let (cpu, memory) = match Host::detect(None).unwrap().cgroups {
        CgroupMode::V2 => ("cpu.max", "memory.max"),
        _ => ("cpu.cfs_quota_us", "memory.limit_in_bytes"),
    };
    let read = |controller: &str, file: &str| {
        let text = std::fs::read_to_string(cgroup(controller, of).join(file)).unwrap();
        text.split_whitespace().next().unwrap().to_owned()
    };
    (read("cpu", cpu), read("memory", memory))
}

fn of(cpu: &str, bytes: u64) -> (String, String) {
    (cpu.to_owned(), bytes.to_string())
}

/// The container's name in containerd.
fn id(pod: &Value, name: &str) -> String {
    let id = status(pod, name)["containerID"]
        .as_str()
        .unwrap()
        .to_owned();
    id.trim_start_matches("containerd://").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_resized_while_they_run_or_started_anew_as_they_say() {
    skip_without_containerd!();
    let mut cluster = Cluster::start().await;
    let resources = |cpu: &str, memory: &str| json!({"requests": {"cpu": "50m", "memory": "16Mi"}, "limits": {"cpu": cpu, "memory": memory}});
    cluster.run("p", json!({
        "terminationGracePeriodSeconds": 0, "restartPolicy": "OnFailure",
        "containers": [
            {"name": "c", "args": ["sleep", "1000"], "resources": resources("200m", "64Mi")},
            {"name": "d", "args": ["sleep", "1000"], "resources": resources("100m", "32Mi"),
                "resizePolicy": [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]},
        ],
    }));
    let before = cluster.ready("p");
    let uid = before["metadata"]["uid"].as_str().unwrap().to_owned();
    let c = status(&before, "c");
    assert_eq!(c["resources"], resources("200m", "64Mi"));
    assert_eq!(
        c["allocatedResources"],
        json!({"cpu": "50m", "memory": "16Mi"})
    );
    assert_eq!(limits(&id(&before, "c")), of("20000", 64 << 20));
    assert_eq!(limits(&format!("pod{uid}")), of("30000", 96 << 20));

    // Both while they run.
    resize(
        &cluster,
        "p",
        &json!([
            {"name": "c", "resources": {"requests": {"memory": "20Mi"}, "limits": {"cpu": "300m", "memory": "128Mi"}}},
            {"name": "d", "resources": {"limits": {"cpu": "150m"}}},
        ]),
    );
    let after = resized(&cluster, "p");
    assert_eq!(after["status"]["observedGeneration"], 2);
    for name in ["c", "d"] {
        assert_eq!(id(&after, name), id(&before, name));
        assert_eq!(status(&after, name)["restartCount"], 0);
    }
    let c = status(&after, "c");
    assert_eq!(
        c["allocatedResources"],
        json!({"cpu": "50m", "memory": "20Mi"})
    );
    assert_eq!(
        c["resources"]["limits"],
        json!({"cpu": "300m", "memory": "128Mi"})
    );
    assert_eq!(limits(&id(&after, "c")), of("30000", 128 << 20));
    assert_eq!(limits(&id(&after, "d")), of("15000", 32 << 20));
    assert_eq!(limits(&format!("pod{uid}")), of("45000", 160 << 20));

    // One of them is started anew, and the other gives back.
    resize(
        &cluster,
        "p",
        &json!([
            {"name": "c", "resources": {"limits": {"cpu": "200m", "memory": "64Mi"}}},
            {"name": "d", "resources": {"limits": {"memory": "48Mi"}}},
        ]),
    );
    let anew = resized(&cluster, "p");
    assert_eq!(id(&anew, "c"), id(&before, "c"));
    assert_ne!(id(&anew, "d"), id(&before, "d"));
    assert_eq!(status(&anew, "d")["restartCount"], 1);
    assert_eq!(limits(&id(&anew, "c")), of("20000", 64 << 20));
    assert_eq!(limits(&id(&anew, "d")), of("15000", 48 << 20));
    assert_eq!(limits(&format!("pod{uid}")), of("35000", 112 << 20));

    // What is used already cannot be taken away.
    let tiny = json!({"requests": {"memory": "4Ki"}, "limits": {"memory": "4Ki"}});
    resize(&cluster, "p", &json!([{"name": "c", "resources": tiny}]));
    let error = cluster.until("it says that it cannot", || {
        condition(&cluster.pod("p"), "PodResizeInProgress").filter(|c| c["reason"] == "Error")
    });
    let message = error["message"].as_str().unwrap();
    assert!(
        message
            .contains("attempting to set container \"c\" memory limit (4096) below current usage"),
        "{message}"
    );
    assert_eq!(limits(&id(&anew, "c")), of("20000", 64 << 20));
    // A new kubelet knows what it granted, and what is in force.
    cluster.kill();
    cluster.restart();
    let back = json!({"requests": {"memory": "16Mi"}, "limits": {"memory": "70Mi"}});
    resize(&cluster, "p", &json!([{"name": "c", "resources": back}]));
    let after = resized(&cluster, "p");
    assert_eq!(id(&after, "c"), id(&before, "c"));
    assert_eq!(limits(&id(&after, "c")), of("20000", 70 << 20));
    let events = cluster.events();
    for reason in ["ResizeStarted", "ResizeCompleted", "ResizeError", "Killing"] {
        assert!(events.contains(reason), "no {reason} in {events}");
    }
    cluster.delete("p");
    cluster.no_tasks().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resize_without_room_waits_and_is_not_forgotten() {
    skip_without_containerd!();
    let mut cluster = Cluster::start().await;
    let node = cluster.get("node", NODE).unwrap();
    let cpu: api::Quantity = node["status"]["allocatable"]["cpu"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let share = |percent: i64| format!("{}m", cpu.milli_value() * percent / 100);
    let asks = |cpu: String| json!({"requests": {"cpu": cpu}});
    for (name, percent) in [("p", 10), ("q", 60)] {
        cluster.run(name, json!({
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "c", "args": ["sleep", "1000"], "resources": asks(share(percent))}],
        }));
        cluster.ready(name);
    }
    resize(
        &cluster,
        "p",
        &json!([{"name": "c", "resources": asks(share(50))}]),
    );
    let deferred = |cluster: &Cluster| {
        cluster.until("it is deferred", || {
            let pod = cluster.pod("p");
            let condition = condition(&pod, "PodResizePending")?;
            (condition["reason"] == "Deferred" && condition["observedGeneration"] == 2)
                .then_some(pod)
        })
    };
    let before = deferred(&cluster);
    let has = |pod: &Value, percent: i64| {
        let allocated: api::Quantity = status(pod, "c")["allocatedResources"]["cpu"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(allocated, share(percent).parse().unwrap(), "{pod}");
    };
    has(&before, 10);
    let message = condition(&before, "PodResizePending").unwrap()["message"].clone();
    assert!(
        message
            .as_str()
            .unwrap()
            .starts_with("Node didn't have enough resource: cpu, requested: "),
        "{message}"
    );

    cluster.kill();
    cluster.restart();
    // It says something that it could not have said before.
    cluster.run("later", json!({
        "terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "args": ["sleep", "1000"]}],
    }));
    cluster.ready("later");
    has(&deferred(&cluster), 10);

    cluster.delete("q");
    let after = resized(&cluster, "p");
    has(&after, 50);
    assert_eq!(id(&after, "c"), id(&before, "c"));
    for name in ["p", "later"] {
        cluster.delete(name);
    }
    cluster.no_tasks().await;
    cluster.stop().await;
}
