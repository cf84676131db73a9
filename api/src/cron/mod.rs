//! Schedules of CronJobs: five fields, descriptors (`@daily`), and intervals (`@every 1h30m`), with the meaning that upstream's
//! parser gives them. Time zones are those of the database that is part of the program, so that a schedule means the same
//! wherever it is read.

mod parse;
mod zone;

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};

pub use parse::ScheduleError;
pub use zone::{UnknownZone, zone};

/// After how many years without a match it is given up: upstream's number.
const YEARS: i16 = 5;

/// When something is to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    rule: Rule,
    /// Where its fields are read; `None` where the reader is.
    zone: Option<TimeZone>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    Fields(Fields),
    /// Seconds from one time to the next.
    Every(i64),
}

/// For each field the values that match, as bits.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fields {
    minute: u64,
    hour: u64,
    day: u64,
    month: u64,
    weekday: u64,
    /// One of the two days is `*`: both must match, not either.
    both_days: bool,
}

fn has(bits: u64, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|value| bits >> value & 1 == 1)
}

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// In upstream's words, if it is none.
    pub fn parse(text: &str) -> Result<Schedule, ScheduleError> {
        parse::schedule(text)
    }

    /// The same schedule, its fields read in this zone.
    #[must_use]
    pub fn in_zone(self, zone: TimeZone) -> Schedule {
        Schedule {
            zone: Some(zone),
            ..self
        }
    }

    /// The first time after `time`; none if there is none within five years. `here` is the zone of a schedule that names none.
    ///
    /// An hour that a clock skips matches nothing, one that it repeats matches twice.
    pub fn next(&self, time: Timestamp, here: &TimeZone) -> Option<Timestamp> {
        let second = Timestamp::from_second(time.as_second()).ok()?;
        match &self.rule {
            Rule::Every(seconds) => second.checked_add(SignedDuration::from_secs(*seconds)).ok(),
            Rule::Fields(fields) => {
                let first = second.checked_add(SignedDuration::from_secs(1)).ok()?;
                fields.first_from(first, self.zone.as_ref().unwrap_or(here))
            }
        }
    }
}

impl Fields {
    /// The first match at or after a time: where one does not match, on to the next that may.
    fn first_from(&self, mut time: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let last = zone.to_datetime(time).year().saturating_add(YEARS);
        loop {
            let local = zone.to_datetime(time);
            if local.year() > last {
                return None;
            }
            let next = if !has(self.month, local.month()) {
                midnight(local.date().last_of_month().tomorrow().ok()?.into(), zone)?
            } else if !self.matches_day(local) {
                midnight(local.date().tomorrow().ok()?.into(), zone)?
            } else if !has(self.hour, local.hour()) {
                let passed = i64::from(local.minute()) * 60 + i64::from(local.second());
                time.checked_add(SignedDuration::from_secs(3600 - passed))
                    .ok()?
            } else if !has(self.minute, local.minute()) || local.second() != 0 {
                let passed = i64::from(local.second());
                time.checked_add(SignedDuration::from_secs(60 - passed))
                    .ok()?
            } else {
                return Some(time);
            };
            debug_assert!(next > time, "each step leads on");
            time = next;
        }
    }

    fn matches_day(&self, local: DateTime) -> bool {
        let day = has(self.day, local.day());
        let weekday = has(self.weekday, local.weekday().to_sunday_zero_offset());
        if self.both_days {
            day && weekday
        } else {
            day || weekday
        }
    }
}

/// The first instant of a day, which is not midnight where the clock skips that.
fn midnight(day: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_ambiguous_timestamp(day).compatible().ok()
}

#[cfg(test)]
mod tests;
