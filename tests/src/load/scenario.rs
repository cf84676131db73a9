//! The rows of the benchmark: each puts one kind of load on a server for a bounded time or count.

use std::io;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use http::Method;

use super::client::Target;
use super::closed_loop::{JSON, Outcome, closed_loop};
use super::objects;

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

pub(super) fn maps(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps")
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

/// Reads of one path again and again.
pub async fn read(
    target: &Target,
    path: &str,
    workers: usize,
    seconds: f64,
) -> io::Result<Outcome> {
    let path = path.to_owned();
    closed_loop(target, workers, lasting(seconds), move |_| {
        Some((Method::GET, path.clone(), Bytes::new()))
    })
    .await
}

/// Creates of ConfigMaps whose names the server makes up: what a tool can send that knows only one request.
pub async fn create_unnamed(
    target: &Target,
    namespace: &str,
    workers: usize,
    seconds: f64,
) -> io::Result<Outcome> {
    let path = maps(namespace);
    let object = Bytes::from(objects::config_map_unnamed(namespace));
    closed_loop(target, workers, lasting(seconds), move |_| {
        Some((Method::POST, path.clone(), object.clone()))
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
