//! The rows of the benchmark: each puts one kind of load on a server for a bounded time or count.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt as _;

use super::client::Target;
use super::objects;
use super::timing::Latencies;

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// What one row found.
pub struct Outcome {
    /// Requests, deliveries or lists.
    pub count: usize,
    /// How long they took in all.
    pub elapsed: Duration,
    /// Latency of each request.
    pub latencies: Latencies,
}

impl Outcome {
    /// How many in a second.
    #[allow(clippy::cast_precision_loss, reason = "fewer than 2^53")]
    pub fn per_second(&self) -> f64 {
        self.count as f64 / self.elapsed.as_secs_f64()
    }
}

/// Makes the namespace of the load, and the account of its pods: no controller may be there that would.
pub async fn prepare(target: &Target, namespace: &str) -> io::Result<()> {
    let mut connection = target.connect().await?;
    let account = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
    for (path, object) in [
        ("/api/v1/namespaces", objects::namespace(namespace)),
        (&account, objects::service_account()),
    ] {
        connection
            .expect(Method::POST, path, JSON, object.into())
            .await?;
    }
    Ok(())
}

fn maps(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps")
}

/// Sends `request(turn)`, turn by turn, on so many connections until the time is over, or until there is none.
async fn closed_loop<F>(
    target: &Target,
    workers: usize,
    limit: Duration,
    request: F,
) -> io::Result<Outcome>
where
    F: Fn(usize) -> Option<(Method, String, Bytes)> + Send + Sync + 'static,
{
    let request = Arc::new(request);
    let turn = Arc::new(AtomicUsize::new(0));
    let mut connections = Vec::new();
    for _ in 0..workers {
        connections.push(target.connect().await?);
    }
    let start = Instant::now();
    let tasks: Vec<_> = connections
        .into_iter()
        .map(|mut connection| {
            let (request, turn) = (Arc::clone(&request), Arc::clone(&turn));
            tokio::spawn(async move {
                let mut latencies = Latencies::default();
                while start.elapsed() < limit {
                    let Some((method, path, body)) = request(turn.fetch_add(1, Ordering::Relaxed))
                    else {
                        break;
                    };
                    let sent = Instant::now();
                    let kind = if method == Method::PATCH {
                        MERGE_PATCH
                    } else {
                        JSON
                    };
                    connection.expect(method, &path, kind, body).await?;
                    latencies.add(sent.elapsed());
                }
                Ok::<_, io::Error>(latencies)
            })
        })
        .collect();
    let mut latencies = Latencies::default();
    for task in tasks {
        latencies.merge(task.await.map_err(io::Error::other)??);
    }
    Ok(Outcome {
        count: latencies.len(),
        elapsed: start.elapsed(),
        latencies,
    })
}

/// For as long as a row lasts that is bounded by time.
fn lasting(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// The limit of rows that are bounded by a count.
const PATIENCE: Duration = Duration::from_secs(900);

/// Durable creates of 1 KiB ConfigMaps.
pub async fn create(
    target: &Target,
    namespace: &str,
    name: &'static str,
    workers: usize,
    seconds: f64,
) -> io::Result<Outcome> {
    let (path, owned) = (maps(namespace), namespace.to_owned());
    closed_loop(target, workers, lasting(seconds), move |turn| {
        let object = objects::config_map(&owned, &format!("{name}-{turn}"));
        Some((Method::POST, path.clone(), object.into()))
    })
    .await
}

/// Fills the namespace with exactly so many objects for the rows that read.
pub async fn fill(target: &Target, namespace: &str, count: usize) -> io::Result<Outcome> {
    let (path, owned) = (maps(namespace), namespace.to_owned());
    closed_loop(target, 64, PATIENCE, move |turn| {
        let object = || objects::config_map(&owned, &format!("object-{turn}"));
        (turn < count).then(|| (Method::POST, path.clone(), object().into()))
    })
    .await
}

/// Makes the pods `pod-N` of a range, of which nothing runs; `namespace` must be prepared.
pub async fn fill_pods(
    target: &Target,
    namespace: &str,
    range: Range<usize>,
) -> io::Result<Outcome> {
    let (path, owned) = (
        format!("/api/v1/namespaces/{namespace}/pods"),
        namespace.to_owned(),
    );
    closed_loop(target, 64, PATIENCE, move |turn| {
        let number = range.start + turn;
        let object = || objects::pod(&owned, &format!("pod-{number}"));
        (number < range.end).then(|| (Method::POST, path.clone(), object().into()))
    })
    .await
}

/// Makes nodes `node-N` that can take pods, without kubelets.
pub async fn fill_nodes(target: &Target, count: usize) -> io::Result<()> {
    let create = move |turn| {
        let object = || objects::node(&format!("node-{turn}"));
        (turn < count).then(|| (Method::POST, "/api/v1/nodes".to_owned(), object().into()))
    };
    closed_loop(target, 64, PATIENCE, create).await?;
    // Admission puts a taint on new nodes, which a node controller would take off.
    closed_loop(target, 64, PATIENCE, move |turn| {
        let path = || format!("/api/v1/nodes/node-{turn}");
        let untainted = Bytes::from_static(br#"{"spec":{"taints":null}}"#);
        (turn < count).then(|| (Method::PATCH, path(), untainted))
    })
    .await?;
    Ok(())
}

/// Bindings of the pods of a range to nodes in turn.
pub async fn bind(
    target: &Target,
    namespace: &str,
    range: Range<usize>,
    nodes: usize,
    workers: usize,
) -> io::Result<Outcome> {
    let namespace = namespace.to_owned();
    closed_loop(target, workers, PATIENCE, move |turn| {
        let number = range.start + turn;
        let path = || format!("/api/v1/namespaces/{namespace}/pods/pod-{number}/binding");
        let object = || {
            objects::binding(
                &format!("pod-{number}"),
                &format!("node-{}", number % nodes),
            )
        };
        (number < range.end).then(|| (Method::POST, path(), object().into()))
    })
    .await
}

/// Updates of what [`fill`] made, whatever its resource version.
pub async fn update(
    target: &Target,
    namespace: &str,
    count: usize,
    seconds: f64,
) -> io::Result<Outcome> {
    let (path, owned) = (maps(namespace), namespace.to_owned());
    closed_loop(target, 64, lasting(seconds), move |turn| {
        let name = format!("object-{}", turn.wrapping_mul(7919) % count);
        let object = objects::config_map_touched(&owned, &name, turn);
        Some((Method::PUT, format!("{path}/{name}"), object.into()))
    })
    .await
}

/// Reads of single objects of those that [`fill`] made.
pub async fn get(
    target: &Target,
    namespace: &str,
    count: usize,
    seconds: f64,
) -> io::Result<Outcome> {
    let path = maps(namespace);
    closed_loop(target, 64, lasting(seconds), move |turn| {
        let path = format!("{path}/object-{}", turn.wrapping_mul(7919) % count);
        Some((Method::GET, path, Bytes::new()))
    })
    .await
}

/// Lists: whole, by page, or with a selector.
pub async fn list(
    target: &Target,
    namespace: &str,
    query: &'static str,
    workers: usize,
    seconds: f64,
) -> io::Result<Outcome> {
    let path = maps(namespace);
    closed_loop(target, workers, lasting(seconds), move |_| {
        Some((Method::GET, format!("{path}?{query}"), Bytes::new()))
    })
    .await
}

/// Deletes of what [`fill`] made.
pub async fn delete(target: &Target, namespace: &str, count: usize) -> io::Result<Outcome> {
    let path = maps(namespace);
    closed_loop(target, 64, PATIENCE, move |turn| {
        let path = || format!("{path}/object-{turn}");
        (turn < count).then(|| (Method::DELETE, path(), Bytes::new()))
    })
    .await
}

/// Deliveries to watchers while objects are updated.
pub async fn watch(
    target: &Target,
    namespace: &str,
    watchers: usize,
    updates: usize,
    objects: usize,
) -> io::Result<Outcome> {
    let path = maps(namespace);
    let delivered = Arc::new(AtomicUsize::new(0));
    let expected = watchers * updates;
    let mut readers = Vec::new();
    for _ in 0..watchers {
        let mut connection = target.connect().await?;
        // From the present on: a resourceVersion of the list that was just read.
        let list = connection.get_json(&format!("{path}?limit=1")).await?;
        let version = list["metadata"]["resourceVersion"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let uri = format!("{path}?watch=true&resourceVersion={version}&timeoutSeconds=600");
        let mut body = connection
            .send(Method::GET, &uri, JSON, Bytes::new())
            .await?
            .into_body();
        let delivered = Arc::clone(&delivered);
        readers.push(tokio::spawn(async move {
            let _open = connection;
            while let Some(Ok(frame)) = body.frame().await {
                let data = frame.data_ref().map_or(&[][..], |data| data);
                let events = data.iter().filter(|byte| **byte == b'\n').count();
                delivered.fetch_add(events, Ordering::Relaxed);
            }
        }));
    }
    let start = Instant::now();
    let writers: Vec<_> = (0..16)
        .map(|worker| {
            let (target, path) = (target.clone(), path.clone());
            tokio::spawn(async move {
                let mut connection = target.connect().await?;
                for turn in (worker..updates).step_by(16) {
                    let object = format!("{path}/object-{}", turn % objects);
                    connection
                        .expect(
                            Method::PATCH,
                            &object,
                            MERGE_PATCH,
                            objects::touch(turn).into(),
                        )
                        .await?;
                }
                Ok::<_, io::Error>(())
            })
        })
        .collect();
    for writer in writers {
        writer.await.map_err(io::Error::other)??;
    }
    let limit = Instant::now() + Duration::from_secs(60);
    while delivered.load(Ordering::Relaxed) < expected && Instant::now() < limit {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let elapsed = start.elapsed();
    let count = delivered.load(Ordering::Relaxed);
    for reader in &readers {
        reader.abort();
    }
    if count < expected {
        return Err(io::Error::other(format!(
            "watch: {count} of {expected} deliveries arrived within 60 s"
        )));
    }
    Ok(Outcome {
        count,
        elapsed,
        latencies: Latencies::default(),
    })
}
