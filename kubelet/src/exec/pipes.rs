//! The FIFOs at an executed process's input and output.

use std::io;
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use runtime::Random;

use crate::containerd::Stdio;

/// A name for a process that is executed: that of no other one in the container, nor of its FIFOs in its pod's directory,
/// whatever a kubelet before this one left there.
pub fn name(kind: &str, random: &Random) -> String {
    format!("{kind}-{}", random.suffix(16))
}

/// The FIFOs of one process; removed with this.
pub(super) struct Pipes {
    /// Its input.
    pub stdin: Option<PathBuf>,
    /// Its output.
    pub stdout: Option<PathBuf>,
    /// Its other output.
    pub stderr: Option<PathBuf>,
}

impl Pipes {
    /// Makes those of `[stdin, stdout, stderr]` that are wanted, for the process `exec`, in `dir`.
    ///
    /// # Errors
    /// When they cannot be made, or another process of that name has its own there.
    pub fn make(dir: &Path, exec: &str, wanted: [bool; 3]) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let mut pipes = Self {
            stdin: None,
            stdout: None,
            stderr: None,
        };
        let places = [&mut pipes.stdin, &mut pipes.stdout, &mut pipes.stderr];
        for ((place, kind), wanted) in places.into_iter().zip(["in", "out", "err"]).zip(wanted) {
            if wanted {
                let path = dir.join(format!("{exec}.{kind}"));
                nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR)?;
                *place = Some(path);
            }
        }
        Ok(pipes)
    }

    /// For containerd.
    pub fn stdio(&self, terminal: bool) -> Stdio {
        let text = |path: &Option<PathBuf>| {
            path.as_ref()
                .map(|path| path.display().to_string())
                .unwrap_or_default()
        };
        Stdio {
            stdin: text(&self.stdin),
            stdout: text(&self.stdout),
            stderr: text(&self.stderr),
            terminal,
        }
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        for path in [&self.stdin, &self.stdout, &self.stderr]
            .into_iter()
            .flatten()
        {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_of_one_pod_are_not_in_each_others_way_and_leave_nothing() {
        let (dir, random) = (tempfile::tempdir().unwrap(), Random::from_seed(1));
        let make = || Pipes::make(dir.path(), &name("pre-stop", &random), [false, true, true]);
        let count = || std::fs::read_dir(dir.path()).unwrap().count();
        let both = [make().unwrap(), make().unwrap()];
        assert_eq!(count(), 4);
        drop(both);
        assert_eq!(count(), 0);
    }

    #[test]
    fn what_is_anothers_is_left_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Pipes::make(dir.path(), "x", [false, false, true]).unwrap();
        // Its own output is taken away again; the other one's stays.
        assert!(Pipes::make(dir.path(), "x", [false, true, true]).is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
