//! A kubelet over HTTPS: this server shows its client certificate, and verifies the kubelet's where it knows an authority.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderValue, Request, Response, header};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long reaching a kubelet may take: upstream's figure.
const DIAL: Duration = Duration::from_secs(30);

/// Why a request to a kubelet failed.
#[derive(Debug, thiserror::Error)]
pub enum HttpsError {
    /// There is no connection to it, or no TLS on it.
    #[error("dial tcp: {0}")]
    Connect(io::Error),
    /// It took too long.
    #[error("dial tcp: i/o timeout")]
    Timeout,
    /// Its address is none.
    #[error("invalid address")]
    Address,
    /// It broke off.
    #[error(transparent)]
    Http(#[from] hyper::Error),
}

/// Why the settings are no good.
#[derive(Debug, thiserror::Error)]
pub enum HttpsConfigError {
    /// A certificate or key cannot be read.
    #[error("the certificates for kubelets: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// They do not fit together.
    #[error("the certificates for kubelets: {0}")]
    Tls(#[from] rustls::Error),
}

/// Reaches kubelets over HTTPS.
#[derive(Clone)]
pub struct Https {
    verified: TlsConnector,
    unverified: TlsConnector,
}

impl Https {
    /// Shows no certificate, and takes any.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn anonymous() -> Result<Https, HttpsConfigError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        Ok(Https {
            verified: connector.clone(),
            unverified: connector,
        })
    }

    /// Shows `certificate` (a chain, PEM) of `key` (PEM). Kubelets' certificates are verified by `authority` (PEM;
    /// `--kubelet-certificate-authority`); without one any is taken, as upstream does by default.
    ///
    /// # Errors
    /// If these are no certificates.
    pub fn new(
        certificate: &str,
        key: &str,
        authority: Option<&str>,
    ) -> Result<Https, HttpsConfigError> {
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = || {
            ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()
        };
        let any = Arc::new(AnyCertificate(Arc::clone(&provider)));
        let unverified = builder()?
            .dangerous()
            .with_custom_certificate_verifier(any)
            .with_client_auth_cert(chain.clone(), key.clone_key())?;
        let unverified = TlsConnector::from(Arc::new(unverified));
        let verified = match authority {
            None => unverified.clone(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                    roots.add(certificate?)?;
                }
                TlsConnector::from(Arc::new(
                    builder()?
                        .with_root_certificates(roots)
                        .with_client_auth_cert(chain, key)?,
                ))
            }
        };
        Ok(Https {
            verified,
            unverified,
        })
    }

    /// Sends a GET on a connection of its own, which ends with the answer's body.
    pub(crate) async fn get(
        &self,
        host: &str,
        port: u16,
        path: &str,
        verify: bool,
    ) -> Result<Response<Body>, HttpsError> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = path.parse().map_err(|_| HttpsError::Address)?;
        self.send(host, port, request, verify).await
    }

    /// Sends a request, whose target is a path, on a connection of its own. It ends with the answer's body, unless the answer
    /// upgrades it.
    pub(crate) async fn send(
        &self,
        host: &str,
        port: u16,
        mut request: Request<Body>,
        verify: bool,
    ) -> Result<Response<Body>, HttpsError> {
        let connector = if verify {
            &self.verified
        } else {
            &self.unverified
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| HttpsError::Address)?;
        let dial = async {
            let stream = TcpStream::connect((host, port)).await?;
            crate::serve::tune(&stream)?;
            connector.connect(name, stream).await
        };
        let stream = tokio::time::timeout(DIAL, dial)
            .await
            .map_err(|_| HttpsError::Timeout)?
            .map_err(HttpsError::Connect)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // Ends when the answer was read, or is not wanted any more.
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to a kubelet broke off");
            }
        });
        let authority = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let authority = HeaderValue::from_str(&authority).map_err(|_| HttpsError::Address)?;
        request.headers_mut().insert(header::HOST, authority);
        Ok(sender.send_request(request).await?.map(Body::new))
    }
}

/// Takes whatever certificate is shown; that its holder has the key is still verified.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
