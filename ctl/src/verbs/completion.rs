//! `ctl completion`: a script for the user's shell.

use std::io::Write;

use clap::CommandFactory as _;

use crate::error::Result;

/// Options of `completion`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// bash, elvish, fish, powershell or zsh.
    shell: clap_complete::Shell,
}

/// Prints the script: `source <(ctl completion bash)`.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut crate::Command::command(),
        "ctl",
        &mut script,
    );
    out.write_all(&script)?;
    Ok(())
}
