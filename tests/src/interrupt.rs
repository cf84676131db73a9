//! Ctrl-C and SIGTERM for the judges: they end their servers and take away what those wrote before they end themselves.

use std::future::Future;
use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// What `work` gives, or an error when SIGINT or SIGTERM comes first: then `work` is dropped, and with it the processes and
/// directories that it holds.
pub async fn or_interrupted<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        biased;
        _ = interrupt.recv() => Err(io::Error::other("interrupted")),
        _ = terminate.recv() => Err(io::Error::other("terminated")),
        outcome = work => outcome,
    }
}
