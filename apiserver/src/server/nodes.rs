//! Which objects concern which node, from the view to the authorizer.

use std::sync::{Arc, LazyLock};

use api::certificates::v1::PodCertificateRequest;
use api::codec::protobuf;
use api::core::v1::{Container, PersistentVolume, Pod, PodSpec};
use api::storage::v1::VolumeAttachment;
use api::{Tree, TypeId};

use crate::authz::Authorizer;
use crate::authz::node::{Edges, Kind, NodeSink, Object as Named};
use crate::view::{Derived, Event, Object};

/// The version that requests for pods' certificates are stored in, of which there is no typed view.
static STORED_REQUEST: LazyLock<TypeId> = LazyLock::new(|| {
    let schema = api::Schema::builtin();
    schema
        .type_of_kind("certificates.k8s.io", "v1beta1", "PodCertificateRequest")
        .unwrap_or(PodCertificateRequest::TYPE)
});

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
                // A pod's status says nothing of whom it concerns: nearly all changes end here.
                let bound = |o: &Object| !o.projection().field(0).is_empty();
                if event.old.as_deref().is_some_and(bound) && new.is_some_and(bound) {
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
    let unknown = protobuf::unwrap_unknown(object.value()).ok()?;
    protobuf::decode(
        api::Schema::builtin(),
        ty,
        object.value().slice(unknown.raw),
    )
    .ok()
}

fn pod(tree: &Tree, namespace: &str) -> Edges {
    let spec = Pod::of(tree).spec();
    let mut names: Vec<Named> = Vec::new();
    let mut add = |kind: Kind, name: &str| {
        if !name.is_empty() {
            names.push((kind, namespace.to_owned(), name.to_owned()));
        }
    };
    add(Kind::ServiceAccount, spec.service_account_name());
    spec.image_pull_secrets()
        .iter()
        .for_each(|secret| add(Kind::Secret, secret.name()));
    containers(spec, &mut add);
    for volume in spec.volumes().iter() {
        if let Some(secret) = volume.secret() {
            add(Kind::Secret, secret.secret_name());
        }
        if let Some(map) = volume.config_map() {
            add(Kind::ConfigMap, map.name());
        }
        if let Some(claim) = volume.persistent_volume_claim() {
            add(Kind::PersistentVolumeClaim, claim.claim_name());
        }
        if volume.ephemeral().is_some() {
            let claim = format!("{}-{}", Pod::of(tree).metadata().name(), volume.name());
            add(Kind::PersistentVolumeClaim, &claim);
        }
        for source in volume
            .projected()
            .into_iter()
            .flat_map(|p| p.sources().iter().collect::<Vec<_>>())
        {
            if let Some(secret) = source.secret() {
                add(Kind::Secret, secret.name());
            }
            if let Some(map) = source.config_map() {
                add(Kind::ConfigMap, map.name());
            }
        }
    }
    Edges {
        node: Some(spec.node_name().to_owned()),
        names,
        follows: None,
    }
}

fn containers(spec: PodSpec<'_>, add: &mut impl FnMut(Kind, &str)) {
    let mut container = |c: Container<'_>| {
        for env in c.env().iter().filter_map(|env| env.value_from()) {
            if let Some(secret) = env.secret_key_ref() {
                add(Kind::Secret, secret.name());
            }
            if let Some(map) = env.config_map_key_ref() {
                add(Kind::ConfigMap, map.name());
            }
        }
        for from in c.env_from().iter() {
            if let Some(secret) = from.secret_ref() {
                add(Kind::Secret, secret.name());
            }
            if let Some(map) = from.config_map_ref() {
                add(Kind::ConfigMap, map.name());
            }
        }
    };
    spec.containers().iter().for_each(&mut container);
    spec.init_containers().iter().for_each(&mut container);
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
