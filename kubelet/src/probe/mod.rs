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
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use check::{Action, Answer, Checker, Http, resolve_port};
pub use grpc::Grpc;
pub use http::answered as http_answered;
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

    /// How long until the first time, if the container has run for `age`: the initial delay counts from its start. `spread`
    /// (0 to 1) is the part of a period by which it is put off beyond that.
    pub fn first(&self, age: Duration, spread: f64) -> Duration {
        self.initial_delay.saturating_sub(age) + self.period.mul_f64(spread)
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
    /// What is to be told of this time: how it failed, and why.
    pub failure: Option<String>,
}

/// Asks after `delay` and then until `stop`, and tells what changes and what fails. `initial` is what counted before, if
/// anything did.
#[allow(clippy::too_many_arguments, reason = "a task's whole surroundings")]
pub async fn run(
    container: String,
    kind: Kind,
    timing: Timing,
    checker: Checker,
    initial: Option<bool>,
    mut delay: Duration,
    reports: mpsc::Sender<Report>,
    stop: CancellationToken,
) {
    let mut thresholds = Thresholds::new(timing.successes, timing.failures, initial);
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
        let (verdict, failure) = judge(&mut thresholds, checked);
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

/// What an answer changes, and what is to be told of it. One that could not be had changes nothing: that says nothing of the
/// container.
fn judge(thresholds: &mut Thresholds, answer: Answer) -> (Option<Verdict>, Option<String>) {
    match answer {
        Answer::Well => (thresholds.note(true), None),
        Answer::Bad(why) => (thresholds.note(false), Some(format!("failed: {why}"))),
        Answer::Unknown(why) => {
            let told = format!("errored and resulted in unknown state: {why}");
            (None, Some(told))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_question_waits_for_the_delay_since_the_start_whoever_asks() {
        let seconds = Duration::from_secs;
        let timing = Timing {
            initial_delay: seconds(60),
            period: seconds(10),
            timeout: seconds(1),
            successes: 1,
            failures: 3,
        };
        assert_eq!(timing.first(seconds(0), 0.0), seconds(60));
        assert_eq!(timing.first(seconds(0), 0.5), seconds(65));
        // Its startup probe took a while, or an earlier kubelet started it.
        assert_eq!(timing.first(seconds(20), 0.0), seconds(40));
        assert_eq!(timing.first(seconds(3600), 0.5), seconds(5));
    }

    #[test]
    fn what_cannot_be_asked_counts_neither_as_failure_nor_as_success() {
        let mut thresholds = Thresholds::new(1, 3, Some(true));
        let (bad, unknown) = (|| Answer::Bad("x".into()), || Answer::Unknown("y".into()));
        for _ in 0..5 {
            let (verdict, told) = judge(&mut thresholds, unknown());
            assert_eq!(verdict, None);
            assert_eq!(told.unwrap(), "errored and resulted in unknown state: y");
        }
        let answers = [bad(), unknown(), bad(), unknown(), bad()];
        let verdicts = answers.map(|answer| judge(&mut thresholds, answer).0);
        assert_eq!(verdicts, [None, None, None, None, Some(Verdict::Failure)]);
        assert_eq!(
            judge(&mut thresholds, Answer::Well),
            (Some(Verdict::Success), None)
        );
    }
}
