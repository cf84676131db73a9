//! Our API server alone, on the embedded store or on an etcd.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::cluster::binary;
use crate::net::free_port;
use crate::process::Process;
use crate::{upstream, wait};

/// A running API server of ours, with its data in a directory that goes with it.
pub struct Apiserver {
    /// Its process.
    pub process: Process,
    /// A kubeconfig of a member of `system:masters`; written when the server first starts.
    pub admin: PathBuf,
    directory: TempDir,
    port: u16,
}

impl Apiserver {
    /// Starts it with `extra` flags and waits until it is ready.
    pub fn start(extra: &[&str]) -> io::Result<Self> {
        let server = Self::launch(extra)?;
        wait::until("our API server is ready", Duration::from_secs(30), || {
            upstream::kubectl(&server.admin, &["get", "--raw", "/readyz"])
        });
        Ok(server)
    }

    /// Starts it on an empty store and does not wait.
    pub fn launch(extra: &[&str]) -> io::Result<Self> {
        Self::launch_in(tempfile::tempdir()?, free_port()?, extra)
    }

    /// Ends it in order.
    pub fn end(&mut self) -> io::Result<()> {
        let ended = self.process.terminate(Duration::from_secs(10))?;
        ended.ok_or_else(|| io::Error::other("the API server did not end within 10 s"))?;
        Ok(())
    }

    /// Starts one that has ended again, on what it stored; does not wait.
    pub fn relaunch(self, extra: &[&str]) -> io::Result<Self> {
        Self::launch_in(self.directory, self.port, extra)
    }

    fn launch_in(directory: TempDir, port: u16, extra: &[&str]) -> io::Result<Self> {
        let mut command = Command::new(binary("apiserver"));
        command.arg("--data-dir").arg(directory.path());
        command.args(["--bind-address", "127.0.0.1"]);
        command.args(["--secure-port", &port.to_string()]);
        command.args(extra);
        Ok(Self {
            process: Process::start("apiserver", directory.path(), command)?,
            admin: directory.path().join("admin.conf"),
            directory,
            port,
        })
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}
