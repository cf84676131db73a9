//! How fast pods are bound that wait already when the scheduler starts.

use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tempfile::TempDir;

use super::Size;
use crate::bench::control_plane::start_scheduler;
use crate::bench::figures::Figures;
use crate::bench::subject::{ApiServer, Subject, ready};
use crate::cluster::binary;
use crate::load::client::{Connection, Target};
use crate::load::scenario;
use crate::net::free_port;
use crate::process::Process;

const NAMESPACE: &str = "bench-scheduling";
/// Until the first pod is bound.
const LIMIT: Duration = Duration::from_secs(60);
/// From then on: what is bound by then is enough for a rate, whether all were or not.
const ENOUGH: Duration = Duration::from_secs(20);

/// Takes the stage's rows.
pub async fn run(subject: Subject, size: Size, figures: &mut Figures) -> io::Result<()> {
    for (row, nodes, pods) in [
        ("schedule-1k", 1_000, size.scheduled / 5),
        ("schedule-5k", 5_000, size.scheduled),
    ] {
        figures.add(subject, row, rate(subject, nodes, pods).await?);
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

/// Bindings a second of a scheduler that starts when so many pods wait for so many nodes, which nothing but the store knows of.
pub async fn rate(subject: Subject, nodes: usize, pods: usize) -> io::Result<f64> {
    let server = ApiServer::start(subject).await?;
    fill(&server.target, nodes, pods).await?;
    let directory = tempfile::tempdir()?;
    let scheduler = start_scheduler(subject, &server, directory.path())?;
    let rate = bindings(&server.target, pods).await;
    drop(scheduler);
    rate
}

async fn fill(target: &Target, nodes: usize, pods: usize) -> io::Result<()> {
    scenario::prepare(target, NAMESPACE).await?;
    scenario::fill_nodes(target, nodes).await?;
    scenario::fill_pods(target, NAMESPACE, 0..pods).await?;
    Ok(())
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

/// Bindings a second, from the first to the last, or for [`ENOUGH`]: each makes a pod appear to a watch of pods that have a node.
#[allow(clippy::cast_precision_loss, reason = "fewer than 2^53 pods")]
async fn bindings(target: &Target, pods: usize) -> io::Result<f64> {
    let (mut open, mut body) = watch_bound(target).await?;
    let (mut bound, mut begun) = (0, None);
    while bound < pods {
        let left = begun.map_or(LIMIT, |begun: Instant| {
            ENOUGH.saturating_sub(begun.elapsed())
        });
        let Ok(frame) = tokio::time::timeout(left, body.frame()).await else {
            break;
        };
        let Some(frame) = frame else {
            // Upstream's ends watches that do not keep up. A new one begins with all that are bound.
            (open, body) = watch_bound(target).await?;
            bound = 0;
            continue;
        };
        begun.get_or_insert_with(Instant::now);
        let frame = frame.map_err(io::Error::other)?;
        bound += frame
            .data_ref()
            .map_or(0, |data| data.iter().filter(|byte| **byte == b'\n').count());
    }
    drop(open);
    match begun {
        Some(begun) => Ok(bound as f64 / begun.elapsed().as_secs_f64()),
        None => Err(io::Error::other(format!(
            "no pod was bound within {LIMIT:?}"
        ))),
    }
}

/// Opens a watch of pods that have a node, and keeps its connection with it.
async fn watch_bound(target: &Target) -> io::Result<(Connection, Incoming)> {
    let mut connection = target.connect().await?;
    let path = format!(
        "/api/v1/namespaces/{NAMESPACE}/pods?watch=true&fieldSelector=spec.nodeName!%3D&timeoutSeconds=900"
    );
    let answer = connection
        .send(Method::GET, &path, "application/json", Bytes::new())
        .await?;
    if !answer.status().is_success() {
        let status = answer.status();
        return Err(io::Error::other(format!("the watch of pods: {status}")));
    }
    Ok((connection, answer.into_body()))
}
