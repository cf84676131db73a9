//! What a cluster begins with: namespaces, priority classes, roles and bindings, the Service `kubernetes`, what aggregated
//! servers must know to trust this one, and since when tokens in Secrets are tracked.
//!
//! Everything is made through the public API, in this server's own name, and only if it is missing: what people changed stays.
//! Roles and bindings of an earlier release get what they lack.

mod cluster;
mod policy;
mod reconcile;

use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde_json::{Value, json};
use tower::ServiceExt;

pub use cluster::ClusterInfo;

use crate::chain::{ApiServer, InProcess};
use crate::identity::{Identity, MASTERS};
use crate::view::View;

/// In whose name the server acts.
const SELF: &str = "system:apiserver";
const JSON: &str = "application/json";
/// How many objects are made at a time.
const PARALLEL: usize = 32;
/// The namespaces that are always there.
pub const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// An object that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {message}")]
pub struct BootstrapError {
    /// Where it was to be made.
    pub path: String,
    /// What the server said.
    pub message: String,
}

/// One object to begin with.
pub struct Seed {
    /// The collection's path.
    path: String,
    /// Where it stands in the log: to tell whether it is there already.
    prefix: &'static str,
    key: String,
    object: Value,
}

impl Seed {
    fn new(path: impl Into<String>, prefix: &'static str, object: Value) -> Seed {
        let metadata = &object["metadata"];
        let name = metadata["name"].as_str().unwrap_or_default();
        let key = match metadata["namespace"].as_str() {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name.to_owned(),
        };
        Seed {
            path: path.into(),
            prefix,
            key,
            object,
        }
    }
}

/// Makes what is missing, as of `now`.
///
/// # Errors
/// The first object that is refused for another reason than that it is there.
pub async fn ensure(
    server: &ApiServer,
    view: &View,
    cluster: Option<&ClusterInfo>,
    now: Timestamp,
) -> Result<(), BootstrapError> {
    let caller = in_own_name(server);
    // Namespaces first: the others stand in them.
    make_all(&caller, view, NAMESPACES.map(namespace).into()).await?;
    let mut seeds = policy::seeds();
    seeds.extend(priority_classes());
    seeds.push(token_tracking(now));
    seeds.extend(cluster.into_iter().flat_map(ClusterInfo::seeds));
    make_all(&caller, view, seeds).await
}

/// The server as its own client.
pub(crate) fn in_own_name(server: &ApiServer) -> InProcess {
    server.in_process(Identity::user(SELF, [MASTERS]))
}

async fn make_all(caller: &InProcess, view: &View, seeds: Vec<Seed>) -> Result<(), BootstrapError> {
    let mut made = futures::stream::iter(seeds)
        .map(|seed| make(caller.clone(), view, seed))
        .buffer_unordered(PARALLEL);
    while let Some(result) = made.next().await {
        result?;
    }
    Ok(())
}

async fn make(caller: InProcess, view: &View, seed: Seed) -> Result<(), BootstrapError> {
    let there = view
        .collection(seed.prefix)
        .is_some_and(|collection| collection.get(&seed.key).is_some());
    if !there {
        send(&caller, Method::POST, &seed.path, JSON, Some(&seed.object)).await?;
    } else if policy::PREFIXES.contains(&seed.prefix) {
        let name = seed.object["metadata"]["name"].as_str().unwrap_or_default();
        let path = format!("{}/{name}", seed.path);
        let stored = send(&caller, Method::GET, &path, JSON, None).await?;
        if let Some(new) = reconcile::completed(&stored, &seed.object) {
            send(&caller, Method::PUT, &path, JSON, Some(&new)).await?;
        }
    }
    Ok(())
}

/// Sends a request; what is answered. Another server of the cluster that was faster has done it as well.
///
/// # Errors
/// If it is refused.
pub(crate) async fn send(
    caller: &InProcess,
    method: Method,
    path: &str,
    content_type: &str,
    object: Option<&Value>,
) -> Result<Value, BootstrapError> {
    let failed = |message: String| BootstrapError {
        path: path.to_owned(),
        message,
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::CONTENT_TYPE, content_type)
        // Who owns their fields, as with upstream's.
        .header(http::header::USER_AGENT, "kube-apiserver")
        .body(object.map_or_else(Body::empty, |object| Body::from(object.to_string())))
        .map_err(|e| failed(e.to_string()))?;
    let Ok(response) = caller.clone().oneshot(request).await;
    let code = response.status();
    let body: Bytes = response
        .into_body()
        .collect()
        .await
        .map(|b| b.to_bytes())
        .unwrap_or_default();
    if code != StatusCode::CONFLICT && !code.is_success() {
        return Err(failed(String::from_utf8_lossy(&body).into_owned()));
    }
    serde_json::from_slice(&body).map_err(|e| failed(e.to_string()))
}

fn namespace(name: &str) -> Seed {
    Seed::new(
        "/api/v1/namespaces",
        "namespaces/",
        json!({ "metadata": { "name": name } }),
    )
}

/// Since when the use of service account tokens kept in Secrets is recorded. Such tokens are not accepted here, so that the
/// record is complete from the first day; upstream's controllers ask for it before they clean unused ones away.
fn token_tracking(now: Timestamp) -> Seed {
    let object = json!({
        "metadata": {
            "name": "kube-apiserver-legacy-service-account-token-tracking",
            "namespace": "kube-system",
        },
        "data": { "since": now.strftime("%Y-%m-%d").to_string() },
    });
    Seed::new(
        "/api/v1/namespaces/kube-system/configmaps",
        "configmaps/",
        object,
    )
}

fn priority_classes() -> impl Iterator<Item = Seed> {
    let classes = [
        (
            "system-node-critical",
            2_000_001_000_i64,
            "For pods that a node cannot do without, and that run nowhere else.",
        ),
        (
            "system-cluster-critical",
            2_000_000_000,
            "For pods that the cluster cannot do without, on whichever node.",
        ),
    ];
    classes.into_iter().map(|(name, value, description)| {
        let object =
            json!({ "metadata": { "name": name }, "value": value, "description": description });
        Seed::new(
            "/apis/scheduling.k8s.io/v1/priorityclasses",
            "priorityclasses/",
            object,
        )
    })
}
