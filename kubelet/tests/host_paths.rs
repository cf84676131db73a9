//! What of the node's own files pods see, and what of them is left when the pods are gone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may, and waits for real processes"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::{Value, json};
use support::cluster::{Cluster, Launch};

/// A container that has the volume `v` at /v, with what else its mount is told.
fn container(args: &[&str], mut with: Value) -> Value {
    with["name"] = "v".into();
    with["mountPath"] = "/v".into();
    json!({"name": "c", "args": args, "volumeMounts": [with]})
}

fn spec(container: &Value, path: &Path) -> Value {
    json!({
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": [{"name": "v", "hostPath": {"path": path}}],
    })
}

/// Where mounts are whose place contains `part`.
fn mounted(part: &str) -> usize {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let places = table.lines().filter_map(|line| line.split(' ').nth(4));
    places.filter(|place| place.contains(part)).count()
}

async fn restart(cluster: &Cluster, pod: &str) {
    let count = || cluster.pod(pod)["status"]["containerStatuses"][0]["restartCount"].as_u64();
    let before = count().unwrap();
    let containerd = cluster.containerd().await;
    let [(id, _)] = &cluster.tasks().await[..] else {
        panic!("one container runs");
    };
    containerd.kill_task(id, "", 9, true).await.unwrap();
    cluster.until("it was restarted", || {
        count().filter(|count| *count > before)
    });
    cluster.ready(pod);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_files_outlive_the_pod_also_where_the_kubelets_directory_is_a_link() {
    skip_without_containerd!();
    let cluster = Cluster::start_with(|dir| {
        fs::create_dir(dir.join("disk")).unwrap();
        std::os::unix::fs::symlink(dir.join("disk"), dir.join("kubelet")).unwrap();
        Launch::default()
    })
    .await;
    let host = tempfile::tempdir().unwrap();
    let host = host.path();
    let precious = host.join("data/precious");
    fs::create_dir_all(host.join("data")).unwrap();
    fs::write(&precious, "precious\n").unwrap();
    let says = ["cat", "/v/precious", "then", "sleep", "1000"];
    let part = spec(&container(&says, json!({"subPath": "data"})), host);
    cluster.run("part", part.clone());
    let uid = cluster.ready("part")["metadata"]["uid"].clone();
    cluster.until("it says what it sees", || {
        (cluster.logs(&["part"]) == "precious\n").then_some(())
    });
    restart(&cluster, "part").await;
    // Bound once for both attempts.
    let subpaths = format!("{}/volume-subpaths", uid.as_str().unwrap());
    assert_eq!(mounted(&subpaths), 1);
    cluster.delete("part");
    let dir = cluster.machine.path().join("disk/pods");
    cluster.until("its directory is gone", || {
        (!dir.join(uid.as_str().unwrap()).exists()).then_some(())
    });
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious\n");

    // What is missing is made when a container starts, not while it runs.
    let missing = cluster.machine.path().join("missing");
    cluster.run(
        "maker",
        spec(&container(&["sleep", "1000"], json!({})), &missing),
    );
    cluster.ready("maker");
    fs::remove_dir(&missing).unwrap();
    // Volumes are looked at each second.
    std::thread::sleep(Duration::from_secs(3));
    assert!(!missing.exists());
    restart(&cluster, "maker").await;
    assert!(missing.exists());
    cluster.delete("maker");

    // Nor does it go with all that the kubelet made.
    cluster.run("part", part);
    cluster.ready("part");
    cluster.stop().await;
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious\n");
}

/// A file system in which mounts propagate; it goes with all that is mounted in it.
struct SharedMount(PathBuf);

impl SharedMount {
    fn at(path: PathBuf) -> Self {
        let none = None::<&str>;
        fs::create_dir(&path).unwrap();
        mount(Some("none"), &path, Some("tmpfs"), MsFlags::empty(), none).unwrap();
        let shared = Self(path);
        mount(none, &shared.0, none, MsFlags::MS_SHARED, none).unwrap();
        shared
    }
}

impl Drop for SharedMount {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_mounted_later_gets_out_of_one_container_and_into_another() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    let shared = SharedMount::at(cluster.machine.path().join("shared"));
    fs::create_dir(shared.0.join("inner")).unwrap();
    let propagation = |mode: &str| json!({"mountPropagation": mode});
    let sees = [
        "until",
        "/v/inner/file",
        "then",
        "say",
        "seen",
        "then",
        "sleep",
        "1000",
    ];
    let sees = container(&sees, propagation("HostToContainer"));
    cluster.run("sees", spec(&sees, &shared.0));
    cluster.ready("sees");
    let mounts = [
        "mount",
        "/v/inner",
        "then",
        "write",
        "/v/inner/file",
        "x",
        "then",
        "sleep",
        "1000",
    ];
    let mut mounts = container(&mounts, propagation("Bidirectional"));
    mounts["securityContext"] = json!({"privileged": true});
    cluster.run("mounts", spec(&mounts, &shared.0));
    cluster.until("the host has the file", || {
        shared.0.join("inner/file").exists().then_some(())
    });
    cluster.until("the other container has it", || {
        (cluster.logs(&["sees"]) == "seen\n").then_some(())
    });
    // Where it would be for nothing, that is said.
    let private = cluster.machine.path().join("private");
    fs::create_dir(&private).unwrap();
    mount(
        Some(&private),
        &private,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .unwrap();
    let _private = SharedMount(private.clone());
    mount(
        None::<&str>,
        &private,
        None::<&str>,
        MsFlags::MS_PRIVATE,
        None::<&str>,
    )
    .unwrap();
    cluster.run("cannot", spec(&mounts, &private));
    let status = cluster.waiting("cannot", "CreateContainerError");
    let message = status["state"]["waiting"]["message"].as_str().unwrap();
    assert!(
        message.ends_with("but it is not a shared mount"),
        "{message}"
    );
    for name in ["sees", "mounts", "cannot"] {
        cluster.delete(name);
    }
    cluster.stop().await;
}
