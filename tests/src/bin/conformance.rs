//! Runs upstream's conformance tests against a cluster of ours. `hack/conformance` starts it, in namespaces of its own.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::Parser;
use e2e::conformance::nodes::Nodes;
use e2e::conformance::report::Table;
use e2e::conformance::results::{Outcome, Results};
use e2e::conformance::run::{Ended, Runner};
use e2e::conformance::suite::{Suite, area};
use e2e::conformance::{hosts, images};
use e2e::upstream;

/// Upstream's conformance tests against a cluster of two nodes.
#[derive(Parser)]
struct Args {
    /// Only tests of this area, such as sig-node; may be repeated.
    #[arg(long)]
    area: Vec<String>,
    /// Only tests whose name matches this (an extended regular expression, as grep -E takes it).
    #[arg(long, value_name = "RE")]
    focus: Option<String>,
    /// No tests whose name matches this.
    #[arg(long, value_name = "RE")]
    skip: Option<String>,
    /// Only tests that failed last.
    #[arg(long)]
    failed: bool,
    /// Whose cluster is judged: not supported yet, ours is.
    #[arg(long, value_parser = ["upstream"])]
    against: Option<String>,
    /// Portions of tests at a time; those that must be alone are alone.
    #[arg(long, default_value_t = 3)]
    workers: usize,
    /// Seconds that one test may take.
    #[arg(long, default_value_t = 400)]
    limit: u64,
    /// Where the last results are kept.
    #[arg(long, value_name = "FILE", default_value = "docs/conformance.tsv")]
    results: PathBuf,
    /// What is judged.
    #[arg(long, default_value = "unknown")]
    commit: String,
    /// The cluster's data.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Logs and reports.
    #[arg(long, value_name = "DIR")]
    logs: PathBuf,
    /// The archive of the suite's images.
    #[arg(long, value_name = "FILE")]
    images: PathBuf,
    /// Only make that archive, of packages that are kept in this directory: it needs the network, which the cluster's hosts lack.
    #[arg(long, value_name = "DIR")]
    make_images: Option<PathBuf>,
    /// The cgroup that pods' cgroups are below.
    #[arg(long)]
    cgroup: String,
    /// Start the cluster and wait for the end of the input instead of running tests.
    #[arg(long)]
    idle: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> io::Result<bool> {
    if let Some(whose) = &args.against {
        let text =
            format!("--against {whose} is not supported yet: only our own cluster is started");
        return Err(io::Error::other(text));
    }
    let suite = Suite::open()?;
    if let Some(cache) = &args.make_images {
        let missing = images::make(&suite.images, cache, &args.images)?;
        println!(
            "images of the suite that are not made: {}",
            missing.join(" ")
        );
        return Ok(true);
    }
    let mut results = Results::open(&args.results)?;
    let chosen = choose(args, &suite, &results)?;
    if chosen.is_empty() && !args.idle {
        return Err(io::Error::other("no test is chosen"));
    }

    println!("==> starting two nodes");
    hosts::join()?;
    let mut nodes = Nodes::start(&args.data, &args.cgroup)?;
    println!("==> loading the images");
    nodes.load(&args.images)?;
    if args.idle {
        println!("==> ready: {}", nodes.admin.display());
        io::copy(&mut io::stdin(), &mut io::sink())?;
        return Ok(true);
    }

    println!(
        "==> running {} of {} tests",
        chosen.len(),
        suite.tests.len()
    );
    let runner = Runner {
        suite: &suite,
        kubeconfig: &nodes.admin.clone(),
        kubectl: &upstream::binary("kubectl")?,
        logs: &args.logs,
        limit: Duration::from_secs(args.limit),
        workers: args.workers,
    };
    let mut outcomes = BTreeMap::new();
    let mut regressions = Vec::new();
    let mut failures = String::new();
    runner.run(&chosen, |ended| {
        tell(&ended, outcomes.len() + 1, chosen.len());
        if ended.outcome != Outcome::Passed {
            failures.push_str(&explain(&ended));
            std::fs::write(args.logs.join("failures.txt"), &failures)?;
        }
        if results.note(&ended.test, ended.outcome, &args.commit)? {
            regressions.push(ended.test.clone());
        }
        outcomes.insert(ended.test, ended.outcome);
        match nodes.ended().as_slice() {
            [] => Ok(()),
            fallen => Err(io::Error::other(format!("{} ended", fallen.join(", ")))),
        }
    })?;

    println!(
        "\nThis run:\n\n{}",
        Table::of(&suite.tests, |test| outcomes.get(test).copied())
    );
    println!(
        "Last results:\n\n{}",
        Table::of(&suite.tests, |test| results.of(test))
    );
    for test in &regressions {
        println!("REGRESSION {test}");
    }
    println!("logs and reports: {}", args.logs.display());
    Ok(outcomes.values().all(|outcome| *outcome == Outcome::Passed))
}

/// The tests that the arguments ask for.
fn choose(args: &Args, suite: &Suite, results: &Results) -> io::Result<Vec<String>> {
    for wanted in &args.area {
        if !suite.tests.iter().any(|test| area(test) == wanted) {
            return Err(io::Error::other(format!("there is no area {wanted}")));
        }
    }
    let matching = |wanted: &Option<String>| match wanted {
        Some(wanted) => grep(wanted, &suite.tests, &args.logs).map(Some),
        None => Ok(None),
    };
    let (focus, skip) = (matching(&args.focus)?, matching(&args.skip)?);
    Ok(suite
        .tests
        .iter()
        .filter(|test| args.area.is_empty() || args.area.iter().any(|wanted| area(test) == wanted))
        .filter(|test| focus.as_ref().is_none_or(|focus| focus.contains(test)))
        .filter(|test| skip.as_ref().is_none_or(|skip| !skip.contains(test)))
        .filter(|test| !args.failed || results.of(test) == Some(Outcome::Failed))
        .cloned()
        .collect())
}

/// Those of `tests` that an extended regular expression matches.
fn grep(expression: &str, tests: &[String], directory: &Path) -> io::Result<Vec<String>> {
    let list = directory.join("tests.txt");
    std::fs::write(&list, tests.join("\n"))?;
    let output = Command::new("grep")
        .args(["-E", "-e", expression])
        .arg(&list)
        .output()?;
    // 1 says that none matches.
    if !matches!(output.status.code(), Some(0 | 1)) {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(format!("{expression}: {said}")));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().map(str::to_owned).collect())
}

fn tell(ended: &Ended, number: usize, all: usize) {
    let Ended {
        test,
        outcome,
        after,
        ..
    } = ended;
    println!(
        "{number}/{all} {outcome} {:.0} s {test}",
        after.as_secs_f64()
    );
}

/// A paragraph of failures.txt; the log has all of it.
fn explain(ended: &Ended) -> String {
    const LINES: usize = 12;
    let message: Vec<&str> = ended.message.lines().take(LINES).collect();
    format!(
        "{}: {} ({})\n{}\n\n",
        ended.outcome,
        ended.test,
        ended.log.display(),
        message.join("\n")
    )
}
