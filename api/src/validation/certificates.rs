//! ClusterTrustBundles and PodCertificateRequests, as far as can be said without opening keys and certificates, which is the API
//! server's (upstream: `pkg/apis/certificates/validation`); and what of them stands in a pod's projected volumes.

use super::budget::conditions;
use super::check::{IMMUTABLE, each, immutable_text, same, shown};
use super::{format, meta, names};
use crate::certificates::v1::{
    ClusterTrustBundle, PodCertificateRequest, PodCertificateRequestSpec,
};
use crate::field::{Error, ErrorList, Path, quote};
use crate::view::{MapRef, View};

const SPEC: Path<'static> = Path::new("spec");
/// A signer's name: a domain, `/`, and a path that can hold a namespace and a name.
const SIGNER_MAX: usize = format::SUBDOMAIN_MAX + 1 + PATH_MAX;
const PATH_MAX: usize = format::SUBDOMAIN_MAX + format::LABEL_MAX + 1;
const UID_MAX: usize = 128;
/// The bounds of `maxExpirationSeconds`: an hour, 91 days, and a day for the signers of Kubernetes itself.
pub(super) const LIFE_MIN: i32 = 60 * 60;
const LIFE_MAX: i32 = 91 * 24 * 60 * 60;
const KUBERNETES_LIFE_MAX: i32 = 24 * 60 * 60;
/// The conditions that end a request: at most one of them, and only as `True`.
const TERMINAL: &[&str] = &["Issued", "Denied", "Failed"];

/// The longest life that a signer of this name may be asked for, in seconds.
pub(super) fn life_max(signer: &str) -> i32 {
    let domain = signer.split_once('/').map_or(signer, |(domain, _)| domain);
    match domain == "kubernetes.io" || domain.ends_with(".kubernetes.io") {
        true => KUBERNETES_LIFE_MAX,
        false => LIFE_MAX,
    }
}

/// A signer's name: `example.com/name`.
pub(super) fn signer_name(errors: &mut ErrorList, path: &Path<'_>, name: &str) {
    if name.is_empty() {
        errors.push(Error::required(path, ""));
        return;
    }
    let parts = name.split_once('/').filter(|(_, rest)| !rest.contains('/'));
    let Some((domain, rest)) = parts else {
        errors.push(Error::invalid(
            path,
            name,
            "must be a fully qualified domain and path of the form 'example.com/signer-name'",
        ));
        return;
    };
    if domain.len() > format::SUBDOMAIN_MAX {
        errors.push(Error::too_long(path, format::SUBDOMAIN_MAX));
    }
    labels(errors, path, domain, format::dns_label);
    if !domain.contains('.') {
        errors.push(Error::invalid(
            path,
            domain,
            "should be a domain with at least two segments separated by dots",
        ));
    }
    labels(errors, path, rest, format::dns_subdomain);
    if name.len() > SIGNER_MAX {
        errors.push(Error::too_long(path, SIGNER_MAX));
    }
}

/// The first of a text's parts between dots that is not well-formed.
fn labels(
    errors: &mut ErrorList,
    path: &Path<'_>,
    text: &str,
    check: fn(&str) -> format::Messages,
) {
    let wrong = text.split('.').find(|label| !check(label).is_empty());
    for message in wrong.map(check).unwrap_or_default() {
        let label = quote(wrong.unwrap_or_default());
        let message = format!("validating label {label}: {message}");
        errors.push(Error::invalid(path, text, message));
    }
}

/// What a pod has the kubelet tell the signer: every key with a domain, whatever its case.
pub(super) fn user_annotations(errors: &mut ErrorList, path: &Path<'_>, map: MapRef<'_, str>) {
    let mut size = 0;
    for (key, value) in map {
        size += key.len() + value.len();
        let key = key.to_lowercase();
        let messages = format::label_key(&key);
        if key.is_empty() {
            errors.push(Error::required(path, ""));
        } else if !messages.is_empty() {
            each(errors, path, &key, messages);
        } else if !key.contains('/') {
            errors.push(Error::invalid(
                path,
                key,
                "must be a domain-prefixed key (such as \"acme.io/foo\")",
            ));
        }
    }
    if size > meta::ANNOTATIONS_MAX {
        errors.push(Error::too_long(path, meta::ANNOTATIONS_MAX));
    }
}

pub(super) fn trust_bundle(errors: &mut ErrorList, bundle: ClusterTrustBundle<'_>) {
    let signer = bundle.spec().signer_name();
    if !signer.is_empty() {
        signer_name(errors, &SPEC.child("signerName"), signer);
    }
}

pub(super) fn trust_bundle_update(
    errors: &mut ErrorList,
    new: ClusterTrustBundle<'_>,
    old: ClusterTrustBundle<'_>,
) {
    let (name, signer) = (new.metadata().name(), new.spec().signer_name());
    let before = old.spec().signer_name();
    if signer != before {
        let path = Path::new("metadata.name");
        each(errors, &path, name, names::trust_bundle(name, signer));
    }
    trust_bundle(errors, new);
    immutable_text(errors, &SPEC.child("signerName"), signer, before);
}

pub(super) fn pod_request(errors: &mut ErrorList, request: PodCertificateRequest<'_>) {
    let spec = request.spec();
    signer_name(errors, &SPEC.child("signerName"), spec.signer_name());
    user_annotations(
        errors,
        &SPEC.child("unverifiedUserAnnotations"),
        spec.unverified_user_annotations(),
    );
    for (name_field, name, uid_field, uid) in [
        ("podName", spec.pod_name(), "podUID", spec.pod_uid()),
        (
            "serviceAccountName",
            spec.service_account_name(),
            "serviceAccountUID",
            spec.service_account_uid(),
        ),
        ("nodeName", spec.node_name(), "nodeUID", spec.node_uid()),
    ] {
        let path = SPEC.child(name_field);
        each(errors, &path, name, format::dns_subdomain(name));
        let path = SPEC.child(uid_field);
        if uid.is_empty() {
            errors.push(Error::invalid(&path, "", "must not be empty"));
        }
        if uid.len() > UID_MAX {
            errors.push(Error::too_long(&path, UID_MAX));
        }
    }
    let path = SPEC.child("maxExpirationSeconds");
    let max = life_max(spec.signer_name());
    match spec.max_expiration_seconds() {
        None => errors.push(Error::required(&path, "must be set")),
        Some(seconds) if !(LIFE_MIN..=max).contains(&seconds) => errors.push(Error::invalid(
            &path,
            i64::from(seconds),
            format!("must be in the range [{LIFE_MIN}, {max}]"),
        )),
        Some(_) => {}
    }
}

/// Metadata alone may change.
pub(super) fn pod_request_update(
    errors: &mut ErrorList,
    new: PodCertificateRequest<'_>,
    old: PodCertificateRequest<'_>,
) {
    let (new, old): (PodCertificateRequestSpec<'_>, _) = (new.spec(), old.spec());
    if !same(new.node(), old.node()) {
        errors.push(Error::invalid(&SPEC, shown(new.node()), IMMUTABLE));
    }
}

/// The conditions. What they say of the certificate, the API server compares with it.
pub(super) fn pod_request_status(errors: &mut ErrorList, request: PodCertificateRequest<'_>) {
    let path = Path::new("status.conditions");
    let list = request.status().conditions();
    let mut known = 0;
    for (at, condition) in list.iter().enumerate() {
        // Upstream writes the index as if it were a field's name.
        let index = format!("[{at}]");
        let place = path.child(&index);
        let ty = condition.type_();
        if !TERMINAL.contains(&ty) {
            errors.push(Error::not_supported(&place.child("type"), ty, TERMINAL));
            continue;
        }
        known += 1;
        if known > 1 {
            errors.push(Error::invalid(
                &place.child("type"),
                ty,
                "There may be at most one condition with type \"Issued\", \"Denied\", or \"Failed\"",
            ));
        }
        if condition.status() != "True" {
            let place = place.child("status");
            errors.push(Error::not_supported(&place, condition.status(), &["True"]));
        }
    }
    conditions(errors, &path, list);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(name: &str) -> Vec<String> {
        let mut errors = ErrorList::new();
        signer_name(&mut errors, &Path::new("s"), name);
        errors.iter().map(Error::body).collect()
    }

    #[test]
    fn a_signer_is_a_domain_and_a_path() {
        assert!(signer("example.com/a").is_empty());
        assert!(signer("kubernetes.io/kube.apiserver").is_empty());
        for (name, what) in [
            ("", "Required value"),
            ("example.com", "must be a fully qualified domain and path"),
            (
                "example.com/a/b",
                "must be a fully qualified domain and path",
            ),
            ("example/a", "at least two segments"),
            ("exa_mple.com/a", "validating label \"exa_mple\": "),
            ("example.com/A", "validating label \"A\": "),
        ] {
            let found = signer(name);
            assert!(
                found.len() == 1 && found[0].contains(what),
                "{name}: {found:?}"
            );
        }
        let long = format!("example.com/{}", vec!["a".repeat(200); 3].join("."));
        assert_eq!(signer(&long).len(), 1);
    }

    #[test]
    fn signers_of_kubernetes_sign_for_a_day() {
        assert_eq!(life_max("kubernetes.io/a"), KUBERNETES_LIFE_MAX);
        assert_eq!(life_max("x.kubernetes.io/a"), KUBERNETES_LIFE_MAX);
        assert_eq!(life_max("notkubernetes.io/a"), LIFE_MAX);
    }
}
