//! Measures what docs/benchmarks.md says, and prints its tables. `hack/bench` starts it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use e2e::bench::baseline::Baseline;
use e2e::bench::figures::Figures;
use e2e::bench::ladder;
use e2e::bench::rounds::{self, Job};
use e2e::bench::stages::{STAGES, Size};
use e2e::bench::subject::Subject;
use e2e::bench::{disk, plot, report};
use e2e::interrupt::or_interrupted;

/// Benchmarks of Gantry, beside upstream's Kubernetes if wanted.
#[derive(Parser)]
struct Args {
    /// Stages to run, with commas; when none is named all, with --smoke the short and steady ones.
    #[arg(long, value_delimiter = ',', value_parser = stage_names())]
    only: Vec<String>,
    /// Also measure this, alternately.
    #[arg(long, value_parser = ["upstream"])]
    against: Option<String>,
    /// Instead of stages, or beside those that are named: the same figures with 10, 100, 1,000 and 5,000 nodes, or up to so many.
    #[arg(long, value_name = "NODES", num_args = 0..=1, default_missing_value = "5000")]
    scale: Option<usize>,
    /// How often everything is measured; the tables have medians. [default: 5; 1 with --smoke]
    #[arg(long)]
    rounds: Option<usize>,
    /// Short measurements.
    #[arg(long)]
    smoke: bool,
    /// Fail if, in every pair, a row is a fifth worse against upstream's than the worst pair of this file.
    #[arg(long, value_name = "FILE", requires = "against")]
    check: Option<PathBuf>,
    /// Write the figures to this file for later checks, pictures of them beside it, and the tables into its page of Markdown.
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
        .block_on(or_interrupted(run(args)))
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
    let mut jobs = match args.scale {
        Some(_) if args.only.is_empty() => Vec::new(),
        _ => rounds::chosen(&args.only, args.smoke, args.against.is_some()),
    };
    jobs.extend(
        args.scale
            .into_iter()
            .flat_map(ladder::rungs)
            .map(Job::Rung),
    );
    rounds::run(&jobs, subjects, rounds, size, &mut figures).await?;
    let measured = Baseline::of(&figures, &args.taken, &disk);
    println!("\n{disk}\n\n{}", report::tables(&measured));
    if let Some(path) = &args.keep {
        keep(&measured, path)?;
    }
    let worse = before.map_or_else(Vec::new, |before| before.worse(&figures, &disk));
    if worse.is_empty() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "worse than they were:\n{}",
        worse.join("\n")
    )))
}

/// Adds the figures to those of the file, and draws and writes anew what is made of all.
fn keep(measured: &Baseline, path: &Path) -> io::Result<()> {
    measured.write(path)?;
    let all = Baseline::read(path)?;
    std::fs::write(path.with_extension("svg"), plot::svg(&all))?;
    if let Some(drawn) = ladder::plot::svg(&all) {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        std::fs::write(path.with_file_name(format!("{name}-scale.svg")), drawn)?;
    }
    let page = path.with_extension("md");
    if page.exists() {
        let text = report::page(&std::fs::read_to_string(&page)?, &all)
            .map_err(|error| io::Error::other(format!("{}: {error}", page.display())))?;
        std::fs::write(&page, text)?;
    }
    Ok(())
}
