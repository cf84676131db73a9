//! How fast pods are bound that wait already when the scheduler starts.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt as _;
use tempfile::TempDir;

use super::Size;
use crate::bench::figures::Figures;
use crate::bench::subject::{ApiServer, Subject, ready};
use crate::cluster::binary;
use crate::load::client::Target;
use crate::load::scenario;
use crate::net::free_port;
use crate::process::Process;
use crate::upstream;

const NAMESPACE: &str = "bench-scheduling";
const LIMIT: Duration = Duration::from_secs(600);

pub async fn run(subject: Subject, size: Size, figures: &mut Figures) -> io::Result<()> {
    for (row, nodes) in [("schedule-1k", 1_000), ("schedule-5k", 5_000)] {
        // Upstream's takes minutes for as many as ours binds in seconds: its rate does not depend on their number.
        let pods = match subject {
            Subject::Gantry => size.scheduled,
            Subject::Upstream => size.scheduled.min(3_000),
        };
        let server = ApiServer::start(subject).await?;
        fill(&server.target, nodes, pods).await?;
        let directory = tempfile::tempdir()?;
        let scheduler = start_scheduler(subject, &server, directory.path())?;
        figures.add(subject, row, bindings(&server.target, pods).await?);
        drop(scheduler);
    }
    if subject == Subject::Gantry {
        figures.add(
            subject,
            "schedule-5k-one",
            in_one_process(size.scheduled).await?,
        );
    }
    Ok(())
}

async fn fill(target: &Target, nodes: usize, pods: usize) -> io::Result<()> {
    scenario::prepare(target, NAMESPACE).await?;
    scenario::fill_nodes(target, nodes).await?;
    scenario::fill_pods(target, NAMESPACE, 0..pods).await?;
    Ok(())
}

pub(super) fn start_scheduler(
    subject: Subject,
    server: &ApiServer,
    directory: &Path,
) -> io::Result<Process> {
    let kubeconfig = server.scheduler_kubeconfig()?;
    match subject {
        Subject::Gantry => {
            let mut command = Command::new(binary("scheduler"));
            command.arg("--kubeconfig").arg(kubeconfig);
            command.args(["--secure-port", "0", "--leader-elect=false"]);
            Process::start("scheduler", directory, command)
        }
        Subject::Upstream => {
            // Its client's limits off: 50 requests a second would be all that is measured.
            let config = serde_json::json!({
                "apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration",
                "leaderElection": {"leaderElect": false},
                "clientConnection": {"kubeconfig": kubeconfig, "qps": 100_000, "burst": 100_000},
            });
            let file = directory.join("scheduler.json");
            fs::write(&file, config.to_string())?;
            let mut command = Command::new(upstream::binary("kube-scheduler")?);
            command
                .arg("--config")
                .arg(file)
                .args(["--secure-port", "0"]);
            Process::start("kube-scheduler", directory, command)
        }
    }
}

/// The API server and the scheduler as one process, started on a store in which the pods wait already.
async fn in_one_process(pods: usize) -> io::Result<f64> {
    let directory = tempfile::Builder::new().prefix("gantry-bench-").tempdir()?;
    let start = |program: &str, port: u16, extra: &[&str]| {
        let mut command = Command::new(binary(program));
        command
            .args(extra)
            .arg("--data-dir")
            .arg(directory.path().join("data"));
        command.args([
            "--bind-address",
            "127.0.0.1",
            "--secure-port",
            &port.to_string(),
        ]);
        Process::start(program, directory.path(), command)
    };
    let port = free_port()?;
    let mut alone = start("apiserver", port, &[])?;
    fill(&await_ready(&directory).await?, 5_000, pods).await?;
    let ended = tokio::task::block_in_place(|| alone.terminate(Duration::from_secs(10)))?;
    ended.ok_or_else(|| io::Error::other("the API server did not end within 10 s"))?;
    let whole = start("gantry", port, &["up", "--disable-agent"])?;
    let rate = bindings(&await_ready(&directory).await?, pods).await?;
    drop(whole);
    Ok(rate)
}

async fn await_ready(directory: &TempDir) -> io::Result<Target> {
    let admin = directory.path().join("data/admin.conf");
    ready(&admin, Instant::now()).await?;
    Target::from_kubeconfig(&admin)
}

/// Bindings a second, from the first to the last: each makes a pod appear to a watch of pods that have a node.
#[allow(clippy::cast_precision_loss, reason = "fewer than 2^53 pods")]
async fn bindings(target: &Target, pods: usize) -> io::Result<f64> {
    let mut connection = target.connect().await?;
    let path = format!(
        "/api/v1/namespaces/{NAMESPACE}/pods?watch=true&fieldSelector=spec.nodeName!%3D&timeoutSeconds=900"
    );
    let mut body = connection
        .send(Method::GET, &path, "application/json", Bytes::new())
        .await?
        .into_body();
    let (mut bound, mut first) = (0, None);
    let asked = Instant::now();
    while bound < pods {
        let frame = tokio::time::timeout(LIMIT.saturating_sub(asked.elapsed()), body.frame());
        let Ok(Some(Ok(frame))) = frame.await else {
            return Err(io::Error::other(format!(
                "{bound} of {pods} pods were bound"
            )));
        };
        let begun = *first.get_or_insert_with(Instant::now);
        bound += frame
            .data_ref()
            .map_or(0, |data| data.iter().filter(|byte| **byte == b'\n').count());
        if bound >= pods {
            return Ok(bound as f64 / begun.elapsed().as_secs_f64());
        }
    }
    Err(io::Error::other("no pods are to be bound"))
}
