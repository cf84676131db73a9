//! `ctl exec`: a command in a container.

use std::io::Write;

use crate::cluster::{Cluster, query};
use crate::error::Result;
use crate::streams::{Wanted, show};
use crate::{pods, targets, terminal};

/// Options of `exec`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// POD, or KIND/NAME of something that has pods.
    word: String,
    /// Container of the pod; the annotated default or the first when not given.
    #[arg(short, long)]
    container: Option<String>,
    /// Pass standard input on.
    #[arg(short = 'i', long)]
    stdin: bool,
    /// Give the command a terminal.
    #[arg(short = 't', long)]
    tty: bool,
    /// Print only what the command prints.
    #[arg(short, long)]
    quiet: bool,
    /// The command and its arguments, after --.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Runs it; its exit code is ours.
pub async fn run(args: Args, cluster: &Cluster, out: &mut dyn Write) -> Result<()> {
    let pod = pods::find(cluster, &args.word).await?;
    let container = pods::container(&pod, args.container.as_deref())?;
    let tty = args.tty && terminal::is_interactive();
    if args.tty && !tty && !args.quiet {
        eprintln!("Unable to use a TTY - input is not a terminal or the right kind of file");
    }
    let wanted = Wanted {
        stdin: args.stdin,
        tty,
    };
    let mut pairs = wanted.pairs();
    pairs.push(("container", &container));
    pairs.extend(args.command.iter().map(|word| ("command", word.as_str())));
    let path = format!(
        "/api/v1/namespaces/{}/pods/{}/exec{}",
        cluster.namespace,
        targets::name(&pod),
        query(&pairs)
    );
    show(cluster, &path, wanted, out).await
}
