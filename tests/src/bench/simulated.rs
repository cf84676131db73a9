//! Nodes that `kubelet --simulated N` makes, the same for both subjects, and Deployments whose pods run there.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::subject::ApiServer;
use crate::cluster::binary;
use crate::load::client::Target;
use crate::process::Process;

const LIMIT: Duration = Duration::from_secs(600);
/// Between two looks at one object: far below what is measured, and no load to speak of.
const PAUSE: Duration = Duration::from_millis(10);
/// Between two looks at all nodes, which are much to read.
const LONG_PAUSE: Duration = Duration::from_millis(250);

/// Starts so many nodes and waits until all are Ready.
pub async fn nodes(server: &ApiServer, count: usize, directory: &Path) -> io::Result<Process> {
    let mut command = Command::new(binary("kubelet"));
    command.arg("--kubeconfig").arg(server.admin());
    command.args(["--simulated", &count.to_string()]);
    let process = Process::start("kubelet-simulated", directory, command)?;
    let ready = |node: &&Value| {
        let conditions = node["status"]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        conditions.any(|c| c["type"] == "Ready" && c["status"] == "True")
    };
    let all = |list: &Value| {
        let items = list["items"].as_array();
        items.into_iter().flatten().filter(ready).count() == count
    };
    let path = "/api/v1/nodes?resourceVersion=0";
    let (target, begun) = (&server.target, Instant::now());
    until("all nodes are ready", target, path, begun, LONG_PAUSE, all).await?;
    Ok(process)
}

/// Makes a Deployment and gives the time until all of its pods are available.
pub async fn roll_out(
    target: &Target,
    namespace: &str,
    name: &str,
    replicas: usize,
) -> io::Result<Duration> {
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
    let body = deployment(name, replicas).to_string();
    let mut connection = target.connect().await?;
    let begun = Instant::now();
    connection
        .expect(Method::POST, &path, "application/json", body.into())
        .await?;
    let path = format!("{path}/{name}");
    let all = |deployment: &Value| deployment["status"]["availableReplicas"] == replicas;
    until("all pods are available", target, &path, begun, PAUSE, all).await
}

fn deployment(name: &str, replicas: usize) -> Value {
    let labels = json!({"app": name});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{
                    "name": "web", "image": "web:1", "resources": {"requests": {"cpu": "100m", "memory": "100Mi"}},
                }]},
            },
        },
    })
}

/// Reads the path again and again until it is as wanted; the time since `begun`.
async fn until(
    what: &str,
    target: &Target,
    path: &str,
    begun: Instant,
    pause: Duration,
    wanted: impl Fn(&Value) -> bool,
) -> io::Result<Duration> {
    let mut connection = target.connect().await?;
    while begun.elapsed() < LIMIT {
        if wanted(&connection.get_json(path).await?) {
            return Ok(begun.elapsed());
        }
        tokio::time::sleep(pause).await;
    }
    Err(io::Error::other(format!("{what}: not within {LIMIT:?}")))
}
