//! Child processes that end with their test, and whose output is told when something goes wrong.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Kills a process at a limit: whoever waits for its end or reads what it says goes on then. Dropped before, it does nothing.
#[derive(Debug)]
pub struct Limit(#[expect(dead_code, reason = "its end is what is waited for")] mpsc::Sender<()>);

impl Limit {
    /// From now on.
    pub fn of(child: &Child, limit: Duration) -> Self {
        let (held, done) = mpsc::channel();
        let pid = child.id();
        std::thread::spawn(move || {
            if done.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                eprintln!("process {pid} is killed: it has not ended within {limit:?}");
                let _ = i32::try_from(pid).map(|pid| kill(Pid::from_raw(pid), Signal::SIGKILL));
            }
        });
        Self(held)
    }
}

/// What a command says until its end, for which it has as long as `limit`.
pub fn output(command: &mut Command, limit: Duration) -> io::Result<Output> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let _limit = Limit::of(&child, limit);
    child.wait_with_output()
}

/// A running child. Dropping it kills it.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its output in `directory/NAME.log` (appended, so that a restart keeps what was said before).
    pub fn start(name: &str, directory: &Path, mut command: Command) -> io::Result<Self> {
        let log = directory.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("{name}: {:?}: {error}", command.get_program()),
                )
            })?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
        })
    }

    /// The name that it was started under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The memory that only it has, in bytes: what it has written to, no mapped file.
    pub fn anonymous_memory(&self) -> io::Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid()))?;
        text.lines()
            .find_map(|line| line.strip_prefix("Anonymous:"))
            .and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok())
            .map(|kib| kib << 10)
            .ok_or_else(|| io::Error::other("smaps_rollup says nothing of anonymous memory"))
    }

    /// True until it has ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends SIGTERM and waits; `None` if it is still there after `limit`.
    pub fn terminate(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        self.signal(Signal::SIGTERM)?;
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() > end {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// `kill -9`, and reaps it.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = i32::try_from(self.child.id()).map_err(io::Error::other)?;
        kill(Pid::from_raw(pid), signal).map_err(io::Error::from)
    }

    /// All that it has printed.
    pub fn output(&self) -> String {
        std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
        if std::thread::panicking() {
            let output = self.output();
            let start = output
                .char_indices()
                .rev()
                .nth(6000)
                .map_or(0, |(at, _)| at);
            eprintln!(
                "---- the end of what {} said\n{}",
                self.name,
                &output[start..]
            );
        }
    }
}
