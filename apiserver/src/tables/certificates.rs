//! Requests for certificates, and bundles of trust.

use api::Tree;
use api::certificates::v1::{CertificateSigningRequest, ClusterTrustBundle, PodCertificateRequest};
use serde_json::Value;

use super::age::{Now, human};
use super::cells;
use super::text::{NONE, labels, or};

pub fn signing_request(object: &Tree, now: Now) -> Vec<Value> {
    let request = CertificateSigningRequest::of(object);
    let (meta, spec) = (request.metadata(), request.spec());
    let lifetime = spec
        .expiration_seconds()
        .map_or_else(|| NONE.to_owned(), |seconds| human(i64::from(seconds)));
    cells![
        meta.name(),
        now.since(meta.creation_timestamp()),
        or(spec.signer_name(), NONE),
        spec.username(),
        lifetime,
        condition(request),
    ]
}

fn condition(request: CertificateSigningRequest<'_>) -> String {
    let status = request.status();
    let has = |kind: &str| status.conditions().iter().any(|c| c.type_() == kind);
    let mut word = match (has("Denied"), has("Approved")) {
        (true, _) => "Denied",
        (false, true) => "Approved",
        (false, false) => "Pending",
    }
    .to_owned();
    if has("Failed") {
        word.push_str(",Failed");
    }
    if !status.certificate().is_empty() {
        word.push_str(",Issued");
    }
    word
}

pub fn trust_bundle(object: &Tree, _: Now) -> Vec<Value> {
    let bundle = ClusterTrustBundle::of(object);
    cells![
        bundle.metadata().name(),
        or(bundle.spec().signer_name(), NONE)
    ]
}

pub fn pod_request(object: &Tree, _: Now) -> Vec<Value> {
    let request = PodCertificateRequest::of(object);
    let spec = request.spec();
    let known = |kind: &str| matches!(kind, "Issued" | "Denied" | "Failed");
    let state = request
        .status()
        .conditions()
        .iter()
        .map(|c| c.type_())
        .rfind(|kind| known(kind));
    cells![
        request.metadata().name(),
        spec.pod_name(),
        spec.service_account_name(),
        spec.node_name(),
        spec.signer_name(),
        state.unwrap_or("Pending"),
        labels(spec.unverified_user_annotations()),
    ]
}
