//! Requests of pods for certificates (KEP-4317): a node asks for its own pods and for signers that they name (NodeRestriction),
//! and only who may sign for the signer answers (upstream: the strategy of the status).

use std::sync::Arc;

use api::Tree;
use api::certificates::v1::{PodCertificateRequest, PodCertificateRequestSpec};
use api::core::v1::{Node, Pod, ServiceAccount};
use api::field::{Error, Path, quote};
use async_trait::async_trait;

use super::certificates::{GROUP, may};
use super::{Attributes, Lookup, Operation, Validate};
use crate::authz::{self, Authorizer};
use crate::pod_references::MIRROR;
use crate::registry::strategy::same;
use crate::status::{Reason, Status};

const RESOURCE: &str = "podcertificaterequests";
/// Lets a node ask for signers that the pod does not name.
const ANY_SIGNER: &str = "request-serviceaccounts-podcertificate-signer";

/// Asks whether the caller may sign as the signer whose request it answers.
pub struct PodCertificateSigners {
    authorizer: Arc<Authorizer>,
}

impl PodCertificateSigners {
    /// A step that asks `authorizer`.
    pub fn new(authorizer: Arc<Authorizer>) -> PodCertificateSigners {
        PodCertificateSigners { authorizer }
    }
}

#[async_trait]
impl Validate for PodCertificateSigners {
    fn handles(&self, a: &Attributes<'_>) -> bool {
        a.operation == Operation::Update && a.subresource == "status" && a.kind.is(GROUP, RESOURCE)
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
        let request = PodCertificateRequest::of(old);
        let signer = request.spec().signer_name();
        if same(new.root().get("status"), old.root().get("status"))
            || may(&self.authorizer, a, "sign", signer)
        {
            return Ok(());
        }
        let why = format!(
            "User {} is not permitted to \"sign\" for signer {}",
            quote(&a.cx.identity.name),
            quote(signer)
        );
        let path = Path::new("spec.signerName");
        let errors = [Error::forbidden(&path, why)].into_iter().collect();
        Err(Status::invalid(a.kind.qualified_kind(), a.name, &errors))
    }
}

/// NodeRestriction, of these requests.
pub struct NodePodCertificates {
    lookup: Lookup,
    authorizer: Arc<Authorizer>,
}

impl NodePodCertificates {
    /// A step that reads pods, nodes and accounts by `lookup`, and asks `authorizer` about signers that a pod does not name.
    pub fn new(lookup: Lookup, authorizer: Arc<Authorizer>) -> NodePodCertificates {
        NodePodCertificates { lookup, authorizer }
    }

    /// What is said of the pod, its node and its account is so.
    async fn consistent(&self, a: &Attributes<'_>, new: &Tree, node: &str) -> Result<(), Status> {
        let request = PodCertificateRequest::of(new);
        let spec = request.spec();
        let refuse = |why: String| Err(a.forbidden(Some(new), why));
        if spec.node_name() != node {
            return refuse(format!(
                "PodCertificateRequest.Spec.NodeName={}, which is not the requesting node {}",
                quote(spec.node_name()),
                quote(node)
            ));
        }
        let object = self.lookup.get_fresh("minions/", node, Node::TYPE).await;
        let Some(object) = object else {
            return Err(missing("node", node, "nodes", node));
        };
        let uid = Node::of(&object).metadata().uid();
        let key = format!("{}/{}", a.namespace, spec.pod_name());
        let pod_text = quote(&key);
        if uid != spec.node_uid() {
            return Err(retry(format!(
                "PodCertificateRequest for pod {pod_text} names node UID {}, inconsistent with the running node ({})",
                quote(spec.node_uid()),
                quote(uid)
            )));
        }
        let Some(pod) = self.lookup.get_fresh("pods/", &key, Pod::TYPE).await else {
            return Err(missing("pod", &key, "pods", spec.pod_name()));
        };
        let pod = Pod::of(&pod);
        let uid = pod.metadata().uid();
        if uid != spec.pod_uid() {
            return Err(retry(format!(
                "PodCertificateRequest for pod {pod_text} contains pod UID ({}) which differs from running pod {}",
                quote(spec.pod_uid()),
                quote(uid)
            )));
        }
        if pod.spec().node_name() != node {
            return refuse(format!(
                "pod {pod_text} is not running on node {} named in the PodCertificateRequest",
                quote(node)
            ));
        }
        if pod.metadata().annotations().get(MIRROR).is_some() {
            return refuse(format!("pod {pod_text} is a mirror pod"));
        }
        let (account, asked) = (
            pod.spec().service_account_name(),
            spec.service_account_name(),
        );
        if asked != account {
            return refuse(format!(
                "PodCertificateRequest for pod {pod_text} contains serviceAccountName ({}) that differs from running pod ({})",
                quote(asked),
                quote(account)
            ));
        }
        let key = format!("{}/{account}", a.namespace);
        let object = self
            .lookup
            .get_fresh("serviceaccounts/", &key, ServiceAccount::TYPE);
        let Some(object) = object.await else {
            return Err(missing("service account", &key, "serviceaccounts", account));
        };
        let uid = ServiceAccount::of(&object).metadata().uid();
        if uid != spec.service_account_uid() {
            return Err(retry(format!(
                "PodCertificateRequest for pod {pod_text} names service account UID {}, which differs from the running service account ({})",
                quote(spec.service_account_uid()),
                quote(uid)
            )));
        }
        if names(pod, spec.signer_name()) || self.any_signer(a, spec) {
            return Ok(());
        }
        refuse(format!(
            "pod {pod_text} does not mount a podCertificate projected volume for signer {}",
            quote(spec.signer_name())
        ))
    }

    /// The right stands with the signer as a resource, written as in the names of trust bundles: a slash cannot be there.
    fn any_signer(&self, a: &Attributes<'_>, spec: PodCertificateRequestSpec<'_>) -> bool {
        let signer = spec.signer_name().replace('/', ":");
        let access = authz::Attributes {
            version: &a.cx.info.version,
            ..authz::Attributes::resource(
                ANY_SIGNER,
                GROUP,
                &signer,
                a.namespace,
                spec.service_account_name(),
            )
        };
        let answer = self.authorizer.authorize(&a.cx.identity, &access);
        answer.is_allowed()
    }
}

/// Whether the pod has a volume with a certificate of the signer.
fn names(pod: Pod<'_>, signer: &str) -> bool {
    let mut volumes = pod.spec().volumes().iter();
    volumes.any(|volume| {
        volume.projected().is_some_and(|projected| {
            projected.sources().iter().any(|source| {
                let certificate = source.pod_certificate();
                certificate.is_some_and(|certificate| certificate.signer_name() == signer)
            })
        })
    })
}

/// No refusal: what is asked for may be so a little later.
fn retry(message: String) -> Status {
    Status::new(500, Reason::Unknown, message, None)
}

fn missing(what: &str, key: &str, resource: &str, name: &str) -> Status {
    retry(format!(
        "while retrieving {what} {} named in the PodCertificateRequest: {resource} {} not found",
        quote(key),
        quote(name)
    ))
}

#[async_trait]
impl Validate for NodePodCertificates {
    fn handles(&self, a: &Attributes<'_>) -> bool {
        a.cx.identity.node().is_some() && a.kind.is(GROUP, RESOURCE)
    }

    async fn validate(
        &self,
        a: &Attributes<'_>,
        new: Option<&Tree>,
        _: Option<&Tree>,
    ) -> Result<(), Status> {
        let (Some(node), Some(new)) = (a.cx.identity.node(), new) else {
            return Err(a.forbidden(new, "unexpected operation DELETE"));
        };
        if a.operation != Operation::Create {
            return Err(a.forbidden(Some(new), "unexpected operation UPDATE"));
        }
        self.consistent(a, new, node).await
    }
}
