//! How long a Deployment takes until all its pods run: controllers, scheduler and API server together, on simulated nodes
//! ([`kubelet::simulated`], the same for both subjects), so that neither containers nor kubelets are what is measured.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::scheduling::start_scheduler;
use super::{Size, milliseconds};
use crate::bench::figures::Figures;
use crate::bench::subject::{ApiServer, Subject};
use crate::cluster::binary;
use crate::load::client::Target;
use crate::load::scenario;
use crate::net::free_port;
use crate::process::Process;
use crate::upstream;

const NAMESPACE: &str = "bench-rollout";
const LIMIT: Duration = Duration::from_secs(300);
/// Between two looks: far below what is measured, and no load to speak of.
const PAUSE: Duration = Duration::from_millis(10);

pub async fn run(subject: Subject, size: Size, figures: &mut Figures) -> io::Result<()> {
    let server = ApiServer::start(subject).await?;
    scenario::prepare(&server.target, NAMESPACE).await?;
    let directory = tempfile::tempdir()?;
    let _nodes = simulate(&server, size.nodes, directory.path())?;
    await_nodes(&server.target, size.nodes).await?;
    let _scheduler = start_scheduler(subject, &server, directory.path())?;
    let _controllers = start_controllers(subject, &server, directory.path())?;
    // One pod first: then every part works, and none is still starting.
    for (name, replicas) in [("first", 1), ("all", size.replicas)] {
        let begun = Instant::now();
        deploy(&server.target, name, replicas).await?;
        let took = await_available(&server.target, name, replicas, begun).await?;
        if name == "all" {
            figures.add(subject, "rollout-1k", milliseconds(took));
        }
    }
    Ok(())
}

fn simulate(server: &ApiServer, nodes: usize, directory: &Path) -> io::Result<Process> {
    let mut command = Command::new(binary("kubelet"));
    command.arg("--kubeconfig").arg(server.admin());
    command.args(["--simulated", &nodes.to_string()]);
    Process::start("kubelet-simulated", directory, command)
}

fn start_controllers(
    subject: Subject,
    server: &ApiServer,
    directory: &Path,
) -> io::Result<Process> {
    let (name, mut command) = match subject {
        Subject::Gantry => ("controllers", Command::new(binary("controllers"))),
        Subject::Upstream => {
            let name = "kube-controller-manager";
            let mut command = Command::new(upstream::binary(name)?);
            // Its client's limits off: 20 requests a second would be all that is measured.
            command.args(["--kube-api-qps", "100000", "--kube-api-burst", "100000"]);
            (name, command)
        }
    };
    command.arg("--kubeconfig").arg(server.admin());
    command.args(["--bind-address", "127.0.0.1", "--leader-elect=false"]);
    command.args(["--secure-port", &free_port()?.to_string()]);
    Process::start(name, directory, command)
}

/// Reads the path again and again until it is as wanted; the time since `begun`.
async fn until(
    what: &str,
    target: &Target,
    path: &str,
    begun: Instant,
    wanted: impl Fn(&Value) -> bool,
) -> io::Result<Duration> {
    let mut connection = target.connect().await?;
    while begun.elapsed() < LIMIT {
        if wanted(&connection.get_json(path).await?) {
            return Ok(begun.elapsed());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(io::Error::other(format!("{what}: not within {LIMIT:?}")))
}

async fn await_nodes(target: &Target, nodes: usize) -> io::Result<()> {
    let ready = |node: &&Value| {
        let conditions = node["status"]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        conditions.any(|c| c["type"] == "Ready" && c["status"] == "True")
    };
    let all = |list: &Value| {
        let items = list["items"].as_array();
        items.into_iter().flatten().filter(ready).count() == nodes
    };
    until(
        "all nodes are ready",
        target,
        "/api/v1/nodes",
        Instant::now(),
        all,
    )
    .await?;
    Ok(())
}

async fn deploy(target: &Target, name: &str, replicas: usize) -> io::Result<()> {
    let labels = json!({"app": name});
    let deployment = json!({
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
    });
    let mut connection = target.connect().await?;
    let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments");
    connection
        .expect(
            Method::POST,
            &path,
            "application/json",
            deployment.to_string().into(),
        )
        .await?;
    Ok(())
}

async fn await_available(
    target: &Target,
    name: &str,
    replicas: usize,
    begun: Instant,
) -> io::Result<Duration> {
    let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}");
    let all = |deployment: &Value| deployment["status"]["availableReplicas"] == replicas;
    until("all pods are available", target, &path, begun, all).await
}
