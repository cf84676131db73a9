//! How long each stage of a request took: the CPU ledger is their sum.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The stages of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Each is named after what is done in it.
pub enum Stage {
    Authentication,
    FlowControl,
    Authorization,
    ReadBody,
    Decode,
    Defaulting,
    Admission,
    Validation,
    Encode,
    /// Waiting for the log to have made the write durable.
    Log,
    /// Waiting for the view to reach a revision.
    View,
    /// From receiving the head of the request to handing over the head of the answer.
    Total,
}

impl Stage {
    /// Every stage, in the order of a write.
    pub const ALL: [Stage; 12] = [
        Stage::Authentication,
        Stage::FlowControl,
        Stage::Authorization,
        Stage::ReadBody,
        Stage::Decode,
        Stage::Defaulting,
        Stage::Admission,
        Stage::Validation,
        Stage::Encode,
        Stage::Log,
        Stage::View,
        Stage::Total,
    ];

    /// The stage's name in the ledger and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Stage::Authentication => "authentication",
            Stage::FlowControl => "flow_control",
            Stage::Authorization => "authorization",
            Stage::ReadBody => "read_body",
            Stage::Decode => "decode",
            Stage::Defaulting => "defaulting",
            Stage::Admission => "admission",
            Stage::Validation => "validation",
            Stage::Encode => "encode",
            Stage::Log => "log",
            Stage::View => "view",
            Stage::Total => "total",
        }
    }
}

/// Nanoseconds by stage.
#[derive(Debug, Default)]
pub struct Timings([AtomicU64; Stage::ALL.len()]);

impl Timings {
    /// Adds what `stage` took; a stage that runs again (a retried patch) adds up.
    pub fn add(&self, stage: Stage, took: Duration) {
        self.0[stage as usize]
            .fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// What `stage` took so far.
    pub fn get(&self, stage: Stage) -> Duration {
        Duration::from_nanos(self.0[stage as usize].load(Relaxed))
    }
}
