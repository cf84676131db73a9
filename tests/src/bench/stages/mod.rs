//! The stages of a round: each starts what it measures, takes its rows, and ends it.

mod crosscheck;
mod idle;
mod ledger;
mod node;
mod requests;
mod rollout;
pub mod scheduling;
mod start;
mod stored;

use std::io;

use super::figures::Figures;
use super::subject::Subject;

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Seconds of each row that is bounded by time.
    pub seconds: f64,
    /// Objects that lists read.
    pub objects: usize,
    /// Updates that 100 watchers see.
    pub updates: usize,
    /// Pods of the row with the most of them.
    pub pods: usize,
    /// Pods that wait for the scheduler with 5,000 nodes; a fifth of them with 1,000.
    pub scheduled: usize,
    /// Simulated nodes of a rollout.
    pub nodes: usize,
    /// And its pods.
    pub replicas: usize,
    /// Pods that are started one after the other.
    pub started: usize,
    /// Seconds of rest; its second half is what idle processors are measured in.
    pub idle: f64,
}

impl Size {
    /// What docs/benchmarks.md is made with.
    pub const FULL: Self = Self {
        seconds: 5.0,
        objects: 10_000,
        updates: 10_000,
        pods: 100_000,
        scheduled: 50_000,
        nodes: 100,
        replicas: 1_000,
        started: 50,
        idle: 60.0,
    };
    /// Some minutes in all: shows that every row can be taken, and great losses.
    pub const SMOKE: Self = Self {
        seconds: 1.0,
        objects: 10_000,
        updates: 1_000,
        pods: 10_000,
        scheduled: 10_000,
        nodes: 100,
        replicas: 1_000,
        started: 10,
        idle: 5.0,
    };
}

/// A stage by its name.
#[derive(Debug)]
pub struct Stage {
    /// For `--only`.
    pub name: &'static str,
    /// True if upstream's can be measured too.
    pub compares: bool,
    /// True if a smoke run has it: those that are short, and whose ratio to upstream's is steady.
    pub smoke: bool,
    /// True if it runs a program of others that Go has to build.
    pub needs_go: bool,
}

/// All stages, in order.
pub const STAGES: &[Stage] = &[
    Stage {
        name: "requests",
        compares: true,
        smoke: true,
        needs_go: false,
    },
    Stage {
        name: "start",
        compares: true,
        smoke: true,
        needs_go: false,
    },
    Stage {
        name: "stored",
        compares: true,
        smoke: false,
        needs_go: false,
    },
    Stage {
        name: "idle",
        compares: true,
        smoke: false,
        needs_go: false,
    },
    Stage {
        name: "node",
        compares: false,
        smoke: false,
        needs_go: false,
    },
    Stage {
        name: "scheduling",
        compares: true,
        smoke: false,
        needs_go: false,
    },
    Stage {
        name: "rollout",
        compares: true,
        smoke: true,
        needs_go: false,
    },
    Stage {
        name: "ledger",
        compares: false,
        smoke: false,
        needs_go: false,
    },
    Stage {
        name: "crosscheck",
        compares: true,
        smoke: false,
        needs_go: true,
    },
];

/// Runs one stage.
pub async fn run(
    stage: &str,
    subject: Subject,
    size: Size,
    figures: &mut Figures,
) -> io::Result<()> {
    match stage {
        "requests" => requests::run(subject, size, figures).await,
        "start" => start::run(subject, figures).await,
        "stored" => stored::run(subject, size, figures).await,
        "idle" => idle::run(subject, size, figures).await,
        "node" => node::run(size, figures).await,
        "scheduling" => scheduling::run(subject, size, figures).await,
        "rollout" => rollout::run(subject, size, figures).await,
        "crosscheck" => crosscheck::run(subject, size, figures).await,
        "ledger" => ledger::run(size, figures).await,
        other => Err(io::Error::other(format!("there is no stage {other}"))),
    }
}

/// Bytes as megabytes.
#[allow(clippy::cast_precision_loss, reason = "less than 2^53 bytes")]
pub fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// A time as milliseconds.
pub fn milliseconds(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
