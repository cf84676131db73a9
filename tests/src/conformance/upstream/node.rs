//! One host's containerd, kubelet and kube-proxy.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::super::hosts::Host;
use super::super::packages::output;
use super::{config, network};
use crate::pki::Pki;
use crate::upstream::binary;

/// The first of them.
pub const CONTAINERD: &str = "containerd";
const KUBELET: &str = "kubelet";
const PROXY: &str = "kube-proxy";

/// What runs on a host, in the order in which it starts.
pub const PROGRAMS: [&str; 3] = [CONTAINERD, KUBELET, PROXY];

/// A host with the files that its programs need.
pub struct Node {
    host: Host,
    data: PathBuf,
    kubeconfig: PathBuf,
    socket: String,
}

impl Node {
    /// Writes those files below `directory`, and makes the cgroup below `cgroup` that its pods' are in.
    pub fn prepare(
        host: Host,
        directory: &Path,
        cgroup: &str,
        sandbox: &str,
        registries: &Path,
        pki: &Pki,
        url: &str,
    ) -> io::Result<Self> {
        let data = directory.join(host.name);
        let networks = data.join("networks");
        fs::create_dir_all(&networks)?;
        write(
            &networks.join("pods.conflist"),
            &network::pods(&host, &data.join("addresses")),
        )?;

        let containerd = config::Containerd {
            root: &data.join("containerd"),
            // Short: a path to a socket has at most 107 bytes.
            state: &Path::new("/run").join(format!("{}-containerd", host.name)),
            sandbox,
            registries,
            plugins: &network::plugins(directory),
            network: &networks,
        };
        fs::write(data.join("containerd.toml"), containerd.toml())?;

        let user = format!("system:node:{}", host.name);
        pki.client(host.name, &user, &["system:nodes"])?;
        let cgroup = format!("{cgroup}/{}", host.name);
        make_cgroup(&cgroup)?;
        write(
            &data.join("kubelet.json"),
            &config::kubelet(&containerd.socket(), &data, &cgroup, &pki.path("ca.crt")),
        )?;

        pki.client(PROXY, "system:kube-proxy", &[])?;
        write(
            &data.join("kube-proxy.json"),
            &config::proxy(&host, &pki.kubeconfig(PROXY, url)?),
        )?;
        Ok(Self {
            host,
            kubeconfig: pki.kubeconfig(host.name, url)?,
            socket: containerd.socket(),
            data,
        })
    }

    /// The command of one of [`PROGRAMS`].
    pub fn command(&self, program: &str) -> io::Result<Command> {
        let path = binary(program)?;
        let mut command = self.host.command(&path);
        match program {
            CONTAINERD => {
                // Its shim must be the one that was built with it, whatever the machine has.
                binary("containerd-shim-runc-v2")?;
                let mut search = vec![path.parent().unwrap_or(Path::new("/")).to_owned()];
                let inherited = std::env::var_os("PATH").unwrap_or_default();
                search.extend(std::env::split_paths(&inherited));
                let search = std::env::join_paths(search).map_err(io::Error::other)?;
                command.env("PATH", search);
                command
                    .arg("--config")
                    .arg(self.data.join("containerd.toml"));
            }
            KUBELET => {
                command.arg("--kubeconfig").arg(&self.kubeconfig);
                command.arg("--config").arg(self.data.join("kubelet.json"));
                command.args(["--hostname-override", self.host.name]);
                command.args(["--node-ip", self.host.address]);
                command.arg("--root-dir").arg(self.data.join("kubelet"));
                command.arg("--cert-dir").arg(self.data.join("kubelet-pki"));
            }
            _ => {
                command
                    .arg("--config")
                    .arg(self.data.join("kube-proxy.json"));
            }
        }
        Ok(command)
    }

    /// Runs containerd's own client on the node's containerd; an error carries what it printed.
    pub fn ctr(&self, args: &[&str]) -> Result<String, String> {
        let run = || {
            let mut ctr = self.host.command(binary("ctr")?);
            output(ctr.arg("--address").arg(&self.socket).args(args))
        };
        run().map_err(|error| error.to_string())
    }
}

/// A file of JSON, which is YAML, too.
fn write(path: &Path, value: &Value) -> io::Result<()> {
    fs::write(path, value.to_string())
}

/// The kubelet wants the cgroup that it is to work below to be there, in every hierarchy.
fn make_cgroup(cgroup: &str) -> io::Result<()> {
    let below = cgroup.trim_start_matches('/');
    let root = Path::new("/sys/fs/cgroup");
    if root.join("cgroup.controllers").exists() {
        return fs::create_dir_all(root.join(below));
    }
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        // Links name a hierarchy twice.
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(entry.path().join(below))?;
        }
    }
    Ok(())
}
