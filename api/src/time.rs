//! Points in time as the API writes them: RFC 3339 in UTC, to the second or to the microsecond.

use std::fmt;

/// Go's zero time, 0001-01-01T00:00:00Z, in seconds since 1970: "not set".
pub const ZERO_SECONDS: i64 = -62_135_596_800;
/// Go's zero time in microseconds since 1970.
pub const ZERO_MICROS: i64 = ZERO_SECONDS * 1_000_000;
/// 9999-12-31T23:59:59Z, the last second that RFC 3339 can write.
pub const MAX_SECONDS: i64 = 253_402_300_799;

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400;

/// A point in time, to the second (`metav1.Time`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Time(jiff::Timestamp);

/// A point in time, to the microsecond (`metav1.MicroTime`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MicroTime(jiff::Timestamp);

impl Time {
    /// From seconds since 1970; none for Go's zero time and beyond the years 1 to 9999.
    pub fn from_seconds(seconds: i64) -> Option<Time> {
        let set = seconds > ZERO_SECONDS && seconds <= MAX_SECONDS;
        set.then(|| jiff::Timestamp::from_second(seconds).ok())
            .flatten()
            .map(Time)
    }

    /// Seconds since 1970.
    pub fn seconds(self) -> i64 {
        self.0.as_second()
    }

    /// As a timestamp.
    pub fn timestamp(self) -> jiff::Timestamp {
        self.0
    }
}

impl MicroTime {
    /// From microseconds since 1970; none for Go's zero time and beyond the years 1 to 9999.
    pub fn from_micros(micros: i64) -> Option<MicroTime> {
        let set = micros > ZERO_MICROS && micros.div_euclid(MICROS) <= MAX_SECONDS;
        set.then(|| jiff::Timestamp::from_microsecond(micros).ok())
            .flatten()
            .map(MicroTime)
    }

    /// Microseconds since 1970.
    pub fn micros(self) -> i64 {
        self.0.as_microsecond()
    }

    /// As a timestamp.
    pub fn timestamp(self) -> jiff::Timestamp {
        self.0
    }
}

impl From<jiff::Timestamp> for Time {
    /// Cuts fractions of a second off.
    fn from(timestamp: jiff::Timestamp) -> Time {
        let seconds = timestamp.as_nanosecond().div_euclid(1_000_000_000) as i64;
        Time(jiff::Timestamp::from_second(seconds).unwrap_or(timestamp))
    }
}

impl From<jiff::Timestamp> for MicroTime {
    /// Cuts fractions of a microsecond off.
    fn from(timestamp: jiff::Timestamp) -> MicroTime {
        let micros = timestamp.as_nanosecond().div_euclid(1_000) as i64;
        MicroTime(jiff::Timestamp::from_microsecond(micros).unwrap_or(timestamp))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(20);
        write_seconds(self.seconds(), &mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

impl fmt::Display for MicroTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(27);
        write_micros(self.micros(), &mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

/// Writes `2006-01-02T15:04:05Z`.
pub(crate) fn write_seconds(seconds: i64, out: &mut Vec<u8>) {
    write_civil(seconds, out);
    out.push(b'Z');
}

/// Writes `2006-01-02T15:04:05.000000Z`.
pub(crate) fn write_micros(micros: i64, out: &mut Vec<u8>) {
    write_civil(micros.div_euclid(MICROS), out);
    out.push(b'.');
    digits(micros.rem_euclid(MICROS) as u32, 6, out);
    out.push(b'Z');
}

fn digits(mut value: u32, width: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + width, b'0');
    for place in out[start..].iter_mut().rev() {
        *place = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

fn write_civil(seconds: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil_from_days(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY) as u32;
    digits(year.clamp(0, 9999) as u32, 4, out);
    out.push(b'-');
    digits(month, 2, out);
    out.push(b'-');
    digits(day, 2, out);
    out.push(b'T');
    digits(second / 3600, 2, out);
    out.push(b':');
    digits(second / 60 % 60, 2, out);
    out.push(b':');
    digits(second % 60, 2, out);
}

/// The proleptic Gregorian date of a day counted from 1970-01-01; eras of 400 years beginning in March.
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_index + 2) / 5 + 1) as u32;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Text that is no time; the words are those of Go's `time.Parse`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseTimeError {
    /// The text ends early or holds something else than the layout's element.
    #[error("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as {element:?}")]
    Element {
        /// The whole text.
        text: String,
        /// The layout, in Go's way of writing one.
        layout: &'static str,
        /// From where it went wrong.
        rest: String,
        /// What should have stood there, in Go's way of writing it.
        element: &'static str,
    },
    /// A number that no clock or calendar has.
    #[error("parsing time {text:?}: {what} out of range")]
    Range {
        /// The whole text.
        text: String,
        /// month, day, hour, minute, second, time zone offset …
        what: &'static str,
    },
    /// Something after the end.
    #[error("parsing time {text:?}: extra text: {rest:?}")]
    Extra {
        /// The whole text.
        text: String,
        /// What is too much.
        rest: String,
    },
}

const LAYOUT: &str = "2006-01-02T15:04:05Z07:00";
const LAYOUT_MICRO: &str = "2006-01-02T15:04:05.000000Z07:00";

/// Parses RFC 3339 as upstream reads `metav1.Time`: any fraction is cut off. Seconds since 1970.
///
/// # Errors
/// In the words of Go's `time.Parse`.
pub fn parse_seconds(text: &str) -> Result<i64, ParseTimeError> {
    Parser {
        text,
        at: 0,
        layout: LAYOUT,
    }
    .run(false)
    .map(|(seconds, _)| seconds)
}

/// Parses RFC 3339 with six fractional digits, as upstream reads `metav1.MicroTime`. Microseconds since 1970.
///
/// # Errors
/// In the words of Go's `time.Parse`.
pub fn parse_micros(text: &str) -> Result<i64, ParseTimeError> {
    Parser {
        text,
        at: 0,
        layout: LAYOUT_MICRO,
    }
    .run(true)
    .map(|(seconds, micros)| seconds * MICROS + micros)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    layout: &'static str,
}

impl Parser<'_> {
    fn run(mut self, micro: bool) -> Result<(i64, i64), ParseTimeError> {
        let year = self.number(4, "2006")?;
        self.literal(b'-', "-")?;
        let month = self.number(2, "01")?;
        if !(1..=12).contains(&month) {
            return Err(self.range("month"));
        }
        self.literal(b'-', "-")?;
        let day = self.number(2, "02")?;
        self.literal(b'T', "T")?;
        let hour = self.number(2, "15")?;
        if hour > 23 {
            return Err(self.range("hour"));
        }
        self.literal(b':', ":")?;
        let minute = self.number(2, "04")?;
        if minute > 59 {
            return Err(self.range("minute"));
        }
        self.literal(b':', ":")?;
        let second = self.number(2, "05")?;
        if second > 59 {
            return Err(self.range("second"));
        }
        let micros = if micro {
            self.six_digits()?
        } else {
            self.any_fraction()
        };
        let offset = self.offset()?;
        if day < 1 || day > days_in_month(year, month) {
            return Err(self.range("day"));
        }
        if self.at < self.text.len() {
            return Err(ParseTimeError::Extra {
                text: self.text.to_owned(),
                rest: self.rest().to_owned(),
            });
        }
        let seconds =
            days_from_civil(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset;
        if !(ZERO_SECONDS..=MAX_SECONDS).contains(&seconds) {
            return Err(self.range("year"));
        }
        Ok((seconds, micros))
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn bytes(&self) -> &[u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn wrong(&self, element: &'static str) -> ParseTimeError {
        ParseTimeError::Element {
            text: self.text.to_owned(),
            layout: self.layout,
            rest: self.rest().to_owned(),
            element,
        }
    }

    fn range(&self, what: &'static str) -> ParseTimeError {
        ParseTimeError::Range {
            text: self.text.to_owned(),
            what,
        }
    }

    fn number(&mut self, width: usize, element: &'static str) -> Result<i64, ParseTimeError> {
        let Some(digits) = self
            .bytes()
            .get(..width)
            .filter(|digits| digits.iter().all(u8::is_ascii_digit))
        else {
            return Err(self.wrong(element));
        };
        let value = digits
            .iter()
            .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        self.at += width;
        Ok(value)
    }

    fn literal(&mut self, byte: u8, element: &'static str) -> Result<(), ParseTimeError> {
        if self.bytes().first() != Some(&byte) {
            return Err(self.wrong(element));
        }
        self.at += 1;
        Ok(())
    }

    fn any_fraction(&mut self) -> i64 {
        if let [b'.' | b',', digit, ..] = self.bytes()
            && digit.is_ascii_digit()
        {
            self.at += 1;
            while self.bytes().first().is_some_and(u8::is_ascii_digit) {
                self.at += 1;
            }
        }
        0
    }

    fn six_digits(&mut self) -> Result<i64, ParseTimeError> {
        let fraction = self
            .bytes()
            .get(..7)
            .filter(|fraction| matches!(fraction[0], b'.' | b','));
        let Some(digits) = fraction
            .map(|f| &f[1..])
            .filter(|digits| digits.iter().all(u8::is_ascii_digit))
        else {
            return Err(self.wrong(".000000"));
        };
        let value = digits
            .iter()
            .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        self.at += 7;
        Ok(value)
    }

    fn offset(&mut self) -> Result<i64, ParseTimeError> {
        const ELEMENT: &str = "Z07:00";
        let sign = match self.bytes() {
            [b'Z', ..] => {
                self.at += 1;
                return Ok(0);
            }
            [b'+', ..] => 1,
            [b'-', ..] => -1,
            _ => return Err(self.wrong(ELEMENT)),
        };
        let [h1, h2, b':', m1, m2] = self.bytes().get(1..6).unwrap_or_default() else {
            return Err(self.wrong(ELEMENT));
        };
        if ![h1, h2, m1, m2].iter().all(|digit| digit.is_ascii_digit()) {
            return Err(self.wrong(ELEMENT));
        }
        let two = |a: &u8, b: &u8| i64::from(a - b'0') * 10 + i64::from(b - b'0');
        let (hours, minutes) = (two(h1, h2), two(m1, m2));
        if hours > 24 || minutes > 60 {
            return Err(self.range(if hours > 24 {
                "time zone offset hour"
            } else {
                "time zone offset minute"
            }));
        }
        self.at += 6;
        Ok(sign * (hours * 3600 + minutes * 60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: i64) -> String {
        let mut out = Vec::new();
        write_seconds(seconds, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn seconds_round_trip_over_all_years() {
        for second in (ZERO_SECONDS..=MAX_SECONDS).step_by(86_400 * 397 + 12_345) {
            assert_eq!(parse_seconds(&seconds(second)), Ok(second));
            let expected = jiff::Timestamp::from_second(second).unwrap().to_string();
            assert_eq!(seconds(second), expected);
        }
    }

    #[test]
    fn offsets_and_fractions_become_utc_seconds() {
        assert_eq!(
            parse_seconds("2026-02-28T23:59:59.987654321+01:30")
                .map(seconds)
                .unwrap(),
            "2026-02-28T22:29:59Z"
        );
        assert_eq!(parse_micros("1969-12-31T23:59:59.999999Z"), Ok(-1));
    }

    #[test]
    fn mistakes_are_told_in_the_words_of_go() {
        for (text, message) in [
            (
                "x",
                r#"parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006""#,
            ),
            (
                "2026-13-01T00:00:00Z",
                r#"parsing time "2026-13-01T00:00:00Z": month out of range"#,
            ),
            (
                "2026-02-29T00:00:00Z",
                r#"parsing time "2026-02-29T00:00:00Z": day out of range"#,
            ),
            (
                "2026-02-28T00:00:00Zx",
                r#"parsing time "2026-02-28T00:00:00Zx": extra text: "x""#,
            ),
            (
                "2026-02-28",
                r#"parsing time "2026-02-28" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T""#,
            ),
        ] {
            assert_eq!(parse_seconds(text).unwrap_err().to_string(), message);
        }
        assert!(parse_micros("2026-02-28T00:00:00Z").is_err());
    }
}
