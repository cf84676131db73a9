//! Runs the suite: in portions, several at a time where tests allow it, each test with a limit of its own.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;

use super::results::Outcome;
use super::suite::{Suite, is_serial};

/// Tests of one call of the program: its start costs seconds, and what it knows it tells at its end.
const PORTION: usize = 6;

/// How long the program may take to end after it was told to.
const GRACE: Duration = Duration::from_secs(60);

/// How the suite is run.
pub struct Runner<'a> {
    /// The suite.
    pub suite: &'a Suite,
    /// The cluster's kubeconfig.
    pub kubeconfig: &'a Path,
    /// Upstream's kubectl, which some tests call.
    pub kubectl: &'a Path,
    /// Where logs and reports are written.
    pub logs: &'a Path,
    /// How long one test may take.
    pub limit: Duration,
    /// Portions at a time.
    pub workers: usize,
    /// Portions that have begun: their logs are numbered.
    pub begun: AtomicUsize,
}

/// One test's end.
#[derive(Debug)]
pub struct Ended {
    /// Which.
    pub test: String,
    /// How.
    pub outcome: Outcome,
    /// How long it took.
    pub after: Duration,
    /// Why, if it did not pass.
    pub message: String,
    /// What the suite printed meanwhile.
    pub log: PathBuf,
}

impl Runner<'_> {
    /// Runs `tests`: those that must be alone one after the other at the end. `ended` is told of each, and may stop it all.
    ///
    /// # Errors
    /// When the program cannot be run, ends without having begun any of its tests, or `ended` says so.
    pub fn run(
        &self,
        tests: &[String],
        mut ended: impl FnMut(Ended) -> io::Result<()>,
    ) -> io::Result<()> {
        let (alone, beside): (Vec<String>, Vec<String>) =
            tests.iter().cloned().partition(|test| is_serial(test));
        for (tests, workers) in [(beside, self.workers), (alone, 1)] {
            let queue: Mutex<Vec<Vec<String>>> =
                Mutex::new(tests.chunks(PORTION).rev().map(<[_]>::to_vec).collect());
            std::thread::scope(|scope| {
                let (sender, receiver) = mpsc::channel();
                for _ in 0..workers {
                    let (sender, queue) = (sender.clone(), &queue);
                    scope.spawn(move || self.work(queue, &sender));
                }
                drop(sender);
                let outcome = follow(&receiver, &mut ended);
                if outcome.is_err() {
                    queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
                }
                outcome
            })?;
        }
        Ok(())
    }

    fn work(&self, queue: &Mutex<Vec<Vec<String>>>, sender: &Sender<io::Result<Ended>>) {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(mut portion) = next else { return };
            while !portion.is_empty() {
                let number = self.begun.fetch_add(1, Ordering::Relaxed);
                let told = match self.portion(number, &portion) {
                    Ok(told) => told,
                    Err(error) => {
                        let _ = sender.send(Err(error));
                        return;
                    }
                };
                portion.retain(|test| told.iter().all(|ended| ended.test != *test));
                for ended in told {
                    if sender.send(Ok(ended)).is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Runs some tests; those that did not end, because another was stopped, are not among the answers.
    fn portion(&self, number: usize, tests: &[String]) -> io::Result<Vec<Ended>> {
        let log = self.logs.join(format!("portion-{number:03}.log"));
        let report = self.logs.join(format!("portion-{number:03}.json"));
        let mut command = Command::new(&self.suite.program);
        command.args(["--provider=skeleton", "--num-nodes=2"]);
        command.args(["--ginkgo.v", "--ginkgo.no-color", "--ginkgo.timeout=24h"]);
        command.args(["--ginkgo.grace-period=20s", "--allowed-not-ready-nodes=0"]);
        command.arg(format!("--kubeconfig={}", self.kubeconfig.display()));
        command.arg(format!("--kubectl-path={}", self.kubectl.display()));
        command.arg(format!("--report-dir={}", self.logs.display()));
        command.arg(format!("--report-prefix=portion-{number:03}-"));
        command.arg(format!("--ginkgo.json-report={}", report.display()));
        for test in tests {
            command.arg(format!("--ginkgo.focus= {}$", escape(test)));
        }
        command.current_dir(self.logs).stdin(Stdio::null());
        command
            .stdout(Stdio::piped())
            .stderr(File::create(log.with_extension("err"))?);
        let mut child = command.spawn()?;
        let now: Mutex<Option<(String, Instant)>> = Mutex::new(None);
        let mut stopped = None;
        std::thread::scope(|scope| {
            let output = child.stdout.take();
            let reader = scope.spawn(|| match output {
                Some(output) => watch(output, &log, tests, &now),
                None => Ok(()),
            });
            stopped = self.wait(&mut child, &now)?;
            reader.join().unwrap_or(Ok(()))
        })?;
        let mut told = read_report(&report, tests, &log).unwrap_or_default();
        let current = now.into_inner().unwrap_or_else(PoisonError::into_inner);
        // Whoever was running when the program was stopped, or fell, has failed.
        if let Some((test, since)) = current {
            told.retain(|ended| stopped.is_none() || ended.test != test);
            if told.iter().all(|ended| ended.test != test) {
                told.push(Ended {
                    message: stopped.unwrap_or_else(|| "the suite ended within it".into()),
                    test,
                    outcome: Outcome::Failed,
                    after: since.elapsed(),
                    log: log.clone(),
                });
            }
        }
        if told.is_empty() {
            let log = log.display();
            return Err(io::Error::other(format!(
                "the suite ran no test: see {log}"
            )));
        }
        Ok(told)
    }

    /// Waits for the program's end; tells it to end when one test takes too long, and says so then.
    fn wait(
        &self,
        child: &mut Child,
        now: &Mutex<Option<(String, Instant)>>,
    ) -> io::Result<Option<String>> {
        let mut told: Option<Instant> = None;
        loop {
            if child.try_wait()?.is_some() {
                let limit = self.limit.as_secs();
                return Ok(told.map(|_| format!("it took longer than {limit} s")));
            }
            let since = now
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .as_ref()
                .map(|(_, since)| *since);
            match told {
                None if since.is_some_and(|since| since.elapsed() > self.limit) => {
                    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
                    kill(Pid::from_raw(pid), Signal::SIGINT)?;
                    told = Some(Instant::now());
                }
                Some(told) if told.elapsed() > GRACE => child.kill()?,
                _ => {}
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn follow(
    receiver: &Receiver<io::Result<Ended>>,
    ended: &mut impl FnMut(Ended) -> io::Result<()>,
) -> io::Result<()> {
    for told in receiver {
        ended(told?)?;
    }
    Ok(())
}

/// Copies the program's output into `log`, and keeps `now` at the test that is running.
fn watch(
    output: impl io::Read,
    log: &Path,
    tests: &[String],
    now: &Mutex<Option<(String, Instant)>>,
) -> io::Result<()> {
    let mut log = File::create(log)?;
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        log.write_all(&line)?;
        log.write_all(b"\n")?;
        let text = String::from_utf8_lossy(&line);
        let mut now = now.lock().unwrap_or_else(PoisonError::into_inner);
        // A test's name, with its labels behind, begins a line when it begins; a bullet stands where it ended.
        let begun = |test: &&String| {
            text.strip_prefix(test.as_str())
                .is_some_and(|labels| labels.trim_end().is_empty() || labels.starts_with(" ["))
        };
        if now.is_none() && text.starts_with('[') {
            let test = tests.iter().find(begun);
            *now = test.map(|test| (test.clone(), Instant::now()));
        } else if text.starts_with('•') || text.starts_with("S [") || text.starts_with("P [") {
            *now = None;
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SuiteReport {
    spec_reports: Option<Vec<SpecReport>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SpecReport {
    container_hierarchy_texts: Option<Vec<String>>,
    leaf_node_text: String,
    state: String,
    #[serde(default)]
    run_time: u64,
    failure: Option<Failure>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failure {
    #[serde(default)]
    message: String,
}

/// The outcomes of `tests` in a report of the program's.
fn read_report(path: &Path, tests: &[String], log: &Path) -> io::Result<Vec<Ended>> {
    let suites: Vec<SuiteReport> = serde_json::from_slice(&std::fs::read(path)?)?;
    let mut found = BTreeMap::new();
    for spec in suites
        .into_iter()
        .flat_map(|suite| suite.spec_reports.unwrap_or_default())
    {
        let mut name = spec.container_hierarchy_texts.unwrap_or_default();
        name.push(spec.leaf_node_text);
        let test = name.join(" ");
        let message = match spec.state.as_str() {
            "interrupted" => "it took too long".to_owned(),
            _ => spec
                .failure
                .map(|failure| failure.message)
                .unwrap_or_default(),
        };
        let outcome = match spec.state.as_str() {
            "passed" => Outcome::Passed,
            // Without a reason it was left out of this run.
            "skipped" if message.is_empty() || message.contains("interrupt") => continue,
            "skipped" => Outcome::Skipped,
            "pending" => continue,
            _ => Outcome::Failed,
        };
        if tests.contains(&test) {
            let ended = Ended {
                test: test.clone(),
                outcome,
                after: Duration::from_nanos(spec.run_time),
                message,
                log: log.to_owned(),
            };
            found.insert(test, ended);
        }
    }
    Ok(found.into_values().collect())
}

/// A regular expression that matches just `text`.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        if !letter.is_alphanumeric() && !" -_/:'\",<>=".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    const TESTS: [&str; 4] = ["[a] one", "[a] two", "[a] three", "[a] four"];

    fn names() -> Vec<String> {
        TESTS.map(str::to_owned).to_vec()
    }

    #[test]
    fn a_report_tells_of_those_that_ran_and_not_of_those_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.json");
        let spec = |leaf: &str, state: &str, message: &str| {
            serde_json::json!({
                "ContainerHierarchyTexts": ["[a]"], "LeafNodeText": leaf, "State": state,
                "RunTime": 1_500_000_000_u64, "Failure": {"Message": message},
            })
        };
        let report = serde_json::json!([{"SpecReports": [
            spec("one", "passed", ""),
            spec("two", "timedout", "too long"),
            spec("three", "skipped", "not on this provider"),
            spec("four", "skipped", ""),
            spec("five", "failed", "not asked for"),
            {"ContainerHierarchyTexts": null, "LeafNodeText": "", "State": "passed"},
        ]}]);
        std::fs::write(&path, report.to_string()).unwrap();
        let told = read_report(&path, &names(), &path).unwrap();
        let outcomes: BTreeMap<_, _> = told
            .iter()
            .map(|ended| (ended.test.as_str(), ended.outcome))
            .collect();
        assert_eq!(
            outcomes,
            BTreeMap::from([
                ("[a] one", Outcome::Passed),
                ("[a] two", Outcome::Failed),
                ("[a] three", Outcome::Skipped),
            ])
        );
        assert_eq!(told[0].after, Duration::from_millis(1500));
    }

    #[test]
    fn the_test_that_runs_is_known_from_the_output() {
        let dir = tempfile::tempdir().unwrap();
        let now = Mutex::new(None);
        let output = "Random Seed: 1\n----\n[a] one\nsource.go:1\n  STEP: x\n• [1.0 seconds]\n----\n[a] two [a, Label]\nsource.go:2\n";
        watch(output.as_bytes(), &dir.path().join("log"), &names(), &now).unwrap();
        let (test, _) = now.into_inner().unwrap().unwrap();
        assert_eq!(test, "[a] two");
    }

    #[test]
    fn letters_with_a_meaning_are_escaped() {
        assert_eq!(escape("[a] b (c) d.e"), r"\[a\] b \(c\) d\.e");
    }
}
