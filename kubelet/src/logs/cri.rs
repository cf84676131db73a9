//! The CRI log format.

use jiff::Timestamp;

/// Longer lines are written in parts.
pub const MAX_LINE_BYTES: usize = 16 * 1024;

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// As it stands in a log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// A line of a log, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// As written: RFC 3339 with nanoseconds.
    pub time: &'a str,
    /// Where it came from.
    pub stream: Stream,
    /// More of the same line follows.
    pub partial: bool,
    /// Without the newline.
    pub text: &'a [u8],
}

impl Line<'_> {
    /// When it was written.
    pub fn timestamp(&self) -> Option<Timestamp> {
        self.time.parse().ok()
    }
}

/// Appends a line, or a part of one if `partial`.
pub fn encode(out: &mut Vec<u8>, time: Timestamp, stream: Stream, partial: bool, text: &[u8]) {
    use std::io::Write;

    // Writing into a vector does not fail.
    let _ = write!(
        out,
        "{time:.9} {} {} ",
        stream.name(),
        if partial { 'P' } else { 'F' }
    );
    out.extend_from_slice(text);
    out.push(b'\n');
}

/// Reads a line, with or without its newline. `None` if it is not of the format.
pub fn parse(line: &[u8]) -> Option<Line<'_>> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let time = std::str::from_utf8(parts.next()?).ok()?;
    let stream = match parts.next()? {
        b"stdout" => Stream::Stdout,
        b"stderr" => Stream::Stderr,
        _ => return None,
    };
    // Further tags may follow after a colon.
    let partial = match parts.next()?.split(|byte| *byte == b':').next()? {
        b"P" => true,
        b"F" => false,
        _ => return None,
    };
    Some(Line {
        time,
        stream,
        partial,
        text: parts.next().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut out = Vec::new();
        let time = "2026-01-02T03:04:05.000000006Z".parse().unwrap();
        encode(&mut out, time, Stream::Stderr, true, b"a b  c ");
        assert_eq!(
            String::from_utf8_lossy(&out),
            "2026-01-02T03:04:05.000000006Z stderr P a b  c \n"
        );
        let line = parse(&out).unwrap();
        assert_eq!(
            (line.timestamp(), line.stream, line.partial, line.text),
            (Some(time), Stream::Stderr, true, &b"a b  c "[..])
        );
    }

    #[test]
    fn an_empty_line_and_further_tags_are_understood() {
        assert_eq!(
            parse(b"2026-01-02T03:04:05Z stdout F \n").unwrap().text,
            b""
        );
        assert!(parse(b"2026-01-02T03:04:05Z stdout P:x y").unwrap().partial);
        assert_eq!(parse(b"2026-01-02T03:04:05Z stdout Q y"), None);
        assert_eq!(parse(b"rubbish"), None);
    }
}
