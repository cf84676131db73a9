//! Runs upstream's conformance tests against a cluster of ours, or of upstream's own. `hack/conformance` starts it, in namespaces of its own.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use e2e::conformance::choice::Choice;
use e2e::conformance::judged::Judged;
use e2e::conformance::nodes::Nodes;
use e2e::conformance::registry::Registry;
use e2e::conformance::report::{Table, behind};
use e2e::conformance::results::{Outcome, Results};
use e2e::conformance::run::{Ended, Runner};
use e2e::conformance::suite::Suite;
use e2e::conformance::upstream::{self as baseline, Upstream};
use e2e::conformance::{hosts, images};
use e2e::upstream;

/// Where the last results of our cluster and of upstream's are kept.
const OURS: &str = "docs/conformance.tsv";
const BASELINE: &str = "docs/conformance-baseline.tsv";

/// Whose cluster is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Against {
    /// Ours.
    Ours,
    /// Upstream's: the baseline.
    Upstream,
}

/// Upstream's conformance tests against a cluster of two nodes.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    choice: Choice,
    /// Whose cluster is judged.
    #[arg(long, value_enum, default_value = "ours")]
    against: Against,
    /// Portions of tests at a time; those that must be alone are alone.
    #[arg(long, default_value_t = 3)]
    workers: usize,
    /// Seconds that one test may take.
    #[arg(long, default_value_t = 400)]
    limit: u64,
    /// How often a test that failed is run again, one at a time; the last time counts.
    #[arg(long, default_value_t = 0)]
    retries: usize,
    /// Where our cluster's last results are kept.
    #[arg(long, value_name = "FILE", default_value = OURS)]
    results: PathBuf,
    /// Where those of upstream's cluster are.
    #[arg(long, value_name = "FILE", default_value = BASELINE)]
    baseline: PathBuf,
    /// Which commit of ours is judged.
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
    let suite = Suite::open()?;
    if let Some(cache) = &args.make_images {
        let missing = images::make(&suite.images, cache, &args.images)?;
        if args.against == Against::Upstream {
            baseline::fetch_plugins(cache, &args.data)?;
        }
        println!(
            "images of the suite that are not made: {}",
            missing.join(" ")
        );
        return Ok(true);
    }
    let (own, other, judged) = match args.against {
        Against::Ours => (&args.results, &args.baseline, args.commit.clone()),
        Against::Upstream => (&args.baseline, &args.results, baseline::version()?),
    };
    let (mut results, other) = (Results::open(own)?, Results::open(other)?);
    let chosen = args.choice.of(&suite, &results, &args.logs)?;
    if chosen.is_empty() && !args.idle {
        return Err(io::Error::other("no test is chosen"));
    }

    println!("==> starting two nodes");
    hosts::join()?;
    let registry = Registry::start(&args.images, &args.data)?;
    let mut nodes: Box<dyn Judged> = match args.against {
        Against::Ours => Box::new(Nodes::start(&args.data, &args.cgroup, registry.config())?),
        Against::Upstream => {
            let upstream =
                Upstream::start(&args.data, &args.cgroup, &suite.images, registry.config())?;
            Box::new(upstream)
        }
    };
    println!("==> loading the images");
    nodes.load(&args.images)?;
    if args.idle {
        println!("==> ready: {}", nodes.admin().display());
        io::copy(&mut io::stdin(), &mut io::sink())?;
        return Ok(true);
    }

    println!(
        "==> running {} of {} tests",
        chosen.len(),
        suite.tests.len()
    );
    let kubeconfig = nodes.admin().to_owned();
    let mut runner = Runner {
        suite: &suite,
        kubeconfig: &kubeconfig,
        kubectl: &upstream::binary("kubectl")?,
        logs: &args.logs,
        limit: Duration::from_secs(args.limit),
        workers: args.workers,
        begun: AtomicUsize::new(0),
    };
    let mut outcomes: BTreeMap<String, Outcome> = BTreeMap::new();
    let mut regressions = Vec::new();
    let mut failures = String::new();
    let mut left = chosen;
    for attempt in 0..=args.retries {
        if attempt > 0 && !left.is_empty() {
            println!("==> once more, one at a time: {} tests", left.len());
            runner.workers = 1;
        }
        let all = left.len();
        let mut number = 0;
        runner.run(&left, |ended| {
            number += 1;
            tell(&ended, number, all);
            if ended.outcome != Outcome::Passed {
                failures.push_str(&explain(&ended));
                std::fs::write(args.logs.join("failures.txt"), &failures)?;
            }
            if results.note(&ended.test, ended.outcome, &judged)? {
                regressions.push(ended.test.clone());
            }
            outcomes.insert(ended.test, ended.outcome);
            match nodes.ended().as_slice() {
                [] => Ok(()),
                fallen => Err(io::Error::other(format!("{} ended", fallen.join(", ")))),
            }
        })?;
        let passed = |test: &String| outcomes.get(test) == Some(&Outcome::Passed);
        left.retain(|test| !passed(test));
        regressions.retain(|test| !passed(test));
    }

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
    let (ours, baseline) = match args.against {
        Against::Ours => (&results, &other),
        Against::Upstream => (&other, &results),
    };
    for test in behind(&suite.tests, ours, baseline) {
        println!("BEHIND {test}");
    }
    println!("logs and reports: {}", args.logs.display());
    Ok(outcomes.values().all(|outcome| *outcome == Outcome::Passed))
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
