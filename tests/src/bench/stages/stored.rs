//! Memory with many pods stored, and the start on them.

use std::io;

use super::{Size, megabytes, milliseconds};
use crate::bench::figures::Figures;
use crate::bench::procfs;
use crate::bench::subject::{ApiServer, Subject};
use crate::load::scenario;

const NAMESPACE: &str = "bench-pods";

pub async fn run(subject: Subject, size: Size, figures: &mut Figures) -> io::Result<()> {
    let mut server = ApiServer::start(subject).await?;
    scenario::prepare(&server.target, NAMESPACE).await?;
    figures.add(subject, "memory-start", anonymous(&mut server)?);
    let first = size.pods / 10;
    scenario::fill_pods(&server.target, NAMESPACE, 0..first).await?;
    figures.add(subject, "memory-10k", anonymous(&mut server)?);
    scenario::fill_pods(&server.target, NAMESPACE, first..size.pods).await?;
    figures.add(subject, "memory-100k", anonymous(&mut server)?);
    if subject == Subject::Gantry {
        let mut server = server.restart().await?;
        figures.add(subject, "ready-100k", milliseconds(server.ready_after));
        figures.add(subject, "memory-100k-restarted", anonymous(&mut server)?);
    }
    Ok(())
}

fn anonymous(server: &mut ApiServer) -> io::Result<f64> {
    let pids = server.pids().into_iter();
    let bytes: io::Result<u64> = pids
        .map(|pid| procfs::memory(pid).map(|memory| memory.anonymous))
        .sum();
    bytes.map(megabytes)
}
