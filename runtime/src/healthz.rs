//! The small HTTPS server by which a component says that it is alive: `/healthz`, `/livez` and `/readyz`, as upstream's
//! components serve them, to anybody who asks.

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
};
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Connections at once; more wait.
const CONNECTIONS: usize = 64;

/// How long a client may take for its handshake and for its headers.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum HealthzError {
    /// The port.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// The certificate or its key.
    #[error("the serving certificate cannot be used: {0}")]
    Certificate(String),
}

/// With which certificate it serves.
#[derive(Debug, Clone)]
pub enum Certificate {
    /// One of its own, made now, which nobody need trust: what upstream's components do without one.
    SelfSigned,
    /// From PEM files.
    Files {
        /// The certificate, and those between it and its authority.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}

/// Whether the component is ready; alive it is as long as it answers.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says whether the component is ready from now on.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Relaxed);
    }
}

/// Starts the server and returns the address that it listens on; it ends at `shutdown`.
///
/// # Errors
/// When the port is taken or the certificate cannot be used.
pub async fn serve(
    address: SocketAddr,
    certificate: Certificate,
    readiness: Readiness,
    shutdown: CancellationToken,
) -> Result<SocketAddr, HealthzError> {
    let acceptor = TlsAcceptor::from(Arc::new(
        tls(certificate).map_err(HealthzError::Certificate)?,
    ));
    let listen = |e| HealthzError::Listen(address, e);
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let local = listener.local_addr().map_err(listen)?;
    tokio::spawn(async move {
        tokio::select! { biased; () = shutdown.cancelled() => {}, () = accept(listener, acceptor, readiness) => {} }
    });
    Ok(local)
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, readiness: Readiness) {
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(seat) = seats.clone().acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, mostly: others must end before it gets better.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (acceptor, readiness) = (acceptor.clone(), readiness.clone());
        tokio::spawn(async move {
            let _seat = seat;
            let Ok(Ok(stream)) = timeout(PATIENCE, acceptor.accept(stream)).await else {
                return;
            };
            let service = hyper::service::service_fn(move |request| {
                let answer = answer(&request, &readiness);
                async move { Ok::<_, Infallible>(answer) }
            });
            let mut server = auto::Builder::new(TokioExecutor::new());
            server
                .http1()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE);
            // A client that goes away in the middle is no news.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn answer<B>(request: &Request<B>, readiness: &Readiness) -> Response<Full<Bytes>> {
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/healthz" | "/livez") => (StatusCode::OK, "ok"),
        (&Method::GET | &Method::HEAD, "/readyz") if readiness.0.load(Relaxed) => {
            (StatusCode::OK, "ok")
        }
        (&Method::GET | &Method::HEAD, "/readyz") => {
            (StatusCode::INTERNAL_SERVER_ERROR, "not ready")
        }
        _ => (StatusCode::NOT_FOUND, "404 page not found\n"),
    };
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    let plain = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

fn tls(certificate: Certificate) -> Result<ServerConfig, String> {
    let (chain, key) = match certificate {
        Certificate::SelfSigned => {
            let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])
                .map_err(|e| e.to_string())?;
            let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
            (vec![made.cert.der().clone()], PrivateKeyDer::from(key))
        }
        Certificate::Files { certificate, key } => {
            let chain = CertificateDer::pem_file_iter(&certificate).and_then(Iterator::collect);
            let chain = chain.map_err(|e| format!("{}: {e}", certificate.display()))?;
            let key = PrivateKeyDer::from_pem_file(&key)
                .map_err(|e| format!("{}: {e}", key.display()))?;
            (chain, key)
        }
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|e| e.to_string())?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alive_whenever_it_answers_and_ready_when_it_says_so() {
        let readiness = Readiness::default();
        let get = |path: &str| {
            let request = Request::get(path).body(()).expect("valid");
            answer(&request, &readiness).status().as_u16()
        };
        assert_eq!(
            (get("/healthz"), get("/livez"), get("/readyz")),
            (200, 200, 500)
        );
        readiness.set(true);
        assert_eq!((get("/readyz"), get("/secrets")), (200, 404));
        let post = Request::post("/healthz").body(()).expect("valid");
        assert_eq!(answer(&post, &readiness).status(), 404);
    }

    #[tokio::test]
    async fn it_serves_tls_with_a_certificate_of_its_own() {
        let shutdown = CancellationToken::new();
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let bound = serve(
            address,
            Certificate::SelfSigned,
            Readiness::default(),
            shutdown.clone(),
        )
        .await;
        let bound = bound.expect("starts");
        assert!(tokio::net::TcpStream::connect(bound).await.is_ok());
        let taken = serve(
            bound,
            Certificate::SelfSigned,
            Readiness::default(),
            shutdown.clone(),
        )
        .await;
        assert!(matches!(taken, Err(HealthzError::Listen(..))));
        shutdown.cancel();
    }
}
