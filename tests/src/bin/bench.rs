//! Measures what docs/benchmarks.md says, and prints its tables. `hack/bench` starts it.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use e2e::bench::baseline::Baseline;
use e2e::bench::figures::Figures;
use e2e::bench::stages::{self, STAGES, Size};
use e2e::bench::subject::Subject;
use e2e::bench::{disk, plot, report};
use tokio::signal::unix::{SignalKind, signal};

/// Benchmarks of Gantry, beside upstream's Kubernetes if wanted.
#[derive(Parser)]
struct Args {
    /// Stages to run, with commas; all when none is named.
    #[arg(long, value_delimiter = ',', value_parser = stage_names())]
    only: Vec<String>,
    /// Also measure this, alternately.
    #[arg(long, value_parser = ["upstream"])]
    against: Option<String>,
    /// How often everything is measured; the tables have medians. [default: 5; 1 with --smoke]
    #[arg(long)]
    rounds: Option<usize>,
    /// Short measurements.
    #[arg(long)]
    smoke: bool,
    /// Fail if, in every pair, a row is a fifth worse against upstream's than this file says.
    #[arg(long, value_name = "FILE", requires = "against")]
    check: Option<PathBuf>,
    /// Write the figures to this file for later checks, and a picture of them beside it.
    #[arg(long, value_name = "FILE", conflicts_with = "smoke")]
    keep: Option<PathBuf>,
    /// What `--keep` notes of where the figures come from.
    #[arg(long, default_value = "")]
    taken: String,
    /// Where the figures are kept: a run that was interrupted is taken up again.
    #[arg(long, value_name = "FILE")]
    figures: PathBuf,
}

fn stage_names() -> Vec<&'static str> {
    STAGES.iter().map(|stage| stage.name).collect()
}

fn main() -> ExitCode {
    match measure(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: Args) -> io::Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(async {
            let (mut interrupt, mut terminate) = (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
            );
            // Whoever is dropped with the run ends its processes and takes away what it made.
            tokio::select! {
                biased;
                _ = interrupt.recv() => Err(io::Error::other("interrupted")),
                _ = terminate.recv() => Err(io::Error::other("terminated")),
                outcome = run(args) => outcome,
            }
        })
}

async fn run(args: Args) -> io::Result<()> {
    let disk = disk::probe(&std::env::temp_dir())?;
    println!("{disk}");
    let (size, rounds) = if args.smoke {
        (Size::SMOKE, args.rounds.unwrap_or(1))
    } else {
        (Size::FULL, args.rounds.unwrap_or(5))
    };
    let before = args.check.as_deref().map(Baseline::read).transpose()?;
    let subjects = match args.against {
        Some(_) => &[Subject::Gantry, Subject::Upstream][..],
        None => &[Subject::Gantry],
    };
    let mut figures = Figures::open(&args.figures)?;
    for round in 1..=rounds {
        for stage in STAGES {
            if !args.only.is_empty() && !args.only.iter().any(|only| only == stage.name) {
                continue;
            }
            for &subject in subjects {
                let name = format!("{round}/{}/{}", stage.name, subject.as_str());
                if figures.is_done(&name) || (subject == Subject::Upstream && !stage.compares) {
                    continue;
                }
                stages::run(stage.name, subject, size, &mut figures).await?;
                figures.finish(&name)?;
            }
        }
    }
    println!("\n{disk}\n\n{}", report::tables(&figures));
    if let Some(path) = &args.keep {
        Baseline::of(&figures, &args.taken, &disk.to_string()).write(path)?;
        let all = Baseline::read(path)?;
        std::fs::write(path.with_extension("svg"), plot::svg(&all))?;
    }
    let worse = before.map_or_else(Vec::new, |before| before.worse(&figures));
    if worse.is_empty() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "worse than they were:\n{}",
        worse.join("\n")
    )))
}
