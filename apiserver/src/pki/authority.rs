//! A certificate authority: a key and its self-signed certificate.

use std::path::Path;

use jiff::{Timestamp, ToSpan};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::leaf::{generate_key, set_validity};
use super::{PkiError, files};

/// Years for which an authority is valid, as kubeadm's.
const YEARS: i64 = 10;

/// A certificate authority that can sign.
#[derive(Debug)]
pub struct Authority {
    cert_pem: String,
    cert_der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Reads the authority `name` of `dir`, or makes it. A key without a certificate is what a start that was killed leaves:
    /// nothing has been signed with it, and the certificate is made. Anything else that is not a matching pair is an error.
    pub(super) fn ensure(
        dir: &Path,
        name: &str,
        common_name: &str,
        now: Timestamp,
    ) -> Result<(Authority, bool), PkiError> {
        let key_path = dir.join(format!("{name}.key"));
        let cert_path = dir.join(format!("{name}.crt"));
        let damaged = |path: &Path, why: String| PkiError::Damaged {
            path: path.to_owned(),
            dir: dir.to_owned(),
            why,
        };

        let found = files::read_if_there(&cert_path)?;
        let key = match files::read_if_there(&key_path)? {
            Some(pem) => KeyPair::from_pem(&pem)
                .map_err(|e| damaged(&key_path, format!("is no private key ({e})")))?,
            None if found.is_some() => {
                return Err(damaged(&key_path, format!("is missing beside {name}.crt")));
            }
            None => {
                let key = generate_key()?;
                files::write_private(&key_path, key.serialize_pem().as_bytes())?;
                key
            }
        };
        let fresh = found.is_none();
        let cert_pem = match found {
            Some(pem) => pem,
            None => {
                let pem = self_sign(&key, common_name, now)?;
                files::write_public(&cert_path, pem.as_bytes())?;
                pem
            }
        };
        let cert_der = CertificateDer::from_pem_slice(cert_pem.as_bytes())
            .map_err(|e| damaged(&cert_path, format!("is no certificate ({e})")))?;
        check(&cert_der, &key, now).map_err(|why| damaged(&cert_path, why))?;
        let issuer = Issuer::from_ca_cert_der(&cert_der, key)
            .map_err(|e| damaged(&cert_path, format!("is no certificate authority ({e})")))?;
        Ok((
            Authority {
                cert_pem,
                cert_der,
                issuer,
            },
            fresh,
        ))
    }

    /// The certificate, in PEM.
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The certificate.
    pub fn cert_der(&self) -> &CertificateDer<'static> {
        &self.cert_der
    }

    pub(super) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }
}

fn self_sign(key: &KeyPair, common_name: &str, now: Timestamp) -> Result<String, PkiError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
    ];
    set_validity(&mut params, now, YEARS.years());
    Ok(params.self_signed(key)?.pem())
}

fn check(cert: &CertificateDer<'_>, key: &KeyPair, now: Timestamp) -> Result<(), String> {
    let (_, parsed) =
        X509Certificate::from_der(cert).map_err(|e| format!("is no certificate ({e})"))?;
    if parsed.public_key().raw != key.subject_public_key_info() {
        return Err("does not belong to the key beside it".to_owned());
    }
    if !parsed.is_ca() {
        return Err("is no certificate authority".to_owned());
    }
    if parsed.validity().not_after.timestamp() <= now.as_second() {
        return Err("has expired".to_owned());
    }
    Ok(())
}
