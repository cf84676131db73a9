//! What is particular to a kind in the way of a write: a row of [`Strategy`], and where that is not enough a file of rules.
//!
//! Defaults and validation are the api crate's. Here is what depends on the request: what a client may not set, when the
//! generation grows, how deletion proceeds.

mod api_services;
mod certificate;
mod claims;
mod namespace;
mod node;
mod pod;
mod service;
mod volumes;
mod workloads;

pub use certificate::prepare_approval;
pub use pod::{prepare_ephemeral_containers, prepare_resize};
use std::time::Duration;

use api::{Ref, Tree};

use crate::registry::meta;
use crate::request::DeleteOptions;

/// When an object's generation grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// The kind has none.
    None,
    /// It is 1 from the start, and stays.
    One,
    /// It starts at 1 and grows when anything but metadata and status changes, or one of these maps of the metadata.
    Spec(&'static [&'static str]),
    /// It grows so, but starts at none.
    Unstarted,
}

/// What becomes of dependents when a delete does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Garbage {
    /// They are collected afterwards.
    Collect,
    /// They are left (deprecated kinds).
    Orphan,
    /// The kind takes no part in garbage collection.
    Unsupported,
}

/// What is particular to a kind.
#[derive(Clone, Copy)]
pub struct Strategy {
    /// A PUT makes the object if it is not there.
    pub create_on_update: bool,
    /// A new object without any name is given one.
    pub names_itself: bool,
    /// A PUT without a resourceVersion overwrites whatever is there.
    pub unconditional_update: bool,
    /// A delete answers the object instead of a Status.
    pub returns_deleted: bool,
    /// What becomes of dependents.
    pub garbage: Garbage,
    /// When the generation grows.
    pub generation: Generation,
    /// A client may set status only through its own endpoint.
    pub guards_status: bool,
    /// A status update leaves all metadata but managedFields as it was.
    pub status_keeps_metadata: bool,
    /// Objects go by themselves after this time.
    pub ttl: Option<Duration>,
    /// What is code.
    pub rules: &'static dyn Rules,
}

/// What of a kind is code. Trees have defaults applied.
pub trait Rules: Send + Sync + 'static {
    /// Before a new object is validated.
    fn prepare_create(&self, new: &mut Tree, now: i64) {
        let _ = (new, now);
    }

    /// Before an update is validated.
    fn prepare_update(&self, new: &mut Tree, old: &Tree) {
        let _ = (new, old);
    }

    /// Before a status update is validated.
    fn prepare_status(&self, new: &mut Tree, old: &Tree, now: i64) {
        let _ = (new, old, now);
    }

    /// The seconds of grace that a deletion is given; `None` where there is no graceful deletion.
    fn grace(&self, object: &Tree, options: &DeleteOptions) -> Option<i64> {
        let _ = (object, options);
        None
    }

    /// Whether an object without finalizers that is being deleted may go.
    fn may_go(&self, object: &Tree) -> bool {
        let _ = object;
        true
    }
}

/// Nothing particular.
pub struct Plain;

impl Rules for Plain {}

const DEFAULT: Strategy = Strategy {
    create_on_update: false,
    names_itself: false,
    unconditional_update: true,
    returns_deleted: false,
    garbage: Garbage::Collect,
    generation: Generation::None,
    guards_status: false,
    status_keeps_metadata: false,
    ttl: None,
    rules: &Plain,
};

/// How long Events live: upstream's default.
const EVENT_TTL: Duration = Duration::from_secs(3600);

/// The strategy of a built-in resource. `status` says whether it has a status endpoint.
pub fn of(group: &str, resource: &str, status: bool) -> Strategy {
    let spec = Generation::Spec(&[]);
    let base = Strategy {
        guards_status: status,
        ..DEFAULT
    };
    let conditional = Strategy {
        unconditional_update: false,
        ..base
    };
    match (group, resource) {
        ("", "pods") => Strategy {
            returns_deleted: true,
            generation: spec,
            rules: &pod::Pods,
            ..base
        },
        ("", "namespaces") => Strategy {
            returns_deleted: true,
            rules: &namespace::Namespaces,
            ..base
        },
        ("", "nodes") => Strategy {
            guards_status: false,
            rules: &node::Nodes,
            ..base
        },
        ("", "persistentvolumes") => Strategy {
            returns_deleted: true,
            rules: &volumes::Volumes,
            ..base
        },
        ("", "persistentvolumeclaims") => Strategy {
            returns_deleted: true,
            rules: &claims::Claims,
            ..base
        },
        ("", "resourcequotas" | "serviceaccounts") => Strategy {
            returns_deleted: true,
            ..base
        },
        ("", "services") => Strategy {
            returns_deleted: true,
            create_on_update: true,
            rules: &service::Services,
            ..base
        },
        ("", "podtemplates") => Strategy {
            returns_deleted: true,
            create_on_update: false,
            generation: spec,
            ..base
        },
        ("", "replicationcontrollers") => Strategy {
            garbage: Garbage::Orphan,
            generation: spec,
            ..base
        },
        ("" | "events.k8s.io", "events") => Strategy {
            create_on_update: true,
            garbage: Garbage::Unsupported,
            ttl: Some(EVENT_TTL),
            ..base
        },
        ("", "limitranges") => Strategy {
            create_on_update: true,
            names_itself: true,
            ..base
        },
        ("", "endpoints") => Strategy {
            create_on_update: true,
            ..base
        },
        ("", "secrets") => Strategy {
            rules: &workloads::Secrets,
            ..base
        },
        ("apps", "deployments") => Strategy {
            generation: Generation::Spec(&["annotations"]),
            rules: &workloads::Deployments,
            ..base
        },
        ("apps", "daemonsets") => Strategy {
            generation: spec,
            rules: &workloads::DaemonSets,
            ..base
        },
        ("batch", "jobs") => Strategy {
            generation: spec,
            rules: &workloads::Jobs,
            ..base
        },
        ("apps", "replicasets" | "statefulsets") | ("batch", "cronjobs") => Strategy {
            generation: spec,
            ..base
        },
        ("autoscaling", "horizontalpodautoscalers") => Strategy {
            generation: spec,
            ..base
        },
        ("networking.k8s.io", "ingresses" | "networkpolicies" | "ingressclasses") => Strategy {
            generation: spec,
            ..base
        },
        ("discovery.k8s.io", "endpointslices") => Strategy {
            generation: Generation::Spec(&["labels"]),
            ..base
        },
        ("policy", "poddisruptionbudgets") => Strategy {
            generation: spec,
            ..conditional
        },
        ("scheduling.k8s.io", "priorityclasses") => Strategy {
            generation: Generation::One,
            ..base
        },
        ("scheduling.k8s.io", _) => conditional,
        ("rbac.authorization.k8s.io", _) => Strategy {
            create_on_update: true,
            ..base
        },
        ("coordination.k8s.io", _) => Strategy {
            create_on_update: true,
            ..conditional
        },
        ("node.k8s.io", "runtimeclasses") => Strategy {
            create_on_update: true,
            ..conditional
        },
        ("flowcontrol.apiserver.k8s.io", _) => Strategy {
            generation: spec,
            status_keeps_metadata: true,
            ..base
        },
        ("admissionregistration.k8s.io", _) => Strategy {
            generation: spec,
            ..conditional
        },
        ("resource.k8s.io", "resourceslices" | "deviceclasses" | "devicetaintrules") => Strategy {
            returns_deleted: resource != "devicetaintrules",
            generation: spec,
            status_keeps_metadata: true,
            ..base
        },
        ("resource.k8s.io", _) => Strategy {
            returns_deleted: true,
            status_keeps_metadata: true,
            ..base
        },
        ("storage.k8s.io", "csidrivers") => Strategy {
            returns_deleted: true,
            generation: Generation::Unstarted,
            ..conditional
        },
        ("storage.k8s.io", "volumeattachments") => Strategy {
            returns_deleted: true,
            status_keeps_metadata: true,
            ..conditional
        },
        ("storage.k8s.io", "csinodes") => Strategy {
            returns_deleted: true,
            status_keeps_metadata: true,
            ..conditional
        },
        ("storage.k8s.io", "csistoragecapacities") => conditional,
        ("storage.k8s.io", "storageclasses" | "volumeattributesclasses") => Strategy {
            returns_deleted: true,
            ..base
        },
        ("networking.k8s.io", "servicecidrs") => Strategy {
            status_keeps_metadata: true,
            ..base
        },
        ("certificates.k8s.io", "certificatesigningrequests") => Strategy {
            rules: &certificate::Requests,
            ..base
        },
        ("certificates.k8s.io", "clustertrustbundles") => conditional,
        ("certificates.k8s.io", "podcertificaterequests") => Strategy {
            status_keeps_metadata: true,
            ..conditional
        },
        ("storagemigration.k8s.io", _) => Strategy {
            status_keeps_metadata: true,
            ..conditional
        },
        ("internal.apiserver.k8s.io", _) => Strategy {
            status_keeps_metadata: true,
            ..conditional
        },
        ("apiextensions.k8s.io", _) => Strategy {
            generation: spec,
            unconditional_update: false,
            status_keeps_metadata: true,
            ..base
        },
        ("apiregistration.k8s.io", _) => Strategy {
            unconditional_update: false,
            status_keeps_metadata: true,
            rules: &api_services::Services,
            ..base
        },
        _ => base,
    }
}

impl Strategy {
    /// What a client may not set on a new object is taken away, what the server says is set.
    pub fn prepare_create(&self, new: &mut Tree, now: i64) {
        if self.guards_status {
            meta::remove(&mut new.root_mut(), "status");
        }
        if matches!(self.generation, Generation::One | Generation::Spec(_)) {
            meta::of_mut(new).set("generation", 1);
        }
        self.rules.prepare_create(new, now);
    }

    /// What a client may not change is put back; the generation grows.
    pub fn prepare_update(&self, new: &mut Tree, old: &Tree) {
        meta::of_mut(new).set("generation", meta::of(old).generation());
        if self.guards_status {
            keep(new, old, "status");
        }
        self.rules.prepare_update(new, old);
        self.count_generation(new, old);
    }

    /// The generation is the old one, or one more if what is wanted has changed.
    pub fn count_generation(&self, new: &mut Tree, old: &Tree) {
        let grown = i64::from(self.grows(new, old));
        meta::of_mut(new).set("generation", meta::of(old).generation() + grown);
    }

    fn grows(&self, new: &Tree, old: &Tree) -> bool {
        let maps = match self.generation {
            Generation::None | Generation::One => return false,
            Generation::Spec(maps) => maps,
            Generation::Unstarted => &[],
        };
        let meta = |tree: &Tree, map: &str| meta::of(tree).get(map).map(Tree::copy_of);
        maps.iter().any(|map| meta(new, map) != meta(old, map)) || !same_but_metadata(new, old)
    }

    /// What a status update may not change is put back.
    pub fn prepare_status(&self, new: &mut Tree, old: &Tree, now: i64) {
        let fields: Vec<String> = [new.root(), old.root()]
            .iter()
            .filter_map(|root| root.ty())
            .take(1)
            .flat_map(|ty| ty.fields.iter().map(|f| f.name.clone()))
            .filter(|name| !matches!(name.as_str(), "metadata" | "status" | "kind" | "apiVersion"))
            .collect();
        for field in fields {
            keep(new, old, &field);
        }
        meta::of_mut(new).set("generation", meta::of(old).generation());
        if self.status_keeps_metadata {
            keep_metadata(new, old);
        }
        self.rules.prepare_status(new, old, now);
    }
}

/// Puts what a client may write of the metadata back to what it was.
pub fn keep_metadata(new: &mut Tree, old: &Tree) {
    let (old, mut new) = (meta::of(old), meta::of_mut(new));
    for field in [
        "deletionTimestamp",
        "generation",
        "labels",
        "annotations",
        "finalizers",
        "ownerReferences",
    ] {
        new.copy(field, old);
    }
}

/// Puts a field of the object back to what it was.
pub fn keep(new: &mut Tree, old: &Tree, field: &str) {
    let same = match (new.root().get(field), old.root().get(field)) {
        (Some(new), Some(old)) => new.same(old),
        (None, None) => true,
        _ => false,
    };
    if !same {
        meta::copy(&mut new.root_mut(), field, old.root().get(field));
    }
}

/// Whether two objects are the same but for metadata, status, kind and apiVersion.
fn same_but_metadata(a: &Tree, b: &Tree) -> bool {
    let Some(ty) = a.root().ty() else {
        return a == b;
    };
    let relevant = |name: &str| !matches!(name, "metadata" | "status" | "kind" | "apiVersion");
    ty.fields
        .iter()
        .filter(|field| relevant(&field.name))
        .all(|field| same(a.root().get(&field.name), b.root().get(&field.name)))
}

/// Whether two fields hold the same; an absent one is the same as an empty one.
pub fn same(a: Option<Ref<'_>>, b: Option<Ref<'_>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.same(b),
        (None, None) => true,
        (Some(one), None) | (None, Some(one)) => one.is_zero(),
    }
}
