//! `ctl`: Gantry's command line.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use ctl::error::Error;

fn main() -> ExitCode {
    let command = ctl::Command::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut out = std::io::stdout().lock();
    let result = runtime.block_on(command.run(&mut out));
    let result = result.and_then(|()| out.flush().map_err(Error::from));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads a pipe has seen enough: that is no failure.
        Err(Error::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            ctl::report(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
