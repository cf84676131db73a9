//! `gantry up`: API server, scheduler, controllers and kubelet in one process.
//!
//! The components call the API server's router directly, each as itself: no socket and no TLS lie between them, but the same
//! requests, the same rights and the same answers as over the network.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use apiserver::env::Env;
use apiserver::identity::{Identity, NODE_PREFIX, NODES};
use apiserver::run as api_server;
use apiserver::server::Server;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use clap::Args;
use futures::future::BoxFuture;
use runtime::supervise::supervise;
use runtime::{CancellationToken, Client, Random, SystemClock};
use scheduler::Scheduler;
use tokio::task::JoinSet;

use crate::node::NodeOptions;

/// How long a component that ended with an error is left alone.
const RETRY: Duration = Duration::from_secs(2);

/// Flags of `gantry up`.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    api: api_server::Options,
    #[command(flatten)]
    node: NodeOptions,
    /// Run API server, scheduler and controllers only: this machine is no node.
    #[arg(long)]
    disable_agent: bool,
    /// Also write the admin's kubeconfig here.
    #[arg(long, value_name = "FILE")]
    admin_kubeconfig: Option<PathBuf>,
    /// Write the process id here, and take the file away at the end.
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
}

/// Why the cluster did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server.
    #[error("API server: {0}")]
    Start(#[from] api_server::StartError),
    /// A file.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Runs everything until `shutdown`; containers run on.
///
/// # Errors
/// When the API server cannot start. A component that fails later is told about in the log and tried again.
pub fn run(options: Options, shutdown: CancellationToken) -> BoxFuture<'static, Result<(), Error>> {
    Box::pin(start(options, shutdown))
}

async fn start(mut options: Options, shutdown: CancellationToken) -> Result<(), Error> {
    if options.api.nodes.is_empty() && !options.disable_agent {
        options.api.nodes = vec![options.node.name()];
    }
    let random = Random::from_os();
    let scheduler = Scheduler::new(scheduler::Config::new(SystemClock::shared(), random.fork()));
    // The API server outlives its components, so that their last words are written down.
    let api_shutdown = CancellationToken::new();
    let api = api_server::start(
        &options.api,
        Some(decisions(scheduler.clone())),
        Env::system(),
        api_shutdown.clone(),
    )
    .await?;
    let _pid_file = options
        .pid_file
        .as_deref()
        .map(PidFile::write)
        .transpose()?;
    if let Some(path) = &options.admin_kubeconfig {
        let url = options.api.local_url(api.address.port());
        api.pki
            .write_kubeconfig(path, "admin", &url)
            .map_err(api_server::StartError::from)?;
    }

    let client = |user: &str, groups: &[&str]| client_of(&api.server, user, groups);
    let mut components = Components {
        running: JoinSet::new(),
        random: random.fork(),
        shutdown: shutdown.clone(),
    };
    components.start("scheduler", client("system:kube-scheduler", &[]), {
        move |client, shutdown| {
            let scheduler = scheduler.clone();
            async move { scheduler.run(client, shutdown).await }
        }
    });
    let mut config = controllers::Config::new(SystemClock::shared(), random.fork());
    config.root_ca = Some(api.pki.ca.cert_pem().to_owned());
    config.time_zone = controllers::local_time_zone();
    components.start(
        "controllers",
        client("system:kube-controller-manager", &[]),
        move |client, shutdown| controllers::run(config.clone(), client, shutdown),
    );
    if !options.disable_agent {
        let user = format!("{NODE_PREFIX}{}", options.node.name());
        let config = options.node.kubelet(&options.api.data_dir);
        components.start(
            "kubelet",
            client(&user, &[NODES]),
            move |client, shutdown| kubelet::run(config.clone(), client, shutdown),
        );
    }

    shutdown.cancelled().await;
    while components.running.join_next().await.is_some() {}
    api_shutdown.cancel();
    api.ended().await;
    Ok(())
}

/// A client of the server in this process, as `user`.
fn client_of(server: &Server, user: &str, groups: &[&str]) -> Client {
    let identity = Identity::user(user, groups.iter().copied());
    let manager = user.rsplit(':').next().unwrap_or(user);
    Client::from_service(server.service.in_process(identity)).with_field_manager(manager)
}

/// The components that run in this process.
struct Components {
    running: JoinSet<()>,
    random: Random,
    shutdown: CancellationToken,
}

impl Components {
    /// Runs a component until the end: again after an error, since a port that is taken may come free and containerd may come
    /// back; and again after a panic.
    fn start<F, E>(
        &mut self,
        name: &'static str,
        client: Client,
        component: impl Fn(Client, CancellationToken) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display + Send,
    {
        let component = Arc::new(component);
        let shutdown = self.shutdown.clone();
        let run = move || {
            let (component, client, shutdown) =
                (Arc::clone(&component), client.clone(), shutdown.clone());
            async move {
                while !shutdown.is_cancelled() {
                    match component(client.clone(), shutdown.clone()).await {
                        Ok(()) => return,
                        Err(error) => {
                            tracing::error!(component = name, %error, "ended: it is started again");
                        }
                    }
                    tokio::select! {
                        biased;
                        () = shutdown.cancelled() => return,
                        () = tokio::time::sleep(RETRY) => {}
                    }
                }
            }
        };
        let shutdown = self.shutdown.clone();
        self.running.spawn(supervise(
            name.to_owned(),
            self.random.fork(),
            shutdown,
            run,
        ));
    }
}

/// Where `ctl explain-scheduling` asks for the scheduler's last decision about a pod.
fn decisions(scheduler: Scheduler) -> Router {
    async fn explain(
        State(scheduler): State<Scheduler>,
        Path((namespace, pod)): Path<(String, String)>,
    ) -> Response {
        match scheduler.explain(&namespace, &pod) {
            Some(decision) => (
                [(header::CONTENT_TYPE, "application/json")],
                decision.to_string(),
            )
                .into_response(),
            None => (
                StatusCode::NOT_FOUND,
                "no decision is remembered for this pod",
            )
                .into_response(),
        }
    }
    Router::new()
        .route("/debug/scheduling/{namespace}/{pod}", get(explain))
        .with_state(scheduler)
}

/// The file with the process id; gone when dropped.
struct PidFile(PathBuf);

impl PidFile {
    fn write(path: &std::path::Path) -> Result<Self, Error> {
        let error = |source| Error::File {
            path: path.to_owned(),
            source,
        };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(error)?;
        }
        std::fs::write(path, std::process::id().to_string()).map_err(error)?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
