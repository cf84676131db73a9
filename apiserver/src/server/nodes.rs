//! Which objects concern which node, from the view to the authorizer.

use std::sync::{Arc, LazyLock};

use api::certificates::v1::PodCertificateRequest;
use api::core::v1::{PersistentVolume, Pod};
use api::storage::v1::VolumeAttachment;
use api::{Tree, TypeId};

use crate::authz::Authorizer;
use crate::authz::node::{Edges, Kind, NodeSink};
use crate::codec::object::decode_as;
use crate::pod_references::{self, MIRROR};
use crate::view::project::part;
use crate::view::{Derived, Event, Object};

/// The version that requests for pods' certificates are stored in, of which there is no typed view.
static STORED_REQUEST: LazyLock<TypeId> = LazyLock::new(|| {
    let schema = api::Schema::builtin();
    schema
        .type_of_kind("certificates.k8s.io", "v1beta1", "PodCertificateRequest")
        .unwrap_or(PodCertificateRequest::TYPE)
});

/// A pod's number of its spec.
const SPEC: u32 = 2;

/// Feeds pods, their requests for certificates, volumes and attachments to the node authorizer.
pub struct NodeFeed {
    authorizer: Arc<Authorizer>,
}

impl NodeFeed {
    /// A feed of `authorizer`.
    pub fn new(authorizer: Arc<Authorizer>) -> NodeFeed {
        NodeFeed { authorizer }
    }
}

impl Derived for NodeFeed {
    fn wants(&self, prefix: &str) -> bool {
        matches!(
            prefix,
            "pods/" | "persistentvolumes/" | "volumeattachments/" | "podcertificaterequests/"
        )
    }

    fn apply(&self, prefix: &str, event: &Event) {
        let Some(subject) = event.subject() else {
            return;
        };
        let (namespace, name) = (subject.namespace().to_owned(), subject.name().to_owned());
        let new = event.new.as_deref();
        let (kind, edges) = match prefix {
            "pods/" => {
                let bound = |o: &Object| !o.projection().field(0).is_empty();
                if let (Some(old), Some(new)) = (event.old.as_deref(), new)
                    && bound(old)
                    && same_spec(old, new)
                {
                    // A pod's status says nothing of whom it concerns: nearly all changes end here.
                    return;
                }
                (
                    Kind::Pod,
                    new.filter(|o| bound(o))
                        .and_then(|o| decode(o, Pod::TYPE))
                        .map(|t| pod(&t, &namespace)),
                )
            }
            "persistentvolumes/" => (
                Kind::PersistentVolume,
                new.and_then(|o| decode(o, PersistentVolume::TYPE))
                    .map(|t| volume(&t)),
            ),
            "podcertificaterequests/" => (
                Kind::PodCertificateRequest,
                new.and_then(|o| decode(o, *STORED_REQUEST))
                    .map(|t| pod_certificate_request(&t)),
            ),
            _ => (
                Kind::VolumeAttachment,
                new.and_then(|o| decode(o, VolumeAttachment::TYPE))
                    .map(|t| attachment(&t)),
            ),
        };
        self.authorizer
            .nodes
            .write()
            .set_edges((kind, namespace, name), edges.unwrap_or_default());
    }
}

fn decode(object: &Object, ty: TypeId) -> Option<Tree> {
    decode_as(object.value(), ty)
}

fn same_spec(old: &Object, new: &Object) -> bool {
    let old = part(old.value(), SPEC);
    old.is_some() && old == part(new.value(), SPEC)
}

fn pod(tree: &Tree, namespace: &str) -> Edges {
    let pod = Pod::of(tree);
    let mut edges = Edges {
        node: Some(pod.spec().node_name().to_owned()),
        ..Edges::default()
    };
    // What a node may create must not open anything to it: admission refuses such mirror pods, too.
    let mirror = pod.metadata().annotations().get(MIRROR).is_some();
    let Some(spec) = tree.root().get("spec").filter(|_| !mirror) else {
        return edges;
    };
    let account = pod.spec().service_account_name();
    let accounts = Some(account).filter(|name| !name.is_empty());
    let accounts = accounts.map(|name| (Kind::ServiceAccount, name.to_owned()));
    let secrets = pod_references::secrets(spec).into_iter();
    let maps = pod_references::config_maps(spec).into_iter();
    let claims = pod_references::claims(pod.metadata().name(), spec);
    edges.names = accounts
        .into_iter()
        .chain(secrets.map(|name| (Kind::Secret, name.to_owned())))
        .chain(maps.map(|name| (Kind::ConfigMap, name.to_owned())))
        .chain(
            claims
                .into_iter()
                .map(|name| (Kind::PersistentVolumeClaim, name)),
        )
        .map(|(kind, name)| (kind, namespace.to_owned(), name))
        .collect();
    edges
}

/// It concerns the node that it names, which asked for it.
fn pod_certificate_request(tree: &Tree) -> Edges {
    let node = tree.root().path("spec.nodeName");
    Edges {
        node: node.and_then(|node| Some(node.as_str()?.to_owned())),
        ..Edges::default()
    }
}

fn volume(tree: &Tree) -> Edges {
    let spec = PersistentVolume::of(tree).spec();
    let follows = spec.claim_ref().map(|claim| {
        (
            Kind::PersistentVolumeClaim,
            claim.namespace().to_owned(),
            claim.name().to_owned(),
        )
    });
    let secrets = spec.csi().into_iter().flat_map(|csi| {
        [
            csi.node_stage_secret_ref(),
            csi.node_publish_secret_ref(),
            csi.node_expand_secret_ref(),
        ]
        .into_iter()
        .flatten()
    });
    let names = secrets
        .map(|s| (Kind::Secret, s.namespace().to_owned(), s.name().to_owned()))
        .collect();
    Edges {
        node: None,
        names,
        follows,
    }
}

fn attachment(tree: &Tree) -> Edges {
    Edges {
        node: Some(VolumeAttachment::of(tree).spec().node_name().to_owned()),
        ..Edges::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(metadata: &str) -> Edges {
        let json = format!(
            r#"{{"metadata":{metadata},"spec":{{"nodeName":"n1","serviceAccountName":"a",
            "ephemeralContainers":[{{"name":"e","envFrom":[{{"secretRef":{{"name":"s"}}}}]}}],
            "volumes":[{{"name":"v","configMap":{{"name":"m"}}}},{{"name":"t","ephemeral":{{}}}}]}}}}"#
        );
        let mut strict = api::codec::json::Strict::new();
        let schema = api::Schema::builtin();
        let tree = api::codec::json::decode(schema, Pod::TYPE, json.into_bytes(), &mut strict);
        pod(&tree.unwrap(), "ns")
    }

    #[test]
    fn a_pod_opens_to_its_node_what_it_names_and_a_mirror_pod_nothing() {
        let of = |kind, name: &str| (kind, "ns".to_owned(), name.to_owned());
        let found = edges(r#"{"name":"p"}"#);
        assert_eq!(found.node.as_deref(), Some("n1"));
        let all = [
            of(Kind::ServiceAccount, "a"),
            of(Kind::Secret, "s"),
            of(Kind::ConfigMap, "m"),
            of(Kind::PersistentVolumeClaim, "p-t"),
        ];
        assert_eq!(found.names, all);
        let mirror = edges(r#"{"name":"p","annotations":{"kubernetes.io/config.mirror":"hash"}}"#);
        assert_eq!(mirror.node.as_deref(), Some("n1"));
        assert!(mirror.names.is_empty());
    }
}
