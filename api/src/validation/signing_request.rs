//! CertificateSigningRequests, as far as can be said without opening requests and certificates, which is the API server's
//! (upstream: `pkg/apis/certificates/validation`).
//!
//! What is asked for never changes: the API server puts it back. So it is looked at once, when the request is new.

use super::certificates::signer_name;
use super::check::{enumerated, quoted, required, same};
use crate::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition};
use crate::field::{Error, ErrorList, Path};
use crate::view::View;

const SPEC: Path<'static> = Path::new("spec");
const CONDITIONS: Path<'static> = Path::new("status.conditions");
const CERTIFICATE: Path<'static> = Path::new("status.certificate");
/// The signer of what was asked for before there were signers.
const LEGACY_SIGNER: &str = "kubernetes.io/legacy-unknown";
/// Seconds of the shortest life.
const LIFE_MIN: i32 = 600;
const APPROVED: &str = "Approved";
const DENIED: &str = "Denied";
/// Conditions that are true or not there.
const TERMINAL: [&str; 3] = [APPROVED, DENIED, "Failed"];
const USAGES: &[&str] = &[
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

/// What a way of updating may write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum May {
    /// Metadata alone.
    Nothing,
    /// That the request is approved or denied.
    Decide,
    /// The certificate.
    Sign,
}

pub(super) fn create(errors: &mut ErrorList, request: CertificateSigningRequest<'_>) {
    let spec = request.spec();
    let (list, usages) = (SPEC.child("usages"), spec.usages());
    if usages.is_empty() {
        errors.push(Error::required(&list, ""));
    }
    for (at, usage) in usages.iter().enumerate() {
        enumerated(errors, &list.index(at), usage, USAGES);
    }
    for (at, usage) in usages.iter().enumerate() {
        if usages.iter().take(at).any(|before| before == usage) {
            errors.push(Error::duplicate(&list.index(at), quoted(usage)));
        }
    }
    let path = SPEC.child("signerName");
    if spec.signer_name() == LEGACY_SIGNER {
        let why = "the legacy signerName is not allowed via this API version";
        errors.push(Error::invalid(&path, LEGACY_SIGNER, why));
    } else {
        signer_name(errors, &path, spec.signer_name());
    }
    if let Some(seconds) = spec.expiration_seconds()
        && seconds < LIFE_MIN
    {
        let path = SPEC.child("expirationSeconds");
        let why = "may not specify a duration less than 600 seconds (10 minutes)";
        errors.push(Error::invalid(&path, seconds, why));
    }
    conditions(errors, request, None);
}

pub(super) fn update(
    errors: &mut ErrorList,
    new: CertificateSigningRequest<'_>,
    old: CertificateSigningRequest<'_>,
) {
    change(errors, new, old, May::Nothing);
}

pub(super) fn approval(
    errors: &mut ErrorList,
    new: CertificateSigningRequest<'_>,
    old: CertificateSigningRequest<'_>,
) {
    change(errors, new, old, May::Decide);
}

pub(super) fn status(
    errors: &mut ErrorList,
    new: CertificateSigningRequest<'_>,
    old: CertificateSigningRequest<'_>,
) {
    change(errors, new, old, May::Sign);
}

fn of_type<'a>(
    request: CertificateSigningRequest<'a>,
    ty: &str,
) -> Vec<CertificateSigningRequestCondition<'a>> {
    let all = request.status().conditions();
    all.iter().filter(|c| c.type_() == ty).collect()
}

/// Whether a request is both approved and denied, which once was possible.
fn is_contradictory(request: CertificateSigningRequest<'_>) -> bool {
    [APPROVED, DENIED]
        .iter()
        .all(|ty| !of_type(request, ty).is_empty())
}

/// What is wrong with the conditions, but for what was wrong with them before.
fn conditions(
    errors: &mut ErrorList,
    new: CertificateSigningRequest<'_>,
    old: Option<CertificateSigningRequest<'_>>,
) {
    let before = || old.into_iter().flat_map(|old| old.status().conditions());
    let nameless = before().any(|c| c.type_().is_empty());
    let repeats = old.is_some_and(|old| before().any(|c| of_type(old, c.type_()).len() > 1));
    let list = new.status().conditions();
    for (at, condition) in list.iter().enumerate() {
        let (path, ty) = (CONDITIONS.index(at), condition.type_());
        if !nameless {
            required(errors, &path.child("type"), ty);
        }
        let (place, status) = (path.child("status"), condition.status());
        let known: &[&str] = match TERMINAL.contains(&ty) {
            true => &["True"],
            false => &["False", "True", "Unknown"],
        };
        if required(errors, &place, status) {
            enumerated(errors, &place, status, known);
        }
        if !repeats && list.iter().take(at).any(|c| c.type_() == ty) {
            errors.push(Error::duplicate(&path.child("type"), quoted(ty)));
        }
    }
}

fn change(
    errors: &mut ErrorList,
    new: CertificateSigningRequest<'_>,
    old: CertificateSigningRequest<'_>,
    may: May,
) {
    conditions(errors, new, Some(old));
    for ty in TERMINAL {
        if of_type(new, ty).len() < of_type(old, ty).len() {
            let why = format!("updates may not remove a condition of type \"{ty}\"");
            errors.push(Error::forbidden(&CONDITIONS, why));
        }
    }
    for ty in [APPROVED, DENIED] {
        let (now, before) = (of_type(new, ty), of_type(old, ty));
        let differs = || {
            now.iter()
                .zip(&before)
                .any(|(n, b)| !same(n.node(), b.node()))
        };
        if may == May::Decide || now.len() < before.len() {
            continue;
        }
        let why = if now.len() > before.len() {
            format!("updates may not add a condition of type \"{ty}\"")
        } else if differs() {
            format!("updates may not modify a condition of type \"{ty}\"\n")
        } else {
            continue;
        };
        errors.push(Error::forbidden(&CONDITIONS, why));
    }
    let (now, before) = (new.status().certificate(), old.status().certificate());
    if now != before && may != May::Sign {
        let why = "updates may not set certificate content";
        errors.push(Error::forbidden(&CERTIFICATE, why));
    } else if now != before && !before.is_empty() {
        let why = "updates may not modify existing certificate content";
        errors.push(Error::forbidden(&CERTIFICATE, why));
    }
    // A mark on upstream's type, which is told after all the rest.
    if is_contradictory(new) && !is_contradictory(old) {
        let [approved, denied] =
            [APPROVED, DENIED].map(|ty| format!("conditions[{{\"type\": \"{ty}\"}}]"));
        let why = format!("must specify at most one of: `{approved}`, `{denied}`");
        let value = format!("{{{approved}, {denied}}}");
        errors.push(Error::invalid(&CONDITIONS, value, why));
    }
}
