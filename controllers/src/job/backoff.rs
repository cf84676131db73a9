//! How long a Job waits before it makes pods anew after failures: 10 s after the first, doubling up to 10 minutes. Pure.

use std::time::Duration;

use jiff::Timestamp;
use runtime::{BackoffPolicy, Object};

use super::policy::work;
use crate::object::pod::Pod;

/// Upstream's numbers.
const POLICY: BackoffPolicy = BackoffPolicy {
    base: Duration::from_secs(10),
    factor: 2.0,
    cap: Duration::from_secs(600),
    jitter: 0.0,
};

/// Failures in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Failures {
    /// Since the last success.
    count: u32,
    last: Option<Timestamp>,
}

impl Failures {
    /// With the pods that have ended since.
    pub(super) fn after<'a>(
        self,
        succeeded: impl Iterator<Item = &'a Object<Pod>>,
        failed: impl Iterator<Item = &'a Object<Pod>>,
    ) -> Failures {
        let end = |pod: &Object<Pod>| work(&pod.value).ended;
        let mut all = self;
        let mut last_success = None;
        for at in succeeded.map(end) {
            // A success makes good for all failures before it.
            all = Failures::default();
            last_success = last_success.max(Some(at));
        }
        for at in failed.map(end) {
            if last_success.is_none_or(|success| at > success) {
                all.count = all.count.saturating_add(1);
                all.last = all.last.max(at);
            }
        }
        all
    }

    /// How much longer no pod is made.
    pub(super) fn wait(self, now: Timestamp) -> Duration {
        match self.last {
            Some(last) if self.count > 0 => remaining(self.count, last, now),
            _ => Duration::ZERO,
        }
    }
}

/// How much longer no pod is made for an index whose last pod has failed.
pub(super) fn wait_for_index(last_failed: Option<&Object<Pod>>, now: Timestamp) -> Duration {
    let Some(work) = last_failed.map(|pod| work(&pod.value)) else {
        return Duration::ZERO;
    };
    let failures = work
        .index_failures
        .saturating_add(work.index_ignored_failures)
        .saturating_add(1);
    let failures = u32::try_from(failures).unwrap_or(1);
    work.ended
        .map_or(Duration::ZERO, |last| remaining(failures, last, now))
}

fn remaining(failures: u32, last: Timestamp, now: Timestamp) -> Duration {
    // An end that lies in the future, by another machine's clock, does not make the wait longer.
    let passed = Duration::try_from(now.duration_since(last)).unwrap_or_default();
    POLICY.delay(failures).saturating_sub(passed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::job::tests::pod;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn ended(second: i64) -> Arc<Object<Pod>> {
        pod("p", |p| {
            p.work.as_mut().expect("a job's").ended = Some(at(second))
        })
    }

    fn after(before: Failures, succeeded: &[i64], failed: &[i64]) -> Failures {
        let pods = |seconds: &[i64]| seconds.iter().map(|s| ended(*s)).collect::<Vec<_>>();
        let (succeeded, failed) = (pods(succeeded), pods(failed));
        before.after(succeeded.iter().map(|p| &**p), failed.iter().map(|p| &**p))
    }

    #[test]
    fn failures_after_the_last_success_count() {
        let none = Failures::default();
        assert_eq!(none.wait(at(100)), Duration::ZERO);
        let three = after(none, &[], &[100, 90, 95]);
        assert_eq!(
            three,
            Failures {
                count: 3,
                last: Some(at(100))
            }
        );
        assert_eq!(after(three, &[], &[]), three);
        assert_eq!(after(three, &[101], &[]), none);
        assert_eq!(
            after(three, &[101, 99], &[102, 101, 100]),
            Failures {
                count: 1,
                last: Some(at(102))
            }
        );
    }

    #[test]
    fn the_wait_doubles_up_to_ten_minutes() {
        let wait = |count, now| {
            Failures {
                count,
                last: Some(at(100)),
            }
            .wait(at(now))
            .as_secs()
        };
        assert_eq!([wait(1, 100), wait(2, 100), wait(3, 100)], [10, 20, 40]);
        assert_eq!(
            [wait(6, 100), wait(7, 100), wait(100, 100)],
            [320, 600, 600]
        );
        assert_eq!([wait(2, 115), wait(2, 120), wait(2, 500)], [5, 0, 0]);
        assert_eq!(wait(1, 50), 10, "another machine's clock");
    }

    #[test]
    fn an_index_waits_by_its_own_failures() {
        assert_eq!(wait_for_index(None, at(0)), Duration::ZERO);
        let pod = pod("p", |p| {
            let work = p.work.as_mut().expect("a job's");
            (work.index_failures, work.index_ignored_failures) = (1, 1);
            work.ended = Some(at(100));
        });
        assert_eq!(wait_for_index(Some(&pod), at(130)).as_secs(), 10);
    }
}
