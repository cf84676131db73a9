//! Times and durations as text.

use jiff::Timestamp;

use super::error::Error;

/// A time in RFC 3339.
///
/// # Errors
/// If it is none.
pub fn parse_timestamp(text: &str) -> Result<Timestamp, Error> {
    let wrong = || {
        let words = "type conversion error from 'string' to 'google.protobuf.Timestamp'";
        Error::failed(words)
    };
    // What jiff reads beyond RFC 3339 (a zone's name, a blank for the T) is none.
    let plain = text.len() >= 20 && text.as_bytes()[10] == b'T' && !text.contains('[');
    let parsed = plain.then(|| text.parse().ok()).flatten();
    parsed.ok_or_else(wrong)
}

/// A duration in Go's way of writing, as nanoseconds.
///
/// # Errors
/// If it is none.
pub fn parse_duration(text: &str) -> Result<i64, Error> {
    let parsed = text.parse::<api::Duration>();
    let words = "type conversion error from 'string' to 'google.protobuf.Duration'";
    parsed
        .map(api::Duration::nanos)
        .map_err(|_| Error::failed(words))
}

/// A duration as seconds: `90s`, `1.5s`.
pub fn show_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let (seconds, rest) = (
        nanos.unsigned_abs() / 1_000_000_000,
        nanos.unsigned_abs() % 1_000_000_000,
    );
    if rest == 0 {
        return format!("{sign}{seconds}s");
    }
    let fraction = format!("{rest:09}");
    format!("{sign}{seconds}.{}s", fraction.trim_end_matches('0'))
}
