//! The stages of a round: each starts what it measures, takes its rows, and ends it.

mod ledger;
mod node;
mod requests;
mod rollout;
mod scheduling;
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
    /// Pods that are scheduled.
    pub scheduled: usize,
    /// Simulated nodes of a rollout.
    pub nodes: usize,
    /// And its pods.
    pub replicas: usize,
    /// Pods that are started one after the other.
    pub started: usize,
    /// Seconds of rest before and while what is idle is measured.
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
pub struct Stage {
    /// For `--only`.
    pub name: &'static str,
    /// True if upstream's can be measured too.
    pub compares: bool,
}

/// All stages, in order.
pub const STAGES: &[Stage] = &[
    Stage {
        name: "requests",
        compares: true,
    },
    Stage {
        name: "start",
        compares: true,
    },
    Stage {
        name: "stored",
        compares: true,
    },
    Stage {
        name: "node",
        compares: false,
    },
    Stage {
        name: "scheduling",
        compares: true,
    },
    Stage {
        name: "rollout",
        compares: true,
    },
    Stage {
        name: "ledger",
        compares: false,
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
        "node" => node::run(size, figures).await,
        "scheduling" => scheduling::run(subject, size, figures).await,
        "rollout" => rollout::run(subject, size, figures).await,
        "ledger" => ledger::run(size, figures).await,
        other => Err(io::Error::other(format!("there is no stage {other}"))),
    }
}

/// Bytes as megabytes.
#[allow(clippy::cast_precision_loss, reason = "less than 2^53 bytes")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn milliseconds(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
