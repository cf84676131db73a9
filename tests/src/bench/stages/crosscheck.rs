//! The same two loads by our load program and by vegeta, which others wrote: what one claims the other can be held against.
//!
//! The programs share the machine with the server, and vegeta takes more processor time than ours does; so beside
//! the rates stands what the server itself spent on a request, as the kernel counts it, which does not depend on the client.

use std::io;
use std::time::Duration;

use super::Size;
use crate::bench::figures::Figures;
use crate::bench::procfs;
use crate::bench::subject::{ApiServer, Subject};
use crate::bench::vegeta::Attack;
use crate::load::{objects, scenario};

const NAMESPACE: &str = "bench-check";
const CONNECTIONS: usize = 64;
const WARM: f64 = 1.0;

pub async fn run(subject: Subject, size: Size, figures: &mut Figures) -> io::Result<()> {
    let mut server = ApiServer::start(subject).await?;
    let target = server.target.clone();
    let admin = server.admin().to_owned();
    let pids = server.pids();
    let directory = tempfile::tempdir()?;
    scenario::prepare(&target, NAMESPACE).await?;
    scenario::fill(&target, NAMESPACE, 1).await?;
    let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");

    // What starts slowly is not to be held against the program that comes first.
    scenario::create_unnamed(&target, NAMESPACE, CONNECTIONS, WARM).await?;
    scenario::read(&target, &format!("{path}/object-0"), CONNECTIONS, WARM).await?;

    let spent = spent(&pids)?;
    let created = scenario::create_unnamed(&target, NAMESPACE, CONNECTIONS, size.seconds).await?;
    let mut add = |row: &str, rate: f64, requests: f64, before: Duration| {
        let used = self::spent(&pids)?.saturating_sub(before);
        figures.add(subject, row, rate);
        let (check, tool) = row
            .strip_suffix("-vegeta")
            .map_or((row, ""), |row| (row, "-vegeta"));
        let each = used.as_secs_f64() * 1e6 / requests;
        figures.add(subject, &format!("{check}-cpu{tool}"), each);
        self::spent(&pids)
    };
    let spent = add(
        "check-create",
        created.per_second(),
        count(created.count),
        spent,
    )?;
    let attack = Attack {
        method: "POST",
        path: &path,
        body: &objects::config_map_unnamed(NAMESPACE),
        connections: CONNECTIONS,
        seconds: size.seconds,
    };
    let found = attack.run(&admin, directory.path()).await?;
    let spent = add(
        "check-create-vegeta",
        found.per_second,
        found.requests,
        spent,
    )?;

    let path = format!("{path}/object-0");
    let got = scenario::read(&target, &path, CONNECTIONS, size.seconds).await?;
    let spent = add("check-get", got.per_second(), count(got.count), spent)?;
    let attack = Attack {
        method: "GET",
        path: &path,
        body: b"",
        ..attack
    };
    let found = attack.run(&admin, directory.path()).await?;
    add("check-get-vegeta", found.per_second, found.requests, spent)?;
    Ok(())
}

/// Processor time of the server's processes so far.
fn spent(pids: &[u32]) -> io::Result<Duration> {
    pids.iter().map(|pid| procfs::processor(*pid)).sum()
}

#[allow(clippy::cast_precision_loss, reason = "fewer than 2^53 requests")]
fn count(requests: usize) -> f64 {
    requests as f64
}
