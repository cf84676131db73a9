//! CertificateSigningRequests: who asks is written down by the server, and who approves or signs needs the right to do so for
//! that signer (upstream: the kind's strategy, CertificateApproval, CertificateSigning).

use std::sync::Arc;

use api::Tree;
use api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestMut};
use async_trait::async_trait;

use super::{Attributes, Mutate, Operation, Validate};
use crate::authz::{self, Authorizer};
use crate::registry::meta;
use crate::status::Status;

pub(super) const GROUP: &str = "certificates.k8s.io";

/// Writes the requester into new requests: whatever they say.
pub struct CertificateRequester;

#[async_trait]
impl Mutate for CertificateRequester {
    fn handles(&self, a: &Attributes<'_>) -> bool {
        a.operation == Operation::Create && a.is(GROUP, "certificatesigningrequests")
    }

    async fn mutate(
        &self,
        a: &Attributes<'_>,
        new: &mut Tree,
        _: Option<&Tree>,
    ) -> Result<(), Status> {
        let identity = &a.cx.identity;
        let mut view = CertificateSigningRequestMut::of(new);
        let mut spec = view.spec_mut();
        spec.remove_uid();
        spec.remove_groups();
        spec.remove_extra();
        spec.set_username(&identity.name);
        if !identity.uid.is_empty() {
            spec.set_uid(&identity.uid);
        }
        identity
            .groups
            .iter()
            .for_each(|group| spec.push_groups(group));
        let mut spec = spec.untyped();
        for (key, values) in &identity.extra {
            meta::ensure(&mut spec, "extra", |extra| {
                let mut list = extra.entry(key);
                values.iter().for_each(|value| list.push(value.as_str()));
            });
        }
        Ok(())
    }
}

/// Asks whether the caller may approve for the signer, or sign as it.
pub struct CertificateSigners {
    authorizer: Arc<Authorizer>,
}

impl CertificateSigners {
    /// A step that asks `authorizer`.
    pub fn new(authorizer: Arc<Authorizer>) -> CertificateSigners {
        CertificateSigners { authorizer }
    }

    fn may(&self, a: &Attributes<'_>, verb: &str, signer: &str) -> bool {
        may(&self.authorizer, a, verb, signer)
    }
}

/// Whether the caller may do that with certificates of the signer. The right may be given for one signer, or for all of its domain.
pub(super) fn may(authorizer: &Authorizer, a: &Attributes<'_>, verb: &str, signer: &str) -> bool {
    let domain = signer.split_once('/').map_or(signer, |(domain, _)| domain);
    [signer.to_owned(), format!("{domain}/*")]
        .iter()
        .any(|name| {
            let access = authz::Attributes {
                version: "*",
                ..authz::Attributes::resource(verb, GROUP, "signers", "", name)
            };
            authorizer.authorize(&a.cx.identity, &access).is_allowed()
        })
}

#[async_trait]
impl Validate for CertificateSigners {
    fn handles(&self, a: &Attributes<'_>) -> bool {
        a.operation == Operation::Update
            && matches!(a.subresource, "approval" | "status")
            && a.kind.is(GROUP, "certificatesigningrequests")
    }

    async fn validate(
        &self,
        a: &Attributes<'_>,
        new: Option<&Tree>,
        old: Option<&Tree>,
    ) -> Result<(), Status> {
        let (Some(new), Some(old)) = (new, old) else {
            return Ok(());
        };
        // The signer that the request had: whoever changes it along with the approval is refused by validation.
        let before = CertificateSigningRequest::of(old);
        let signer = before.spec().signer_name();
        if a.subresource == "approval" {
            return match self.may(a, "approve", signer) {
                true => Ok(()),
                false => {
                    let signer = api::field::quote(signer);
                    Err(a.forbidden(
                        Some(new),
                        format!("user not permitted to approve requests with signerName {signer}"),
                    ))
                }
            };
        }
        // What only a signer writes: the certificate, and that it failed.
        let now = CertificateSigningRequest::of(new).status();
        let failed = |csr: CertificateSigningRequest<'_>| {
            csr.status()
                .conditions()
                .iter()
                .filter(|c| c.type_() == "Failed")
                .count()
        };
        let same = now.certificate() == before.status().certificate()
            && failed(CertificateSigningRequest::of(new)) == failed(before);
        if same || self.may(a, "sign", signer) {
            return Ok(());
        }
        let signer = api::field::quote(signer);
        Err(a.forbidden(
            Some(new),
            format!("user not permitted to sign requests with signerName {signer}"),
        ))
    }
}
