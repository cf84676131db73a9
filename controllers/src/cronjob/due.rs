//! When a CronJob is to run: the times that have come and were not used, and the time to wait for. Pure.

use std::time::Duration;

use api::cron::Schedule;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::model::CronJob;

/// So much later than the time itself it is looked, since clocks differ: upstream's number.
const DELAY: SignedDuration = SignedDuration::from_millis(100);
/// More missed times than this are worth a warning: upstream's number.
const MANY: i64 = 100;

/// Two times of the schedule are the same, or there are none: `31 February` is written like a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("time difference between two schedules is less than 1 second")]
pub(super) struct Impossible;

/// A schedule, and what its CronJob says of the past.
pub(super) struct Plan<'a> {
    pub cron_job: &'a CronJob,
    pub schedule: &'a Schedule,
    /// Where a schedule is read that names no zone.
    pub here: &'a TimeZone,
}

/// Times that have come and were not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missed {
    /// Since when it is looked.
    since: Timestamp,
    /// The last of them.
    pub last: Option<Timestamp>,
    /// About how many there are.
    count: i64,
}

impl Missed {
    /// There are more than anybody wants to hear of.
    pub(super) fn are_many(self) -> bool {
        self.count > MANY
    }
}

impl Plan<'_> {
    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        self.schedule.next(after, self.here)
    }

    /// The times that have come since the last run, or since the CronJob was made; with `in_time` only those that are not too
    /// late to start.
    pub(super) fn missed(&self, now: Timestamp, in_time: bool) -> Result<Missed, Impossible> {
        let last_used = self.cron_job.status.last_schedule;
        let mut since = last_used.or(self.cron_job.created).unwrap_or(now);
        if in_time && let Some(seconds) = self.cron_job.starting_deadline {
            let earliest = now.checked_sub(SignedDuration::from_secs(seconds));
            since = earliest.map_or(since, |earliest| since.max(earliest));
        }
        let missed = |last, count| Missed { since, last, count };
        let first = self.next(since).ok_or(Impossible)?;
        if now < first {
            return Ok(missed(None, 0));
        }
        let second = self.next(first).ok_or(Impossible)?;
        if now < second {
            return Ok(missed(Some(first), 0));
        }
        let between = second.duration_since(first).as_secs();
        if between < 1 {
            return Err(Impossible);
        }
        // The gap between the first two says about where the last one is; from a little before that it is counted.
        let count = now.duration_since(first).as_secs() / between + 1;
        let skipped = SignedDuration::from_secs((count - 2).saturating_mul(between));
        let mut at = first.checked_add(skipped).map_err(|_| Impossible)?;
        let mut last = None;
        while let Some(next) = self.next(at).filter(|next| *next <= now) {
            (last, at) = (Some(next), next);
        }
        Ok(missed(last, count))
    }

    /// How long until the next time.
    pub(super) fn wait(&self, now: Timestamp) -> Option<Duration> {
        let from = match self.missed(now, false) {
            Ok(missed) => match missed.last {
                Some(last) => last,
                None if missed.count == 0 => missed.since,
                None => now,
            },
            Err(Impossible) => now,
        };
        let next = self.next(from)?.checked_add(DELAY).ok()?;
        Some(Duration::try_from(next.duration_since(now)).unwrap_or_default())
    }
}

/// The name of the run of a time: the same whoever makes it, so that it is made once.
pub(super) fn job_name(cron_job: &str, time: Timestamp) -> String {
    format!("{cron_job}-{}", time.as_second() / 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cronjob::model::{Policy, Status};

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn cron_job(created: &str, last: Option<&str>, deadline: Option<i64>) -> CronJob {
        CronJob {
            deleting: false,
            created: Some(at(created)),
            schedule: String::new(),
            time_zone: None,
            starting_deadline: deadline,
            policy: Policy::Allow,
            suspended: false,
            template: None,
            keep_successful: None,
            keep_failed: None,
            status: Status {
                last_schedule: last.map(at),
                ..Status::default()
            },
        }
    }

    /// What was missed last at `now`, whether that is many, and how many seconds to wait.
    fn look(schedule: &str, cron_job: &CronJob, now: &str) -> (Option<String>, bool, u64) {
        let schedule = Schedule::parse(schedule).expect("a schedule");
        let plan = Plan {
            cron_job,
            schedule: &schedule,
            here: &TimeZone::UTC,
        };
        let missed = plan.missed(at(now), true).expect("possible");
        let wait = plan.wait(at(now)).expect("a next time").as_secs();
        (missed.last.map(|t| t.to_string()), missed.are_many(), wait)
    }

    #[test]
    fn the_last_time_that_was_missed_is_due() {
        let day = |time: &str| format!("2026-07-09T{time}Z");
        let hourly = "0 * * * *";
        for (schedule, created, last, deadline, now, wanted) in [
            // None has come yet.
            (
                hourly,
                "10:10:00",
                None,
                None,
                "10:59:00",
                (None, false, 60),
            ),
            (
                hourly,
                "10:10:00",
                None,
                None,
                "11:00:00",
                (Some("11:00:00"), false, 3600),
            ),
            (
                hourly,
                "10:10:00",
                None,
                None,
                "11:30:00",
                (Some("11:00:00"), false, 1800),
            ),
            (
                hourly,
                "10:10:00",
                None,
                None,
                "14:30:00",
                (Some("14:00:00"), false, 1800),
            ),
            // It has been used.
            (
                hourly,
                "10:10:00",
                Some("14:00:00"),
                None,
                "14:30:00",
                (None, false, 1800),
            ),
            (
                hourly,
                "10:10:00",
                Some("13:00:00"),
                None,
                "14:30:00",
                (Some("14:00:00"), false, 1800),
            ),
            // It is too late.
            (
                hourly,
                "10:10:00",
                None,
                Some(600),
                "14:30:00",
                (None, false, 1800),
            ),
            (
                hourly,
                "10:10:00",
                None,
                Some(3000),
                "14:30:00",
                (Some("14:00:00"), false, 1800),
            ),
            // Many.
            (
                "* * * * *",
                "10:10:00",
                None,
                None,
                "13:30:30",
                (Some("13:30:00"), true, 30),
            ),
            (
                "* * * * *",
                "10:10:00",
                None,
                Some(300),
                "13:30:30",
                (Some("13:30:00"), false, 30),
            ),
            // Uneven ones.
            (
                "30 6-16/4 * * 1-5",
                "00:00:00",
                None,
                None,
                "15:00:00",
                (Some("14:30:00"), false, 55_800),
            ),
            (
                "@every 1h",
                "10:10:00",
                None,
                None,
                "13:30:00",
                (Some("13:10:00"), false, 2400),
            ),
        ] {
            let cron_job = cron_job(&day(created), last.map(day).as_deref(), deadline);
            let wanted = (wanted.0.map(day), wanted.1, wanted.2);
            assert_eq!(
                look(schedule, &cron_job, &day(now)),
                wanted,
                "{schedule} at {now}"
            );
        }
    }

    #[test]
    fn a_day_that_there_is_not_is_no_time() {
        let cron_job = cron_job("2026-07-09T00:00:00Z", None, None);
        let schedule = Schedule::parse("59 23 31 2 *").expect("looks like one");
        let plan = Plan {
            cron_job: &cron_job,
            schedule: &schedule,
            here: &TimeZone::UTC,
        };
        let now = at("2026-07-09T12:00:00Z");
        assert_eq!(plan.missed(now, true), Err(Impossible));
        assert_eq!(plan.wait(now), None);
    }

    #[test]
    fn a_run_is_named_by_its_minute() {
        assert_eq!(job_name("hello", at("1970-01-01T01:00:59Z")), "hello-60");
    }
}
