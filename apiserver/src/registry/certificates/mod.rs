//! What validation has to open certificates and keys for: trust bundles, and requests for certificates, of pods and of others. The
//! other rules of these kinds are the api crate's (upstream: `pkg/apis/certificates/validation`).

mod issued;
mod key;
mod signing;
mod trust_bundle;

use api::Tree;
use api::certificates::v1::{CertificateSigningRequest, ClusterTrustBundle, PodCertificateRequest};
use api::field::ErrorList;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// What is wrong with a new object, beside what `errors` holds already.
pub fn create(errors: &mut ErrorList, new: &Tree) {
    if new.type_id() == ClusterTrustBundle::TYPE {
        trust_bundle::check(errors, ClusterTrustBundle::of(new));
    } else if new.type_id() == PodCertificateRequest::TYPE {
        key::check(errors, PodCertificateRequest::of(new));
    } else if new.type_id() == CertificateSigningRequest::TYPE {
        signing::create(errors, CertificateSigningRequest::of(new));
    }
}

/// What is wrong with a changed object, beside what `errors` holds already. `now` is in seconds since 1970.
pub fn update(errors: &mut ErrorList, subresource: &str, new: &Tree, old: &Tree, now: i64) {
    if new.type_id() == ClusterTrustBundle::TYPE {
        let (new, old) = (ClusterTrustBundle::of(new), ClusterTrustBundle::of(old));
        // What is there already stays valid, whatever is newly found wrong with it.
        if new.spec().trust_bundle() != old.spec().trust_bundle() {
            trust_bundle::check(errors, new);
        }
    } else if new.type_id() == PodCertificateRequest::TYPE
        && subresource == "status"
        // Conditions say what the rest has to hold: where they are wrong, it is not looked at.
        && errors.is_empty()
    {
        let (new, old) = (
            PodCertificateRequest::of(new),
            PodCertificateRequest::of(old),
        );
        issued::check(errors, new, old, now);
    } else if new.type_id() == CertificateSigningRequest::TYPE {
        let old = CertificateSigningRequest::of(old);
        signing::update(errors, CertificateSigningRequest::of(new), old);
    }
}

/// A certificate that fills its bytes.
fn certificate(der: &[u8]) -> Option<X509Certificate<'_>> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    rest.is_empty().then_some(certificate)
}
