//! The secure port's certificate, and whose clients' certificates it takes.
//!
//! The authority of clients is what the API server publishes in the ConfigMap `kube-system/extension-apiserver-authentication`,
//! as upstream's components have it. Until that was read, and where it names none, clients show tokens.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use parking_lot::RwLock;
use runtime::{CancellationToken, Client};
use rustls::RootCertStore;
use rustls::server::{NoClientAuth, WebPkiClientVerifier, danger::ClientCertVerifier};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

const CLIENT_CA: &str =
    "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
/// How often the ConfigMap is read again: authorities are changed by hand, with overlap.
const REREAD: Duration = Duration::from_secs(60);
/// How soon after a failure.
const RETRY: Duration = Duration::from_secs(2);

/// What the port is served with.
pub struct Tls {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    /// The certificate as PEM where it was made here.
    own: Option<String>,
}

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
        let key = PrivateKeyDer::from_pem_file(key).map_err(pem(key))?;
        Tls::checked(chain, key, None)
    }

    /// A certificate signed by itself, made anew at each start, as upstream makes one when none is given.
    pub fn self_signed(names: Vec<String>) -> Result<Tls, TlsError> {
        let made = rcgen::generate_simple_self_signed(names)?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let own = Some(made.cert.pem());
        Tls::checked(vec![made.cert.der().clone()], key.into(), own)
    }

    fn checked(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        own: Option<String>,
    ) -> Result<Tls, TlsError> {
        let tls = Tls { chain, key, own };
        tls.acceptor(Arc::new(NoClientAuth))?;
        Ok(tls)
    }

    fn acceptor(&self, clients: Arc<dyn ClientCertVerifier>) -> Result<TlsAcceptor, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(clients)
            .with_single_cert(self.chain.clone(), self.key.clone_key())?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// Accepts connections, from clients of the authority that is known at the moment.
#[derive(Clone)]
pub(super) struct Acceptor {
    tls: Arc<Tls>,
    current: Arc<RwLock<TlsAcceptor>>,
}

impl Acceptor {
    pub(super) fn new(tls: Tls) -> io::Result<Acceptor> {
        let first = tls
            .acceptor(Arc::new(NoClientAuth))
            .map_err(io::Error::other)?;
        Ok(Acceptor {
            tls: Arc::new(tls),
            current: Arc::new(RwLock::new(first)),
        })
    }

    /// The certificate (PEM) if it was made by this process.
    pub(super) fn certificate(&self) -> Option<String> {
        self.tls.own.clone()
    }

    pub(super) fn current(&self) -> TlsAcceptor {
        self.current.read().clone()
    }

    /// Reads the authority of clients now and then, until `shutdown`.
    pub(super) async fn follow_client_ca(self, client: Client, shutdown: CancellationToken) {
        let mut known = None;
        loop {
            let wait = match read_client_ca(&client).await {
                Ok(pem) if known.as_ref() != Some(&pem) => {
                    match verifier(&pem).and_then(|clients| {
                        self.tls
                            .acceptor(clients)
                            .map_err(|error| error.to_string())
                    }) {
                        Ok(acceptor) => *self.current.write() = acceptor,
                        Err(error) => {
                            tracing::warn!(%error, "the authority of clients' certificates cannot be used");
                        }
                    }
                    known = Some(pem);
                    REREAD
                }
                Ok(_) => REREAD,
                Err(error) => {
                    tracing::debug!(%error, "the authority of clients' certificates cannot be read");
                    RETRY
                }
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

/// The certificates, PEM; empty if the cluster takes none.
async fn read_client_ca(client: &Client) -> Result<String, runtime::Error> {
    let map = client.json(Method::GET, CLIENT_CA.into(), None).await?;
    let pem = map["data"]["client-ca-file"].as_str();
    Ok(pem.unwrap_or_default().to_owned())
}

/// Takes clients with and without a certificate; one that is shown must be of the authority.
fn verifier(pem: &str) -> Result<Arc<dyn ClientCertVerifier>, String> {
    if pem.is_empty() {
        return Ok(Arc::new(NoClientAuth));
    }
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated()
        .build();
    verifier.map_err(|error| error.to_string())
}
