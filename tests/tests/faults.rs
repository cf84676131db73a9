//! `kill -9` of each process in turn, and of all at once, in the midst of writes and a rollout: whatever was acknowledged is
//! there afterwards, no container notices, and the rollout completes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use e2e::cluster::{Cluster, SHAPES, Shape};
use e2e::load::client::{Connection, Target};
use e2e::load::objects::config_map;
use e2e::wait;
use http::{Method, StatusCode};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests/hello.yaml");
const NAMESPACE: &str = "writes";
/// Writes from the first fault to the last, at least.
const WRITES: usize = 1_000;
const WRITERS: usize = 4;
/// A line every two milliseconds, for longer than the test lasts.
const COUNTER: [&str; 3] = ["count", "10000000", "2000"];
const PACE: Duration = Duration::from_millis(10);
/// Leases of killed leaders run out within 15 s, nodes are told lost after 50 s.
const LIMIT: Duration = Duration::from_secs(60);

/// Writers of ConfigMaps that go on until they are stopped, whatever happens to the server.
struct Writers {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    acknowledged: Arc<Mutex<BTreeSet<String>>>,
    thread: std::thread::JoinHandle<()>,
}

impl Writers {
    fn start(admin: &Path) -> Self {
        let target = Target::from_kubeconfig(admin).unwrap();
        let (stop, count) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let acknowledged = Arc::<Mutex<BTreeSet<String>>>::default();
        let shared = (stop.clone(), count.clone(), acknowledged.clone());
        let thread = std::thread::spawn(move || {
            let (stop, count, acknowledged) = shared;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let write = async |writer: usize| {
                let mut connection = None;
                let mut turn = 0;
                while !stop.load(Ordering::Relaxed) {
                    let name = format!("w{writer}-{turn}");
                    // A create without an answer is neither done nor refused: the next name is tried.
                    turn += 1;
                    match create(&target, &mut connection, &name).await {
                        Ok(StatusCode::CREATED) => {
                            acknowledged.lock().unwrap().insert(name);
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        // Its store may be away: a refusal, which clients try again.
                        Ok(status) => assert!(
                            status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS,
                            "{name}: {status}"
                        ),
                        Err(_) => connection = None,
                    }
                    tokio::time::sleep(PACE).await;
                }
            };
            runtime.block_on(async {
                let tasks: [_; WRITERS] = std::array::from_fn(write);
                let [a, b, c, d] = tasks;
                tokio::join!(a, b, c, d);
            });
        });
        Self {
            stop,
            count,
            acknowledged,
            thread,
        }
    }

    /// Waits until `more` further writes were acknowledged.
    fn progress(&self, more: usize) {
        let goal = self.count.load(Ordering::Relaxed) + more;
        wait::until("writes go on", LIMIT, || {
            let count = self.count.load(Ordering::Relaxed);
            if count >= goal {
                Ok(())
            } else {
                Err(format!("{count} of {goal}"))
            }
        });
    }

    /// Ends them; the names that the server said it had stored.
    fn finish(self) -> BTreeSet<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        std::mem::take(&mut *self.acknowledged.lock().unwrap())
    }
}

async fn create(
    target: &Target,
    connection: &mut Option<Connection>,
    name: &str,
) -> std::io::Result<StatusCode> {
    let request = async {
        if connection.is_none() {
            *connection = Some(target.connect().await?);
        }
        let open = connection
            .as_mut()
            .ok_or_else(|| std::io::Error::other("closed"))?;
        let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
        let body = config_map(NAMESPACE, name).into();
        Ok(open
            .call(Method::POST, &path, "application/json", body)
            .await?
            .0)
    };
    tokio::time::timeout(Duration::from_secs(5), request)
        .await
        .map_err(std::io::Error::other)?
}

/// Pid and start time (in ticks since boot) of the process of each pod of hello, by the pod's name.
fn processes(cluster: &Cluster) -> BTreeMap<String, (i32, String)> {
    let mut found = BTreeMap::new();
    let cgroup = format!("/{}/", cluster.node);
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let read =
            |file: &str| std::fs::read_to_string(entry.path().join(file)).unwrap_or_default();
        if !read("cgroup").contains(&cgroup) {
            continue;
        }
        let environment = read("environ");
        let pod = environment
            .split('\0')
            .find_map(|variable| variable.strip_prefix("POD_NAME="));
        let stat = read("stat");
        // The fields after the name in parentheses begin with the third.
        let started = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(19));
        if let (Some(pod), Some(started)) = (pod, started) {
            found.insert(pod.to_owned(), (pid, started.to_owned()));
        }
    }
    found
}

/// The pid of the containerd that this cluster started.
fn containerd(cluster: &Cluster) -> Result<i32, String> {
    let directory = cluster.directory().join("data/kubelet/containerd");
    let text = std::fs::read_to_string(directory.join("pid")).map_err(|error| error.to_string())?;
    let pid = text.trim().parse().map_err(|_| text.clone())?;
    let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline"))
        .map_err(|error| format!("containerd, {pid}: {error}"))?;
    let ours = directory.to_string_lossy();
    if command.contains(&*ours) {
        Ok(pid)
    } else {
        Err(format!("{pid} is {command}"))
    }
}

fn kill_containerd(cluster: &Cluster) {
    let pid = containerd(cluster).unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    wait::until("containerd ends", LIMIT, || match containerd(cluster) {
        Ok(pid) if Path::new(&format!("/proc/{pid}/exe")).exists() => Err("it is there"),
        _ => Ok(()),
    });
}

/// A pod that says one number after the other, and is known by its name as those of hello are.
fn count(cluster: &Cluster) {
    let payload = e2e::payload::payload().unwrap();
    cluster.load(&payload, "gantry.local/payload:1").unwrap();
    let pod = serde_json::json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "counter", "namespace": "hello"},
        "spec": {"containers": [{
            "name": "c", "image": "gantry.local/payload:1", "imagePullPolicy": "Never", "args": COUNTER,
            "env": [{"name": "POD_NAME", "value": "counter"}],
        }]},
    });
    let file = cluster.directory().join("counter.json");
    std::fs::write(&file, pod.to_string()).unwrap();
    cluster
        .kubectl(&["create", "-f", file.to_str().unwrap()])
        .unwrap();
    let ready = [
        "wait",
        "--for=condition=Ready",
        "pod/counter",
        "-n",
        "hello",
    ];
    cluster.kubectl(&ready).unwrap();
}

/// The counter's log up to now must be all numbers from 0 on; how many.
fn counted(cluster: &Cluster, after: &str) -> usize {
    let log = wait::until("the log is served", LIMIT, || {
        cluster.kubectl(&["logs", "-n", "hello", "counter"])
    });
    for (at, line) in log.lines().enumerate() {
        assert_eq!(line, at.to_string(), "the log after kill -9 of {after}");
    }
    log.lines().count()
}

/// Waits until the changed Deployment is all new and all available.
fn rolled_out(cluster: &Cluster, text: &str) {
    wait::until("the rollout completes", LIMIT, || {
        let said =
            cluster.kubectl(&["get", "deployment", "rolling", "-n", "hello", "-o", "json"])?;
        let object: serde_json::Value =
            serde_json::from_str(&said).map_err(|error| error.to_string())?;
        let status = &object["status"];
        let is = |field: &str| status[field] == object["spec"]["replicas"];
        let new = object["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] == text;
        let seen = status["observedGeneration"] == object["metadata"]["generation"];
        if new && seen && is("replicas") && is("updatedReplicas") && is("availableReplicas") {
            Ok(())
        } else {
            Err(status.to_string())
        }
    });
}

fn strike(cluster: &mut Cluster, victims: &[&str]) {
    for victim in victims {
        match *victim {
            "containerd" => kill_containerd(cluster),
            "etcd" => cluster.etcd.as_mut().unwrap().kill().unwrap(),
            name => cluster.process(name).unwrap().kill().unwrap(),
        }
    }
    for victim in victims {
        match *victim {
            // Whoever started it has to see to it.
            "containerd" => (),
            "etcd" => cluster.etcd.as_mut().unwrap().restart().unwrap(),
            name => cluster.launch(name).unwrap(),
        }
    }
}

fn survives(shape: Shape) {
    let mut cluster = Cluster::start(shape).unwrap();
    cluster.load_hello().unwrap();
    for args in [
        &["create", "namespace", NAMESPACE][..],
        &["apply", "-f", MANIFEST],
        &[
            "create",
            "deployment",
            "rolling",
            "-n",
            "hello",
            "--image=gantry.local/hello:1",
            "--replicas=4",
        ],
        &[
            "set",
            "env",
            "-n",
            "hello",
            "deployment/rolling",
            "TEXT=start",
        ],
        &[
            "rollout",
            "status",
            "-n",
            "hello",
            "deployment/hello",
            "--timeout=60s",
        ],
    ] {
        cluster.kubectl(args).unwrap();
    }
    rolled_out(&cluster, "start");
    count(&cluster);
    let before = processes(&cluster);
    assert_eq!(before.len(), 4, "{before:?}");

    let mut each = cluster.components().to_vec();
    if cluster.etcd.is_some() {
        each.push("etcd");
    }
    each.push("containerd");
    let mut rounds: Vec<Vec<&str>> = each.iter().map(|victim| vec![*victim]).collect();
    rounds.push(each);

    let writers = Writers::start(&cluster.admin);
    let share = WRITES / (2 * rounds.len()) + 1;
    let mut lines = counted(&cluster, "nobody");
    for victims in rounds {
        let text = victims.join("-");
        writers.progress(share);
        cluster
            .kubectl(&[
                "set",
                "env",
                "-n",
                "hello",
                "deployment/rolling",
                &format!("TEXT={text}"),
            ])
            .unwrap();
        strike(&mut cluster, &victims);
        writers.progress(share);
        rolled_out(&cluster, &text);
        assert_eq!(processes(&cluster), before, "after kill -9 of {text}");
        let more = counted(&cluster, &text);
        assert!(more > lines, "nothing was logged after kill -9 of {text}");
        lines = more;
        wait::until("containerd runs", LIMIT, || containerd(&cluster));
    }
    let acknowledged = writers.finish();
    assert!(acknowledged.len() >= WRITES, "{}", acknowledged.len());
    let stored = cluster
        .kubectl(&[
            "get",
            "configmaps",
            "-n",
            NAMESPACE,
            "-o",
            "jsonpath={.items[*].metadata.name}",
        ])
        .unwrap();
    let stored: BTreeSet<String> = stored.split_whitespace().map(str::to_owned).collect();
    let lost: Vec<&String> = acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "acknowledged and gone: {lost:?}");
    let restarts = "jsonpath={.items[*].status.containerStatuses[*].restartCount}";
    let restarts = cluster
        .kubectl(&["get", "pods", "-n", "hello", "-o", restarts])
        .unwrap();
    assert!(
        restarts.split_whitespace().all(|count| count == "0"),
        "{restarts}"
    );
    println!("\nSHAPE {shape:?}");
}

#[test]
fn kill_of_any_process_loses_nothing_and_stops_no_container_in_both_shapes() {
    if !e2e::is_root() {
        return e2e::skip("faults", "containers need root");
    }
    for shape in SHAPES {
        survives(shape);
    }
}
