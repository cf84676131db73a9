//! The secure port: health for everybody, the last decisions for those who may see them.
//!
//! | path | who | answer |
//! |---|---|---|
//! | `/healthz`, `/livez` | anybody | `ok` while the process works |
//! | `/readyz` | anybody | `ok` when pods are placed, or this process waits to be the leader; 503 before |
//! | `/debug/scheduling/NAMESPACE/POD` | bearer tokens that may `get` this path | the last decision as JSON, see [`crate::decisions::Record::to_json`] |
//!
//! Who asks is left to the API server: a TokenReview, then a SubjectAccessReview for the path, as upstream's components
//! do. It must not know how decisions are made.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::Method;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use runtime::{CancellationToken, Client};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::run::Scheduler;

/// How many connections are served at once; more wait.
const CONNECTIONS: usize = 256;
/// How long a handshake, or a request's headers, may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Served {
    scheduler: Scheduler,
    client: Client,
}

/// What the port is served with.
pub struct Tls(Arc<rustls::ServerConfig>);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read as PEM.
    #[error("{path}: {source}")]
    Pem {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: rustls_pki_types::pem::Error,
    },
    /// A certificate of our own could not be made.
    #[error("a certificate could not be made: {0}")]
    Make(#[from] rcgen::Error),
    /// Certificate and key do not serve.
    #[error("the certificate cannot be used: {0}")]
    Use(#[from] rustls::Error),
}

impl Tls {
    /// `--tls-cert-file` and `--tls-private-key-file`.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Tls, TlsError> {
        let pem = |path: &Path| {
            let path = path.display().to_string();
            move |source| TlsError::Pem { path, source }
        };
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(pem(certificate))?;
        Tls::new(chain, PrivateKeyDer::from_pem_file(key).map_err(pem(key))?)
    }

    /// A certificate signed by itself, made anew at each start, as upstream makes one when none is given.
    pub fn self_signed(names: Vec<String>) -> Result<Tls, TlsError> {
        let made = rcgen::generate_simple_self_signed(names)?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        Tls::new(vec![made.cert.der().clone()], key.into())
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Tls, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Tls(Arc::new(config)))
    }
}

/// The secure port, taken.
pub struct Port {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Port {
    /// Takes the port.
    pub async fn bind(address: SocketAddr, tls: Tls) -> io::Result<Port> {
        Ok(Port {
            listener: TcpListener::bind(address).await?,
            acceptor: TlsAcceptor::from(tls.0),
        })
    }

    /// Where it is.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown`.
    pub async fn serve(self, scheduler: Scheduler, client: Client, shutdown: CancellationToken) {
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
                (self.acceptor.clone(), router.clone(), shutdown.clone());
            tokio::spawn(async move {
                let _seat = seat;
                let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await
                else {
                    return;
                };
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
    UrlPath((namespace, pod)): UrlPath<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let path = format!("/debug/scheduling/{namespace}/{pod}");
    if let Err((code, why)) = may_get(&served.client, &headers, &path).await {
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

/// Whether whoever sent these headers may get the path.
async fn may_get(
    client: &Client,
    headers: &HeaderMap,
    path: &str,
) -> Result<(), (StatusCode, &'static str)> {
    const UNAUTHORIZED: (StatusCode, &str) = (StatusCode::UNAUTHORIZED, "Unauthorized");
    const UNKNOWN: (StatusCode, &str) = (
        StatusCode::SERVICE_UNAVAILABLE,
        "the API server could not be asked",
    );
    let authorization = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = authorization
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or(UNAUTHORIZED)?;
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token},
    });
    let review = client
        .json(
            Method::POST,
            "/apis/authentication.k8s.io/v1/tokenreviews".into(),
            Some(&review),
        )
        .await
        .map_err(|_| UNKNOWN)?;
    if review["status"]["authenticated"] != Value::Bool(true) {
        return Err(UNAUTHORIZED);
    }
    let user = &review["status"]["user"];
    let access = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {
            "user": user["username"], "uid": user["uid"], "groups": user["groups"], "extra": user["extra"],
            "nonResourceAttributes": {"path": path, "verb": "get"},
        },
    });
    let access = client
        .json(
            Method::POST,
            "/apis/authorization.k8s.io/v1/subjectaccessreviews".into(),
            Some(&access),
        )
        .await
        .map_err(|_| UNKNOWN)?;
    if access["status"]["allowed"] == Value::Bool(true) {
        Ok(())
    } else {
        Err((StatusCode::FORBIDDEN, "Forbidden"))
    }
}
