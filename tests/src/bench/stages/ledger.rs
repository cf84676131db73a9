//! Where the processor time of a request goes: what the server itself counts by stage, its log's thread, and the rest.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::Size;
use crate::bench::figures::Figures;
use crate::bench::procfs;
use crate::bench::subject::{ApiServer, Subject};
use crate::load::client::Target;
use crate::load::scenario;

const NAMESPACE: &str = "bench-ledger";
/// Few enough that a stage is seldom interrupted by another request, so that its time is time on a processor.
const WORKERS: usize = 4;
const NODES: usize = 100;

pub async fn run(size: Size, figures: &mut Figures) -> io::Result<()> {
    let mut server = ApiServer::start(Subject::Gantry).await?;
    let target = server.target.clone();
    let pid = server.pids()[0];
    scenario::prepare(&target, NAMESPACE).await?;
    scenario::fill_nodes(&target, NODES).await?;
    scenario::fill(&target, NAMESPACE, 1000).await?;
    scenario::fill_pods(&target, NAMESPACE, 0..5000).await?;

    let before = Counters::read(&target, pid).await?;
    let created = scenario::create(&target, NAMESPACE, "ledger", WORKERS, size.seconds).await?;
    let after = Counters::read(&target, pid).await?;
    keep(
        figures,
        "cpu-create",
        "create",
        created.count,
        &before,
        &after,
    );

    let before = after;
    let got = scenario::get(&target, NAMESPACE, 1000, size.seconds).await?;
    let after = Counters::read(&target, pid).await?;
    keep(figures, "cpu-get", "GET", got.count, &before, &after);

    let before = after;
    let bound = scenario::bind(&target, NAMESPACE, 0..5000, NODES, WORKERS).await?;
    let after = Counters::read(&target, pid).await?;
    keep(figures, "cpu-bind", "bind", bound.count, &before, &after);
    Ok(())
}

/// What has been used up to a moment.
struct Counters {
    process: Duration,
    log: Duration,
    /// Seconds by stage.
    stages: BTreeMap<String, f64>,
}

impl Counters {
    async fn read(target: &Target, pid: u32) -> io::Result<Self> {
        let mut connection = target.connect().await?;
        let metrics = connection.get("/metrics", "text/plain").await?.into_body();
        let metrics = String::from_utf8_lossy(&metrics).into_owned();
        let stages = metrics.lines().filter_map(|line| {
            let (stage, seconds) = line
                .strip_prefix("gantry_apiserver_stage_seconds_sum{stage=\"")?
                .split_once("\"} ")?;
            Some((stage.to_owned(), seconds.parse().ok()?))
        });
        Ok(Self {
            process: procfs::processor(pid)?,
            log: procfs::processor_of_threads(pid, "log")?,
            stages: stages.collect(),
        })
    }
}

/// Stages in which a request waits for others, whose work is counted elsewhere.
const WAITING: [&str; 3] = ["log", "view", "total"];

#[allow(clippy::cast_precision_loss, reason = "fewer than 2^53 requests")]
fn keep(
    figures: &mut Figures,
    row: &str,
    request: &str,
    count: usize,
    before: &Counters,
    after: &Counters,
) {
    let each = |seconds: f64| seconds * 1e6 / count as f64;
    let all = each((after.process - before.process).as_secs_f64());
    let log = each((after.log - before.log).as_secs_f64());
    let mut stages = BTreeMap::new();
    let mut named = log;
    for (stage, seconds) in &after.stages {
        let spent = each(seconds - before.stages.get(stage).copied().unwrap_or(0.0));
        if !WAITING.contains(&stage.as_str()) && spent > 0.0 {
            named += spent;
            stages.insert(format!("1 {}", stage.replace('_', " ")), spent);
        }
    }
    // The digits give the order of the table.
    stages.insert("2 the log's thread, syncs among them".to_owned(), log);
    stages.insert(
        "3 sockets, TLS, HTTP, applying to the view".to_owned(),
        (all - named).max(0.0),
    );
    stages.insert("4 in all".to_owned(), all);
    figures.add(Subject::Gantry, row, all);
    figures.keep_ledger(request, stages);
}
