//! Requests one after the other on so many connections: the shape of nearly all load here.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;

use super::client::Target;
use super::timing::Latencies;

pub(super) const JSON: &str = "application/json";
pub(super) const MERGE_PATCH: &str = "application/merge-patch+json";

/// What one row found.
pub struct Outcome {
    /// Requests, deliveries or lists.
    pub count: usize,
    /// How long they took in all.
    pub elapsed: Duration,
    /// Latency of each request.
    pub latencies: Latencies,
}

impl Outcome {
    /// How many in a second.
    #[allow(clippy::cast_precision_loss, reason = "fewer than 2^53")]
    pub fn per_second(&self) -> f64 {
        self.count as f64 / self.elapsed.as_secs_f64()
    }
}

/// Sends `request(turn)`, turn by turn, on so many connections until the time is over, or until there is none.
pub(super) async fn closed_loop<F>(
    target: &Target,
    workers: usize,
    limit: Duration,
    request: F,
) -> io::Result<Outcome>
where
    F: Fn(usize) -> Option<(Method, String, Bytes)> + Send + Sync + 'static,
{
    let request = Arc::new(request);
    let turn = Arc::new(AtomicUsize::new(0));
    let mut connections = Vec::new();
    for _ in 0..workers {
        connections.push(target.connect().await?);
    }
    let start = Instant::now();
    let tasks: Vec<_> = connections
        .into_iter()
        .map(|mut connection| {
            let (request, turn) = (Arc::clone(&request), Arc::clone(&turn));
            tokio::spawn(async move {
                let mut latencies = Latencies::default();
                while start.elapsed() < limit {
                    let Some((method, path, body)) = request(turn.fetch_add(1, Ordering::Relaxed))
                    else {
                        break;
                    };
                    let sent = Instant::now();
                    let kind = if method == Method::PATCH {
                        MERGE_PATCH
                    } else {
                        JSON
                    };
                    connection.expect(method, &path, kind, body).await?;
                    latencies.add(sent.elapsed());
                }
                Ok::<_, io::Error>(latencies)
            })
        })
        .collect();
    let mut latencies = Latencies::default();
    for task in tasks {
        latencies.merge(task.await.map_err(io::Error::other)??);
    }
    Ok(Outcome {
        count: latencies.len(),
        elapsed: start.elapsed(),
        latencies,
    })
}
