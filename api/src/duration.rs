//! Durations in Go's way of writing: `1h30m0s`.

use std::fmt;
use std::str::FromStr;

/// `metav1.Duration`: signed nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Duration(i64);

impl Duration {
    /// From nanoseconds.
    pub fn from_nanos(nanos: i64) -> Duration {
        Duration(nanos)
    }

    /// In nanoseconds.
    pub fn nanos(self) -> i64 {
        self.0
    }

    /// Reads one that is not negative, as flags have it.
    ///
    /// # Errors
    /// In words, when it is none.
    pub fn parse_unsigned(text: &str) -> Result<std::time::Duration, String> {
        let parsed: Duration = text.parse().map_err(|error| format!("{error}"))?;
        parsed
            .to_std()
            .ok_or_else(|| "must not be negative".to_owned())
    }

    /// As the standard library's duration; none if it is negative.
    pub fn to_std(self) -> Option<std::time::Duration> {
        u64::try_from(self.0)
            .ok()
            .map(std::time::Duration::from_nanos)
    }
}

/// Text that is no duration; the words are those of Go's `time.ParseDuration`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseDurationError {
    /// Not a number and a unit, or beyond 292 years.
    #[error("time: invalid duration {0:?}")]
    Invalid(String),
    /// A number without a unit.
    #[error("time: missing unit in duration {0:?}")]
    MissingUnit(String),
    /// A unit that is none.
    #[error("time: unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit {
        /// What stands in its place.
        unit: String,
        /// The whole text.
        text: String,
    },
}

impl FromStr for Duration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Duration, ParseDurationError> {
        let invalid = || ParseDurationError::Invalid(text.to_owned());
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Duration(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: u128 = 0;
        while !rest.is_empty() {
            let split = |text: &str, part: fn(&u8) -> bool| {
                text.bytes()
                    .position(|byte| !part(&byte))
                    .unwrap_or(text.len())
            };
            let whole_len = split(rest, u8::is_ascii_digit);
            let (whole, tail) = rest.split_at(whole_len);
            let (fraction, tail) = match tail.strip_prefix('.') {
                Some(tail) => tail.split_at(split(tail, u8::is_ascii_digit)),
                None => ("", tail),
            };
            if whole.is_empty() && fraction.is_empty() {
                return Err(invalid());
            }
            let unit_len = split(tail, |byte| *byte != b'.' && !byte.is_ascii_digit());
            let (unit, tail) = tail.split_at(unit_len);
            let scale: u128 = match unit {
                "" => return Err(ParseDurationError::MissingUnit(text.to_owned())),
                "ns" => 1,
                "us" | "µs" | "μs" => 1_000,
                "ms" => 1_000_000,
                "s" => 1_000_000_000,
                "m" => 60_000_000_000,
                "h" => 3_600_000_000_000,
                _ => {
                    return Err(ParseDurationError::UnknownUnit {
                        unit: unit.to_owned(),
                        text: text.to_owned(),
                    });
                }
            };
            let number: u64 = if whole.is_empty() {
                0
            } else {
                whole.parse().map_err(|_| invalid())?
            };
            total += u128::from(number) * scale;
            // Beyond 18 digits a fraction is less than a nanosecond of an hour.
            let digits = &fraction[..fraction.len().min(18)];
            if let Ok(value) = digits.parse::<u128>() {
                total += value * scale / 10_u128.pow(digits.len() as u32);
            }
            if total > 1 << 63 {
                return Err(invalid());
            }
            rest = tail;
        }
        let signed = if negative {
            -(total as i128)
        } else {
            total as i128
        };
        i64::try_from(signed).map(Duration).map_err(|_| invalid())
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if nanos == 0 {
            return f.write_str("0s");
        }
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let fraction = |f: &mut fmt::Formatter<'_>, value: u64, unit: u64, name: &str| {
            write!(f, "{}", value / unit)?;
            let rest = value % unit;
            if rest != 0 {
                let width = unit.ilog10() as usize;
                write!(f, ".{}", format!("{rest:0width$}").trim_end_matches('0'))?;
            }
            f.write_str(name)
        };
        match nanos {
            0..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => fraction(f, nanos, 1_000, "µs"),
            1_000_000..1_000_000_000 => fraction(f, nanos, 1_000_000, "ms"),
            _ => {
                let minutes = nanos / 60_000_000_000;
                if minutes >= 60 {
                    write!(f, "{}h", minutes / 60)?;
                }
                if minutes > 0 {
                    write!(f, "{}m", minutes % 60)?;
                }
                fraction(f, nanos % 60_000_000_000, 1_000_000_000, "s")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_go_does() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (90_061_000_000_000, "25h1m1s"),
            (245_001_000_000, "4m5.001s"),
            (-60_000_000_000, "-1m0s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(Duration(nanos).to_string(), text);
            assert_eq!(text.parse(), Ok(Duration(nanos)));
        }
    }

    #[test]
    fn mistakes_are_told_in_the_words_of_go() {
        for (text, message) in [
            ("", "time: invalid duration \"\""),
            ("3", "time: missing unit in duration \"3\""),
            (".s", "time: invalid duration \".s\""),
            ("3x", "time: unknown unit \"x\" in duration \"3x\""),
            (
                "9223372036854775808ns",
                "time: invalid duration \"9223372036854775808ns\"",
            ),
        ] {
            assert_eq!(text.parse::<Duration>().unwrap_err().to_string(), message);
        }
        assert_eq!("1.5h".parse(), Ok(Duration(5_400_000_000_000)));
    }
}
