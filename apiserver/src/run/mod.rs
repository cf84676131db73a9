//! The API server as a program: keys, store, pipeline, socket; from its flags to its end.

mod options;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use store::{Etcd, Log, Redb};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::authn::TokenConfig;
use crate::authn::keys::{KeyError, SigningKey};
use crate::bootstrap::ClusterInfo;
use crate::env::Env;
use crate::flow;
use crate::kubelets::{Https, HttpsConfigError, Kubelets};
use crate::pki::{Pki, PkiConfig, PkiError, read_private};
use crate::serve::{Server as TlsServer, TlsError, TlsFiles, TlsState};
use crate::server::{Config, Server};
use crate::services::Ranges;

pub use options::{Options, first_address, hostname};

/// How often the log's health is asked for; `/readyz` tells the last answer.
const HEALTH_EVERY: Duration = Duration::from_secs(2);
/// How often certificates are looked at for their renewal.
const RENEWAL_EVERY: Duration = Duration::from_secs(12 * 3600);
/// How long to wait before a store that does not answer is asked again at start.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Keys or certificates.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The key of service account tokens.
    #[error("service account key: {0}")]
    Key(#[from] KeyError),
    /// The certificates cannot be served with.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The certificate for kubelets.
    #[error(transparent)]
    Kubelets(#[from] HttpsConfigError),
    /// The store.
    #[error("store: {0}")]
    Store(#[from] store::Error),
    /// The server itself.
    #[error(transparent)]
    Server(#[from] crate::server::StartError),
    /// A file could not be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The port.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// It was told to end before it had started.
    #[error("ended before the start was complete")]
    Shutdown,
}

/// A server that answers on its socket.
pub struct Running {
    /// The server, for callers in the same process.
    pub server: Server,
    /// The cluster's keys.
    pub pki: Pki,
    /// Where it listens.
    pub address: SocketAddr,
    log: Arc<dyn Log>,
    serving: JoinHandle<()>,
    shutdown: CancellationToken,
}

/// Starts the server, with the pages of components in the same process (`None`: they run elsewhere): makes keys and kubeconfigs where they are missing, opens the store, and listens.
///
/// # Errors
/// [`StartError`]; a store that cannot be reached yet is waited for.
pub fn start(
    options: &Options,
    routes: Option<Router>,
    env: Env,
    shutdown: CancellationToken,
) -> BoxFuture<'_, Result<Running, StartError>> {
    Box::pin(listen(options, routes, env, shutdown))
}

async fn listen(
    options: &Options,
    routes: Option<Router>,
    env: Env,
    shutdown: CancellationToken,
) -> Result<Running, StartError> {
    let listen = SocketAddr::new(options.bind_address, options.secure_port);
    // The port first: when somebody else has it, nothing has been made yet.
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|source| StartError::Listen {
            address: listen,
            source,
        })?;
    let address = listener.local_addr().map_err(|source| StartError::Listen {
        address: listen,
        source,
    })?;

    let config = pki_config(options);
    let pki = ensure_pki(&config, &env).await?;
    write_kubeconfigs(options, &pki, address.port())?;
    let key = SigningKey::from_pem(&read_private(&pki.key_path("sa"))?)?;
    let tls = Arc::new(TlsState::new(&tls_files(&pki)?)?);

    let log = tokio::select! {
        biased;
        () = shutdown.cancelled() => return Err(StartError::Shutdown),
        log = open_log(options) => log?,
    };
    let mut config_of_server = Config::new(Arc::clone(&log), env.clone());
    config_of_server.limits = flow::Limits {
        read_only: options.max_requests_inflight,
        mutating: options.max_mutating_requests_inflight,
        ..flow::Limits::default()
    };
    config_of_server.compaction = options.etcd_compaction_interval;
    config_of_server.signing_key = Some(key);
    config_of_server.routes = routes;
    config_of_server.cluster = Some(ClusterInfo {
        service_address: options.service_address(),
        advertise_address: options.advertise_address.unwrap_or_else(first_address),
        secure_port: address.port(),
        client_ca: pki.ca.cert_pem().to_owned(),
        front_proxy_ca: pki.front_proxy_ca.cert_pem().to_owned(),
    });
    let audiences = if options.api_audiences.is_empty() {
        vec![options.service_account_issuer.clone()]
    } else {
        options.api_audiences.clone()
    };
    config_of_server.tokens = TokenConfig {
        issuers: vec![options.service_account_issuer.clone()],
        audiences,
    };
    config_of_server.services = Ranges {
        addresses: options.service_cluster_ip_range.clone(),
        node_ports: options.service_node_port_range.clone(),
    };
    let kubelets = Kubelets::default();
    kubelets.use_https(kubelet_client(options, &pki)?);
    config_of_server.kubelets = kubelets.clone();
    config_of_server.external_address = external_address(options, address.port());
    let server = tokio::select! {
        biased;
        () = shutdown.cancelled() => return Err(StartError::Shutdown),
        server = Server::start(config_of_server) => server?,
    };
    watch_health(&server, Arc::clone(&log), shutdown.clone());
    let renewing = (options.clone(), address.port(), kubelets);
    renew(
        config,
        Arc::clone(&tls),
        renewing,
        env.clone(),
        shutdown.clone(),
    );
    let socket = TlsServer::new(listener, tls, server.service.clone(), env);
    let serving = tokio::spawn(socket.run(shutdown.clone()));
    tracing::info!(%address, "the API server answers");
    Ok(Running {
        server,
        pki,
        address,
        log,
        serving,
        shutdown,
    })
}

impl Running {
    /// Waits for the end of the server: streams and requests end, then the store.
    pub async fn ended(self) {
        self.shutdown.cancelled().await;
        self.server.stop();
        if let Err(error) = self.serving.await {
            tracing::error!(%error, "the socket's task failed");
        }
        self.log.shutdown().await;
    }
}

fn pki_config(options: &Options) -> PkiConfig {
    let advertised = options.advertise_address.unwrap_or_else(first_address);
    let mut addresses = vec![advertised];
    if !options.bind_address.is_unspecified() {
        addresses.push(options.bind_address);
    }
    PkiConfig {
        dir: options.data_dir.join("pki"),
        hostname: hostname(),
        addresses,
        service_address: options.service_address(),
        cluster_domain: options.cluster_domain.clone(),
        nodes: options.node_names(),
    }
}

async fn ensure_pki(config: &PkiConfig, env: &Env) -> Result<Pki, StartError> {
    let (config, env) = (config.clone(), env.clone());
    let made = tokio::task::spawn_blocking(move || Pki::ensure(&config, &env)).await;
    let (pki, fresh) =
        made.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
    if !fresh.is_empty() {
        tracing::info!(made = fresh.join(", "), "keys and certificates");
    }
    Ok(pki)
}

fn write_kubeconfigs(options: &Options, pki: &Pki, port: u16) -> Result<(), StartError> {
    let url = options.local_url(port);
    for pair in ["admin", "scheduler", "controllers"] {
        pki.write_kubeconfig(&options.kubeconfig(pair), pair, &url)?;
    }
    for node in options.node_names() {
        pki.write_kubeconfig(
            &options.kubelet_kubeconfig(&node),
            &Pki::node_pair(&node),
            &url,
        )?;
    }
    Ok(())
}

fn tls_files(pki: &Pki) -> Result<TlsFiles, StartError> {
    Ok(TlsFiles {
        cert: read_private(&pki.cert_path("apiserver"))?,
        key: read_private(&pki.key_path("apiserver"))?,
        client_ca: pki.ca.cert_pem().to_owned(),
    })
}

/// What this server shows to kubelets, and by what it knows them.
fn kubelet_client(options: &Options, pki: &Pki) -> Result<Https, StartError> {
    const PAIR: &str = "apiserver-kubelet-client";
    let (cert, key) = (
        read_private(&pki.cert_path(PAIR))?,
        read_private(&pki.key_path(PAIR))?,
    );
    let authority = options
        .kubelet_certificate_authority
        .as_ref()
        .map(|path| {
            std::fs::read_to_string(path).map_err(|source| StartError::File {
                path: path.clone(),
                source,
            })
        })
        .transpose()?;
    Ok(Https::new(&cert, &key, authority.as_deref())?)
}

/// Host and port of the advertised address.
fn external_address(options: &Options, port: u16) -> String {
    let advertised = options.advertise_address.unwrap_or_else(first_address);
    SocketAddr::new(advertised, port).to_string()
}

async fn open_log(options: &Options) -> Result<Arc<dyn Log>, StartError> {
    if options.etcd_servers.is_empty() {
        let dir = options.data_dir.join("store");
        let redb = Redb::open(
            &dir,
            store::redb::Options::default(),
            Arc::new(store::clock::SystemClock),
        )
        .await?;
        return Ok(Arc::new(redb));
    }
    let mut config = store::etcd::Config::new(options.etcd_servers.clone());
    config.prefix.clone_from(&options.etcd_prefix);
    if options
        .etcd_servers
        .iter()
        .any(|url| url.starts_with("https://"))
    {
        let read = |path: &Option<std::path::PathBuf>| {
            path.as_ref()
                .map(|path| {
                    std::fs::read(path).map_err(|source| StartError::File {
                        path: path.clone(),
                        source,
                    })
                })
                .transpose()
        };
        config.tls = Some(store::etcd::Tls {
            ca: read(&options.etcd_cafile)?.unwrap_or_default(),
            identity: read(&options.etcd_certfile)?.zip(read(&options.etcd_keyfile)?),
        });
    }
    let log = Arc::new(Etcd::new(&config).await?);
    // A cluster that starts beside this server may need a moment.
    while let Err(error) = log.head().await {
        tracing::warn!(%error, "waiting for etcd");
        tokio::time::sleep(STORE_RETRY).await;
    }
    Ok(log)
}

/// `/readyz` and `/livez` tell how the log fares, under upstream's name for the check.
fn watch_health(server: &Server, log: Arc<dyn Log>, shutdown: CancellationToken) {
    let last = Arc::new(Mutex::new(None::<String>));
    let told = Arc::clone(&last);
    server.health.add("etcd", move || match &*told.lock() {
        None => Ok(()),
        Some(reason) => Err(reason.clone()),
    });
    tokio::spawn(async move {
        loop {
            let reason = log.health().await.err().map(|error| error.to_string());
            *last.lock() = reason;
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(HEALTH_EVERY) => {}
            }
        }
    });
}

/// Certificates are made anew before they expire, and served from the next connection on.
fn renew(
    config: PkiConfig,
    tls: Arc<TlsState>,
    (options, port, kubelets): (Options, u16, Kubelets),
    env: Env,
    shutdown: CancellationToken,
) {
    tokio::spawn(async move {
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(RENEWAL_EVERY) => {}
            }
            let renewed = match ensure_pki(&config, &env).await {
                Ok(pki) => tls_files(&pki).and_then(|files| {
                    // A component that starts later finds what is valid then.
                    write_kubeconfigs(&options, &pki, port)?;
                    kubelets.use_https(kubelet_client(&options, &pki)?);
                    Ok(tls.reload(&files)?)
                }),
                Err(error) => Err(error),
            };
            if let Err(error) = renewed {
                tracing::error!(%error, "certificates could not be renewed: the next attempt is in 12 h");
            }
        }
    });
}
