//! ClusterTrustBundleAttest: who writes a trust bundle of a signer may attest for that signer (KEP-3257).

use std::sync::Arc;

use api::Tree;
use api::certificates::v1::ClusterTrustBundle;
use async_trait::async_trait;

use super::certificates::{GROUP, may};
use super::{Attributes, Operation, Validate};
use crate::authz::Authorizer;
use crate::registry::meta;
use crate::status::Status;

/// See the module.
pub struct ClusterTrustBundleAttest {
    authorizer: Arc<Authorizer>,
}

impl ClusterTrustBundleAttest {
    /// A step that asks `authorizer`.
    pub fn new(authorizer: Arc<Authorizer>) -> ClusterTrustBundleAttest {
        ClusterTrustBundleAttest { authorizer }
    }
}

#[async_trait]
impl Validate for ClusterTrustBundleAttest {
    fn handles(&self, a: &Attributes<'_>) -> bool {
        matches!(a.operation, Operation::Create | Operation::Update)
            && a.is(GROUP, "clustertrustbundles")
    }

    async fn validate(
        &self,
        a: &Attributes<'_>,
        new: Option<&Tree>,
        old: Option<&Tree>,
    ) -> Result<(), Status> {
        let Some(new) = new else { return Ok(()) };
        // The new one's: it stays what it was, as validation has seen.
        let bundle = ClusterTrustBundle::of(new);
        let signer = bundle.spec().signer_name();
        if signer.is_empty() || old.is_some_and(|old| only_collected(new, old)) {
            return Ok(());
        }
        if may(&self.authorizer, a, "attest", signer) {
            return Ok(());
        }
        let signer = api::field::quote(signer);
        Err(a.forbidden(
            Some(new),
            format!("user not permitted to attest for signerName {signer}"),
        ))
    }
}

/// Whether nothing differs but what the garbage collector writes.
fn only_collected(new: &Tree, old: &Tree) -> bool {
    let mut new = new.clone();
    for field in ["ownerReferences", "finalizers", "managedFields"] {
        meta::of_mut(&mut new).copy(field, meta::of(old));
    }
    new.root().same(old.root())
}
