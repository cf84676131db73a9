//! An API server with its scheduler and its controllers, ours or upstream's, a process each.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::procfs::{self, Memory};
use super::subject::{ApiServer, Subject};
use crate::cluster::binary;
use crate::net::free_port;
use crate::process::Process;
use crate::upstream;

/// All of it. Dropping it ends the processes, the API server last.
pub struct ControlPlane {
    scheduler: Process,
    controllers: Process,
    _directory: TempDir,
    /// What the others speak to.
    pub server: ApiServer,
}

impl ControlPlane {
    /// Starts a scheduler and controllers on a server that is ready.
    pub fn start(subject: Subject, server: ApiServer) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        Ok(Self {
            scheduler: start_scheduler(subject, &server, directory.path())?,
            controllers: start_controllers(subject, &server, directory.path())?,
            _directory: directory,
            server,
        })
    }

    /// One kind of memory of all processes, in bytes.
    pub fn memory(&mut self, field: fn(Memory) -> u64) -> io::Result<u64> {
        sum_memory(&self.pids(), field)
    }

    /// Processor time of all processes so far, of each in hundredths of a second.
    pub fn processor(&mut self) -> io::Result<Duration> {
        self.pids().into_iter().map(procfs::processor).sum()
    }

    fn pids(&mut self) -> Vec<u32> {
        let mut pids = self.server.pids();
        pids.extend([self.scheduler.pid(), self.controllers.pid()]);
        pids
    }
}

/// One kind of memory of some processes, in bytes.
pub fn sum_memory(pids: &[u32], field: fn(Memory) -> u64) -> io::Result<u64> {
    pids.iter().map(|pid| procfs::memory(*pid).map(field)).sum()
}

/// Starts a scheduler alone.
pub fn start_scheduler(
    subject: Subject,
    server: &ApiServer,
    directory: &Path,
) -> io::Result<Process> {
    let kubeconfig = server.scheduler_kubeconfig()?;
    match subject {
        Subject::Gantry => {
            let mut command = Command::new(binary("scheduler"));
            command.arg("--kubeconfig").arg(kubeconfig);
            command.args(["--secure-port", "0", "--leader-elect=false"]);
            Process::start("scheduler", directory, command)
        }
        Subject::Upstream => {
            // Its client's limits off: 50 requests a second would be all that is measured.
            let config = serde_json::json!({
                "apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration",
                "leaderElection": {"leaderElect": false},
                "clientConnection": {"kubeconfig": kubeconfig, "qps": 100_000, "burst": 100_000},
            });
            let file = directory.join("scheduler.json");
            fs::write(&file, config.to_string())?;
            let mut command = Command::new(upstream::binary("kube-scheduler")?);
            command
                .arg("--config")
                .arg(file)
                .args(["--secure-port", "0"]);
            Process::start("kube-scheduler", directory, command)
        }
    }
}

fn start_controllers(
    subject: Subject,
    server: &ApiServer,
    directory: &Path,
) -> io::Result<Process> {
    let (name, mut command) = match subject {
        Subject::Gantry => ("controllers", Command::new(binary("controllers"))),
        Subject::Upstream => {
            let name = "kube-controller-manager";
            let mut command = Command::new(upstream::binary(name)?);
            // Its client's limits off: 20 requests a second would be all that is measured.
            command.args(["--kube-api-qps", "100000", "--kube-api-burst", "100000"]);
            (name, command)
        }
    };
    command.arg("--kubeconfig").arg(server.admin());
    command.args(["--bind-address", "127.0.0.1", "--leader-elect=false"]);
    command.args(["--secure-port", &free_port()?.to_string()]);
    Process::start(name, directory, command)
}
