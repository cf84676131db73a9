//! How long nothing has gone over a connection.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Upstream's `streamingConnectionIdleTimeout`.
pub const LIMIT: Duration = Duration::from_secs(4 * 60 * 60);

/// When something went over a connection last. Clones share it.
#[derive(Clone, Debug)]
pub struct Idle(Arc<Mutex<Instant>>);

impl Default for Idle {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Idle {
    /// Something went over it.
    pub fn touch(&self) {
        *self.0.lock() = Instant::now();
    }

    /// Waits until nothing has for `limit`.
    pub async fn expired(&self, limit: Duration) {
        loop {
            let end = *self.0.lock() + limit;
            if end <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_goes_over_it_begins_the_time_anew() {
        let (idle, start) = (Idle::default(), Instant::now());
        let other = idle.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(7)).await;
            other.touch();
        });
        idle.expired(Duration::from_secs(10)).await;
        assert_eq!(start.elapsed(), Duration::from_secs(17));
    }
}
