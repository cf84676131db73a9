//! A containerd of our own, for machines where none answers: a detached child with its configuration and state under the
//! kubelet's root directory. It outlives the kubelet, which finds it again by its socket and pid file.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use runtime::CancellationToken;
use tokio::time::Instant;

use super::{Containerd, Error};

/// Between two looks whether our own daemon is there.
const LOOK: Duration = Duration::from_millis(500);
/// How long a daemon may take to answer, or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A containerd that was started by us, now or by an earlier kubelet.
#[derive(Clone, Debug)]
pub struct OwnInstance {
    dir: PathBuf,
    socket: PathBuf,
}

impl OwnInstance {
    /// The instance whose files are in `dir` (data) and `run` (socket and state, best on a tmpfs).
    pub fn at(dir: &Path, run: &Path) -> Self {
        Self {
            dir: dir.to_path_buf(),
            socket: run.join("containerd.sock"),
        }
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The pid of the running daemon, as far as it is really this one.
    pub fn pid(&self) -> Option<i32> {
        let pid: i32 = std::fs::read_to_string(self.dir.join("pid"))
            .ok()?
            .trim()
            .parse()
            .ok()?;
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        // Whoever started it may have come through another link.
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let config = real(&self.config_path());
        let mut words = command.split(|byte| *byte == 0);
        words
            .any(|word| real(Path::new(OsStr::from_bytes(word))) == config)
            .then_some(pid)
    }

    /// Ends the daemon, and waits until it is gone. Its containers keep running.
    ///
    /// # Errors
    /// When it does not end within twenty seconds.
    pub async fn stop(&self) -> Result<(), Error> {
        let Some(pid) = self.pid() else { return Ok(()) };
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(pid),
            nix::sys::signal::Signal::SIGTERM,
        );
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if self.pid().is_none() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(Error::Unreachable(format!(
            "our own instance (pid {pid}) does not end"
        )))
    }

    fn config_path(&self) -> PathBuf {
        self.dir.join("config.toml")
    }
}

/// Finds our own instance, or starts it with the binary `program`, and waits until it answers.
///
/// # Errors
/// When it cannot be started or does not answer within twenty seconds.
pub async fn serve_own(program: &str, dir: &Path, run: &Path) -> Result<OwnInstance, Error> {
    let instance = OwnInstance::at(dir, run);
    let failed = |what: &Path| {
        let what = what.display().to_string();
        move |error: std::io::Error| Error::Unreachable(format!("{what}: {error}"))
    };
    let mut started = None;
    if instance.pid().is_none() {
        for dir in [dir, run] {
            std::fs::create_dir_all(dir).map_err(failed(dir))?;
        }
        let config = instance.config_path();
        std::fs::write(&config, configuration(dir, run, &instance.socket))
            .map_err(failed(&config))?;
        let log = dir.join("log");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(failed(&log))?;
        let errors = log.try_clone().map_err(failed(dir))?;
        let mut command = std::process::Command::new(program);
        command
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors);
        if let Some(path) = search_path(program) {
            command.env("PATH", path);
        }
        // A group of its own: the terminal's interrupts and the kubelet's end do not reach it.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().map_err(failed(Path::new(program)))?;
        std::fs::write(dir.join("pid"), child.id().to_string()).map_err(failed(dir))?;
        started = Some(child);
    }
    // By the clock: one that hangs is long silent each time.
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if Containerd::connect(&instance.socket, "default", "overlayfs")
            .await
            .is_ok()
        {
            if let Some(mut child) = started {
                // Reaped if it ends before us.
                std::thread::Builder::new()
                    .name("containerd".into())
                    .spawn(move || child.wait())
                    .map_err(failed(dir))?;
            }
            return Ok(instance);
        }
        if started
            .as_mut()
            .is_some_and(|child| !matches!(child.try_wait(), Ok(None)))
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let log = std::fs::read_to_string(dir.join("log")).unwrap_or_default();
    let last = log.lines().next_back().unwrap_or("it said nothing");
    Err(Error::Unreachable(format!(
        "our own instance does not answer: {last}"
    )))
}

/// Where a daemon given by its path is to look for its shim: first beside itself, as the two belong together.
fn search_path(program: &str) -> Option<std::ffi::OsString> {
    let beside = Path::new(program).parent()?;
    if beside.as_os_str().is_empty() {
        return None;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let rest = std::env::split_paths(&path).filter(|dir| !dir.as_os_str().is_empty());
    std::env::join_paths(std::iter::once(beside.to_path_buf()).chain(rest)).ok()
}

/// Starts our own instance anew whenever its daemon has ended, until `stop`: nobody else would. Its containers have run on
/// meanwhile, and the new daemon finds them.
pub async fn keep_own(program: &str, dir: &Path, run: &Path, stop: CancellationToken) {
    let instance = OwnInstance::at(dir, run);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        if instance.pid().is_some() {
            continue;
        }
        match serve_own(program, dir, run).await {
            Ok(_) => tracing::warn!("our own containerd had ended and runs again"),
            Err(error) => tracing::error!(%error, "our own containerd does not start again"),
        }
    }
}

/// Version 2 of the format is understood from containerd 1.5 on, 2.x included. No CRI: we do without.
fn configuration(dir: &Path, run: &Path, socket: &Path) -> String {
    let quoted = |path: &Path| serde_json::Value::from(path.display().to_string()).to_string();
    format!(
        "version = 2\nroot = {root}\nstate = {state}\noom_score = 0\n\
         disabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.cri.v1.images\", \"io.containerd.cri.v1.runtime\"]\n\n\
         [grpc]\naddress = {address}\n\n[ttrpc]\naddress = {ttrpc}\n",
        root = quoted(&dir.join("root")),
        state = quoted(&run.join("state")),
        address = quoted(socket),
        ttrpc = quoted(&run.join("containerd.sock.ttrpc")),
    )
}
