//! What a node may do: with the objects that concern it, and no others (upstream: the Node authorizer).
//!
//! A pod concerns the node that it is bound to; a secret, config map, service account or claim concerns the nodes of the
//! pods that name it; a volume the nodes of the pods that claim it, and so on. The view feeds the edges. The admission step
//! NodeRestriction looks into bodies; this module sees none.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use super::{Attributes, Rule};

/// The kinds of objects that the graph knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // Named after the kinds.
pub enum Kind {
    Pod,
    Secret,
    ConfigMap,
    ServiceAccount,
    PersistentVolumeClaim,
    PersistentVolume,
    ResourceClaim,
    ResourceSlice,
    VolumeAttachment,
    PodCertificateRequest,
}

/// An object: kind, namespace (empty at the cluster scope) and name.
pub type Object = (Kind, String, String);

/// What an object says about whom it concerns: the node it is bound to, and the objects that it names (a pod's secrets and
/// claims; a claim-bound volume is told by the volume, which names its secrets and is named by its claim).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edges {
    /// The node that the object concerns by itself.
    pub node: Option<String>,
    /// What it gives that node (and every node that it comes to concern) to read.
    pub names: Vec<Object>,
    /// The object whose nodes it concerns: a volume's claim.
    pub follows: Option<Object>,
}

/// What the view feeds.
pub trait NodeSink {
    /// The object has these edges now; empty ones if it is gone.
    fn set_edges(&mut self, object: Object, edges: Edges);
}

/// Which objects concern which node.
#[derive(Debug, Default)]
pub struct Graph {
    edges: HashMap<Object, Edges>,
    /// By object: who names it, or whom it follows.
    named_by: HashMap<Object, HashSet<Object>>,
}

impl NodeSink for Graph {
    fn set_edges(&mut self, object: Object, edges: Edges) {
        if let Some(old) = self.edges.remove(&object) {
            for named in old.names {
                if let Some(by) = self.named_by.get_mut(&named) {
                    by.remove(&object);
                    if by.is_empty() {
                        self.named_by.remove(&named);
                    }
                }
            }
        }
        if edges != Edges::default() {
            for named in &edges.names {
                self.named_by
                    .entry(named.clone())
                    .or_default()
                    .insert(object.clone());
            }
            self.edges.insert(object, edges);
        }
    }
}

type Verdict = Result<(), String>;

fn allow_if(allowed: bool, otherwise: &str) -> Verdict {
    if allowed {
        Ok(())
    } else {
        Err(otherwise.to_owned())
    }
}

impl Graph {
    /// Whether the object concerns the node.
    fn concerns(&self, object: &Object, node: &str) -> bool {
        let (mut open, mut seen) = (vec![object], HashSet::new());
        while let Some(object) = open.pop() {
            if !seen.insert(object) {
                continue;
            }
            if let Some(edges) = self.edges.get(object) {
                if edges.node.as_deref() == Some(node) {
                    return true;
                }
                open.extend(&edges.follows);
            }
            // An object that names this one, and is bound to another node, leads nowhere else.
            open.extend(self.named_by.get(object).into_iter().flatten());
        }
        false
    }

    /// Whether `node` may; if not, what is to be said of it.
    pub fn authorize(&self, node: &str, a: &Attributes<'_>) -> Verdict {
        if !a.is_resource {
            return self.by_rules(a);
        }
        match (a.group, a.resource) {
            ("", "secrets") => self.read_namespaced(node, Kind::Secret, a),
            ("", "configmaps") => self.read_namespaced(node, Kind::ConfigMap, a),
            ("", "persistentvolumeclaims") if a.subresource == "status" => {
                allow_if(
                    matches!(a.verb, "update" | "patch"),
                    "can only get/update/patch this type",
                )?;
                self.related(node, Kind::PersistentVolumeClaim, a)
            }
            ("", "persistentvolumeclaims") => self.get(node, Kind::PersistentVolumeClaim, a),
            ("", "persistentvolumes") => self.get(node, Kind::PersistentVolume, a),
            ("resource.k8s.io", "resourceclaims") => self.get(node, Kind::ResourceClaim, a),
            ("storage.k8s.io", "volumeattachments") => self.get(node, Kind::VolumeAttachment, a),
            ("", "serviceaccounts") => self.service_account(node, a),
            ("coordination.k8s.io", "leases") => lease(node, a),
            ("storage.k8s.io", "csinodes") => csi_node(node, a),
            ("resource.k8s.io", "resourceslices") => self.resource_slice(node, a),
            ("", "nodes") => own_node(node, a),
            ("", "pods") => self.pod(node, a),
            ("certificates.k8s.io", "podcertificaterequests") => {
                self.pod_certificate_request(node, a)
            }
            _ => self.by_rules(a),
        }
    }

    fn by_rules(&self, a: &Attributes<'_>) -> Verdict {
        allow_if(RULES.iter().any(|rule| rule.allows(a)), "")
    }

    fn related(&self, node: &str, kind: Kind, a: &Attributes<'_>) -> Verdict {
        allow_if(!a.name.is_empty(), "No Object name found")?;
        let object = (kind, a.namespace.to_owned(), a.name.to_owned());
        match self.concerns(&object, node) {
            true => Ok(()),
            false => Err(format!(
                "no relationship found between node '{node}' and this object"
            )),
        }
    }

    fn get(&self, node: &str, kind: Kind, a: &Attributes<'_>) -> Verdict {
        allow_if(
            a.verb == "get",
            "can only get individual resources of this type",
        )?;
        allow_if(a.subresource.is_empty(), "cannot get subresource")?;
        self.related(node, kind, a)
    }

    fn read_namespaced(&self, node: &str, kind: Kind, a: &Attributes<'_>) -> Verdict {
        allow_if(
            matches!(a.verb, "get" | "list" | "watch"),
            "can only read resources of this type",
        )?;
        allow_if(a.subresource.is_empty(), "cannot read subresource")?;
        allow_if(
            !a.namespace.is_empty(),
            "can only read namespaced object of this type",
        )?;
        self.related(node, kind, a)
    }

    fn service_account(&self, node: &str, a: &Attributes<'_>) -> Verdict {
        if a.verb == "get" && a.subresource.is_empty() {
            return self.read_namespaced(node, Kind::ServiceAccount, a);
        }
        allow_if(
            a.verb == "create" && !a.name.is_empty(),
            "can only create tokens for individual service accounts",
        )?;
        allow_if(
            a.subresource == "token",
            "can only create token subresource of serviceaccount",
        )?;
        self.related(node, Kind::ServiceAccount, a)
    }

    fn pod(&self, node: &str, a: &Attributes<'_>) -> Verdict {
        match (a.subresource, a.verb) {
            ("", "get") => self.get(node, Kind::Pod, a),
            ("", "list" | "watch") => {
                if selects(a, "spec.nodeName", node) {
                    return Ok(());
                }
                allow_if(
                    !a.name.is_empty(),
                    "can only list/watch pods with spec.nodeName field selector",
                )?;
                self.related(node, Kind::Pod, a)
            }
            // NodeRestriction admits mirror pods and pods of this node only.
            ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create") => {
                Ok(())
            }
            _ => Err(String::new()),
        }
    }

    fn resource_slice(&self, node: &str, a: &Attributes<'_>) -> Verdict {
        allow_if(
            a.subresource.is_empty(),
            "cannot authorize ResourceSlice subresources",
        )?;
        match a.verb {
            // NodeRestriction compares the node's name.
            "create" => Ok(()),
            "get" | "update" | "patch" | "delete" => self.related(node, Kind::ResourceSlice, a),
            "watch" | "list" | "deletecollection" => allow_if(
                selects(a, "spec.nodeName", node),
                "can only list/watch/deletecollection resourceslices with nodeName field selector",
            ),
            _ => Err("only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, \
                      delete, deletecollection"
                .to_owned()),
        }
    }

    fn pod_certificate_request(&self, node: &str, a: &Attributes<'_>) -> Verdict {
        allow_if(
            a.subresource.is_empty(),
            "nodes may not access the status subresource of PodCertificateRequests",
        )?;
        match a.verb {
            // NodeRestriction looks closer.
            "create" => Ok(()),
            "get" => self.related(node, Kind::PodCertificateRequest, a),
            "list" | "watch" => allow_if(
                selects(a, "spec.nodeName", node),
                "can only list/watch podcertificaterequests with nodeName field selector",
            ),
            verb => Err(format!("nodes may not {verb} podcertificaterequests")),
        }
    }

    /// The nodes that an object concerns by itself or through others; for tests and diagnosis.
    pub fn nodes_of(&self, object: &Object) -> BTreeSet<String> {
        let nodes: BTreeSet<&String> = self
            .edges
            .values()
            .filter_map(|e| e.node.as_ref())
            .collect();
        nodes
            .into_iter()
            .filter(|n| self.concerns(object, n))
            .cloned()
            .collect()
    }
}

fn selects(a: &Attributes<'_>, field: &str, value: &str) -> bool {
    a.field_requirements()
        .any(|r| r.field == field && r.value == value)
}

fn lease(node: &str, a: &Attributes<'_>) -> Verdict {
    allow_if(
        matches!(a.verb, "get" | "create" | "update" | "patch" | "delete"),
        "can only get, create, update, patch, or delete a node lease",
    )?;
    allow_if(
        a.namespace == "kube-node-lease",
        "can only access leases in the \"kube-node-lease\" system namespace",
    )?;
    // The name is not known on create; NodeRestriction compares it.
    allow_if(
        a.verb == "create" || a.name == node,
        "can only access node lease with the same name as the requesting node",
    )
}

fn csi_node(node: &str, a: &Attributes<'_>) -> Verdict {
    match a.subresource {
        "" => allow_if(
            matches!(a.verb, "get" | "create" | "update" | "patch" | "delete"),
            "can only get, create, update, patch, or delete a CSINode",
        )?,
        "status" => return Err("CSINode status access requires CSIVolumeHealth feature".to_owned()),
        _ => return Err("cannot authorize CSINode subresources".to_owned()),
    }
    allow_if(
        a.verb == "create" || a.name == node,
        "can only access CSINode with the same name as the requesting node",
    )
}

fn own_node(node: &str, a: &Attributes<'_>) -> Verdict {
    match (a.subresource, a.verb) {
        // NodeRestriction limits these to the node's own object.
        ("", "create" | "update" | "patch") | ("status", "update" | "patch") => Ok(()),
        ("", "get" | "list" | "watch") => match a.name {
            name if name == node => Ok(()),
            "" => Err(format!(
                "node '{node}' cannot read all nodes, only its own Node object"
            )),
            name => Err(format!(
                "node '{node}' cannot read '{name}', only its own Node object"
            )),
        },
        _ => Err(String::new()),
    }
}

/// What every node may do with what is not subdivided: the rules of the ClusterRole `system:node`.
static RULES: LazyLock<Vec<Rule>> =
    LazyLock::new(|| super::bootstrap::Policy::builtin().cluster_role("system:node"));
