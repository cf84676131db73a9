//! This machine as a node: the flags that say where the kubelet keeps things, and what it is called.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use ipnet::Ipv4Net;
use kubelet::eviction::Thresholds;

/// Flags about this machine.
#[derive(Args, Clone, Debug)]
pub struct NodeOptions {
    /// The node's name; the machine's when not given.
    #[arg(long)]
    pub hostname_override: Option<String>,
    /// The node's address; that of the default route when not given.
    #[arg(long)]
    pub node_ip: Option<IpAddr>,
    /// Addresses of this node's pods.
    #[arg(long, default_value = "10.244.0.0/24", value_name = "CIDR")]
    pub pod_cidr: Ipv4Net,
    /// Addresses of all pods; this node's when not given.
    #[arg(long, value_name = "CIDR")]
    pub cluster_cidr: Option<Ipv4Net>,
    /// Port of the kubelet; 0 for any that is free.
    #[arg(long, default_value_t = 10250)]
    pub kubelet_port: u16,
    /// containerd's socket. If nobody answers there, a containerd of our own is started under the data directory.
    #[arg(
        long,
        default_value = "/run/containerd/containerd.sock",
        value_name = "SOCKET"
    )]
    pub container_runtime_endpoint: String,
    /// The containerd to start then; a path, or a name that is looked for on the PATH.
    #[arg(long, default_value = "containerd", value_name = "PROGRAM")]
    pub containerd_program: String,
    /// The OCI runtime's binary; crun where the host lets it, else runc, when not given.
    #[arg(long, value_name = "PROGRAM")]
    pub oci_runtime: Option<String>,
    /// containerd's namespace for our pods.
    #[arg(long, default_value = "gantry")]
    pub containerd_namespace: String,
    /// Names what this cluster makes on the machine: nftables table, rules.
    #[arg(long, default_value = "gantry")]
    pub instance: String,
    /// The pod network's bridge.
    #[arg(long, default_value = "gantry0")]
    pub bridge: String,
    /// Sockets and pinned network namespaces.
    #[arg(long, default_value = "/run/gantry/kubelet", value_name = "DIR")]
    pub run_dir: PathBuf,
    /// What has to be left of memory and disk before the node says that it is under pressure.
    #[arg(long, default_value = "memory.available<100Mi,nodefs.available<5%")]
    pub eviction_hard: Thresholds,
    /// The cgroup that pods' cgroups are below.
    #[arg(long, default_value = "/")]
    pub cgroup_root: String,
    /// Where HOST[:PORT]/hosts.toml, or _default/hosts.toml, says which mirrors of a registry are asked, in containerd's words.
    #[arg(long, default_value = "/etc/containerd/certs.d", value_name = "DIR")]
    pub registry_config_dir: PathBuf,
}

impl NodeOptions {
    /// The node's name.
    pub fn name(&self) -> String {
        self.hostname_override
            .clone()
            .map_or_else(apiserver::run::hostname, |name| name.to_lowercase())
    }

    /// The kubelet's configuration, with its state under `data_dir`.
    pub fn kubelet(&self, data_dir: &Path) -> kubelet::Config {
        let address = self.node_ip.unwrap_or_else(apiserver::run::first_address);
        kubelet::Config {
            root_dir: data_dir.join("kubelet"),
            run_dir: self.run_dir.clone(),
            pod_logs_dir: data_dir.join("pod-logs"),
            containerd_socket: self
                .container_runtime_endpoint
                .trim_start_matches("unix://")
                .into(),
            own_containerd: true,
            containerd_program: self.containerd_program.clone(),
            oci_runtime: self.oci_runtime.clone(),
            containerd_namespace: self.containerd_namespace.clone(),
            instance: self.instance.clone(),
            bridge: self.bridge.clone(),
            pod_cidr: Some(self.pod_cidr),
            cluster_cidr: Some(self.cluster_cidr.unwrap_or(self.pod_cidr)),
            cgroup_root: self.cgroup_root.clone(),
            registry_config_dir: self.registry_config_dir.clone(),
            eviction_hard: self.eviction_hard,
            port: self.kubelet_port,
            client_ca_file: Some(data_dir.join("pki/ca.crt")),
            ..kubelet::Config::new(&self.name(), address)
        }
    }
}
