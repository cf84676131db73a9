//! `ctl attach`: the input and output of what runs in a container.

use std::io::Write;

use serde_json::Value;

use crate::cluster::{Cluster, query};
use crate::error::{Error, Result};
use crate::streams::{Wanted, show};
use crate::{pods, targets, terminal};

/// Options of `attach`.
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
    /// The container's terminal is shown in the one here.
    #[arg(short = 't', long)]
    tty: bool,
    /// Print only what the container prints.
    #[arg(short, long)]
    quiet: bool,
}

/// Shows it until the container ends, or the input does.
pub async fn run(args: Args, cluster: &Cluster, out: &mut dyn Write) -> Result<()> {
    let pod = pods::find(cluster, &args.word).await?;
    let name = targets::name(&pod);
    let container = pods::container(&pod, args.container.as_deref())?;
    let spec = spec(&pod, &container);
    if args.stdin && spec["stdin"] != true {
        return Err(Error::Failed(format!(
            "container {container} of pod {name} takes no input: its spec has no stdin"
        )));
    }
    // A container with a terminal speaks as one does, whether or not there is one here.
    let tty = spec["tty"] == true;
    if args.tty && !tty && !args.quiet {
        eprintln!("error: Unable to use a TTY - container {container} did not allocate one");
    }
    let wanted = Wanted {
        stdin: args.stdin,
        tty,
    };
    if tty && args.stdin && terminal::is_interactive() && !args.quiet {
        eprintln!("If you don't see a command prompt, try pressing enter.");
    }
    let mut pairs = wanted.pairs();
    pairs.push(("container", &container));
    let namespace = &cluster.namespace;
    let path = format!(
        "/api/v1/namespaces/{namespace}/pods/{name}/attach{}",
        query(&pairs)
    );
    show(cluster, &path, wanted, out).await
}

fn spec<'a>(pod: &'a Value, container: &str) -> &'a Value {
    let lists = ["containers", "initContainers", "ephemeralContainers"];
    let all = lists.iter().filter_map(|list| pod["spec"][list].as_array());
    let mut all = all.flatten();
    all.find(|spec| spec["name"] == container)
        .unwrap_or(&Value::Null)
}
