//! Exponential back-off with jitter: the pure arithmetic, and a counter that walks along it.

use std::time::Duration;

use crate::random::Random;

/// How long to wait after the n-th failure in a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BackoffPolicy {
    /// The wait after the first failure.
    pub base: Duration,
    /// By how much each further failure multiplies it.
    pub factor: f64,
    /// The longest wait, before jitter.
    pub cap: Duration,
    /// The random part on top, as a fraction of the wait.
    pub jitter: f64,
}

impl BackoffPolicy {
    /// For a key in a work queue: 5 ms, doubling, to a minute. client-go's `ItemExponentialFailureRateLimiter` goes on to 1,000 s,
    /// by when what was in the way, such as a quota, may be gone for a quarter of an hour.
    pub const KEY: BackoffPolicy = BackoffPolicy {
        base: Duration::from_millis(5),
        factor: 2.0,
        cap: Duration::from_secs(60),
        jitter: 0.0,
    };

    /// For a lost connection to the API server: 200 ms to 30 s, and up to as much again at random, so that the clients
    /// of a server that restarts do not return all at once.
    pub const CONNECTION: BackoffPolicy = BackoffPolicy {
        base: Duration::from_millis(200),
        factor: 2.0,
        cap: Duration::from_secs(30),
        jitter: 1.0,
    };

    /// The wait after `failures` failures in a row (1 is the first), without jitter.
    pub fn delay(&self, failures: u32) -> Duration {
        let exponent = i32::try_from(failures.saturating_sub(1))
            .unwrap_or(i32::MAX)
            .min(1000);
        let seconds = self.base.as_secs_f64() * self.factor.powi(exponent);
        if seconds.is_finite() && seconds < self.cap.as_secs_f64() {
            Duration::from_secs_f64(seconds)
        } else {
            self.cap
        }
    }
}

/// Counts failures in a row, and says how long to wait after each.
#[derive(Debug, Clone)]
pub struct Backoff {
    policy: BackoffPolicy,
    failures: u32,
}

impl Backoff {
    /// A counter at zero.
    pub fn new(policy: BackoffPolicy) -> Self {
        Backoff {
            policy,
            failures: 0,
        }
    }

    /// Notes a failure and returns the wait before the next attempt, jittered.
    pub fn fail(&mut self, random: &Random) -> Duration {
        self.failures = self.failures.saturating_add(1);
        random.jitter(self.policy.delay(self.failures), self.policy.jitter)
    }

    /// Notes a success: the next failure waits the base again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures in a row so far.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap_and_never_overflow() {
        let ms = |n| BackoffPolicy::KEY.delay(n).as_millis();
        assert_eq!((ms(1), ms(2), ms(3), ms(11)), (5, 10, 20, 5120));
        assert_eq!(ms(14), 40_960);
        assert_eq!(ms(15), 60_000);
        assert_eq!(ms(u32::MAX), 60_000);
    }

    #[test]
    fn a_success_starts_over() {
        let random = Random::from_seed(0);
        let mut backoff = Backoff::new(BackoffPolicy {
            jitter: 0.0,
            ..BackoffPolicy::CONNECTION
        });
        assert_eq!(backoff.fail(&random).as_millis(), 200);
        assert_eq!(backoff.fail(&random).as_millis(), 400);
        backoff.reset();
        assert_eq!(backoff.fail(&random).as_millis(), 200);
    }
}
