//! One API server under requests of each kind.

use std::io;

use super::{Size, megabytes, milliseconds};
use crate::bench::figures::Figures;
use crate::bench::procfs;
use crate::bench::subject::{ApiServer, Subject};
use crate::load::closed_loop::Outcome;
use crate::load::{scenario, watch};

/// Of rows that write, and of rows that read what was written before.
const WRITES: &str = "bench-writes";
const READS: &str = "bench-reads";

pub async fn run(subject: Subject, size: Size, figures: &mut Figures) -> io::Result<()> {
    let mut server = ApiServer::start(subject).await?;
    let target = server.target.clone();
    let mut rate = |name: &str, outcome: &Outcome| figures.add(subject, name, outcome.per_second());
    scenario::prepare(&target, WRITES).await?;
    scenario::prepare(&target, READS).await?;

    let mut created = scenario::create(&target, WRITES, "create-64", 64, size.seconds).await?;
    rate("create-64", &created);
    rate(
        "create-1",
        &scenario::create(&target, WRITES, "create-1", 1, size.seconds).await?,
    );
    scenario::fill(&target, READS, size.objects).await?;
    rate(
        "update",
        &scenario::update(&target, READS, size.objects, size.seconds).await?,
    );
    rate(
        "get",
        &scenario::get(&target, READS, size.objects, size.seconds).await?,
    );

    for pid in server.pids() {
        procfs::reset_peak(pid)?;
    }
    let before = memory(&mut server, |memory| memory.resident)?;
    rate(
        "list",
        &scenario::list(&target, READS, "resourceVersion=0", 4, size.seconds).await?,
    );
    let growth = memory(&mut server, |memory| memory.peak)?.saturating_sub(before);

    rate(
        "list-page",
        &scenario::list(&target, READS, "limit=500", 16, size.seconds).await?,
    );
    let nothing = "resourceVersion=0&labelSelector=app%3Dnone";
    rate(
        "list-selector",
        &scenario::list(&target, READS, nothing, 16, size.seconds).await?,
    );
    rate(
        "watch",
        &watch::watch(&target, READS, 100, size.updates, size.objects).await?,
    );
    rate(
        "delete",
        &scenario::delete(&target, READS, size.objects).await?,
    );
    figures.add(
        subject,
        "create-64-p99",
        milliseconds(created.latencies.quantile(0.99)),
    );
    figures.add(subject, "list-growth", megabytes(growth));
    Ok(())
}

/// A sum over the server's processes.
fn memory(server: &mut ApiServer, field: fn(procfs::Memory) -> u64) -> io::Result<u64> {
    server
        .pids()
        .into_iter()
        .map(|pid| procfs::memory(pid).map(field))
        .sum()
}
