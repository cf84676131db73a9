//! When a node was last heard of, by this process's own clock: clocks of nodes need not agree.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// What was last seen of a node, and when that changed.
#[derive(Debug, Clone)]
pub(super) struct Health {
    heartbeat: Option<Timestamp>,
    renewed: Option<i64>,
    heard: Instant,
}

impl Health {
    /// A node that is seen for the first time counts as heard of now: it gets its time.
    pub(super) fn new(heartbeat: Option<Timestamp>, renewed: Option<i64>, now: Instant) -> Self {
        Health {
            heartbeat,
            renewed,
            heard: now,
        }
    }

    /// Takes in the heartbeat of its `Ready` condition and the renewal of its Lease (in microseconds).
    pub(super) fn observe(
        &mut self,
        heartbeat: Option<Timestamp>,
        renewed: Option<i64>,
        now: Instant,
    ) {
        // A renewal must be newer; of a heartbeat it is enough that it is another.
        if heartbeat != self.heartbeat || renewed > self.renewed {
            self.heard = now;
        }
        self.heartbeat = heartbeat;
        self.renewed = self.renewed.max(renewed);
    }

    /// Starts its time anew: while nobody could be heard, silence proved nothing.
    pub(super) fn forgive(&mut self, now: Instant) {
        self.heard = now;
    }

    /// How long it may still be silent; `None` if it has been for longer than `grace`.
    pub(super) fn patience(&self, grace: Duration, now: Instant) -> Option<Duration> {
        grace
            .checked_sub(now.saturating_duration_since(self.heard))
            .filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(50);

    #[tokio::test(start_paused = true)]
    async fn either_sign_of_life_counts_and_silence_runs_out() {
        let later = |seconds| Instant::now() + Duration::from_secs(seconds);
        let mut health = Health::new(None, Some(5), Instant::now());
        assert_eq!(
            health.patience(GRACE, later(20)),
            Some(Duration::from_secs(30))
        );
        assert_eq!(health.patience(GRACE, later(50)), None);
        health.observe(None, Some(6), later(40));
        assert_eq!(
            health.patience(GRACE, later(50)),
            Some(Duration::from_secs(40))
        );
        health.observe(Some(Timestamp::UNIX_EPOCH), Some(6), later(80));
        assert_eq!(health.patience(GRACE, later(80)), Some(GRACE));
    }

    #[tokio::test(start_paused = true)]
    async fn an_older_lease_is_no_sign_of_life() {
        let mut health = Health::new(None, Some(5), Instant::now());
        health.observe(None, Some(4), Instant::now() + Duration::from_secs(60));
        health.observe(None, None, Instant::now() + Duration::from_secs(60));
        health.observe(None, Some(5), Instant::now() + Duration::from_secs(60));
        assert_eq!(
            health.patience(GRACE, Instant::now() + Duration::from_secs(60)),
            None
        );
    }
}
