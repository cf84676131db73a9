//! The kubelet as a process of its own. Flags have upstream's names where upstream has the flag.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use ipnet::Ipv4Net;
use kubelet::Config;
use kubelet::eviction::Thresholds;
use kubelet::simulated;
use runtime::Client;

/// Runs the pods of one node through containerd.
#[derive(Debug, Parser)]
#[command(name = "kubelet", version = kubelet::VERSION)]
struct Flags {
    /// How to reach the API server, and as whom.
    #[arg(long)]
    kubeconfig: PathBuf,
    /// The node's name; the machine's hostname if absent.
    #[arg(long)]
    hostname_override: Option<String>,
    /// The node's address; that of the default route if absent.
    #[arg(long)]
    node_ip: Option<IpAddr>,
    /// Where pods' data is kept.
    #[arg(long, default_value = "/var/lib/kubelet")]
    root_dir: PathBuf,
    /// Where sockets and pinned namespaces are.
    #[arg(long, default_value = "/run/gantry")]
    run_dir: PathBuf,
    /// Where containers' logs are.
    #[arg(long, default_value = "/var/log/pods")]
    pod_logs_dir: PathBuf,
    /// containerd's socket, with or without unix://.
    #[arg(long, default_value = "unix:///run/containerd/containerd.sock")]
    container_runtime_endpoint: String,
    /// Start a containerd of our own if none answers at that socket.
    #[arg(long)]
    own_containerd: bool,
    /// The containerd to start then; a path, or a name that is looked for on the PATH.
    #[arg(long, default_value = "containerd")]
    containerd_program: String,
    /// containerd's namespace for pods.
    #[arg(long, default_value = "gantry")]
    containerd_namespace: String,
    /// The OCI runtime's binary; crun where the host lets it, else runc, if absent.
    #[arg(long)]
    oci_runtime: Option<String>,
    /// Names what this cluster makes on the machine (nftables table, rules).
    #[arg(long, default_value = "gantry")]
    instance: String,
    /// The pod network's bridge.
    #[arg(long, default_value = "gantry0")]
    bridge: String,
    /// The node's pod addresses; those that the API server gives it if absent.
    #[arg(long)]
    pod_cidr: Option<Ipv4Net>,
    /// All pods' addresses, which are reached without NAT.
    #[arg(long)]
    cluster_cidr: Option<Ipv4Net>,
    /// The cgroup that pods' cgroups are below.
    #[arg(long, default_value = "/")]
    cgroup_root: String,
    /// Where the HTTPS server listens.
    #[arg(long, default_value = "0.0.0.0")]
    address: IpAddr,
    /// The HTTPS server's port.
    #[arg(long, default_value_t = 10250)]
    port: u16,
    /// The HTTPS server's certificate; self-signed if absent.
    #[arg(long, requires = "tls_private_key_file")]
    tls_cert_file: Option<PathBuf>,
    /// Its key.
    #[arg(long, requires = "tls_cert_file")]
    tls_private_key_file: Option<PathBuf>,
    /// The CA whose client certificates are let in.
    #[arg(long)]
    client_ca_file: Option<PathBuf>,
    /// The cluster's DNS domain.
    #[arg(long, default_value = "cluster.local")]
    cluster_domain: String,
    /// Name servers of pods.
    #[arg(long, value_delimiter = ',')]
    cluster_dns: Vec<IpAddr>,
    /// At most this many pods.
    #[arg(long, default_value_t = 110)]
    max_pods: u32,
    /// What has to be left of memory and disk before the node says that it is under pressure.
    #[arg(long, default_value = "memory.available<100Mi,nodefs.available<10%")]
    eviction_hard: Thresholds,
    /// Further labels of the node: KEY=VALUE,…
    #[arg(long, value_delimiter = ',', value_parser = label)]
    node_labels: Vec<(String, String)>,
    /// Make the node's object if it is missing.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    register_node: bool,
    /// Seconds between two looks at volumes with live content.
    #[arg(long, default_value_t = 60)]
    sync_frequency: u64,
    /// Run nothing, but pretend to: so many nodes, named after --hostname-override (`simulated` if absent), on which every pod
    /// that is bound is said to run. The kubeconfig's user must be allowed what all of their kubelets are. For measurements.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    simulated: Option<u32>,
    /// Registries (host:port) that speak plain HTTP.
    #[arg(long, value_delimiter = ',')]
    plain_http_registries: Vec<String>,
    /// Where HOST[:PORT]/hosts.toml, or _default/hosts.toml, says which mirrors of a registry are asked, in containerd's words.
    #[arg(long, default_value = "/etc/containerd/certs.d")]
    registry_config_dir: PathBuf,
}

fn label(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("{text:?} is not KEY=VALUE"))
}

/// The address by which the machine would leave it; nothing is sent.
fn default_address() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.254:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

impl Flags {
    fn simulated(&self) -> Option<simulated::Config> {
        let prefix = self.hostname_override.as_deref().unwrap_or("simulated");
        Some(simulated::Config {
            count: self.simulated?.try_into().ok()?,
            prefix: prefix.to_owned(),
            max_pods: self.max_pods,
        })
    }

    fn config(self) -> Result<Config, String> {
        let hostname = || {
            nix::unistd::gethostname()
                .ok()
                .and_then(|name| name.into_string().ok())
        };
        let name = self
            .hostname_override
            .or_else(hostname)
            .ok_or("the machine has no hostname: give --hostname-override")?;
        let ip = self
            .node_ip
            .or_else(default_address)
            .ok_or("no address of this machine found: give --node-ip")?;
        let socket = self
            .container_runtime_endpoint
            .trim_start_matches("unix://");
        Ok(Config {
            root_dir: self.root_dir,
            run_dir: self.run_dir,
            pod_logs_dir: self.pod_logs_dir,
            containerd_socket: socket.into(),
            own_containerd: self.own_containerd,
            containerd_program: self.containerd_program,
            containerd_namespace: self.containerd_namespace,
            oci_runtime: self.oci_runtime,
            instance: self.instance,
            bridge: self.bridge,
            pod_cidr: self.pod_cidr,
            cluster_cidr: self.cluster_cidr,
            cgroup_root: self.cgroup_root,
            address: self.address,
            port: self.port,
            tls: self.tls_cert_file.zip(self.tls_private_key_file),
            client_ca_file: self.client_ca_file,
            cluster_domain: self.cluster_domain,
            cluster_dns: self.cluster_dns,
            max_pods: self.max_pods,
            eviction_hard: self.eviction_hard,
            node_labels: self.node_labels.into_iter().collect::<BTreeMap<_, _>>(),
            register_node: self.register_node,
            sync_frequency: Duration::from_secs(self.sync_frequency),
            plain_http_registries: self.plain_http_registries,
            registry_config_dir: self.registry_config_dir,
            ..Config::new(&name.to_lowercase(), ip)
        })
    }
}

fn main() -> ExitCode {
    if let Some(code) = kubelet::logs::writer::main(std::env::args_os().skip(1)) {
        return code;
    }
    let flags = Flags::parse();
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let run = || -> Result<(), Box<dyn std::error::Error>> {
        let kubeconfig = flags.kubeconfig.clone();
        let simulated = flags.simulated();
        let config = flags.config()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let _ = rustls::crypto::ring::default_provider().install_default();
            let shutdown = runtime::shutdown::on_signals()?;
            let client = Client::from_kubeconfig(&kubeconfig, "kubelet").await?;
            if let Some(nodes) = simulated {
                kubelet::simulated::run(nodes, client, shutdown).await;
                return Ok(());
            }
            Ok(kubelet::run(config, client, shutdown).await?)
        })
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kubelet: {error}");
            ExitCode::FAILURE
        }
    }
}
