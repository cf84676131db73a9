//! Certificates that an authority signs: for serving, and for clients.

use std::net::IpAddr;
use std::path::Path;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};
use rcgen::{
    CertificateParams, DnType, DnValue, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Authority, PkiError, files};

/// Days for which a certificate is valid.
const DAYS: i64 = 365;
/// A certificate of less than this many days to live is made anew.
const RENEW_DAYS: i64 = 90;

/// What a certificate is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Serving.
    Server,
    /// Being a client.
    Client,
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The pair's file name, without `.key` and `.crt`.
    pub name: String,
    /// The common name: a client's user name.
    pub user: String,
    /// The organization: a client's group. One at most: the generator writes no second.
    pub group: Option<String>,
    /// What it is good for.
    pub usage: Usage,
    /// The DNS names of a server.
    pub dns: Vec<String>,
    /// The addresses of a server.
    pub ips: Vec<IpAddr>,
}

impl Profile {
    /// The certificate of a client.
    pub fn client(name: &str, user: &str, group: Option<&str>) -> Profile {
        Profile {
            name: name.to_owned(),
            user: user.to_owned(),
            group: group.map(str::to_owned),
            usage: Usage::Client,
            dns: Vec::new(),
            ips: Vec::new(),
        }
    }
}

/// A new key on the curve P-256.
pub(super) fn generate_key() -> Result<KeyPair, PkiError> {
    Ok(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)
}

/// Valid from yesterday, for clocks that differ, until `span` from `now`; whole days.
pub(super) fn set_validity(params: &mut CertificateParams, now: Timestamp, span: Span) {
    let today = now.to_zoned(TimeZone::UTC).date();
    let day = |date: jiff::civil::Date| {
        rcgen::date_time_ymd(
            date.year().into(),
            date.month().unsigned_abs(),
            date.day().unsigned_abs(),
        )
    };
    params.not_before = day(today.saturating_sub(1.day()));
    params.not_after = day(today.saturating_add(span));
}

/// Reads the pair of `profile`, or makes it if it is missing, not as the profile says, or near expiry. Tells whether it was
/// made. The key is kept when only the certificate is made anew.
pub(super) fn ensure(
    dir: &Path,
    profile: &Profile,
    authority: &Authority,
    now: Timestamp,
) -> Result<bool, PkiError> {
    let key_path = dir.join(format!("{}.key", profile.name));
    let cert_path = dir.join(format!("{}.crt", profile.name));
    // A key that cannot be read is replaced together with its certificate: nobody relies on this very key.
    let key = files::read_if_there(&key_path)?.and_then(|pem| KeyPair::from_pem(&pem).ok());
    if let (Some(key), Some(pem)) = (&key, files::read_if_there(&cert_path)?)
        && CertificateDer::from_pem_slice(pem.as_bytes())
            .is_ok_and(|cert| is_good(&cert, key, profile, authority, now))
    {
        return Ok(false);
    }
    let key = match key {
        Some(key) => key,
        None => {
            let key = generate_key()?;
            files::write_private(&key_path, key.serialize_pem().as_bytes())?;
            key
        }
    };
    let mut params = CertificateParams::new(Vec::new())?;
    if let Some(group) = &profile.group {
        params
            .distinguished_name
            .push(DnType::OrganizationName, DnValue::Utf8String(group.clone()));
    }
    params.distinguished_name.push(
        DnType::CommonName,
        DnValue::Utf8String(profile.user.clone()),
    );
    for name in &profile.dns {
        params
            .subject_alt_names
            .push(SanType::DnsName(name.as_str().try_into()?));
    }
    params
        .subject_alt_names
        .extend(profile.ips.iter().map(|&ip| SanType::IpAddress(ip)));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![match profile.usage {
        Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
    }];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, now, DAYS.days());
    let cert = params.signed_by(&key, authority.issuer())?;
    files::write_private(&cert_path, cert.pem().as_bytes())?;
    Ok(true)
}

/// Whether a certificate says what `profile` says, is signed by `authority`, belongs to `key` and lives long enough.
fn is_good(
    cert: &CertificateDer<'_>,
    key: &KeyPair,
    profile: &Profile,
    authority: &Authority,
    now: Timestamp,
) -> bool {
    let Ok((_, cert)) = X509Certificate::from_der(cert) else {
        return false;
    };
    let Ok((_, ca)) = X509Certificate::from_der(authority.cert_der()) else {
        return false;
    };
    let subject = cert.subject();
    let user = subject
        .iter_common_name()
        .next()
        .and_then(|n| n.as_str().ok());
    let groups = subject.iter_organization().filter_map(|o| o.as_str().ok());
    let (mut dns, mut ips) = (Vec::new(), Vec::new());
    if let Ok(Some(names)) = cert.subject_alternative_name() {
        for name in &names.value.general_names {
            match name {
                GeneralName::DNSName(name) => dns.push(*name),
                GeneralName::IPAddress(bytes) => ips.extend(address(bytes)),
                _ => {}
            }
        }
    }
    cert.public_key().raw == key.subject_public_key_info()
        && cert.verify_signature(Some(ca.public_key())).is_ok()
        && user == Some(profile.user.as_str())
        && groups.eq(profile.group.as_deref())
        && dns == profile.dns
        && ips == profile.ips
        && cert.validity().not_before.timestamp() <= now.as_second()
        && cert.validity().not_after.timestamp() - now.as_second() > RENEW_DAYS * 24 * 3600
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    }
}

/// Makes the key `name` that signs tokens, and its public half, if either is missing. A key that cannot be read is an
/// error: tokens signed with it are about.
pub(super) fn ensure_signing_key(dir: &Path, name: &str) -> Result<bool, PkiError> {
    let key_path = dir.join(format!("{name}.key"));
    let public_path = dir.join(format!("{name}.pub"));
    let (key, fresh) = match files::read_if_there(&key_path)? {
        Some(pem) => {
            let key = KeyPair::from_pem(&pem).map_err(|e| PkiError::Damaged {
                path: key_path.clone(),
                dir: dir.to_owned(),
                why: format!("is no private key ({e})"),
            })?;
            (key, false)
        }
        None => {
            let key = generate_key()?;
            files::write_private(&key_path, key.serialize_pem().as_bytes())?;
            (key, true)
        }
    };
    let public = key.public_key_pem();
    if files::read_if_there(&public_path)?.as_deref() != Some(&public) {
        files::write_public(&public_path, public.as_bytes())?;
    }
    Ok(fresh)
}
