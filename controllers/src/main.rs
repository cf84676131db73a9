//! The controllers as a process of their own: a drop-in replacement for upstream's kube-controller-manager, as far as its
//! controllers go. Flags are upstream's; one that is not here is refused by name.

use std::{net::IpAddr, path::PathBuf, process::ExitCode, time::Duration};

use clap::{ArgAction, Parser};
use controllers::{
    Config, LeaderElection, Selection, local_time_zone, node::lifecycle::EvictionRates,
    node::lifecycle::LifecycleConfig,
};
use runtime::{
    Client, Key, Random, SystemClock,
    healthz::{self, Certificate},
    shutdown,
};
use tracing_subscriber::EnvFilter;

/// Runs Gantry's controllers against an API server.
#[derive(Parser)]
#[command(name = "controllers", version)]
struct Flags {
    /// Kubeconfig with the address of the API server and the credentials.
    #[arg(long)]
    kubeconfig: PathBuf,
    /// Controllers to run: '*' for all, 'name' for one, '-name' for all but that.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "*",
        allow_hyphen_values = true
    )]
    controllers: Vec<String>,
    /// PEM file with the certificate authority that each namespace's kube-root-ca.crt shows. Without it, the kubeconfig's.
    #[arg(long)]
    root_ca_file: Option<PathBuf>,

    /// Run only while holding the Lease, so that several processes may run.
    #[arg(long, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          action = ArgAction::Set)]
    leader_elect: bool,
    /// How long others wait before they take over.
    #[arg(long, value_parser = api::Duration::parse_unsigned, default_value = "15s")]
    leader_elect_lease_duration: Duration,
    /// How long the leader tries to renew before it gives up.
    #[arg(long, value_parser = api::Duration::parse_unsigned, default_value = "10s")]
    leader_elect_renew_deadline: Duration,
    /// How often the leader renews and others look.
    #[arg(long, value_parser = api::Duration::parse_unsigned, default_value = "2s")]
    leader_elect_retry_period: Duration,
    /// Kind of the lock.
    #[arg(long, default_value = "leases", value_parser = ["leases"])]
    leader_elect_resource_lock: String,
    /// Name of the Lease.
    #[arg(long, default_value = "kube-controller-manager")]
    leader_elect_resource_name: String,
    /// Namespace of the Lease.
    #[arg(long, default_value = "kube-system")]
    leader_elect_resource_namespace: String,

    /// Address to serve /healthz on.
    #[arg(long, default_value = "0.0.0.0")]
    bind_address: IpAddr,
    /// Port to serve /healthz on over TLS; 0 serves nothing.
    #[arg(long, default_value_t = 10257)]
    secure_port: u16,
    /// PEM file with the serving certificate; without it, one is made at each start.
    #[arg(long, requires = "tls_private_key_file")]
    tls_cert_file: Option<PathBuf>,
    /// PEM file with the key of --tls-cert-file.
    #[arg(long, requires = "tls_cert_file")]
    tls_private_key_file: Option<PathBuf>,

    /// How long a node may be silent before it counts as unreachable.
    #[arg(long, value_parser = api::Duration::parse_unsigned, default_value = "50s")]
    node_monitor_grace_period: Duration,
    /// The same for a node that has never said anything.
    #[arg(long, value_parser = api::Duration::parse_unsigned, default_value = "1m0s")]
    node_startup_grace_period: Duration,
    /// How often what cannot be done now for a node is tried again.
    #[arg(long, value_parser = api::Duration::parse_unsigned, default_value = "5s")]
    node_monitor_period: Duration,
    /// Nodes a second that are emptied in a healthy zone.
    #[arg(long, default_value_t = 0.1)]
    node_eviction_rate: f64,
    /// Nodes a second that are emptied in a large, unhealthy zone.
    #[arg(long, default_value_t = 0.01)]
    secondary_node_eviction_rate: f64,
    /// Nodes above which a zone is large.
    #[arg(long, default_value_t = 50)]
    large_cluster_size_threshold: usize,
    /// Fraction of silent nodes from which a zone is unhealthy.
    #[arg(long, default_value_t = 0.55)]
    unhealthy_zone_threshold: f64,
    /// Ended pods that are kept; 0 keeps all.
    #[arg(long, default_value_t = 12_500)]
    terminated_pod_gc_threshold: usize,

    /// Verbosity: 0 for what matters, 4 for debugging. RUST_LOG, if set, says it in more detail.
    #[arg(short = 'v', long = "v", default_value_t = 0)]
    verbosity: u8,
}

/// Reads Go's notation: `40s`, `1m30s`.
#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    let level = if flags.verbosity >= 4 {
        "debug"
    } else {
        "info"
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match start(flags).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn start(flags: Flags) -> Result<(), Box<dyn std::error::Error>> {
    let shutdown = shutdown::on_signals()?;
    let random = Random::from_os();
    let mut config = Config::new(SystemClock::shared(), random.clone());
    config.controllers = Selection::parse(flags.controllers.iter().map(String::as_str))?;
    config.root_ca = root_ca(&flags).await?;
    config.time_zone = local_time_zone();
    config.terminated_pod_gc_threshold = flags.terminated_pod_gc_threshold;
    config.lifecycle = LifecycleConfig {
        monitor_grace_period: flags.node_monitor_grace_period,
        startup_grace_period: flags.node_startup_grace_period,
        monitor_period: flags.node_monitor_period,
        rates: EvictionRates {
            normal: flags.node_eviction_rate,
            secondary: flags.secondary_node_eviction_rate,
            large: flags.large_cluster_size_threshold,
            unhealthy: flags.unhealthy_zone_threshold,
        },
    };
    if flags.leader_elect {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        config.leader_election = Some(LeaderElection {
            lease: Key::new(
                &flags.leader_elect_resource_namespace,
                &flags.leader_elect_resource_name,
            ),
            identity: format!("{}_{}", host.trim(), random.uuid()),
            lease_duration: flags.leader_elect_lease_duration,
            renew_deadline: flags.leader_elect_renew_deadline,
            retry_period: flags.leader_elect_retry_period,
        });
    }
    let client = Client::from_kubeconfig(&flags.kubeconfig, "controllers").await?;
    if flags.secure_port != 0 {
        let certificate = match (flags.tls_cert_file, flags.tls_private_key_file) {
            (Some(certificate), Some(key)) => Certificate::Files { certificate, key },
            _ => Certificate::SelfSigned,
        };
        let address = (flags.bind_address, flags.secure_port).into();
        healthz::serve(
            address,
            certificate,
            config.readiness.clone(),
            shutdown.clone(),
        )
        .await?;
    }
    Ok(controllers::run(config, client, shutdown).await?)
}

/// The certificates to publish: those of the flag, or those by which the kubeconfig knows the server.
async fn root_ca(flags: &Flags) -> Result<Option<String>, Box<dyn std::error::Error>> {
    if let Some(path) = &flags.root_ca_file {
        let read = tokio::fs::read_to_string(path).await;
        return Ok(Some(
            read.map_err(|e| format!("--root-ca-file {}: {e}", path.display()))?,
        ));
    }
    Ok(Client::root_ca(&flags.kubeconfig).await?)
}
