//! The secure port: health for everybody, the last decisions for those who may see them.
//!
//! | path | who | answer |
//! |---|---|---|
//! | `/healthz`, `/livez` | anybody | `ok` while the process works |
//! | `/readyz` | anybody | `ok` when pods are placed, or this process waits to be the leader; 503 before |
//! | `/debug/scheduling/NAMESPACE/POD` | who may `get` this path | the last decision as JSON, see [`crate::decisions::Record::to_json`] |
//!
//! Who asks is shown by a client certificate or a bearer token, and what they may is left to the API server ([`access`]), as
//! with upstream's components. The process that leads tells in its Lease where its port is, so that our API server can ask it
//! for whoever asks there ([`Port::announcement`]). It must not know how decisions are made.

mod access;
mod tls;

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, Path as UrlPath, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use runtime::{CancellationToken, Client};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use self::access::User;
use self::tls::Acceptor;
use crate::run::Scheduler;

pub use tls::{Tls, TlsError};

/// How many connections are served at once; more wait.
const CONNECTIONS: usize = 256;
/// How long a handshake, or a request's headers, may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Served {
    scheduler: Scheduler,
    client: Client,
}

/// The annotation of the leader's Lease that says where its secure port is.
const URL: &str = "gantry.io/secure-url";
/// The annotation with the port's certificate (PEM), where the process made that itself and nobody else vouches for it.
const CERTIFICATE: &str = "gantry.io/secure-certificate";

/// The secure port, taken.
pub struct Port {
    listener: TcpListener,
    acceptor: Acceptor,
}

impl Port {
    /// Takes the port.
    pub async fn bind(address: SocketAddr, tls: Tls) -> io::Result<Port> {
        Ok(Port {
            listener: TcpListener::bind(address).await?,
            acceptor: Acceptor::new(tls)?,
        })
    }

    /// Where it is.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What the Lease tells of this port. `api_server` is how this machine reaches the API server: of a port on all addresses,
    /// the one on the way there is told.
    pub fn announcement(&self, api_server: SocketAddr) -> io::Result<Vec<(&'static str, String)>> {
        let mut address = self.address()?;
        if address.ip().is_unspecified() {
            address.set_ip(towards(api_server)?);
        }
        let mut annotations = vec![(URL, format!("https://{address}"))];
        annotations.extend(self.acceptor.certificate().map(|pem| (CERTIFICATE, pem)));
        Ok(annotations)
    }

    /// Serves until `shutdown`.
    pub async fn serve(self, scheduler: Scheduler, client: Client, shutdown: CancellationToken) {
        tokio::spawn(
            self.acceptor
                .clone()
                .follow_client_ca(client.clone(), shutdown.clone()),
        );
        let router = router(scheduler, client);
        let seats = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(seat) = seats.clone().acquire_owned().await else {
                return;
            };
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                // Out of file descriptors, for example: others must end first.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (acceptor, router, shutdown) =
                (self.acceptor.current(), router.clone(), shutdown.clone());
            tokio::spawn(async move {
                let _seat = seat;
                let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await
                else {
                    return;
                };
                let user = stream
                    .get_ref()
                    .1
                    .peer_certificates()
                    .and_then(User::of_certificate);
                let router = router.layer(Extension(user));
                let mut builder = auto::Builder::new(TokioExecutor::new());
                builder
                    .http1()
                    .timer(TokioTimer::new())
                    .header_read_timeout(PATIENCE);
                builder
                    .http2()
                    .timer(TokioTimer::new())
                    .keep_alive_interval(PATIENCE);
                let connection = builder
                    .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => {}
                    // How a client ends its connection is its own affair.
                    _ = connection => {}
                }
            });
        }
    }
}

/// The address of this machine from which packets to `peer` leave; none is sent.
fn towards(peer: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match peer {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(peer)?;
    Ok(socket.local_addr()?.ip())
}

fn router(scheduler: Scheduler, client: Client) -> Router {
    let alive = || async { "ok" };
    Router::new()
        .route("/healthz", get(alive))
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .route("/debug/scheduling/{namespace}/{pod}", get(explain))
        .with_state(Served { scheduler, client })
}

async fn ready(State(served): State<Served>) -> Response {
    if served.scheduler.is_ready() {
        "ok".into_response()
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the cluster was not seen yet",
        )
            .into_response()
    }
}

async fn explain(
    State(served): State<Served>,
    Extension(user): Extension<Option<User>>,
    UrlPath((namespace, pod)): UrlPath<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let path = format!("/debug/scheduling/{namespace}/{pod}");
    if let Err((code, why)) = access::may_get(&served.client, user, &headers, &path).await {
        return (code, why).into_response();
    }
    match served.scheduler.explain(&namespace, &pod) {
        Some(json) => (
            [(header::CONTENT_TYPE, "application/json")],
            json.to_string(),
        )
            .into_response(),
        None => (
            StatusCode::NOT_FOUND,
            "no decision is remembered for this pod",
        )
            .into_response(),
    }
}
