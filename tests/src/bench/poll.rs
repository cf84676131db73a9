//! Waiting for what the benchmark times: closer together than a test would ask, and with an error instead of a panic.

use std::io;
use std::time::{Duration, Instant};

/// How long between two questions: well below what is measured.
const PAUSE: Duration = Duration::from_millis(1);

/// Asks until the answer is yes; gives the time since `begun`.
pub async fn until<F: Future<Output = bool>>(
    what: &str,
    begun: Instant,
    limit: Duration,
    mut ask: impl FnMut() -> F,
) -> io::Result<Duration> {
    while !ask().await {
        if begun.elapsed() > limit {
            return Err(io::Error::other(format!("{what}: not within {limit:?}")));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(begun.elapsed())
}
