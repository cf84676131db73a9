//! A further process in a running container: its exit code and what it said.

mod pipes;
pub mod stream;

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio_util::sync::CancellationToken;

use self::pipes::Pipes;
use crate::containerd::{Containerd, Error};

pub use pipes::name;

/// What is kept of its output.
const MAX_OUTPUT_BYTES: usize = 10 * 1024;

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// By itself.
    Exited {
        /// The exit code.
        code: u32,
        /// The beginning of its output, both streams.
        output: String,
    },
    /// It took too long and was killed.
    TimedOut,
}

/// Runs `args` in the container, as its own process runs. `exec` names the process (see [`name`]); `dir` is for the pipes.
///
/// # Errors
/// When the container does not run, or the program cannot be executed.
pub async fn run(
    containerd: &Containerd,
    container: &str,
    exec: &str,
    args: &[String],
    timeout: Duration,
    dir: &Path,
) -> Result<Outcome, Error> {
    let io = |error: std::io::Error| Error::Protocol(format!("pipes for {exec}: {error}"));
    let mut process: Value = containerd.container_spec(container).await?["process"].clone();
    process["args"] = args.into();
    process["terminal"] = false.into();
    let pipes = Pipes::make(dir, exec, [false, true, true]).map_err(io)?;
    let mut receivers = Vec::new();
    for path in [&pipes.stdout, &pipes.stderr].into_iter().flatten() {
        // Held open for writing too, so that it has no end before the process does.
        receivers.push(
            pipe::OpenOptions::new()
                .read_write(true)
                .open_receiver(path)
                .map_err(io)?,
        );
    }
    containerd
        .create_exec(container, exec, &process, pipes.stdio(false))
        .await?;
    let done = CancellationToken::new();
    // Whoever waits for the process may let it be.
    let _done = done.clone().drop_guard();
    let readers: Vec<_> = receivers
        .into_iter()
        .map(|receiver| tokio::spawn(read(receiver, done.clone())))
        .collect();
    let ended = async {
        containerd.start_task(container, exec).await?;
        containerd.wait_task(container, exec).await
    };
    let ended = tokio::time::timeout(timeout, ended).await;
    if ended.is_err() {
        containerd.kill_task(container, exec, 9, true).await?;
        let _ = tokio::time::timeout(
            Duration::from_secs(5),
            containerd.wait_task(container, exec),
        )
        .await;
    }
    // Its output is complete once the shim has closed it.
    let deleted = containerd.delete_exec(container, exec).await;
    done.cancel();
    let mut output = Vec::new();
    for reader in readers {
        output.extend(reader.await.unwrap_or_default());
    }
    match ended {
        Err(_) => Ok(Outcome::TimedOut),
        Ok(Err(error)) => Err(error),
        Ok(Ok(exit)) => {
            deleted?;
            output.truncate(MAX_OUTPUT_BYTES);
            Ok(Outcome::Exited {
                code: exit.code,
                output: String::from_utf8_lossy(&output).into_owned(),
            })
        }
    }
}

/// Reads until the process is done and the pipe is empty. What is too much is drained.
async fn read(mut receiver: pipe::Receiver, done: CancellationToken) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = tokio::select! {
            biased;
            read = receiver.read(&mut chunk) => read,
            () = done.cancelled() => receiver.try_read(&mut chunk),
        };
        match read {
            Ok(read) if read > 0 => {
                let room = MAX_OUTPUT_BYTES.saturating_sub(kept.len());
                kept.extend_from_slice(&chunk[..read.min(room)]);
            }
            _ => return kept,
        }
    }
}
