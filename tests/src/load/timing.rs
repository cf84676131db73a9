//! Latencies of many requests, and what is said of them.

use std::time::Duration;

/// Latencies of the requests of one scenario.
#[derive(Default)]
pub struct Latencies(Vec<u32>);

impl Latencies {
    /// Adds one, rounded to microseconds.
    pub fn add(&mut self, latency: Duration) {
        self.0
            .push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    /// Takes over another worker's.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The latency below which this fraction of the requests lies.
    pub fn quantile(&mut self, fraction: f64) -> Duration {
        if self.0.is_empty() {
            return Duration::ZERO;
        }
        self.0.sort_unstable();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss
        )]
        let index = ((self.0.len() - 1) as f64 * fraction).round() as usize;
        Duration::from_micros(u64::from(self.0[index]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_taken_from_the_sorted_latencies() {
        let mut latencies = Latencies::default();
        for micros in [50, 10, 40, 20, 30] {
            latencies.add(Duration::from_micros(micros));
        }
        assert_eq!(latencies.quantile(0.0), Duration::from_micros(10));
        assert_eq!(latencies.quantile(0.5), Duration::from_micros(30));
        assert_eq!(latencies.quantile(1.0), Duration::from_micros(50));
    }
}
