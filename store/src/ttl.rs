//! When entries with a time to live expire: the same arithmetic in every engine.
//!
//! Upstream's API server shares one etcd lease among many Events, so that a cluster's Events do not cost a lease
//! each. The embedded engines round deadlines up to a grain for the same reason: what is written within a grain
//! expires in one revision, with one sync of the disk.

use std::time::Duration;

/// The most keys that share one lease, and the most that one revision of an embedded engine lets expire.
pub const MAX_KEYS_PER_LEASE: usize = 1_000;

/// How much longer than its time to live an entry may live: 5 % of it, at least 1 s, at most 60 s.
#[must_use]
pub fn slack(ttl: Duration) -> Duration {
    Duration::from_secs((ttl.as_secs() / 20).clamp(1, 60))
}

/// When an entry written at `now` expires, in milliseconds since the Unix epoch: a multiple of the slack.
pub(crate) fn deadline(now: Duration, ttl: Duration) -> u64 {
    let grain = millis(slack(ttl));
    millis(now)
        .saturating_add(millis(ttl))
        .div_ceil(grain)
        .saturating_mul(grain)
}

/// A duration in whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_lives_at_least_its_ttl_and_at_most_the_slack_longer() {
        for ttl in [1, 5, 15, 3_600, 86_400].map(Duration::from_secs) {
            for now in [0, 1, 999, 1_000, 123_456_789].map(Duration::from_millis) {
                let lives = Duration::from_millis(deadline(now, ttl)) - now;
                assert!(lives >= ttl && lives <= ttl + slack(ttl), "{ttl:?} {now:?}");
            }
        }
    }

    #[test]
    fn events_written_within_a_minute_expire_together() {
        let hour = Duration::from_secs(3_600);
        let at = |s| deadline(Duration::from_secs(s), hour);
        assert_eq!(at(61), at(119));
        assert_ne!(at(119), at(121));
    }
}
