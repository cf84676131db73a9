//! The figures that the benchmark takes, in the order in which they are printed.

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Requests, deliveries or bindings in a second: more is better.
    PerSecond,
    /// Less is better, as with all that follow.
    Milliseconds,
    /// Of processor time, for one request.
    Microseconds,
    /// Of 1,000,000 bytes.
    Megabytes,
    /// Of one core.
    Percent,
}

impl Unit {
    /// How the unit is written behind a figure.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Milliseconds => " ms",
            Self::Microseconds => " µs",
            Self::Megabytes => " MB",
            Self::Percent => " %",
        }
    }

    /// How many times better `ours` is than `theirs`.
    pub fn advantage(self, ours: f64, theirs: f64) -> f64 {
        match self {
            Self::PerSecond => ours / theirs,
            _ => theirs / ours,
        }
    }

    /// True if `figure` meets `budget`.
    pub fn meets(self, figure: f64, budget: f64) -> bool {
        match self {
            Self::PerSecond => figure >= budget,
            _ => figure <= budget,
        }
    }
}

/// One figure.
#[derive(Debug)]
pub struct Row {
    /// By which it is known in files and to `--only`.
    pub name: &'static str,
    /// What it says, for people.
    pub what: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// The design's budget for it.
    pub budget: Option<f64>,
}

const fn row(name: &'static str, what: &'static str, unit: Unit, budget: Option<f64>) -> Row {
    Row {
        name,
        what,
        unit,
        budget,
    }
}

use Unit::{Megabytes as Mb, Microseconds as Us, Milliseconds as Ms, PerSecond, Percent};

/// All rows.
pub const ROWS: &[Row] = &[
    row(
        "create-64",
        "durable creates, 64 connections",
        PerSecond,
        Some(15_000.0),
    ),
    row("create-64-p99", "the same: p99", Ms, None),
    row(
        "create-1",
        "durable creates, 1 connection",
        PerSecond,
        Some(2_000.0),
    ),
    row("update", "updates, 64 connections", PerSecond, None),
    row("get", "GET, 64 connections", PerSecond, Some(45_000.0)),
    row("list", "LIST of 10,000, hot", PerSecond, Some(90.0)),
    row(
        "list-growth",
        "the server's memory grows meanwhile",
        Mb,
        Some(16.0),
    ),
    row("list-page", "LIST page of 500", PerSecond, Some(2_000.0)),
    row(
        "list-selector",
        "LIST, a label selector that matches none of 10,000",
        PerSecond,
        Some(20_000.0),
    ),
    row(
        "watch",
        "deliveries to 100 watchers",
        PerSecond,
        Some(400_000.0),
    ),
    row(
        "delete",
        "deletes, 64 connections",
        PerSecond,
        Some(20_000.0),
    ),
    row("start-ready", "start to ready, keys made", Ms, Some(100.0)),
    row(
        "memory-start",
        "anonymous memory of the API server when ready",
        Mb,
        None,
    ),
    row("memory-10k", "the same with 10,000 pods stored", Mb, None),
    row("memory-100k", "the same with 100,000 pods stored", Mb, None),
    row(
        "memory-100k-restarted",
        "the same, started anew on them",
        Mb,
        None,
    ),
    row(
        "ready-100k",
        "start to ready with 100,000 pods stored",
        Ms,
        Some(2_000.0),
    ),
    row(
        "node-ready",
        "`gantry up`, nothing there yet: start to node Ready",
        Ms,
        Some(500.0),
    ),
    row(
        "first-pod",
        "`gantry up`, image there: start to first pod Running",
        Ms,
        Some(1_000.0),
    ),
    row(
        "pod-p50",
        "pod created to Running, one at a time: p50",
        Ms,
        Some(100.0),
    ),
    row("pod-p99", "the same: p99", Ms, None),
    row(
        "pods-30",
        "30 pods created at once to all Running",
        Ms,
        None,
    ),
    row(
        "idle-anon",
        "`gantry up` idle with the sample: anonymous memory",
        Mb,
        Some(40.0),
    ),
    row("idle-rss", "the same: RSS", Mb, Some(64.0)),
    row("idle-cpu", "the same: processor", Percent, Some(1.0)),
    row(
        "schedule-1k",
        "pods bound, 1,000 nodes, over HTTPS",
        PerSecond,
        Some(5_000.0),
    ),
    row(
        "schedule-5k",
        "pods bound, 5,000 nodes, over HTTPS",
        PerSecond,
        Some(5_000.0),
    ),
    row(
        "schedule-5k-one",
        "pods bound, 5,000 nodes, in one process",
        PerSecond,
        Some(10_000.0),
    ),
    row(
        "rollout-1k",
        "a Deployment of 1,000 pods on 100 simulated nodes to all available",
        Ms,
        None,
    ),
    row(
        "cpu-create",
        "processor time of the server for one create",
        Us,
        None,
    ),
    row("cpu-get", "the same for one GET", Us, None),
    row("cpu-bind", "the same for one binding", Us, None),
];

/// The row of this name.
pub fn find(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}
