//! Sends the corpus to upstream's kube-apiserver and to ours, and says where they differ. `hack/differential` starts it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use e2e::bench::subject::{ApiServer, Subject};
use e2e::differential::deliberate;
use e2e::differential::generate::Documents;
use e2e::differential::report::Report;
use e2e::differential::run::Pair;
use e2e::differential::sequence::{self, Sequence, Step};
use e2e::differential::server::Server;
use e2e::interrupt::or_interrupted;
use serde_json::Value;

/// Our API server beside upstream's, request by request.
#[derive(Parser)]
struct Args {
    /// Files of the corpus by their names without `.yaml`, or `changed` for the changed objects of every kind, or `protobuf` for
    /// the same in protobuf; all when none is named.
    corpus: Vec<String>,
    /// Of the changed objects, these kinds only.
    #[arg(long, value_delimiter = ',')]
    kinds: Vec<String>,
    /// Fail if fewer percent agree.
    #[arg(long, default_value_t = 100.0)]
    wanted: f64,
    /// Write every difference to this file, a line each.
    #[arg(long)]
    list: Option<PathBuf>,
}

/// The valid objects that are changed: the least of every kind, and fuller ones of those with many rules.
const OBJECTS: [&str; 2] = [
    "../tests/defaults/objects.yaml",
    "../tests/validation/objects.yaml",
];

/// Sequences that are sent at a time.
const PAIRS: usize = 4;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    match runtime.and_then(|runtime| runtime.block_on(or_interrupted(run(Args::parse())))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> io::Result<bool> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("differential");
    let deliberate = deliberate::read(&directory.join("deliberate.yaml"))?;
    let ours = ApiServer::start(Subject::Gantry).await?;
    let theirs = ApiServer::start(Subject::Upstream).await?;
    let sequences = corpus(&args, &directory, &theirs).await?;
    println!("{} sequences", sequences.len());
    let mut pairs = Vec::new();
    for number in 0..PAIRS {
        let (ours, theirs) = (
            Server::connect(ours.target.clone()).await?,
            Server::connect(theirs.target.clone()).await?,
        );
        let sequences: Vec<Sequence> = sequences
            .iter()
            .skip(number)
            .step_by(PAIRS)
            .cloned()
            .collect();
        pairs.push(tokio::spawn(async move {
            let mut pair = Pair::new(ours, theirs, &format!("pair-{number}"));
            let mut found = Vec::new();
            for sequence in sequences {
                let differences = pair.run(&sequence).await?;
                found.push((sequence, differences));
            }
            Ok::<_, io::Error>(found)
        }));
    }
    let mut report = Report::default();
    for pair in pairs {
        for (sequence, found) in pair.await.map_err(io::Error::other)?? {
            report.add(&sequence, found, &deliberate);
        }
    }
    print!("{}", report.text(&deliberate));
    if let Some(file) = &args.list {
        std::fs::write(file, report.lines().join("\n"))?;
    }
    Ok(report.whole().all > 0 && report.whole().percent() >= args.wanted)
}

async fn corpus(args: &Args, directory: &Path, upstream: &ApiServer) -> io::Result<Vec<Sequence>> {
    let wanted =
        |name: &str| args.corpus.is_empty() || args.corpus.iter().any(|corpus| corpus == name);
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory.join("sequences"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    files.sort();
    let mut sequences = Vec::new();
    for file in files {
        if file
            .file_stem()
            .is_some_and(|name| wanted(&name.to_string_lossy()))
        {
            sequences.extend(sequence::read(&file)?);
        }
    }
    if wanted("changed") || wanted("protobuf") {
        let documents = Documents::read(&mut upstream.target.connect().await?).await?;
        for file in OBJECTS {
            let objects = std::fs::read_to_string(directory.join(file))?;
            for object in serde_yaml::Deserializer::from_str(&objects) {
                let object: Value =
                    serde::Deserialize::deserialize(object).map_err(io::Error::other)?;
                let kind = object["kind"].as_str().unwrap_or_default().to_owned();
                if args.kinds.is_empty() || args.kinds.contains(&kind) {
                    let changed = documents.sequences(&object);
                    if wanted("protobuf") {
                        sequences.extend(changed.iter().map(in_protobuf));
                    }
                    if wanted("changed") {
                        sequences.extend(changed);
                    }
                }
            }
        }
    }
    Ok(sequences)
}

/// The requests of a sequence that protobuf can say, in it.
fn in_protobuf(sequence: &Sequence) -> Sequence {
    Sequence {
        name: format!("{}, in protobuf", sequence.name),
        steps: sequence
            .steps
            .iter()
            .filter_map(Step::in_protobuf)
            .collect(),
        independent: sequence.independent,
    }
}
