//! The verbs: one file each, with its options and what it does.

use std::io::Write;

use clap::Subcommand;

use crate::cluster::{Cluster, Connection};
use crate::error::Result;

pub mod api_resources;
pub mod apply;
pub mod attach;
pub mod completion;
pub mod create;
pub mod delete;
pub mod describe;
pub mod diff;
pub mod events;
pub mod exec;
pub mod explain_scheduling;
pub mod get;
pub mod logs;
pub mod port_forward;
pub mod rollout;
pub mod scale;
pub mod set;
pub mod version;
pub mod wait;

/// What to do.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// Make objects be as files say (server-side apply)
    Apply(apply::Args),
    /// Show objects
    Get(get::Args),
    /// Show objects with all that belongs to them
    Describe(describe::Args),
    /// Create objects from files or from the command line
    Create(create::Args),
    /// Delete objects
    Delete(delete::Args),
    /// Show what apply would change
    Diff(diff::Args),
    /// Set the number of replicas
    Scale(scale::Args),
    /// Change one thing of an object
    #[command(subcommand)]
    Set(set::Verb),
    /// Follow and steer rollouts
    #[command(subcommand)]
    Rollout(rollout::Verb),
    /// Show what a container printed
    Logs(logs::Args),
    /// Run a command in a container
    Exec(exec::Args),
    /// Attach to what runs in a container
    Attach(attach::Args),
    /// Forward local ports to a pod
    PortForward(port_forward::Args),
    /// Wait for a condition
    Wait(wait::Args),
    /// Show what happened
    Events(events::Args),
    /// Show for each node why a pod was or was not placed there
    ExplainScheduling(explain_scheduling::Args),
    /// Show the resources of the server
    ApiResources(api_resources::Args),
    /// Print a shell's completion script
    Completion(completion::Args),
    /// Show the versions of ctl and of the server
    Version(version::Args),
}

/// Carries a verb out.
pub async fn run(verb: Verb, connection: &Connection, out: &mut dyn Write) -> Result<()> {
    if let Verb::Completion(args) = verb {
        return completion::run(&args, out);
    }
    let cluster = Cluster::connect(connection).await?;
    match verb {
        Verb::Apply(args) => apply::run(args, &cluster, connection, out).await,
        Verb::Get(args) => get::run(args, &cluster, out).await,
        Verb::Describe(args) => describe::run(args, &cluster, out).await,
        Verb::Create(args) => create::run(args, &cluster, connection, out).await,
        Verb::Delete(args) => delete::run(args, &cluster, connection, out).await,
        Verb::Diff(args) => diff::run(args, &cluster, connection, out).await,
        Verb::Scale(args) => scale::run(args, &cluster, out).await,
        Verb::Set(verb) => set::run(verb, &cluster, out).await,
        Verb::Rollout(verb) => rollout::run(verb, &cluster, out).await,
        Verb::Logs(args) => logs::run(args, &cluster, out).await,
        Verb::Exec(args) => exec::run(args, &cluster, out).await,
        Verb::Attach(args) => attach::run(args, &cluster, out).await,
        Verb::PortForward(args) => port_forward::run(args, &cluster, out).await,
        Verb::Wait(args) => wait::run(args, &cluster, out).await,
        Verb::Events(args) => events::run(args, &cluster, out).await,
        Verb::ExplainScheduling(args) => explain_scheduling::run(args, &cluster, out).await,
        Verb::ApiResources(args) => api_resources::run(&args, &cluster, out).await,
        Verb::Version(args) => version::run(&args, &cluster, out).await,
        Verb::Completion(_) => Ok(()),
    }
}
