//! Growing delays between attempts that fail: restarts of a container, pulls of an image.

use std::time::Duration;

use tokio::time::Instant;

/// Upstream's delays: 10 s, doubled each time up to 5 minutes, from the start again after 10 quiet minutes.
const BASE: Duration = Duration::from_secs(10);
const MAX: Duration = Duration::from_secs(300);
const RESET: Duration = Duration::from_secs(600);

/// How long the next attempt has to wait after a failure.
#[derive(Clone, Copy, Debug, Default)]
pub struct BackOff {
    delay: Duration,
    grown: Option<Instant>,
}

impl BackOff {
    /// When an attempt may be made that follows the failure at `failed`; `None` for at once. The first one waits for nothing.
    pub fn until(&self, failed: Instant, now: Instant) -> Option<Instant> {
        let quiet = self
            .grown
            .is_none_or(|grown| failed.duration_since(grown) > RESET);
        Some(failed + self.delay).filter(|until| !quiet && *until > now)
    }

    /// An attempt is made: the next one will wait longer.
    pub fn grow(&mut self, now: Instant) {
        let quiet = self
            .grown
            .is_none_or(|grown| now.duration_since(grown) > RESET);
        self.delay = if quiet {
            BASE
        } else {
            (self.delay * 2).min(MAX)
        };
        self.grown = Some(now);
    }

    /// The delay that applies now.
    pub fn delay(&self) -> Duration {
        self.delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn delays_double_up_to_five_minutes_and_begin_anew_after_ten_quiet_ones() {
        let mut back_off = BackOff::default();
        let mut delays = Vec::new();
        for _ in 0..8 {
            // It fails as soon as it is started.
            let failed = Instant::now();
            let until = back_off.until(failed, failed).unwrap_or(failed);
            delays.push((until - failed).as_secs());
            tokio::time::advance(until - failed).await;
            back_off.grow(Instant::now());
        }
        assert_eq!(delays, [0, 10, 20, 40, 80, 160, 300, 300]);
        tokio::time::advance(RESET + Duration::from_secs(1)).await;
        assert_eq!(back_off.until(Instant::now(), Instant::now()), None);
        back_off.grow(Instant::now());
        assert_eq!(back_off.delay(), BASE);
    }
}
