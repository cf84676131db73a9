//! NodeRestriction: a node changes itself, its pods' status, its leases, and no others'.

use std::collections::BTreeSet;

use api::Tree;
use api::core::v1::{Node, Pod};
use api::view::MapRef;
use async_trait::async_trait;

use super::{Attributes, Lookup, Operation, Validate};
use crate::pod_references::{self, MIRROR};
use crate::registry::{meta, strategy};
use crate::status::{Qualified, Status};

const RESTRICTED: &str = "node-restriction.kubernetes.io";
/// The labels of `kubernetes.io` and `k8s.io` that a kubelet may set on its node.
const OWN_LABELS: [&str; 11] = [
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
];
/// And whole namespaces of such labels.
const OWN_NAMESPACES: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];

/// See the module.
pub struct NodeRestriction {
    lookup: Lookup,
}

impl NodeRestriction {
    /// A step that reads pods and nodes by `lookup`.
    pub fn new(lookup: Lookup) -> NodeRestriction {
        NodeRestriction { lookup }
    }

    fn pod(
        &self,
        node: &str,
        a: &Attributes<'_>,
        new: Option<&Tree>,
        old: Option<&Tree>,
    ) -> Result<(), Status> {
        let refuse = |why: String| Err(a.forbidden(new, why));
        match (a.operation, a.subresource) {
            (Operation::Create, "") => match new {
                Some(pod) => self.mirror(node, a, pod),
                None => Ok(()),
            },
            (Operation::Delete, "") => {
                match old.is_some_and(|pod| Pod::of(pod).spec().node_name() == node) {
                    true => Ok(()),
                    false => refuse(format!(
                        "node {node:?} can only delete pods with spec.nodeName set to itself"
                    )),
                }
            }
            (operation, "") => refuse(format!(
                "unexpected operation {:?}, node {node:?} can only create and delete mirror pods",
                word(operation)
            )),
            (Operation::Update, "status") => {
                let before = old;
                let (Some(new_pod), Some(old)) = (new.map(Pod::of), old.map(Pod::of)) else {
                    return Ok(());
                };
                if old.spec().node_name() != node {
                    return refuse(format!(
                        "node {node:?} can only update pod status for pods with spec.nodeName set to itself"
                    ));
                }
                if changed(old.metadata().labels(), new_pod.metadata().labels())
                    .next()
                    .is_some()
                {
                    return refuse(format!(
                        "node {node:?} cannot update labels through pod status"
                    ));
                }
                for (field, what) in [
                    ("resourceClaimStatuses", "resource claim statues"),
                    (
                        "extendedResourceClaimStatus",
                        "extended resource claim status",
                    ),
                    (
                        "nodeAllocatableResourceClaimStatuses",
                        "node allocatable resource claim statuses",
                    ),
                ] {
                    let of = |pod: Option<&Tree>| {
                        pod.and_then(|p| p.root().path("status")?.get(field).map(Tree::copy_of))
                    };
                    if of(new) != of(before) {
                        return refuse(format!("node {node:?} cannot update {what}"));
                    }
                }
                Ok(())
            }
            (operation, "status") => refuse(format!("unexpected operation {:?}", word(operation))),
            (Operation::Create, "eviction") => {
                let key = format!("{}/{}", a.namespace, a.name);
                let Some(pod) = self.lookup.get("pods/", &key, Pod::TYPE) else {
                    return Err(Status::not_found(Qualified::new("", "pod"), a.name));
                };
                match Pod::of(&pod).spec().node_name() == node {
                    true => Ok(()),
                    false => refuse(format!(
                        "node {node} can only evict pods with spec.nodeName set to itself"
                    )),
                }
            }
            (_, subresource) => refuse(format!(
                "unexpected pod subresource {subresource:?}, only 'status' and 'eviction' are allowed"
            )),
        }
    }

    /// The pods that a node makes stand for those which it runs from files.
    fn mirror(&self, node: &str, a: &Attributes<'_>, tree: &Tree) -> Result<(), Status> {
        let refuse = |why: String| Err(a.forbidden(Some(tree), why));
        let pod = Pod::of(tree);
        if pod.metadata().annotations().get(MIRROR).is_none() {
            return refuse(format!(
                "pod does not have {MIRROR:?} annotation, node {node:?} can only create mirror pods"
            ));
        }
        if pod.spec().node_name() != node {
            return refuse(format!(
                "node {node:?} can only create pods with spec.nodeName set to itself"
            ));
        }
        let owners = pod.metadata().owner_references();
        if owners.len() > 1 {
            return refuse(format!(
                "node {node:?} can only create pods with a single owner reference set to itself"
            ));
        }
        let Some(owner) = owners
            .iter()
            .next()
            .filter(|o| (o.api_version(), o.kind(), o.name()) == ("v1", "Node", node))
        else {
            return refuse(format!(
                "node {node:?} can only create pods with an owner reference set to itself"
            ));
        };
        if owner.controller() != Some(true) {
            return refuse(format!(
                "node {node:?} can only create pods with a controller owner reference set to itself"
            ));
        }
        if owner.block_owner_deletion() == Some(true) {
            return refuse(format!(
                "node {node:?} must not set blockOwnerDeletion on an owner reference"
            ));
        }
        let Some(object) = self.lookup.get("minions/", node, Node::TYPE) else {
            return Err(Status::not_found(Qualified::new("", "node"), node));
        };
        let uid = Node::of(&object).metadata().uid();
        if owner.uid() != uid {
            return refuse(format!(
                "node {node} UID mismatch: expected {} got {uid}",
                owner.uid()
            ));
        }
        match tree.root().get("spec").and_then(pod_references::asks_for) {
            Some(what) => refuse(format!(
                "node {node:?} can not create pods that reference {what}"
            )),
            None => Ok(()),
        }
    }

    fn node(
        &self,
        node: &str,
        a: &Attributes<'_>,
        new: Option<&Tree>,
        old: Option<&Tree>,
    ) -> Result<(), Status> {
        let refuse = |why: String| Err(a.forbidden(new, why));
        let name = match (a.name, new) {
            ("", Some(new)) => meta::of(new).name(),
            (name, _) => name,
        };
        if name != node {
            return refuse(format!(
                "node {node:?} is not allowed to modify node {name:?}"
            ));
        }
        let Some(new_node) = new.map(Node::of) else {
            return Ok(());
        };
        let empty = Tree::new(Node::TYPE);
        let old_tree = old.unwrap_or(&empty);
        let old_node = Node::of(old_tree);
        let new_tree = new.unwrap_or(&empty);
        let differs =
            |path: &str| !strategy::same(new_tree.root().path(path), old_tree.root().path(path));
        if a.operation == Operation::Update {
            if differs("spec.taints") {
                return refuse(format!("node {node:?} is not allowed to modify taints"));
            }
            if differs("metadata.ownerReferences") {
                return refuse(format!(
                    "node {node:?} is not allowed to modify ownerReferences"
                ));
            }
        }
        if new_tree.root().path("spec.configSource").is_some() && differs("spec.configSource") {
            return refuse(match a.operation {
                Operation::Create => format!(
                    "node {node:?} is not allowed to create pods with a non-nil configSource"
                ),
                _ => format!(
                    "node {node:?} is not allowed to update configSource to a new non-nil configSource"
                ),
            });
        }
        let labels: BTreeSet<&str> =
            changed(old_node.metadata().labels(), new_node.metadata().labels())
                .filter(|label| !may_set(label))
                .collect();
        if labels.is_empty() {
            return Ok(());
        }
        let labels: Vec<&str> = labels.into_iter().collect();
        refuse(match a.operation {
            Operation::Create => format!(
                "node {node:?} is not allowed to set the following labels: {}",
                labels.join(", ")
            ),
            _ => format!("is not allowed to modify labels: {}", labels.join(", ")),
        })
    }
}

fn word(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "CREATE",
        Operation::Update => "UPDATE",
        Operation::Delete => "DELETE",
        Operation::Connect => "CONNECT",
    }
}

/// The keys whose values differ.
fn changed<'a>(old: MapRef<'a, str>, new: MapRef<'a, str>) -> impl Iterator<Item = &'a str> {
    let added = new
        .iter()
        .filter(move |(key, value)| old.get(key) != Some(*value))
        .map(|(key, _)| key);
    added.chain(
        old.iter()
            .filter(move |(key, _)| new.get(key).is_none())
            .map(|(key, _)| key),
    )
}

/// Whether a node may set the label on itself.
fn may_set(label: &str) -> bool {
    let namespace = label.split_once('/').map_or("", |(namespace, _)| namespace);
    let within = |domain: &str| {
        namespace == domain
            || namespace
                .strip_suffix(domain)
                .is_some_and(|rest| rest.ends_with('.'))
    };
    if within(RESTRICTED) {
        return false;
    }
    let reserved = within("kubernetes.io") || within("k8s.io");
    !reserved || OWN_LABELS.contains(&label) || OWN_NAMESPACES.iter().any(|own| within(own))
}

#[async_trait]
impl Validate for NodeRestriction {
    fn handles(&self, a: &Attributes<'_>) -> bool {
        a.cx.identity.node().is_some()
    }

    async fn validate(
        &self,
        a: &Attributes<'_>,
        new: Option<&Tree>,
        old: Option<&Tree>,
    ) -> Result<(), Status> {
        let Some(node) = a.cx.identity.node() else {
            return Ok(());
        };
        let resource = &a.kind.resource;
        match (
            resource.group.as_str(),
            resource.name.as_str(),
            a.subresource,
        ) {
            ("", "pods", _) => self.pod(node, a, new, old),
            ("", "nodes", _) => self.node(node, a, new, old),
            ("", "persistentvolumeclaims", "status") => Ok(()),
            ("", "persistentvolumeclaims", _) => {
                Err(a.forbidden(new, "may only update PVC status"))
            }
            ("coordination.k8s.io", "leases", _) => lease(node, a, new),
            ("storage.k8s.io", "csinodes", _)
                if a.name != node && new.map(|n| meta::of(n).name()) != Some(node) =>
            {
                Err(a.forbidden(
                    new,
                    "can only access CSINode with the same name as the requesting node",
                ))
            }
            _ => Ok(()),
        }
    }
}

/// Leases of nodes are named after them.
fn lease(node: &str, a: &Attributes<'_>, new: Option<&Tree>) -> Result<(), Status> {
    if a.namespace != "kube-node-lease" {
        return Err(a.forbidden(
            new,
            "can only access leases in the \"kube-node-lease\" system namespace",
        ));
    }
    let name = match new {
        Some(new) if a.operation == Operation::Create => meta::of(new).name(),
        _ => a.name,
    };
    match name == node {
        true => Ok(()),
        false => Err(a.forbidden(
            new,
            "can only access node lease with the same name as the requesting node",
        )),
    }
}
