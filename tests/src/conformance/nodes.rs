//! A cluster of ours on the two hosts: `gantry up` on the first, `kubelet --kubeconfig` on the second.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::hosts::{CLUSTER_CIDR, HOSTS, Host};
use super::judged::Judged;
use super::packages::output;
use crate::cluster::binary;
use crate::process::Process;
use crate::{upstream, wait};

/// The API server's port; the network namespace is our own.
const PORT: u16 = 6443;

/// A running cluster. Its processes end with it; containers, mounts and networks end with the namespaces around.
pub struct Nodes {
    admin: PathBuf,
    directory: PathBuf,
    cgroup: String,
    registries: PathBuf,
    /// In the order in which they end.
    processes: Vec<Process>,
}

impl Nodes {
    /// Starts it with its data below `directory` and its pods' cgroups below `cgroup`, and waits until both nodes are Ready.
    /// `registries` has a `hosts.toml` for them.
    ///
    /// # Errors
    /// When a process does not start.
    pub fn start(directory: &Path, cgroup: &str, registries: &Path) -> io::Result<Self> {
        let mut nodes = Self {
            admin: directory.join("node-1/admin.conf"),
            directory: directory.to_owned(),
            cgroup: cgroup.to_owned(),
            registries: registries.to_owned(),
            processes: Vec::new(),
        };
        let [first, second] = &HOSTS;
        let control_plane = Process::start("node-1", directory, nodes.up(first))?;
        nodes.processes.push(control_plane);
        wait::until("the API server is ready", Duration::from_secs(60), || {
            nodes.kubectl(&["get", "--raw", "/readyz"])
        });
        let kubelet = Process::start("node-2", directory, nodes.kubelet(first, second)?)?;
        nodes.processes.insert(0, kubelet);
        for host in &HOSTS {
            let what = format!("{} is Ready", host.name);
            let node = format!("node/{}", host.name);
            wait::until(&what, Duration::from_secs(60), || {
                nodes.kubectl(&["wait", "--for=condition=Ready", &node, "--timeout=1s"])
            });
        }
        Ok(nodes)
    }

    fn up(&self, host: &Host) -> Command {
        let mut command = host.command(binary("gantry"));
        command.arg("up").arg("--data-dir").arg(self.data(host));
        command.args(["--bind-address", "0.0.0.0", "--secure-port"]);
        command.arg(PORT.to_string());
        command.args(["--advertise-address", host.address]);
        for node in &HOSTS {
            command.args(["--node", node.name]);
        }
        command.args(["--service-cluster-ip-range", "10.96.0.0/16"]);
        self.node_flags(host, &mut command);
        command
    }

    fn kubelet(&self, control_plane: &Host, host: &Host) -> io::Result<Command> {
        let data = self.data(host);
        std::fs::create_dir_all(&data)?;
        // Made where the server is, for there: carried to the other host, it has to say where that is.
        let pki = self.data(control_plane);
        let made = pki.join(format!("kubelet-{}.conf", host.name));
        let text = std::fs::read_to_string(&made)
            .map_err(|error| io::Error::other(format!("{}: {error}", made.display())))?;
        let from = format!("https://127.0.0.1:{PORT}");
        let to = format!("https://{}:{PORT}", control_plane.address);
        let kubeconfig = data.join("kubelet.conf");
        std::fs::write(&kubeconfig, text.replace(&from, &to))?;
        let mut command = host.command(binary("kubelet"));
        command.arg("--kubeconfig").arg(kubeconfig);
        command.arg("--own-containerd");
        command.arg("--root-dir").arg(data.join("kubelet"));
        command.arg("--pod-logs-dir").arg(data.join("pod-logs"));
        command.arg("--client-ca-file").arg(pki.join("pki/ca.crt"));
        self.node_flags(host, &mut command);
        Ok(command)
    }

    fn node_flags(&self, host: &Host, command: &mut Command) {
        command.args(["--hostname-override", host.name]);
        command.args(["--node-ip", host.address]);
        command.args(["--pod-cidr", host.pod_cidr]);
        command.args(["--cluster-cidr", CLUSTER_CIDR]);
        // The hosts share processes and cgroups.
        command.arg("--cgroup-root");
        command.arg(format!("{}/{}", self.cgroup, host.name));
        command.arg("--run-dir");
        command.arg(format!("/run/gantry-{}", host.name));
        // Nobody answers there, so that each node brings a containerd of its own.
        command.arg("--container-runtime-endpoint");
        command.arg(format!("/run/{}-has-none.sock", host.name));
        command.arg("--registry-config-dir").arg(&self.registries);
        // However full the machine's disk is.
        command.args([
            "--eviction-hard",
            "memory.available<1Mi,nodefs.available<1%",
        ]);
    }

    fn data(&self, host: &Host) -> PathBuf {
        self.directory.join(host.name)
    }

    fn kubectl(&self, args: &[&str]) -> Result<String, String> {
        upstream::kubectl(&self.admin, args)
    }
}

impl Judged for Nodes {
    fn admin(&self) -> &Path {
        &self.admin
    }

    fn load(&self, archive: &Path) -> io::Result<()> {
        for host in &HOSTS {
            let mut load = Command::new(binary("gantry"));
            load.args(["image", "load", "--data-dir"]);
            load.arg(self.data(host));
            self.node_flags(host, &mut load);
            output(load.arg(archive))?;
        }
        Ok(())
    }

    fn ended(&mut self) -> Vec<String> {
        self.processes
            .iter_mut()
            .filter_map(|process| (!process.is_running()).then(|| process.name().to_owned()))
            .collect()
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.terminate(Duration::from_secs(10));
        }
    }
}
