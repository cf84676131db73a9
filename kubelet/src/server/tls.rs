//! The server's certificate, and whose clients' certificates it takes.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::Identity;
use crate::config::Config;

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read, or holds no PEM.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// They do not fit together.
    #[error("TLS: {0}")]
    Unusable(String),
}

fn unusable(error: impl std::fmt::Display) -> Error {
    Error::Unusable(error.to_string())
}

fn file(path: &Path) -> impl Fn(rustls::pki_types::pem::Error) -> Error + '_ {
    move |error| Error::File {
        path: path.display().to_string(),
        reason: error.to_string(),
    }
}

pub(super) fn acceptor(config: &Config) -> Result<tokio_rustls::TlsAcceptor, Error> {
    let (chain, key) = match &config.tls {
        Some((certificate, key)) => {
            let chain = CertificateDer::pem_file_iter(certificate)
                .map_err(file(certificate))?
                .collect::<Result<Vec<_>, _>>();
            (
                chain.map_err(file(certificate))?,
                PrivateKeyDer::from_pem_file(key).map_err(file(key))?,
            )
        }
        None => self_signed(config)?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match &config.client_ca_file {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(path).map_err(file(path))? {
                roots
                    .add(certificate.map_err(file(path))?)
                    .map_err(unusable)?;
            }
            // Health may be asked by anyone; everything else demands a certificate later.
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated();
            builder.with_client_cert_verifier(verifier.build().map_err(unusable)?)
        }
        // Nobody can show who they are: only health is served.
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tokio_rustls::TlsAcceptor::from(Arc::new(config)))
}

/// As upstream's kubelet without certificates: clients that verify it must be given one.
fn self_signed(
    config: &Config,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let names = vec![config.node_name.clone(), config.node_ip.to_string()];
    let made = rcgen::generate_simple_self_signed(names).map_err(unusable)?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(unusable)?;
    Ok((vec![made.cert.der().clone()], key))
}

/// The names in a client's verified certificate.
pub(super) fn identity(certificates: Option<&[CertificateDer<'_>]>) -> Option<Identity> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificates?.first()?).ok()?;
    let subject = certificate.subject();
    let user = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
    let groups = subject
        .iter_organization()
        .filter_map(|name| name.as_str().ok())
        .map(str::to_owned)
        .collect();
    Some(Identity { user, groups })
}
