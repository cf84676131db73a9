//! Reading schedules.

use super::{Fields, Rule, Schedule, UnknownZone, zone};
use crate::Duration;

/// Text that is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// There is nothing.
    #[error("empty spec string")]
    Empty,
    /// `TZ=` without an end.
    #[error("invalid schedule format: runtime error: slice bounds out of range [:-1]")]
    NoFields,
    /// `TZ=` of a zone that there is not.
    #[error("provided bad location {name}: {error}")]
    Location {
        /// The zone.
        name: String,
        /// Why not.
        error: UnknownZone,
    },
    /// More or fewer than five fields.
    #[error("expected exactly 5 fields, found {count}: [{fields}]")]
    Count {
        /// How many there are.
        count: usize,
        /// All of them.
        fields: String,
    },
    /// `@` and a word that is none.
    #[error("unrecognized descriptor: {0}")]
    Descriptor(String),
    /// `@every` and what is no duration.
    #[error("failed to parse duration {text}: {error}")]
    Duration {
        /// The whole text.
        text: String,
        /// Why not.
        error: crate::duration::ParseDurationError,
    },
    /// What should be a number is none.
    #[error("failed to parse int from {text}: strconv.Atoi: parsing {}: {why}", crate::field::quote(.text))]
    Number {
        /// What stands there.
        text: String,
        /// Why not, as Go says it.
        why: &'static str,
    },
    /// A number below 0.
    #[error("negative number ({number}) not allowed: {text}")]
    Negative {
        /// The number.
        number: i64,
        /// What stands there.
        text: String,
    },
    /// Something is wrong with a range.
    #[error("{what}: {range}")]
    Range {
        /// What.
        what: String,
        /// The range.
        range: String,
    },
}

/// What a field may hold.
struct Bounds {
    first: u64,
    last: u64,
    /// Names of values, from `first` on.
    names: &'static [&'static str],
}

const MINUTE: Bounds = Bounds {
    first: 0,
    last: 59,
    names: &[],
};
const HOUR: Bounds = Bounds {
    first: 0,
    last: 23,
    names: &[],
};
const DAY: Bounds = Bounds {
    first: 1,
    last: 31,
    names: &[],
};
const MONTH: Bounds = Bounds {
    first: 1,
    last: 12,
    names: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
};
const WEEKDAY: Bounds = Bounds {
    first: 0,
    last: 6,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

pub(super) fn schedule(text: &str) -> Result<Schedule, ScheduleError> {
    if text.is_empty() {
        return Err(ScheduleError::Empty);
    }
    let named = text
        .strip_prefix("TZ=")
        .or_else(|| text.strip_prefix("CRON_TZ="));
    let (zone, rule) = match named {
        None => (None, text),
        Some(rest) => {
            let (name, rule) = rest.split_once(' ').ok_or(ScheduleError::NoFields)?;
            let found = zone(name).map_err(|error| ScheduleError::Location {
                name: name.to_owned(),
                error,
            })?;
            (Some(found), rule.trim())
        }
    };
    let rule = if rule.starts_with('@') {
        descriptor(rule)?
    } else {
        Rule::Fields(fields(rule)?)
    };
    Ok(Schedule { rule, zone })
}

fn descriptor(text: &str) -> Result<Rule, ScheduleError> {
    let same_as = match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => {
            let Some(every) = text.strip_prefix("@every ") else {
                return Err(ScheduleError::Descriptor(text.to_owned()));
            };
            let duration: Duration = every.parse().map_err(|error| ScheduleError::Duration {
                text: text.to_owned(),
                error,
            })?;
            return Ok(Rule::Every((duration.nanos() / 1_000_000_000).max(1)));
        }
    };
    Ok(Rule::Fields(fields(same_as)?))
}

fn fields(text: &str) -> Result<Fields, ScheduleError> {
    let all: Vec<&str> = text.split_whitespace().collect();
    let &[minute, hour, day, month, weekday] = all.as_slice() else {
        return Err(ScheduleError::Count {
            count: all.len(),
            fields: all.join(" "),
        });
    };
    let (minute, _) = field(minute, &MINUTE)?;
    let (hour, _) = field(hour, &HOUR)?;
    let (day, every_day) = field(day, &DAY)?;
    let (month, _) = field(month, &MONTH)?;
    let (weekday, every_weekday) = field(weekday, &WEEKDAY)?;
    Ok(Fields {
        minute,
        hour,
        day,
        month,
        weekday,
        both_days: every_day || every_weekday,
    })
}

/// The values that match, and whether `*` is among the ranges.
fn field(text: &str, bounds: &Bounds) -> Result<(u64, bool), ScheduleError> {
    let (mut bits, mut star) = (0, false);
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (values, every) = range(part, bounds)?;
        bits |= values;
        star |= every;
    }
    Ok((bits, star))
}

/// `*`, `n`, `n-m`, each perhaps with `/step`; `n/step` goes on to the last value.
fn range(text: &str, bounds: &Bounds) -> Result<(u64, bool), ScheduleError> {
    let wrong = |what: String| ScheduleError::Range {
        what,
        range: text.to_owned(),
    };
    let by_slash: Vec<&str> = text.split('/').collect();
    let by_hyphen: Vec<&str> = by_slash[0].split('-').collect();
    let mut star = matches!(by_hyphen[0], "*" | "?");
    let (first, mut last) = if star {
        (bounds.first, bounds.last)
    } else {
        let first = value(by_hyphen[0], bounds)?;
        match by_hyphen.as_slice() {
            [_] => (first, first),
            [_, last] => (first, value(last, bounds)?),
            _ => return Err(wrong("too many hyphens".to_owned())),
        }
    };
    let step = match by_slash.as_slice() {
        [_] => 1,
        [_, step] => {
            let step = number(step)?;
            if by_hyphen.len() == 1 {
                last = bounds.last;
            }
            star &= step <= 1;
            step
        }
        _ => return Err(wrong("too many slashes".to_owned())),
    };
    if first < bounds.first {
        let least = bounds.first;
        return Err(wrong(format!(
            "beginning of range ({first}) below minimum ({least})"
        )));
    }
    if last > bounds.last {
        let most = bounds.last;
        return Err(wrong(format!(
            "end of range ({last}) above maximum ({most})"
        )));
    }
    if first > last {
        return Err(wrong(format!(
            "beginning of range ({first}) beyond end of range ({last})"
        )));
    }
    let Some(step) = usize::try_from(step).ok().filter(|step| *step > 0) else {
        return Err(wrong(
            "step of range should be a positive number".to_owned(),
        ));
    };
    let bits = (first..=last)
        .step_by(step)
        .fold(0, |bits, value| bits | 1 << value);
    Ok((bits, star))
}

fn value(text: &str, bounds: &Bounds) -> Result<u64, ScheduleError> {
    let name = text.to_lowercase();
    let named = (bounds.first..)
        .zip(bounds.names)
        .find(|(_, n)| **n == name);
    named.map_or_else(|| number(text), |(value, _)| Ok(value))
}

fn number(text: &str) -> Result<u64, ScheduleError> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    let number: i64 = text.parse().map_err(|error: std::num::ParseIntError| {
        let why = match error.kind() {
            PosOverflow | NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        ScheduleError::Number {
            text: text.to_owned(),
            why,
        }
    })?;
    u64::try_from(number).map_err(|_| ScheduleError::Negative {
        number,
        text: text.to_owned(),
    })
}
