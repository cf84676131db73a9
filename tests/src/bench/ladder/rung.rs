//! The figures of one number of nodes.

use std::io;
use std::time::Duration;

use super::{LADDER, key, replicas};
use crate::bench::control_plane::{ControlPlane, sum_memory};
use crate::bench::figures::Figures;
use crate::bench::simulated;
use crate::bench::stages::{Size, megabytes, milliseconds, scheduling};
use crate::bench::subject::{ApiServer, Subject};
use crate::load::client::Target;
use crate::load::scenario;

const NAMESPACE: &str = "bench-scale";
/// Pods that wait for the scheduler: as many on each rung, for what its queue costs is not to be in the growth, and not more
/// than ten nodes have room for.
const WAITING: usize = 2_000;

/// Takes all figures of a rung.
pub async fn run(
    nodes: usize,
    subject: Subject,
    size: Size,
    figures: &mut Figures,
) -> io::Result<()> {
    let scheduled = scheduling::rate(subject, nodes, WAITING).await?;

    let mut server = ApiServer::start(subject).await?;
    let target = server.target.clone();
    let servers = server.pids();
    scenario::prepare(&target, NAMESPACE).await?;
    let directory = tempfile::tempdir()?;
    let _nodes = simulated::nodes(&server, nodes, directory.path()).await?;
    let mut all = ControlPlane::start(subject, server)?;
    // One pod first: then every part works, and none is still starting.
    simulated::roll_out(&target, NAMESPACE, "first", 1).await?;
    let pods = replicas(nodes);
    let took = simulated::roll_out(&target, NAMESPACE, "all", pods).await?;
    let listed = list_nodes(&target, size.seconds).await?;

    // Half a minute at most: the heartbeats of all nodes come every ten seconds.
    let rest = Duration::from_secs_f64((size.idle / 3.0).max(10.0));
    tokio::time::sleep(rest / 2).await;
    let before = all.processor()?;
    tokio::time::sleep(rest).await;
    let used = all.processor()?.saturating_sub(before).as_secs_f64();
    let anonymous = all.memory(|memory| memory.anonymous)?;
    let of_servers = sum_memory(&servers, |memory| memory.anonymous)?;

    let found = [
        scheduled,
        rate(pods, took),
        megabytes(anonymous),
        megabytes(of_servers),
        used / rest.as_secs_f64() * 100.0,
        milliseconds(listed),
    ];
    for (row, figure) in LADDER.iter().zip(found) {
        figures.add(subject, &key(row, nodes), figure);
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "some thousand pods")]
fn rate(pods: usize, took: Duration) -> f64 {
    pods as f64 / took.as_secs_f64()
}

async fn list_nodes(target: &Target, seconds: f64) -> io::Result<Duration> {
    let path = "/api/v1/nodes?resourceVersion=0";
    let mut outcome = scenario::read(target, path, 1, seconds).await?;
    Ok(outcome.latencies.quantile(0.5))
}
