//! `ctl`: the command line for people and scripts.
//!
//! It uses kubectl's names for verbs and options, speaks to any Kubernetes API server through the public API alone, and
//! knows nothing that `kubectl` could not know. `verbs` has a file for each verb; `output` has the forms of `-o`;
//! `describe` shows single objects.
//!
//! Exit codes: 0 done; 1 refused, failed, or differences found by `diff`; 2 wrong usage or input; 3 the server cannot be
//! reached; 4 not found; 5 conflict; 6 timed out. `exec` ends with the exit code of what it ran.

use std::io::Write;

use clap::Parser;

pub mod cluster;
pub mod describe;
pub mod duration;
pub mod error;
pub mod input;
pub mod output;
pub mod pods;
pub mod resources;
pub mod rollouts;
pub mod streams;
pub mod targets;
pub mod terminal;
pub mod verbs;

use error::{Error, Result};

/// Gantry's command line: applies, shows and follows objects of a cluster.
#[derive(Parser, Debug)]
#[command(
    name = "ctl",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Command {
    #[command(flatten)]
    connection: cluster::Connection,
    #[command(subcommand)]
    verb: verbs::Verb,
}

impl Command {
    /// Carries the command out, printing to `out`.
    pub async fn run(self, out: &mut dyn Write) -> Result<()> {
        verbs::run(self.verb, &self.connection, out).await
    }
}

/// Tells an error on standard error, with what to do about it.
pub fn report(error: &Error) {
    if matches!(error, Error::Differences) {
        return;
    }
    let text = error.to_string();
    if matches!(error, Error::Server { .. } | Error::Exited(_)) {
        eprintln!("{text}")
    } else {
        eprintln!("error: {text}")
    }
    if let Some(hint) = error.hint() {
        eprintln!("hint: {hint}");
    }
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
