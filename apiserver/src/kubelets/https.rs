//! A kubelet over HTTPS: this server shows its client certificate, and verifies the kubelet's where it knows an authority.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use http::{HeaderValue, Request, Response, header};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::connection::{DIAL, dial, speak};

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

/// By what the other side must be known.
pub(crate) enum Verify {
    /// The authority that was given for kubelets, if one was.
    Authority,
    /// Nothing: whatever certificate is shown is taken.
    Nothing,
    /// This very certificate.
    Certificate(CertificateDer<'static>),
}

/// Reaches kubelets over HTTPS.
#[derive(Clone)]
pub struct Https {
    verified: TlsConnector,
    unverified: TlsConnector,
    /// Shown to the other side.
    own: Option<Arc<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>>,
}

impl Https {
    /// Shows no certificate, and takes any.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn anonymous() -> Result<Https, HttpsConfigError> {
        let any = Known {
            only: None,
            provider: Arc::new(rustls::crypto::ring::default_provider()),
        };
        let connector = any.connector(None)?;
        Ok(Https {
            verified: connector.clone(),
            unverified: connector,
            own: None,
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
        let own = Arc::new((chain.clone(), key.clone_key()));
        let any = Known {
            only: None,
            provider: Arc::clone(&provider),
        };
        let unverified = any.connector(Some(&own))?;
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
            own: Some(own),
        })
    }

    /// Begins TLS on a connection to `host`, whatever certificate it shows.
    ///
    /// # Errors
    /// If the other side does not speak TLS.
    pub(crate) async fn greet(
        &self,
        host: IpAddr,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::from(host);
        self.unverified.connect(name, stream).await
    }

    /// Sends a GET on a connection of its own, which ends with the answer's body.
    pub(crate) async fn get(
        &self,
        host: &str,
        port: u16,
        path: &str,
        verify: Verify,
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
        verify: Verify,
    ) -> Result<Response<Body>, HttpsError> {
        let connector = match verify {
            Verify::Authority => self.verified.clone(),
            Verify::Nothing => self.unverified.clone(),
            Verify::Certificate(only) => {
                let provider = Arc::new(rustls::crypto::ring::default_provider());
                let known = Known {
                    only: Some(only),
                    provider,
                };
                known
                    .connector(self.own.as_deref())
                    .map_err(|error| HttpsError::Connect(io::Error::other(error)))?
            }
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| HttpsError::Address)?;
        let dial = async { connector.connect(name, dial((host, port)).await?).await };
        let stream = tokio::time::timeout(DIAL, dial)
            .await
            .map_err(|_| HttpsError::Timeout)?
            .map_err(HttpsError::Connect)?;
        let authority = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let authority = HeaderValue::from_str(&authority).map_err(|_| HttpsError::Address)?;
        request.headers_mut().insert(header::HOST, authority);
        Ok(speak(stream, request).await?)
    }
}

/// Takes whatever certificate is shown, or only this; that its holder has the key is verified in any case.
#[derive(Debug)]
struct Known {
    only: Option<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl Known {
    fn connector(
        self,
        own: Option<&(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    ) -> Result<TlsConnector, rustls::Error> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(self));
        let config = match own {
            Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key())?,
            None => builder.with_no_client_auth(),
        };
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.only.as_ref().is_some_and(|only| only != shown) {
            let why = rustls::CertificateError::ApplicationVerificationFailure;
            return Err(rustls::Error::InvalidCertificate(why));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
