//! NodeRestriction, of tokens: a node gets them for its own pods, and for audiences that these name (KEP-4935).

use std::sync::Arc;

use api::Tree;
use api::authentication::v1::TokenRequest;
use api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use api::storage::v1::CSIDriver;
use async_trait::async_trait;

use super::{Attributes, Lookup, Operation, Validate};
use crate::authz::{self, Authorizer};
use crate::status::{Qualified, Status};

/// See the module.
pub struct NodeTokens {
    lookup: Lookup,
    authorizer: Arc<Authorizer>,
}

impl NodeTokens {
    /// A step that reads pods and volumes by `lookup`, and asks `authorizer` about other audiences.
    pub fn new(lookup: Lookup, authorizer: Arc<Authorizer>) -> NodeTokens {
        NodeTokens { lookup, authorizer }
    }

    /// Whether the pod names the audience: in a projected volume, or through a CSI driver that gets tokens.
    fn names(&self, pod: Pod<'_>, audience: &str) -> bool {
        let namespace = pod.metadata().namespace();
        pod.spec().volumes().iter().any(|volume| {
            let projected = volume.projected().is_some_and(|p| {
                p.sources().iter().any(|s| {
                    s.service_account_token()
                        .is_some_and(|t| t.audience() == audience)
                })
            });
            let driver = if volume
                .ephemeral()
                .is_some_and(|e| e.volume_claim_template().is_some())
            {
                self.driver_of(
                    namespace,
                    &format!("{}-{}", pod.metadata().name(), volume.name()),
                )
            } else if let Some(claim) = volume.persistent_volume_claim() {
                self.driver_of(namespace, claim.claim_name())
            } else {
                volume.csi().map(|csi| csi.driver().to_owned())
            };
            projected || driver.is_some_and(|driver| self.driver_gets(&driver, audience))
        })
    }

    fn driver_of(&self, namespace: &str, claim: &str) -> Option<String> {
        let key = format!("{namespace}/{claim}");
        let claim =
            self.lookup
                .get("persistentvolumeclaims/", &key, PersistentVolumeClaim::TYPE)?;
        let volume = PersistentVolumeClaim::of(&claim).spec().volume_name();
        let volume = self
            .lookup
            .get("persistentvolumes/", volume, PersistentVolume::TYPE)?;
        Some(
            PersistentVolume::of(&volume)
                .spec()
                .csi()?
                .driver()
                .to_owned(),
        )
    }

    fn driver_gets(&self, driver: &str, audience: &str) -> bool {
        let driver = self.lookup.get("csidrivers/", driver, CSIDriver::TYPE);
        driver.is_some_and(|d| {
            CSIDriver::of(&d)
                .spec()
                .token_requests()
                .iter()
                .any(|t| t.audience() == audience)
        })
    }
}

#[async_trait]
impl Validate for NodeTokens {
    fn handles(&self, a: &Attributes<'_>) -> bool {
        a.operation == Operation::Create
            && a.subresource == "token"
            && a.kind.is("", "serviceaccounts")
            && a.cx.identity.node().is_some()
    }

    async fn validate(
        &self,
        a: &Attributes<'_>,
        new: Option<&Tree>,
        _: Option<&Tree>,
    ) -> Result<(), Status> {
        let (Some(node), Some(new)) = (a.cx.identity.node(), new) else {
            return Ok(());
        };
        let refuse = |why: String| Err(a.forbidden(None, why));
        let spec = TokenRequest::of(new).spec();
        let bound = spec
            .bound_object_ref()
            .filter(|r| (r.api_version(), r.kind()) == ("v1", "Pod") && !r.name().is_empty());
        let Some(bound) = bound else {
            return refuse("node requested token not bound to a pod".to_owned());
        };
        if bound.uid().is_empty() {
            return refuse("node requested token with a pod binding without a uid".to_owned());
        }
        let key = format!("{}/{}", a.namespace, bound.name());
        let Some(pod) = self.lookup.get_fresh("pods/", &key, Pod::TYPE).await else {
            return Err(Status::not_found(Qualified::new("", "pod"), bound.name()));
        };
        let pod = Pod::of(&pod);
        if pod.metadata().uid() != bound.uid() {
            return refuse(format!(
                "the UID in the bound object reference ({}) does not match the UID in record. The object might have been deleted \
                 and then recreated",
                bound.uid()
            ));
        }
        if pod.spec().node_name() != node {
            return refuse(
                "node requested token bound to a pod scheduled on a different node".to_owned(),
            );
        }
        let mut audiences = spec.audiences().iter();
        let (audience, more) = (
            audiences.next().unwrap_or_default(),
            audiences.next().is_some(),
        );
        if more {
            return refuse("node may only request 0 or 1 audiences".to_owned());
        }
        if self.names(pod, audience) {
            return Ok(());
        }
        let verb = "request-serviceaccounts-token-audience";
        let access = authz::Attributes::resource(verb, "", audience, a.namespace, a.name);
        match self
            .authorizer
            .authorize(&a.cx.identity, &access)
            .is_allowed()
        {
            true => Ok(()),
            false => refuse(format!(
                "{} is not authorized to request tokens for audience {}",
                a.cx.identity.name,
                api::field::quote(audience)
            )),
        }
    }
}
