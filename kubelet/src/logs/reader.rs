use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::{cri, files};

/// How long a follower rests at the end of a log.
const POLL: Duration = Duration::from_millis(100);
/// Bytes handed on at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// What of a log is wanted: the fields of upstream's `PodLogOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Go on with what is written later, until the container has ended.
    pub follow: bool,
    /// Only the last lines.
    pub tail_lines: Option<usize>,
    /// Only lines since then.
    pub since: Option<Timestamp>,
    /// Each line begins with its time.
    pub timestamps: bool,
    /// At most so many bytes.
    pub limit_bytes: Option<u64>,
    /// Only this stream; both if `None`.
    pub stream: Option<cri::Stream>,
}

/// Streams the log whose current file is `path`, on a thread of its own. `running` says whether more may come; it is asked
/// before the log is found to have ended, so that nothing written before is missed.
pub fn stream(
    path: PathBuf,
    options: LogOptions,
    running: impl Fn() -> bool + Send + 'static,
) -> mpsc::Receiver<std::io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(4);
    let out = sender.clone();
    let spawned = std::thread::Builder::new()
        .name("log-reader".into())
        .spawn(move || {
            let mut output = Output {
                sender,
                buffer: Vec::new(),
                left: options.limit_bytes,
                midline: false,
            };
            match read(&path, &options, &running, &mut output) {
                Err(Stop::Failed(error)) => {
                    let _ = output.sender.blocking_send(Err(error));
                }
                Ok(()) | Err(Stop::Enough) => {
                    let _ = output.flush();
                }
            }
        });
    if let Err(error) = spawned {
        let _ = out.try_send(Err(error));
    }
    receiver
}

enum Stop {
    /// The reader went away, or has all that it asked for.
    Enough,
    Failed(std::io::Error),
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error)
    }
}

struct Output {
    sender: mpsc::Sender<std::io::Result<Bytes>>,
    buffer: Vec<u8>,
    left: Option<u64>,
    /// The last line written was a part.
    midline: bool,
}

impl Output {
    fn line(&mut self, line: &cri::Line<'_>, timestamps: bool) -> Result<(), Stop> {
        if timestamps && !self.midline {
            self.push(line.time.as_bytes())?;
            self.push(b" ")?;
        }
        self.push(line.text)?;
        self.midline = line.partial;
        if !line.partial {
            self.push(b"\n")?;
        }
        if self.buffer.len() >= CHUNK_BYTES {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let room = self.left.map_or(bytes.len(), |left| {
            bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX))
        });
        self.buffer.extend_from_slice(&bytes[..room]);
        if let Some(left) = &mut self.left {
            *left -= room as u64;
            if *left == 0 {
                return Err(Stop::Enough);
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Stop> {
        if self.buffer.is_empty() {
            return if self.sender.is_closed() {
                Err(Stop::Enough)
            } else {
                Ok(())
            };
        }
        let bytes = Bytes::from(std::mem::take(&mut self.buffer));
        self.sender
            .blocking_send(Ok(bytes))
            .map_err(|_| Stop::Enough)
    }
}

fn read(
    path: &Path,
    options: &LogOptions,
    running: &impl Fn() -> bool,
    output: &mut Output,
) -> Result<(), Stop> {
    let mut current = history(path, options, output)?;
    if !options.follow {
        return Ok(());
    }
    output.flush()?;
    let mut pending = Vec::new();
    loop {
        let ended = !running();
        let progress = drain(&mut current, &mut pending, options, output)?;
        output.flush()?;
        // Set aside meanwhile? What was read to its end is followed by the new file at the same path.
        let moved = match (&current, std::fs::metadata(path)) {
            (Some(reader), Ok(there)) => reader.get_ref().metadata()?.ino() != there.ino(),
            (None, Ok(_)) => true,
            (_, Err(_)) => false,
        };
        if moved {
            drain(&mut current, &mut pending, options, output)?;
            current = Some(BufReader::new(File::open(path)?));
            pending.clear();
        } else if ended {
            return Ok(());
        } else if !progress {
            #[expect(clippy::disallowed_methods, reason = "a thread of its own")]
            std::thread::sleep(POLL);
        }
    }
}

/// Hands on the whole lines that were added; whether there were any. A line caught in the middle of being written stays in
/// `pending`, and is read on next time.
fn drain(
    current: &mut Option<BufReader<File>>,
    pending: &mut Vec<u8>,
    options: &LogOptions,
    output: &mut Output,
) -> Result<bool, Stop> {
    let mut progress = false;
    let Some(reader) = current else {
        return Ok(false);
    };
    while reader.read_until(b'\n', pending)? > 0 && pending.ends_with(b"\n") {
        progress = true;
        emit(pending, options, output)?;
        pending.clear();
    }
    Ok(progress)
}

/// What is there already; the current file, at the place where it ends.
fn history(
    path: &Path,
    options: &LogOptions,
    output: &mut Output,
) -> Result<Option<BufReader<File>>, Stop> {
    let mut last = None;
    let mut tail = Tail::default();
    for file in files(path)? {
        let mut reader = BufReader::with_capacity(CHUNK_BYTES, File::open(&file)?);
        let mut line = Vec::new();
        let mut at = 0;
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line)?;
            if read == 0 || !line.ends_with(b"\n") {
                break;
            }
            at += read as u64;
            match options.tail_lines {
                None => emit(&line, options, output)?,
                Some(0) => {}
                Some(count) => {
                    if !wanted(&line, options) {
                        continue;
                    }
                    tail.push(line.clone(), count);
                }
            }
        }
        reader.seek(SeekFrom::Start(at))?;
        last = (file == path).then_some(reader);
    }
    tail.lines
        .iter()
        .try_for_each(|line| emit(line, options, output))?;
    Ok(last)
}

/// The last lines, with their parts.
#[derive(Default)]
struct Tail {
    lines: VecDeque<Vec<u8>>,
    /// How many of them are ends.
    ends: usize,
}

impl Tail {
    /// Adds a line or a part of one, and forgets the first lines until there are `count`.
    fn push(&mut self, line: Vec<u8>, count: usize) {
        self.ends += usize::from(is_end(&line));
        self.lines.push_back(line);
        while self.ends > count {
            // Parts belong to the line that they end in.
            while self.lines.pop_front().is_some_and(|line| !is_end(&line)) {}
            self.ends -= 1;
        }
    }
}

fn is_end(line: &[u8]) -> bool {
    cri::parse(line).is_none_or(|line| !line.partial)
}

fn wanted(line: &[u8], options: &LogOptions) -> bool {
    cri::parse(line).is_some_and(|line| {
        options.stream.is_none_or(|stream| stream == line.stream)
            && options
                .since
                .is_none_or(|since| line.timestamp().is_none_or(|time| time >= since))
    })
}

fn emit(line: &[u8], options: &LogOptions, output: &mut Output) -> Result<(), Stop> {
    match cri::parse(line) {
        Some(parsed) if wanted(line, options) => output.line(&parsed, options.timestamps),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::time::Instant;

    use super::*;

    fn log(dir: &Path, name: &str, seconds: std::ops::Range<i64>) -> PathBuf {
        let path = dir.join(name);
        let mut out = Vec::new();
        for second in seconds {
            let time = Timestamp::from_second(second).unwrap();
            cri::encode(
                &mut out,
                time,
                cri::Stream::Stdout,
                false,
                format!("line {second}").as_bytes(),
            );
        }
        std::fs::write(&path, out).unwrap();
        path
    }

    fn collect(mut receiver: mpsc::Receiver<std::io::Result<Bytes>>) -> String {
        let mut all = Vec::new();
        while let Some(chunk) = receiver.blocking_recv() {
            all.extend_from_slice(&chunk.unwrap());
        }
        String::from_utf8(all).unwrap()
    }

    fn read(path: &Path, options: LogOptions) -> String {
        collect(stream(path.to_path_buf(), options, || false))
    }

    #[test]
    fn a_log_is_read_across_the_files_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        log(dir.path(), "0.log.20260101-000000", 0..2);
        let path = log(dir.path(), "0.log", 2..4);
        assert_eq!(
            read(&path, LogOptions::default()),
            "line 0\nline 1\nline 2\nline 3\n"
        );
        let tail = LogOptions {
            tail_lines: Some(3),
            timestamps: true,
            ..Default::default()
        };
        assert_eq!(
            read(&path, tail),
            "1970-01-01T00:00:01.000000000Z line 1\n1970-01-01T00:00:02.000000000Z line 2\n1970-01-01T00:00:03.000000000Z line 3\n"
        );
        let since = LogOptions {
            since: Some(Timestamp::from_second(3).unwrap()),
            ..Default::default()
        };
        assert_eq!(read(&path, since), "line 3\n");
        assert_eq!(
            read(
                &path,
                LogOptions {
                    limit_bytes: Some(9),
                    ..Default::default()
                }
            ),
            "line 0\nli"
        );
        assert_eq!(
            read(
                &path,
                LogOptions {
                    tail_lines: Some(0),
                    ..Default::default()
                }
            ),
            ""
        );
    }

    #[test]
    fn parts_of_a_line_count_as_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        let mut out = Vec::new();
        for (partial, text) in [(false, "first"), (true, "ab"), (true, "cd"), (false, "ef")] {
            cri::encode(
                &mut out,
                Timestamp::UNIX_EPOCH,
                cri::Stream::Stdout,
                partial,
                text.as_bytes(),
            );
        }
        std::fs::write(&path, out).unwrap();
        assert_eq!(
            read(
                &path,
                LogOptions {
                    tail_lines: Some(1),
                    ..Default::default()
                }
            ),
            "abcdef\n"
        );
    }

    #[test]
    fn the_last_of_very_many_lines_are_found_in_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = log(dir.path(), "0.log", 0..200_000);
        let tail = LogOptions {
            tail_lines: Some(100_000),
            ..Default::default()
        };
        let began = Instant::now();
        let text = read(&path, tail);
        assert!(text.starts_with("line 100000\n") && text.ends_with("\nline 199999\n"));
        assert_eq!(text.lines().count(), 100_000);
        // Each line is looked at a few times, not once for every other one, which takes minutes.
        let took = began.elapsed();
        assert!(took < Duration::from_secs(10), "{took:?}");
    }

    #[test]
    fn a_follower_sees_later_lines_across_a_rotation_and_ends_with_the_container() {
        let dir = tempfile::tempdir().unwrap();
        let path = log(dir.path(), "0.log", 0..1);
        let running = Arc::new(AtomicBool::new(true));
        let flag = running.clone();
        let options = LogOptions {
            follow: true,
            ..Default::default()
        };
        let mut receiver = stream(path.clone(), options, move || flag.load(Ordering::Acquire));
        assert_eq!(receiver.blocking_recv().unwrap().unwrap(), "line 0\n");
        std::fs::rename(&path, dir.path().join("0.log.20260101-000000")).unwrap();
        log(dir.path(), "0.log", 1..3);
        running.store(false, Ordering::Release);
        assert_eq!(collect(receiver), "line 1\nline 2\n");
    }
}
