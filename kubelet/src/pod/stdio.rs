//! Where a container's input comes from and where its output goes.

use std::fs::{DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio as Handle;

use nix::sys::stat::Mode;

use crate::containerd::Stdio;
use crate::logs::writer::WriterConfig;

/// The files by which an attempt of a container is attached to, below a directory of its pod's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    dir: PathBuf,
    id: String,
}

impl Endpoints {
    /// Those of the attempt that containerd knows as `id`. A socket's path is short: the id is cut.
    pub fn new(dir: &Path, id: &str) -> Self {
        let (dir, id) = (dir.to_path_buf(), id.chars().take(16).collect());
        Self { dir, id }
    }

    fn path(&self, kind: &str) -> PathBuf {
        self.dir.join(format!("{}.{kind}", self.id))
    }

    /// The socket at which the output is shown.
    pub fn tap(&self) -> PathBuf {
        self.path("tap")
    }

    /// The FIFO of the input.
    pub fn stdin(&self) -> PathBuf {
        self.path("in")
    }
}

/// Held until the task of the container exists: as long as it is, the writer's FIFOs do not end.
pub struct Prepared {
    /// For containerd.
    pub stdio: Stdio,
    _held: Vec<File>,
}

/// Prepares the files of one attempt. A container that has neither input nor a terminal gets its log writer from the shim; for
/// one that has, the writer is started here.
///
/// # Errors
/// When the files cannot be made, or the writer does not start.
pub fn prepare(
    writer: &WriterConfig,
    binary: &Path,
    endpoints: &Endpoints,
    stdin: bool,
    terminal: bool,
) -> io::Result<Prepared> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&endpoints.dir)?;
    if !stdin && !terminal {
        let uri = writer.uri(binary);
        let (stdout, stderr) = (uri.clone(), uri);
        let stdio = Stdio {
            stdout,
            stderr,
            ..Stdio::default()
        };
        return Ok(Prepared {
            stdio,
            _held: Vec::new(),
        });
    }
    let text = |path: &Path| path.display().to_string();
    let mut stdio = Stdio {
        terminal,
        ..Stdio::default()
    };
    if stdin {
        let path = endpoints.stdin();
        fifo(&path)?;
        stdio.stdin = text(&path);
    }
    let mut held = Vec::new();
    let mut output = |kind: &str| {
        let path = endpoints.path(kind);
        fifo(&path)?;
        // Open for writing, too, it neither waits for a writer nor has an end before there was one.
        held.push(File::options().read(true).write(true).open(&path)?);
        Ok::<_, io::Error>((text(&path), File::open(&path)?))
    };
    let (path, stdout) = output("out")?;
    stdio.stdout = path;
    let mut command = writer.command(binary);
    command
        .stdin(stdout)
        .stdout(Handle::null())
        .stderr(Handle::piped());
    if !terminal {
        let (path, stderr) = output("err")?;
        stdio.stderr = path;
        command.stdout(stderr);
    }
    let mut child = command.spawn()?;
    let mut ready = [0];
    if let Some(mut pipe) = child.stderr.take() {
        pipe.read_exact(&mut ready)?;
    }
    if ready != *b"\n" {
        return Err(io::Error::other("the log writer does not start"));
    }
    // Reaped if it ends before us.
    std::thread::Builder::new()
        .name("log-writer".into())
        .spawn(move || child.wait())?;
    Ok(Prepared { stdio, _held: held })
}

fn fifo(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    Ok(nix::unistd::mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)?)
}
