//! How a kubelet is started.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::Ipv4Net;

use crate::eviction::Thresholds;
use crate::logs::Rotation;

/// All that a kubelet is told. [`Config::new`] fills in upstream's defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node's name.
    pub node_name: String,
    /// The node's address.
    pub node_ip: IpAddr,
    /// State that survives a restart of the machine (`--root-dir`).
    pub root_dir: PathBuf,
    /// State that does not: sockets, pinned namespaces.
    pub run_dir: PathBuf,
    /// Containers' logs (`podLogsDir`).
    pub pod_logs_dir: PathBuf,
    /// containerd's socket (`--container-runtime-endpoint`).
    pub containerd_socket: PathBuf,
    /// Start a containerd of our own if none answers there.
    pub own_containerd: bool,
    /// The containerd binary for that.
    pub containerd_program: String,
    /// containerd's namespace.
    pub containerd_namespace: String,
    /// containerd's snapshotter.
    pub snapshotter: String,
    /// The OCI runtime's binary; chosen by what the host lets if `None`.
    pub oci_runtime: Option<String>,
    /// Names what this cluster makes on the machine.
    pub instance: String,
    /// The bridge's name.
    pub bridge: String,
    /// The node's pod addresses; the API server's `spec.podCIDR` if `None`.
    pub pod_cidr: Option<Ipv4Net>,
    /// All pods' addresses; the node's own if `None`.
    pub cluster_cidr: Option<Ipv4Net>,
    /// Below which cgroup the pods' are (`--cgroup-root`).
    pub cgroup_root: String,
    /// Where the HTTPS server listens (`--address`, `--port`).
    pub address: IpAddr,
    /// 0 for any free port.
    pub port: u16,
    /// The serving certificate and key, PEM; self-signed if `None`.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// PEM of the CA whose client certificates are let in (`--client-ca-file`).
    pub client_ca_file: Option<PathBuf>,
    /// The DNS domain of the cluster (`--cluster-domain`).
    pub cluster_domain: String,
    /// Name servers of pods (`--cluster-dns`).
    pub cluster_dns: Vec<IpAddr>,
    /// At most this many pods (`--max-pods`).
    pub max_pods: u32,
    /// What has to be left of memory and disk (`--eviction-hard`).
    pub eviction_hard: Thresholds,
    /// Further labels of the node (`--node-labels`).
    pub node_labels: BTreeMap<String, String>,
    /// Let the node register itself (`--register-node`).
    pub register_node: bool,
    /// How often live volumes are looked at (`--sync-frequency`).
    pub sync_frequency: Duration,
    /// How often the node's status is written if nothing changes (`--node-status-update-frequency`).
    pub node_status_update_frequency: Duration,
    /// When logs are set aside.
    pub rotation: Rotation,
    /// Registries that speak plain HTTP, beside those on loopback.
    pub plain_http_registries: Vec<String>,
    /// Where a `hosts.toml` for each registry says which mirrors are asked (`--registry-config-dir`).
    pub registry_config_dir: PathBuf,
    /// The binary that is executed as log writer; the running one if `None`.
    pub log_writer: Option<PathBuf>,
}

impl Config {
    /// The defaults for a node of this name and address.
    pub fn new(node_name: &str, node_ip: IpAddr) -> Self {
        Self {
            node_name: node_name.to_owned(),
            node_ip,
            root_dir: "/var/lib/kubelet".into(),
            run_dir: "/run/gantry".into(),
            pod_logs_dir: "/var/log/pods".into(),
            containerd_socket: "/run/containerd/containerd.sock".into(),
            own_containerd: false,
            containerd_program: "containerd".into(),
            containerd_namespace: "gantry".into(),
            snapshotter: "overlayfs".into(),
            oci_runtime: None,
            instance: "gantry".into(),
            bridge: "gantry0".into(),
            pod_cidr: None,
            cluster_cidr: None,
            cgroup_root: "/".into(),
            address: IpAddr::from([0, 0, 0, 0]),
            port: 10250,
            tls: None,
            client_ca_file: None,
            cluster_domain: "cluster.local".into(),
            cluster_dns: Vec::new(),
            max_pods: 110,
            eviction_hard: Thresholds::default(),
            node_labels: BTreeMap::new(),
            register_node: true,
            sync_frequency: Duration::from_secs(60),
            node_status_update_frequency: Duration::from_secs(300),
            rotation: Rotation::default(),
            plain_http_registries: Vec::new(),
            registry_config_dir: "/etc/containerd/certs.d".into(),
            log_writer: None,
        }
    }
}
