//! The baseline: upstream's own control plane, kubelets and kube-proxies on the two hosts, so that the same suite tells what
//! this machine lets pass.
//!
//! It is set up as administrators do, with two exceptions that the machine asks for: `hack/conformance` keeps upstream's
//! kubelet from setting the kernel's parameters for the whole machine, and gives it places of its own for what it writes below
//! /var/lib and /var/log whatever its flags say.

mod config;
mod control_plane;
mod dns;
mod network;
mod node;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::hosts::HOSTS;
use super::judged::Judged;
use super::packages::output;
use crate::pki::Pki;
use crate::process::Process;
use crate::upstream::{Etcd, binary, kubectl};
use crate::wait;

pub use network::fetch_plugins;

/// The API server's port; the network namespace is our own.
const PORT: u16 = 6443;

/// The addresses of Services.
const SERVICE_CIDR: &str = "10.96.0.0/16";

/// The Service of the name server.
const DNS: &str = "10.96.0.10";

/// A running cluster of upstream's. Its processes end with it; containers, mounts and networks end with the namespaces around.
pub struct Upstream {
    admin: PathBuf,
    /// In the order in which they end.
    processes: Vec<Process>,
    nodes: Vec<node::Node>,
    /// After those that write to it.
    etcd: Etcd,
}

impl Upstream {
    /// Starts it with its data below `directory` and its pods' cgroups below `cgroup`, and waits until both nodes are Ready.
    /// `images` are the suite's: the one that sandboxes are made of is among them. `registries` has a `hosts.toml` for the nodes.
    ///
    /// # Errors
    /// When a process does not start.
    pub fn start(
        directory: &Path,
        cgroup: &str,
        images: &[String],
        registries: &Path,
    ) -> io::Result<Self> {
        let pki_directory = directory.join("pki");
        std::fs::create_dir_all(&pki_directory)?;
        let pki = Pki::make(&pki_directory, "kubernetes")?;
        let url = format!("https://{}:{PORT}", HOSTS[0].address);
        pki.client("admin", "admin", &["system:masters"])?;
        let mut upstream = Self {
            admin: pki.kubeconfig("admin", &url)?,
            processes: Vec::new(),
            nodes: Vec::new(),
            etcd: Etcd::start(directory)?,
        };
        let apiserver = control_plane::apiserver(&pki, &upstream.etcd.url)?;
        upstream.launch("kube-apiserver", directory, apiserver)?;
        wait::until(
            "upstream's API server is ready",
            Duration::from_secs(120),
            || kubectl(&upstream.admin, &["get", "--raw", "/readyz"]),
        );
        let (controllers, scheduler) = (
            control_plane::controllers(&pki, &url)?,
            control_plane::scheduler(&pki, &url)?,
        );
        upstream.launch("kube-controller-manager", directory, controllers)?;
        upstream.launch("kube-scheduler", directory, scheduler)?;
        let coredns = dns::coredns(&pki, &url, &upstream.admin, directory)?;
        upstream.launch("coredns", directory, coredns)?;
        let sandbox = sandbox_image(images)?;
        for host in HOSTS {
            let node =
                node::Node::prepare(host, directory, cgroup, sandbox, registries, &pki, &url)?;
            for program in node::PROGRAMS {
                let name = format!("{}-{program}", host.name);
                upstream.launch(&name, directory, node.command(program)?)?;
                if program == node::CONTAINERD {
                    wait::until("containerd answers", Duration::from_secs(60), || {
                        node.ctr(&["version"])
                    });
                }
            }
            upstream.nodes.push(node);
        }
        for host in &HOSTS {
            let what = format!("{} is Ready", host.name);
            let node = format!("node/{}", host.name);
            wait::until(&what, Duration::from_secs(120), || {
                let args = ["wait", "--for=condition=Ready", &node, "--timeout=1s"];
                kubectl(&upstream.admin, &args)
            });
        }
        Ok(upstream)
    }

    /// Starts one more, which is to end before those that run.
    fn launch(&mut self, name: &str, logs: &Path, command: Command) -> io::Result<()> {
        self.processes
            .insert(0, Process::start(name, logs, command)?);
        Ok(())
    }
}

impl Judged for Upstream {
    fn admin(&self) -> &Path {
        &self.admin
    }

    fn load(&self, archive: &Path) -> io::Result<()> {
        for node in &self.nodes {
            let archive = archive.display().to_string();
            node.ctr(&["--namespace", "k8s.io", "images", "import", &archive])
                .map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn ended(&mut self) -> Vec<String> {
        let all = self.processes.iter_mut().chain([self.etcd.process()]);
        all.filter_map(|process| (!process.is_running()).then(|| process.name().to_owned()))
            .collect()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.terminate(Duration::from_secs(10));
        }
    }
}

/// What upstream's programs call themselves: `v1.37.1`.
///
/// # Errors
/// When the API server's program does not say.
pub fn version() -> io::Result<String> {
    let said = output(Command::new(binary("kube-apiserver")?).arg("--version"))?;
    match said.split_whitespace().last() {
        Some(version) => Ok(version.to_owned()),
        None => Err(io::Error::other("kube-apiserver says no version")),
    }
}

/// The image of the process that keeps a pod's namespaces.
fn sandbox_image(images: &[String]) -> io::Result<&str> {
    images
        .iter()
        .map(String::as_str)
        .find(|image| {
            image
                .rsplit('/')
                .next()
                .is_some_and(|last| last.starts_with("pause:"))
        })
        .ok_or_else(|| io::Error::other("the suite has no image named pause"))
}
