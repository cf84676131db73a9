//! The node's HTTPS server: containers' logs, commands in them, connections to their ports, and health, for the API server and those who may read the node.

mod access;
mod logs;
mod streams;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::context::Shared;
use crate::pod::Lookup;

pub use tls::Error as TlsError;

/// Who asks: the names in the client's certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The common name.
    pub user: String,
    /// The organisations.
    pub groups: Vec<String>,
}

#[derive(Clone)]
struct ServerState {
    shared: Arc<Shared>,
    lookup: Lookup,
    stop: CancellationToken,
}

/// A server that listens and does not serve yet.
pub struct Server {
    listener: TcpListener,
    acceptor: tokio_rustls::TlsAcceptor,
}

/// Why the server cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its address is taken, or none of this machine's.
    #[error("listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// Its certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Server {
    /// Listens as the configuration says.
    ///
    /// # Errors
    /// When the port is taken or the certificates cannot be used.
    pub async fn bind(config: &crate::config::Config) -> Result<Self, Error> {
        let address = SocketAddr::new(config.address, config.port);
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| Error::Listen { address, source })?;
        Ok(Self {
            listener,
            acceptor: tls::acceptor(config)?,
        })
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.listener
            .local_addr()
            .map_or(0, |address| address.port())
    }

    /// Serves until `stop`.
    pub async fn serve(self, shared: Arc<Shared>, lookup: Lookup, stop: CancellationToken) {
        let state = ServerState {
            shared,
            lookup,
            stop: stop.clone(),
        };
        // Upstream's clients ask with POST, those of browsers' kind can only GET.
        let (exec, attach) = (
            get(streams::exec).post(streams::exec),
            get(streams::attach).post(streams::attach),
        );
        let (exec_with_uid, attach_with_uid) = (
            get(streams::exec_with_uid).post(streams::exec_with_uid),
            get(streams::attach_with_uid).post(streams::attach_with_uid),
        );
        let (forward, forward_with_uid) = (
            get(streams::port_forward).post(streams::port_forward),
            get(streams::port_forward_with_uid).post(streams::port_forward_with_uid),
        );
        let protected = Router::new()
            .route(
                "/containerLogs/{namespace}/{pod}/{container}",
                get(logs::container_logs),
            )
            .route("/exec/{namespace}/{pod}/{container}", exec)
            .route("/exec/{namespace}/{pod}/{container}/{more}", exec_with_uid)
            .route("/attach/{namespace}/{pod}/{container}", attach)
            .route(
                "/attach/{namespace}/{pod}/{container}/{more}",
                attach_with_uid,
            )
            .route("/portForward/{namespace}/{pod}", forward)
            .route("/portForward/{namespace}/{pod}/{uid}", forward_with_uid)
            .layer(axum::middleware::from_fn_with_state(
                state.clone(),
                access::require,
            ))
            .with_state(state);
        let router = Router::new()
            .route("/healthz", get(async || "ok"))
            .merge(protected);
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            let (stream, _) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    continue;
                }
            };
            if let Err(error) = tune(&stream) {
                tracing::debug!(%error, "socket options");
            }
            let (acceptor, router, stop) = (self.acceptor.clone(), router.clone(), stop.clone());
            tokio::spawn(async move {
                let handshake = tokio::time::timeout(
                    std::time::Duration::from_secs(10),
                    acceptor.accept(stream),
                )
                .await;
                let Ok(Ok(stream)) = handshake else { return };
                let identity = tls::identity(stream.get_ref().1.peer_certificates());
                let router = router.layer(axum::Extension(identity));
                let service = TowerToHyperService::new(router);
                let builder = auto::Builder::new(TokioExecutor::new());
                let connection =
                    builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    _ = connection => {}
                }
            });
        }
    }
}

/// No delay for what is typed, and a client that is gone without a word is found out.
fn tune(stream: &tokio::net::TcpStream) -> std::io::Result<()> {
    use rustix::net::sockopt;
    use std::time::Duration;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, Duration::from_secs(60))?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(15))?;
    sockopt::set_tcp_keepcnt(stream, 4)?;
    sockopt::set_tcp_user_timeout(stream, 120_000)?;
    Ok(())
}
