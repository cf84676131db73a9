//! `gantry`: a cluster in one process.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gantry::kubeconfig::UserKubeconfig;
use gantry::node::NodeOptions;
use gantry::{image, up};

// The API server's choice: many brief allocations of many sizes, on all cores.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A container orchestrator that speaks the Kubernetes API, in one process.
#[derive(Parser)]
#[command(name = "gantry", version, arg_required_else_help = true)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run a cluster of one node: API server, scheduler, controllers and kubelet
    Up(Box<up::Options>),
    /// Take away what a cluster made on this machine
    Reset(Box<Reset>),
    /// Images without a registry
    #[command(subcommand)]
    Image(Image),
    /// The cluster's context in a user's own kubeconfig
    #[command(subcommand)]
    Kubeconfig(Kubeconfig),
}

#[derive(clap::Args)]
struct Reset {
    /// The cluster's data directory.
    #[arg(long, default_value = "/var/lib/gantry", value_name = "DIR")]
    data_dir: PathBuf,
    #[command(flatten)]
    node: NodeOptions,
    /// Yes, containers and data are to be deleted.
    #[arg(long, required = true)]
    yes: bool,
}

#[derive(Subcommand)]
enum Image {
    /// Pack one static program as an image
    Pack(image::Pack),
    /// Load an image archive into this node's containerd
    Load(Box<image::Load>),
}

#[derive(Subcommand)]
enum Kubeconfig {
    /// Add the cluster's context and make it current; other contexts stay
    Merge {
        /// The admin's kubeconfig.
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        #[command(flatten)]
        whose: Whose,
    },
    /// Take the context out again
    Remove {
        #[command(flatten)]
        whose: Whose,
    },
}

#[derive(clap::Args)]
struct Whose {
    /// The context's name.
    #[arg(long, default_value = "gantry")]
    context: String,
    /// The user whose ~/.kube/config is meant.
    #[arg(long)]
    user: String,
    /// Where the user's original file is kept meanwhile.
    #[arg(long, default_value = "/etc/gantry", value_name = "DIR")]
    state_dir: PathBuf,
}

fn main() -> ExitCode {
    // A container's log writer is this binary: it needs nothing of what follows.
    if let Some(code) = kubelet::logs::writer::main(std::env::args_os().skip(1)) {
        return code;
    }
    let command = Command::parse();
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    match run(command.verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<(), Box<dyn std::error::Error>> {
    match verb {
        Verb::Image(Image::Pack(args)) => return Ok(image::pack_image(&args)?),
        Verb::Kubeconfig(Kubeconfig::Merge { from, whose }) => {
            return Ok(
                UserKubeconfig::of(&whose.user, &whose.state_dir)?.merge(&from, &whose.context)?
            );
        }
        Verb::Kubeconfig(Kubeconfig::Remove { whose }) => {
            return Ok(UserKubeconfig::of(&whose.user, &whose.state_dir)?.remove(&whose.context)?);
        }
        _ => {}
    }
    tokio::runtime::Runtime::new()?.block_on(async {
        match verb {
            Verb::Up(options) => {
                let shutdown = runtime::shutdown::on_signals()?;
                up::run(*options, shutdown).await?;
            }
            Verb::Reset(args) => {
                kubelet::cleanup(&args.node.kubelet(&args.data_dir)).await?;
                match std::fs::remove_dir_all(&args.data_dir) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(error.into());
                    }
                    _ => {}
                }
            }
            Verb::Image(Image::Load(args)) => {
                for name in image::load_image(&args).await? {
                    println!("{name}");
                }
            }
            Verb::Image(Image::Pack(_)) | Verb::Kubeconfig(_) => {}
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Command::command().debug_assert();
    }
}
