//! `gantry up` as its users meet it: from the start to pods that run, and then at rest.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{Size, megabytes, milliseconds};
use crate::bench::figures::Figures;
use crate::bench::subject::{Subject, ready};
use crate::bench::{poll, procfs};
use crate::cluster::{Cluster, Shape};
use crate::load::client::{Connection, Target};
use crate::load::timing::Latencies;

const PODS: &str = "/api/v1/namespaces/default/pods";
const JSON: &str = "application/json";
const LIMIT: Duration = Duration::from_secs(60);

pub async fn run(size: Size, figures: &mut Figures) -> io::Result<()> {
    let mut add = |name: &str, figure: f64| figures.add(Subject::Gantry, name, figure);
    let mut cluster = blocking(|| Cluster::prepare(Shape::OneProcess))?;
    let begun = Instant::now();
    cluster.launch("gantry")?;
    ready(&cluster.admin, begun).await?;
    let target = Target::from_kubeconfig(&cluster.admin)?;
    add(
        "node-ready",
        milliseconds(node_ready(&target, &cluster.node, begun).await?),
    );
    blocking(|| cluster.load_hello()).map_err(io::Error::other)?;

    let mut started = Latencies::default();
    for number in 0..=size.started {
        let took = start_pods(&target, &format!("single-{number}-"), 1).await?;
        // The first one finds caches cold that only a restart empties.
        if number > 0 {
            started.add(took);
        }
    }
    add("pod-p50", milliseconds(started.quantile(0.5)));
    add("pod-p99", milliseconds(started.quantile(0.99)));
    add(
        "pods-30",
        milliseconds(start_pods(&target, "many-", 30).await?),
    );

    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/hello.yaml");
    blocking(|| {
        cluster.ctl(&["apply", "-f", &sample.to_string_lossy()])?;
        cluster.ctl(&["rollout", "status", "deployment/hello", "-n", "hello"])
    })
    .map_err(io::Error::other)?;
    let half = Duration::from_secs_f64(size.idle / 2.0);
    tokio::time::sleep(half).await;
    let pid = cluster.process("gantry").map_or(0, |process| process.pid());
    let used = procfs::processor(pid)?;
    tokio::time::sleep(half).await;
    let used = procfs::processor(pid)?.saturating_sub(used);
    add("idle-cpu", used.as_secs_f64() / half.as_secs_f64() * 100.0);
    let memory = procfs::memory(pid)?;
    add("idle-anon", megabytes(memory.anonymous));
    add("idle-rss", megabytes(memory.resident));

    if let Some(process) = cluster.process("gantry") {
        blocking(|| process.terminate(Duration::from_secs(10)))?;
    }
    let begun = Instant::now();
    cluster.launch("gantry")?;
    ready(&cluster.admin, begun).await?;
    start_pods(&Target::from_kubeconfig(&cluster.admin)?, "first-", 1).await?;
    add("first-pod", milliseconds(begun.elapsed()));
    blocking(|| drop(cluster));
    Ok(())
}

/// Runs what waits in the manner of threads.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

async fn node_ready(target: &Target, node: &str, begun: Instant) -> io::Result<Duration> {
    poll::until("the node is Ready", begun, LIMIT, || async {
        let Ok(mut connection) = target.connect().await else {
            return false;
        };
        let Ok(answer) = connection.get(&format!("/api/v1/nodes/{node}"), JSON).await else {
            return false;
        };
        let node: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        let conditions = node["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        conditions
            .iter()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    })
    .await
}

/// Makes pods, gives the time until all of them run, and takes them away again.
async fn start_pods(target: &Target, prefix: &str, count: usize) -> io::Result<Duration> {
    let (mut connection, mut watching) = (target.connect().await?, target.connect().await?);
    let list = connection.get_json(&format!("{PODS}?limit=1")).await?;
    let version = list["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_default();
    let path =
        format!("{PODS}?watch=true&labelSelector=bench%3D{prefix}x&resourceVersion={version}");
    let mut events = Events::of(
        watching
            .send(Method::GET, &path, JSON, Bytes::new())
            .await?
            .into_body(),
    );
    let begun = Instant::now();
    for number in 0..count {
        create(&mut connection, prefix, number, begun).await?;
    }
    let mut running = std::collections::BTreeSet::new();
    while running.len() < count {
        let pod = events.next().await?;
        if pod["status"]["phase"] == "Running" {
            running.insert(
                pod["metadata"]["name"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            );
        }
    }
    let took = begun.elapsed();
    let gone = format!("{PODS}?labelSelector=bench%3D{prefix}x&gracePeriodSeconds=0");
    connection
        .expect(Method::DELETE, &gone, JSON, Bytes::new())
        .await?;
    Ok(took)
}

/// Makes one pod; the account that it needs may be still to come.
async fn create(
    connection: &mut Connection,
    prefix: &str,
    number: usize,
    begun: Instant,
) -> io::Result<()> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("{prefix}{number}"), "labels": {"bench": format!("{prefix}x")}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [{
            "name": "main", "image": "gantry.local/hello:1", "imagePullPolicy": "Never",
        }]},
    });
    loop {
        match connection
            .call(Method::POST, PODS, JSON, pod.to_string().into())
            .await?
        {
            (status, _) if status.is_success() => return Ok(()),
            (StatusCode::FORBIDDEN, _) if begun.elapsed() < LIMIT => {
                tokio::time::sleep(Duration::from_millis(1)).await
            }
            (status, _) => return Err(io::Error::other(format!("a pod was refused: {status}"))),
        }
    }
}

/// The objects of a watch's events.
struct Events {
    body: Incoming,
    read: Vec<u8>,
}

impl Events {
    fn of(body: Incoming) -> Self {
        Self {
            body,
            read: Vec::new(),
        }
    }

    async fn next(&mut self) -> io::Result<Value> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                let mut event: Value = serde_json::from_slice(&line)?;
                return Ok(event["object"].take());
            }
            let frame = tokio::time::timeout(LIMIT, self.body.frame()).await;
            let Ok(Some(Ok(frame))) = frame else {
                return Err(io::Error::other(format!("no event within {LIMIT:?}")));
            };
            self.read
                .extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        }
    }
}
