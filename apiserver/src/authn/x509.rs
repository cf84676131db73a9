//! Client certificates: the common name is the user, the organizations are the groups.
//!
//! The handshake proves that the client has the key; whether the certificate is of our authority is decided after it, so
//! that a wrong certificate is answered with 401 (as upstream does) and not with a TLS alert. It is parsed once a connection.

use std::sync::Arc;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::identity::{Identity, SharedIdentity};

/// The extra fact that names the credential, as upstream.
pub(super) const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

/// What a connection's client certificate comes to.
#[derive(Clone, Debug)]
pub enum ClientCertificate {
    /// One of our authority, valid until the time (seconds since 1970).
    Trusted {
        /// Whom it names.
        identity: SharedIdentity,
        /// When it expires.
        not_after: i64,
    },
    /// One that is not trusted, and why.
    Untrusted(Arc<str>),
}

impl ClientCertificate {
    /// Whom the certificate names, if it is trusted and has not expired meanwhile.
    pub(super) fn identity(&self, now: Timestamp) -> Result<SharedIdentity, String> {
        match self {
            ClientCertificate::Trusted { not_after, .. } if now.as_second() > *not_after => {
                Err("it has expired".to_owned())
            }
            ClientCertificate::Trusted { identity, .. } => Ok(Arc::clone(identity)),
            ClientCertificate::Untrusted(why) => Err(why.to_string()),
        }
    }

    /// Reads a certificate whose chain has been verified.
    pub fn trusted(cert: &CertificateDer<'_>) -> ClientCertificate {
        match identity_of_certificate(cert) {
            Ok((identity, not_after)) => ClientCertificate::Trusted {
                identity: Arc::new(identity),
                not_after,
            },
            Err(why) => ClientCertificate::Untrusted(why.into()),
        }
    }
}

/// Whom a certificate names, and until when (seconds since 1970).
pub fn identity_of_certificate(cert: &CertificateDer<'_>) -> Result<(Identity, i64), String> {
    let (_, parsed) =
        X509Certificate::from_der(cert).map_err(|e| format!("it cannot be read: {e}"))?;
    let subject = parsed.subject();
    let name = subject
        .iter_common_name()
        .filter_map(|n| n.as_str().ok())
        .last()
        .unwrap_or_default();
    if name.is_empty() {
        return Err("it has no common name".to_owned());
    }
    let groups: Vec<&str> = subject
        .iter_organization()
        .filter_map(|o| o.as_str().ok())
        .collect();
    let mut identity = Identity::user(name, groups);
    let fingerprint: String = Sha256::digest(cert)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    identity.extra.insert(
        CREDENTIAL_ID.to_owned(),
        vec![format!("X509SHA256={fingerprint}")],
    );
    Ok((identity, parsed.validity().not_after.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    fn certificate(user: &str, group: &str) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, user);
        params
            .distinguished_name
            .push(DnType::OrganizationName, group);
        params.not_before = rcgen::date_time_ymd(2030, 1, 1);
        params.not_after = rcgen::date_time_ymd(2031, 1, 1);
        params
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap()
            .der()
            .clone()
    }

    #[test]
    fn name_and_organization_are_user_and_group() {
        let (identity, _) = identity_of_certificate(&certificate("bob", "devs")).unwrap();
        assert_eq!(identity.name, "bob");
        assert_eq!(identity.groups, ["devs", "system:authenticated"]);
        let id = &identity.extra[CREDENTIAL_ID][0];
        assert!(id.starts_with("X509SHA256=") && id.len() == 11 + 64, "{id}");
    }

    #[test]
    fn a_certificate_without_name_or_time_is_refused() {
        let named = ClientCertificate::trusted(&certificate("bob", "devs"));
        assert!(
            named
                .identity("2030-06-01T00:00:00Z".parse().unwrap())
                .is_ok()
        );
        assert!(
            named
                .identity("2031-06-01T00:00:00Z".parse().unwrap())
                .is_err()
        );
        let nameless = ClientCertificate::trusted(&certificate("", "devs"));
        assert!(
            nameless
                .identity("2030-06-01T00:00:00Z".parse().unwrap())
                .is_err()
        );
    }
}
