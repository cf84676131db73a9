//! The process that writes one container's log, and shows the output to whoever attaches ([`tap`]). It ends when both outputs
//! have ended.
//!
//! The shim starts it through a `binary://` URI, with the container's output at the file descriptors 3 and 4 and a pipe at 5 on
//! which it says that it is ready. A shim gives no input to a container whose output goes that way: for one that has input or a
//! terminal the kubelet starts it, with the FIFOs of the output at 0 and 1 and the pipe at 2.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use parking_lot::Mutex;

use super::cri::{self, MAX_LINE_BYTES, Stream};
use super::rotation::{RotatingFile, Rotation};
use super::tap::Tap;

/// Written at once: a log is set aside between two batches only.
const BATCH_BYTES: usize = 64 * 1024;
/// The subcommand of our own binary; the shim passes it and its one argument.
pub const SUBCOMMAND: &str = "log-writer";
/// What follows it where the output comes from FIFOs.
const FIFOS: &str = "fifos";

/// Which file to write, and how large it may get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterConfig {
    /// The current file.
    pub path: PathBuf,
    /// When it is set aside.
    pub rotation: Rotation,
    /// The socket at which the output is shown.
    pub tap: PathBuf,
}

/// Where the output comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From a shim, by the rules of `binary://`.
    Shim,
    /// From FIFOs that the kubelet has opened.
    Kubelet,
}

impl WriterConfig {
    /// The URI that makes a shim start `binary` with this configuration.
    pub fn uri(&self, binary: &Path) -> String {
        // The shim hands a query's keys and values on in no certain order: hence a single pair.
        format!(
            "binary://{}?{SUBCOMMAND}={}",
            escape(&binary.to_string_lossy(), true),
            escape(&self.argument(), false)
        )
    }

    fn argument(&self) -> String {
        let Rotation {
            max_bytes,
            max_files,
        } = self.rotation;
        let (tap, path) = (self.tap.display().to_string(), self.path.display());
        format!("{max_bytes},{max_files},{},{tap}{path}", tap.len())
    }

    /// The command that starts `binary` with this configuration for FIFOs.
    pub fn command(&self, binary: &Path) -> std::process::Command {
        let mut command = std::process::Command::new(binary);
        command.arg(SUBCOMMAND).arg(self.argument()).arg(FIFOS);
        // A group of its own: the terminal's interrupts and the kubelet's end do not reach it.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
    }

    /// Reads what [`WriterConfig::uri`] passes.
    pub fn parse(argument: &str) -> Option<Self> {
        let mut parts = argument.splitn(4, ',');
        let max_bytes = parts.next()?.parse().ok()?;
        let max_files = parts.next()?.parse().ok()?;
        let length = parts.next()?.parse().ok()?;
        let (tap, path) = parts.next()?.split_at_checked(length)?;
        Some(Self {
            path: path.into(),
            tap: tap.into(),
            rotation: Rotation {
                max_bytes,
                max_files,
            },
        })
    }
}

/// Percent-encodes all but what stands for itself everywhere in a URI.
fn escape(text: &str, keep_slash: bool) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte))
            }
            b'/' if keep_slash => out.push('/'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

/// To be called first thing by a binary that [`WriterConfig::uri`] names, with its arguments: the exit code, if they ask for a
/// log writer. Nothing else of the binary is needed then, so a container starts without waiting for it.
pub fn main(
    mut arguments: impl Iterator<Item = std::ffi::OsString>,
) -> Option<std::process::ExitCode> {
    if arguments.next()? != SUBCOMMAND {
        return None;
    }
    let argument = arguments.next().unwrap_or_default();
    let source = match arguments.next() {
        Some(word) if word == FIFOS => Source::Kubelet,
        _ => Source::Shim,
    };
    // The wall clock of a process that does nothing but stamp lines.
    #[expect(clippy::disallowed_methods, reason = "where it comes in from outside")]
    let now = Timestamp::now;
    Some(match run(&argument.to_string_lossy(), source, now) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{SUBCOMMAND}: {error}");
            std::process::ExitCode::FAILURE
        }
    })
}

/// The process: returns when the container's output has ended. `now` is the wall clock.
///
/// # Errors
/// When the argument is malformed, or the file or the outputs cannot be opened.
pub fn run(
    argument: &str,
    source: Source,
    now: impl Fn() -> Timestamp + Sync,
) -> std::io::Result<()> {
    let config = WriterConfig::parse(argument)
        .ok_or_else(|| std::io::Error::other(format!("malformed argument {argument:?}")))?;
    // Whoever stops the container's processes must not stop this one: the last lines would be lost.
    let mut signals = SigSet::empty();
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGPIPE,
    ] {
        signals.add(signal);
    }
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&signals), None)?;

    let log = Mutex::new(RotatingFile::open(&config.path, config.rotation)?);
    let tap = Tap::open(&config.tap);
    let (outputs, mut ready) = match source {
        Source::Shim => (
            [
                File::open("/proc/self/fd/3")?,
                File::open("/proc/self/fd/4")?,
            ],
            File::options().write(true).open("/proc/self/fd/5")?,
        ),
        Source::Kubelet => (
            [
                std::io::stdin().as_fd().try_clone_to_owned()?.into(),
                std::io::stdout().as_fd().try_clone_to_owned()?.into(),
            ],
            std::io::stderr().as_fd().try_clone_to_owned()?.into(),
        ),
    };
    ready.write_all(b"\n")?;
    drop(ready);
    std::thread::scope(|scope| {
        for (stream, output) in [Stream::Stdout, Stream::Stderr].into_iter().zip(outputs) {
            let (log, tap, now) = (&log, &tap, &now);
            scope.spawn(move || {
                let show = |bytes: &[u8]| tap.show(stream, bytes);
                let write = |lines: &[u8], time| {
                    // Nothing else can be done about a full disk than to go on draining: the container must not block.
                    let _ = log.lock().write(lines, time);
                };
                copy(output, stream, now, write, show)
            });
        }
    });
    tap.close();
    Ok(())
}

/// Cuts `output` into lines and hands them on in batches of whole lines, as much at a time as was there; then shows it as it
/// came.
fn copy(
    output: impl Read,
    stream: Stream,
    now: &impl Fn() -> Timestamp,
    mut write: impl FnMut(&[u8], Timestamp),
    show: impl Fn(&[u8]),
) {
    let mut reader = BufReader::with_capacity(4 * MAX_LINE_BYTES, output);
    let mut line: Vec<u8> = Vec::new();
    let mut out = Vec::new();
    loop {
        let consumed = match reader.fill_buf() {
            Ok([]) => break,
            Ok(mut bytes) => {
                let (all, time) = (bytes, now());
                while !bytes.is_empty() {
                    if out.len() >= BATCH_BYTES {
                        write(&out, time);
                        out.clear();
                    }
                    let room = MAX_LINE_BYTES - line.len();
                    let window = &bytes[..bytes.len().min(room)];
                    match window.iter().position(|byte| *byte == b'\n') {
                        Some(end) => {
                            line.extend_from_slice(&window[..end]);
                            cri::encode(&mut out, time, stream, false, &line);
                            line.clear();
                            bytes = &bytes[end + 1..];
                        }
                        None => {
                            line.extend_from_slice(window);
                            bytes = &bytes[window.len()..];
                            // A line that ends just here is not cut.
                            if line.len() == MAX_LINE_BYTES && bytes.first() != Some(&b'\n') {
                                cri::encode(&mut out, time, stream, true, &line);
                                line.clear();
                            } else if line.len() == MAX_LINE_BYTES {
                                cri::encode(&mut out, time, stream, false, &line);
                                line.clear();
                                bytes = &bytes[1..];
                            }
                        }
                    }
                }
                if !out.is_empty() {
                    write(&out, time);
                    out.clear();
                }
                show(all);
                all.len()
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        reader.consume(consumed);
    }
    if !line.is_empty() {
        let time = now();
        // Without a newline at its end: told as a part, so that a reader adds none.
        cri::encode(&mut out, time, stream, true, &line);
        write(&out, time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8]) -> Vec<(bool, Vec<u8>)> {
        let mut out = Vec::new();
        copy(
            input,
            Stream::Stdout,
            &|| Timestamp::UNIX_EPOCH,
            |lines, _| out.extend_from_slice(lines),
            |_| {},
        );
        let lines = out
            .split_inclusive(|byte| *byte == b'\n')
            .map(|line| cri::parse(line).unwrap());
        lines
            .map(|line| (line.partial, line.text.to_vec()))
            .collect()
    }

    #[test]
    fn lines_are_cut_at_newlines_and_an_unfinished_one_is_partial() {
        assert_eq!(
            lines(b"a\n\nbc"),
            [
                (false, b"a".to_vec()),
                (false, vec![]),
                (true, b"bc".to_vec())
            ]
        );
    }

    #[test]
    fn a_long_line_comes_in_parts() {
        let mut input = vec![b'x'; MAX_LINE_BYTES * 2 + 5];
        input.push(b'\n');
        let lines = lines(&input);
        assert_eq!(
            lines
                .iter()
                .map(|(partial, text)| (*partial, text.len()))
                .collect::<Vec<_>>(),
            [(true, MAX_LINE_BYTES), (true, MAX_LINE_BYTES), (false, 5)]
        );
    }

    #[test]
    fn the_uri_brings_the_configuration_to_the_writer() {
        let config = WriterConfig {
            path: "/var/log/a b&c=d/0.log".into(),
            rotation: Rotation {
                max_bytes: 7,
                max_files: 2,
            },
            tap: "/run/a,b/tap".into(),
        };
        let uri = config.uri(Path::new("/usr/bin/g"));
        assert_eq!(
            uri,
            "binary:///usr/bin/g?log-writer=7%2C2%2C12%2C%2Frun%2Fa%2Cb%2Ftap%2Fvar%2Flog%2Fa%20b%26c%3Dd%2F0.log"
        );
        assert_eq!(WriterConfig::parse(&config.argument()), Some(config));
    }
}
