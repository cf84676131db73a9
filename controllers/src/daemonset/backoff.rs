//! Pods that failed go and are followed by others, but not ever faster.

use std::{collections::BTreeMap, time::Duration};

use parking_lot::Mutex;
use runtime::{BackoffPolicy, Key};
use tokio::time::Instant;

/// Upstream's: from a second to a quarter of an hour.
const POLICY: BackoffPolicy = BackoffPolicy {
    base: Duration::from_secs(1),
    factor: 2.0,
    cap: Duration::from_secs(15 * 60),
    jitter: 0.0,
};

#[derive(Debug, Clone, Copy)]
struct Failures {
    generation: i64,
    count: u32,
    last: Instant,
}

/// When pods of each set failed last, by node.
#[derive(Debug, Default)]
pub(super) struct FailedPods(Mutex<BTreeMap<Key, BTreeMap<String, Failures>>>);

impl FailedPods {
    /// Notes that a failed pod of a generation of the set goes from a node; or says how long it must still stay.
    pub(super) fn may_go(&self, set: &Key, generation: i64, node: &str) -> Result<(), Duration> {
        let now = Instant::now();
        let mut all = self.0.lock();
        let nodes = all.entry(set.clone()).or_default();
        // Whatever has been quiet for long enough begins anew.
        nodes.retain(|_, f| now.duration_since(f.last) <= 2 * POLICY.cap);
        let known = nodes.get(node).filter(|f| f.generation == generation);
        let count = known.map_or(0, |f| f.count);
        if let Some(known) = known {
            let wait = POLICY.delay(count);
            let waited = now.duration_since(known.last);
            if waited < wait {
                return Err(wait - waited);
            }
        }
        let failures = Failures {
            generation,
            count: count.saturating_add(1),
            last: now,
        };
        nodes.insert(node.to_owned(), failures);
        Ok(())
    }

    /// The set is gone.
    pub(super) fn forget(&self, set: &Key) {
        self.0.lock().remove(set);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_goes_at_once_and_each_further_one_waits_twice_as_long() {
        let (failed, set) = (FailedPods::default(), Key::new("ns", "log"));
        assert_eq!(failed.may_go(&set, 1, "n"), Ok(()));
        assert_eq!(failed.may_go(&set, 1, "n"), Err(Duration::from_secs(1)));
        assert_eq!(failed.may_go(&set, 1, "other"), Ok(()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(failed.may_go(&set, 1, "n"), Ok(()));
        assert_eq!(failed.may_go(&set, 1, "n"), Err(Duration::from_secs(2)));
        assert_eq!(failed.may_go(&set, 2, "n"), Ok(()), "another template");
        tokio::time::advance(2 * POLICY.cap + Duration::from_secs(1)).await;
        assert_eq!(failed.may_go(&set, 2, "n"), Ok(()));
        assert_eq!(failed.may_go(&set, 2, "n"), Err(Duration::from_secs(1)));
    }
}
