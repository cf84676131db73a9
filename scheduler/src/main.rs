//! The scheduler as a process of its own, with the names of kube-scheduler's flags.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgAction, Parser};
use runtime::{CancellationToken, Client, Key, Random, SystemClock};
use scheduler::run::{Config, LeaderElection, Scheduler};
use scheduler::serve::{Port, Tls};

/// Places pods on nodes.
#[derive(Parser)]
#[command(name = "scheduler", version)]
struct Flags {
    /// How to reach the API server, and as whom.
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,
    /// Pods with this spec.schedulerName are placed.
    #[arg(long, default_value = "default-scheduler")]
    scheduler_name: String,
    /// The address of the secure port.
    #[arg(long, default_value = "0.0.0.0")]
    bind_address: IpAddr,
    /// The port for health and decisions, over HTTPS; 0 for none.
    #[arg(long, default_value_t = 10259)]
    secure_port: u16,
    /// The secure port's certificate; one is made when it is absent.
    #[arg(long, value_name = "FILE", requires = "tls_private_key_file")]
    tls_cert_file: Option<PathBuf>,
    /// The key of --tls-cert-file.
    #[arg(long, value_name = "FILE", requires = "tls_cert_file")]
    tls_private_key_file: Option<PathBuf>,
    /// Place pods only while holding the Lease; false when this is the only scheduler.
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    leader_elect: bool,
    /// How long others wait before they take the Lease over.
    #[arg(long, default_value = "15s", value_parser = duration)]
    leader_elect_lease_duration: Duration,
    /// How long the leader tries to renew before it gives up.
    #[arg(long, default_value = "10s", value_parser = duration)]
    leader_elect_renew_deadline: Duration,
    /// How often the leader renews, and the others look.
    #[arg(long, default_value = "2s", value_parser = duration)]
    leader_elect_retry_period: Duration,
    /// The Lease's name.
    #[arg(long, default_value = "kube-scheduler")]
    leader_elect_resource_name: String,
    /// The Lease's namespace.
    #[arg(long, default_value = "kube-system")]
    leader_elect_resource_namespace: String,
    /// How much is logged: 0 warnings, 1 and 2 what is done, 4 each refusal. RUST_LOG overrides it.
    #[arg(short, long, default_value_t = 2)]
    v: u8,
}

/// A duration as Go writes it, in whole units: `15s`, `1m30s`, `500ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text
        .parse()
        .map_err(|error: jiff::Error| error.to_string())?;
    span.try_into().map_err(|_| "negative".into())
}

#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    let level = match flags.v {
        0 => "warn",
        1..=3 => "info",
        4..=5 => "info,scheduler=debug",
        _ => "debug",
    };
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| level.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match run(flags).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: Flags) -> Result<(), Box<dyn std::error::Error>> {
    let shutdown = runtime::shutdown::on_signals()?;
    let client = Client::from_kubeconfig(&flags.kubeconfig, "kube-scheduler").await?;
    let random = Random::from_os();
    let mut config = Config::new(SystemClock::shared(), random.clone());
    config.scheduler_name = flags.scheduler_name;
    let port = match flags.secure_port {
        0 => None,
        number => {
            let tls = match (&flags.tls_cert_file, &flags.tls_private_key_file) {
                (Some(certificate), Some(key)) => Tls::from_files(certificate, key)?,
                _ => Tls::self_signed(vec!["localhost".into(), flags.bind_address.to_string()])?,
            };
            let port = Port::bind(SocketAddr::new(flags.bind_address, number), tls).await?;
            tracing::info!(address = %port.address()?, "serving");
            Some(port)
        }
    };
    if flags.leader_elect {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let mut election = LeaderElection::new(format!("{}_{}", host.trim(), random.uuid()));
        election.lease = Key::new(
            &flags.leader_elect_resource_namespace,
            &flags.leader_elect_resource_name,
        );
        election.lease_duration = flags.leader_elect_lease_duration;
        election.renew_deadline = flags.leader_elect_renew_deadline;
        election.retry_period = flags.leader_elect_retry_period;
        if let Some(port) = &port {
            match announcement(port, &flags.kubeconfig).await {
                Ok(annotations) => election.annotations = annotations,
                Err(error) => {
                    tracing::warn!(%error, "the Lease will not tell where decisions are asked for");
                }
            }
        }
        config.leader_election = Some(election);
    }
    let scheduler = Scheduler::new(config);
    let served = CancellationToken::new();
    if let Some(port) = port {
        tokio::spawn(port.serve(scheduler.clone(), client.clone(), served.clone()));
    }
    let done = scheduler.run(client, shutdown).await;
    served.cancel();
    Ok(done?)
}

/// What the Lease tells of the secure port.
async fn announcement(
    port: &Port,
    kubeconfig: &Path,
) -> Result<Vec<(&'static str, String)>, Box<dyn std::error::Error>> {
    let server = Client::server(kubeconfig).await?;
    let mut addresses = tokio::net::lookup_host(server).await?;
    let server = addresses.next().ok_or("the API server has no address")?;
    Ok(port.announcement(server)?)
}
