//! Probes: asking a container how it does. A task for each probe of a running container asks; thresholds decide when an answer
//! counts; the pod's worker hears of it.

mod check;
mod grpc;
mod http;
mod thresholds;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use api::core::v1::Probe;
use runtime::Random;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use check::{Action, Checker, Http, resolve_port};
pub use grpc::Grpc;
pub use http::get as http_get;
pub use thresholds::{Thresholds, Verdict};

/// Which question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Has it started?
    Startup,
    /// Does it live?
    Liveness,
    /// May it be asked for work?
    Readiness,
}

impl Kind {
    /// As events name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Liveness => "Liveness",
            Self::Readiness => "Readiness",
        }
    }
}

/// When and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Before the first time.
    pub initial_delay: Duration,
    /// Between two times.
    pub period: Duration,
    /// No answer within it is a failure.
    pub timeout: Duration,
    /// Successes in a row that count.
    pub successes: u32,
    /// Failures in a row that count.
    pub failures: u32,
}

impl Timing {
    /// As the probe says, with upstream's defaults for what is absent.
    pub fn of(probe: Probe<'_>) -> Self {
        let seconds = |value: i32, default: u64| {
            Duration::from_secs(
                u64::try_from(value)
                    .ok()
                    .filter(|v| *v > 0)
                    .unwrap_or(default),
            )
        };
        let count = |value: i32, default: u32| {
            u32::try_from(value)
                .ok()
                .filter(|v| *v > 0)
                .unwrap_or(default)
        };
        Self {
            initial_delay: Duration::from_secs(
                u64::try_from(probe.initial_delay_seconds()).unwrap_or(0),
            ),
            period: seconds(probe.period_seconds(), 10),
            timeout: seconds(probe.timeout_seconds(), 1),
            successes: count(probe.success_threshold(), 1),
            failures: count(probe.failure_threshold(), 3),
        }
    }
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which container.
    pub container: String,
    /// Which question.
    pub kind: Kind,
    /// What counts now, if that changed.
    pub verdict: Option<bool>,
    /// Why it failed this time.
    pub failure: Option<String>,
}

/// Asks until `stop`, and tells what changes and what fails. `initial` is what counted before, if anything did.
#[allow(clippy::too_many_arguments, reason = "a task's whole surroundings")]
pub async fn run(
    container: String,
    kind: Kind,
    timing: Timing,
    checker: Checker,
    initial: Option<bool>,
    random: Random,
    reports: mpsc::Sender<Report>,
    stop: CancellationToken,
) {
    let mut thresholds = Thresholds::new(timing.successes, timing.failures, initial);
    // Those of many containers that start together do not all ask at once.
    let mut delay = timing.initial_delay;
    if initial.is_some() {
        delay = timing.period.mul_f64(random.unit());
    }
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(delay) => {}
        }
        delay = timing.period;
        let checked = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            checked = checker.check(timing.timeout) => checked,
        };
        let verdict = thresholds.note(checked.is_ok());
        let failure = checked.err();
        if verdict.is_none() && failure.is_none() {
            continue;
        }
        let report = Report {
            container: container.clone(),
            kind,
            verdict: verdict.map(|verdict| verdict == Verdict::Success),
            failure,
        };
        let done = kind == Kind::Startup && verdict.is_some();
        if reports.send(report).await.is_err() || done {
            return;
        }
    }
}

/// Where a container is reached, and how to execute in it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The pod's address (the node's for pods of the host's network).
    pub address: IpAddr,
    /// The container in containerd.
    pub container: String,
    /// For the pipes of executed processes.
    pub dir: PathBuf,
}
