//! The shims that containerd starts, and the sockets by which it reaches them. Both may stay behind: a shim of containerd 1.6
//! when the client that had its last task deleted went away meanwhile; the socket of a shim of 2.x that several containers
//! shared, which looks for one named after its first container instead of the group.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sha2::{Digest, Sha256};

use super::Containerd;

/// Where containerd has its shims make them, whatever its own state directory is.
const DIRECTORY: &str = "/run/containerd/s";
/// A shim whose last task is deleted ends by itself, after a moment.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

impl Containerd {
    /// The socket of the shim that the containers of `group` share.
    pub fn shim_socket(&self, group: &str) -> PathBuf {
        let path = self.socket().join(self.namespace()).join(group);
        let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
        let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        PathBuf::from(DIRECTORY).join(name)
    }

    /// Sees to it that neither a shim nor its socket is left of a group that has no task any more. It has two seconds to end by
    /// itself.
    pub async fn remove_shim(&self, group: &str) {
        let path = self.shim_socket(group);
        for _ in 0..TRIES {
            match tokio::net::UnixStream::connect(&path).await {
                Ok(_) => tokio::time::sleep(PAUSE).await,
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    let _ = tokio::fs::remove_file(&path).await;
                    return;
                }
                // The shim has removed it.
                Err(_) => return,
            }
        }
        tracing::warn!(
            group,
            "a shim has no task any more and does not end: it is killed"
        );
        let socket = path.clone();
        self.kill_shims(move |pid| listens(pid, &socket)).await;
        let _ = tokio::fs::remove_file(&path).await;
    }

    /// Ends all shims of the namespace, which must have no task any more.
    pub async fn remove_all_shims(&self) {
        self.kill_shims(|_| true).await;
    }

    async fn kill_shims(&self, which: impl Fn(i32) -> bool + Send + 'static) {
        let (socket, namespace) = (self.socket().to_path_buf(), self.namespace().to_owned());
        let killing = tokio::task::spawn_blocking(move || {
            for pid in shims(&socket, &namespace).filter(|pid| which(*pid)) {
                // It may have ended meanwhile.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        });
        if let Err(error) = killing.await {
            tracing::warn!(%error, "shims were not looked for");
        }
    }
}

/// The shims that a containerd has started for a namespace.
fn shims(socket: &Path, namespace: &str) -> impl Iterator<Item = i32> {
    let address = ["-address", &socket.to_string_lossy()].map(str::to_owned);
    let namespace = ["-namespace", namespace].map(str::to_owned);
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(move |entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let command = std::fs::read(entry.path().join("cmdline")).ok()?;
        let command = String::from_utf8(command).ok()?;
        let words: Vec<&str> = command.split('\0').collect();
        let has = |flag: &[String; 2]| words.windows(2).any(|pair| pair == flag);
        let is_shim = words.first()?.ends_with("containerd-shim-runc-v2");
        (is_shim && has(&address) && has(&namespace)).then_some(pid)
    })
}

/// True if the process holds the listening end of the unix socket at `path`.
fn listens(pid: i32, path: &Path) -> bool {
    let sockets = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let held: BTreeSet<String> = sockets
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let (inode, name) = (fields.nth(6)?, fields.next()?);
            (Path::new(name) == path).then(|| format!("socket:[{inode}]"))
        })
        .collect();
    let files = std::fs::read_dir(format!("/proc/{pid}/fd"));
    files.into_iter().flatten().flatten().any(|file| {
        std::fs::read_link(file.path())
            .is_ok_and(|target| target.to_str().is_some_and(|target| held.contains(target)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_at_a_socket_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let pid = i32::try_from(std::process::id()).unwrap();
        assert!(!listens(pid, &path));
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(listens(pid, &path));
        assert!(!listens(1, &path));
        assert_eq!(shims(&path, "pods").count(), 0);
    }
}
