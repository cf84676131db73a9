//! The server's certificate and whom it trusts; both can be replaced while it runs.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
    SupportedCipherSuite,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use crate::authn::ClientCertificate;
use crate::env::Env;

/// Why the certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Something is no PEM of what it should be.
    #[error("{what}: {why}")]
    Pem {
        /// Which of the files.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The key does not belong to the certificate, or is of a kind that is not supported.
    #[error("serving certificate: {0}")]
    Serving(#[from] rustls::Error),
    /// The authority of clients cannot be used.
    #[error("client authority: {0}")]
    ClientAuthority(String),
}

/// What the server shows, and whom it trusts; in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The server's certificate, and those between it and its authority.
    pub cert: String,
    /// Its key.
    pub key: String,
    /// The authorities of clients.
    pub client_ca: String,
}

struct Loaded {
    config: Arc<ServerConfig>,
    verifier: Arc<dyn ClientCertVerifier>,
}

/// The present certificate and trust.
pub struct TlsState(ArcSwap<Loaded>);

impl TlsState {
    /// A state that begins with `files`.
    pub fn new(files: &TlsFiles) -> Result<TlsState, TlsError> {
        Ok(TlsState(ArcSwap::from_pointee(load(files)?)))
    }

    /// Replaces certificate and trust for the connections to come. On an error, everything stays as it is.
    pub fn reload(&self, files: &TlsFiles) -> Result<(), TlsError> {
        self.0.store(Arc::new(load(files)?));
        Ok(())
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.load().config)
    }

    /// What the chain that a client showed (its own certificate first) comes to.
    pub(super) fn judge(
        &self,
        chain: &[CertificateDer<'_>],
        env: &Env,
    ) -> Option<ClientCertificate> {
        let (own, intermediates) = chain.split_first()?;
        let seconds = u64::try_from(env.now().as_second()).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        Some(
            match self
                .0
                .load()
                .verifier
                .verify_client_cert(own, intermediates, now)
            {
                Ok(_) => ClientCertificate::trusted(own),
                Err(why) => ClientCertificate::Untrusted(why.to_string().into()),
            },
        )
    }
}

/// `ring`, with AES-GCM before ChaCha20: three times as fast where the processor has it.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = ring::default_provider();
    provider.cipher_suites.sort_by_key(preference);
    Arc::new(provider)
}

fn preference(suite: &SupportedCipherSuite) -> u8 {
    let name = format!("{:?}", suite.suite());
    match (name.contains("AES_128_GCM"), name.contains("AES_256_GCM")) {
        (true, _) => 0,
        (_, true) => 1,
        _ => 2,
    }
}

fn certificates(what: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(certs) if !certs.is_empty() => Ok(certs),
        Ok(_) => Err(TlsError::Pem {
            what,
            why: "no certificate in PEM".to_owned(),
        }),
        Err(e) => Err(TlsError::Pem {
            what,
            why: e.to_string(),
        }),
    }
}

fn load(files: &TlsFiles) -> Result<Loaded, TlsError> {
    let provider = provider();
    let chain = certificates("serving certificate", &files.cert)?;
    let key = PrivateKeyDer::from_pem_slice(files.key.as_bytes()).map_err(|e| TlsError::Pem {
        what: "serving key",
        why: e.to_string(),
    })?;
    let mut roots = RootCertStore::empty();
    for cert in certificates("client authority", &files.client_ca)? {
        roots
            .add(cert)
            .map_err(|e| TlsError::ClientAuthority(e.to_string()))?;
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|e| TlsError::ClientAuthority(e.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(Possession {
            verifier: Arc::clone(&verifier),
            provider,
        }))
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ignore_client_order = true;
    Ok(Loaded {
        config: Arc::new(config),
        verifier,
    })
}

/// Asks for a certificate and for the proof that the client has its key. Whether it is to be trusted is decided after the
/// handshake: upstream answers an untrusted one with 401, not with an alert.
#[derive(Debug)]
struct Possession {
    verifier: Arc<dyn ClientCertVerifier>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Possession {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
