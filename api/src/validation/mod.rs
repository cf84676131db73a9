//! Validation: what upstream refuses, field by field and in its words.
//!
//! [`create`] and [`update`] look at an object whose defaults are filled in. Every kind's metadata is checked; the kinds in
//! [`UNCHECKED`] have no further rules yet. A valid object costs no allocation but for a few short lists: paths are chains on the
//! stack, and a message is made only when something is wrong.
//!
//! Rules know nothing of other objects, of who asks, or of the cluster. Facts: upstream's `pkg/apis/*/validation`.

mod address;
mod api_service;
mod autoscaler;
mod batch;
mod budget;
mod certificates;
mod check;
mod claim;
mod config;
mod daemon_set;
mod endpoint_slice;
mod endpoints;
mod event;
mod flow_schema;
mod format;
mod ingress;
mod ingress_class;
mod ip_address;
mod limit_range;
mod match_resources;
mod meta;
mod migration;
mod names;
mod namespace;
mod network_policy;
mod node;
pub mod options;
mod persistent_volume;
mod pod;
pub mod policies;
mod policy_bindings;
mod policy_parts;
mod priority_level;
mod rbac;
mod resource_quota;
mod runtime_class;
mod service;
mod service_cidr;
mod signing_request;
mod small;
mod stateful_set;
mod storage;
mod url;
pub mod webhooks;
mod workload;

pub use address::endpoint_ip;
pub use config::SIZE_MAX;
pub use meta::ANNOTATIONS_MAX;
pub use small::binding;
pub use workload::scale;

use crate::admissionregistration::v1::{
    MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, MutatingWebhookConfiguration,
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration,
};
use crate::apiregistration::v1::APIService;
use crate::apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet};
use crate::autoscaling::v1::HorizontalPodAutoscaler as AutoscalerV1;
use crate::autoscaling::v2::HorizontalPodAutoscaler;
use crate::batch::v1::{CronJob, Job};
use crate::certificates::v1::{
    CertificateSigningRequest, ClusterTrustBundle, PodCertificateRequest,
};
use crate::coordination::v1::Lease;
use crate::core::v1::{
    ConfigMap, Endpoints, Event, LimitRange, Namespace, Node, PersistentVolume,
    PersistentVolumeClaim, Pod, PodTemplate, ReplicationController, ResourceQuota, Secret, Service,
};
use crate::discovery::v1::EndpointSlice;
use crate::events::v1::Event as EventsEvent;
use crate::field::{Error, ErrorList, Path};
use crate::flowcontrol::v1::{FlowSchema, PriorityLevelConfiguration};
use crate::kinds::Resource;
use crate::networking::v1::{IPAddress, Ingress, IngressClass, NetworkPolicy, ServiceCIDR};
use crate::node::v1::RuntimeClass;
use crate::policy::v1::PodDisruptionBudget;
use crate::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use crate::scheduling::v1::PriorityClass;
use crate::schema::TypeId;
use crate::storage::v1::{
    CSIDriver, CSINode, CSIStorageCapacity, StorageClass, VolumeAttachment, VolumeAttributesClass,
};
use crate::storagemigration::v1::StorageVersionMigration;
use crate::tree::Tree;
use crate::view;

/// A rule for the change from one object (the last) to another.
type Update = fn(&mut ErrorList, &Tree, &Tree);

/// Rules for one kind.
struct Rules {
    ty: TypeId,
    /// A new object.
    create: fn(&mut ErrorList, &Tree),
    /// A changed one.
    update: Update,
    /// Changes through subresources, by name.
    subresources: &'static [(&'static str, Update)],
}

/// A row of [`RULES`]: `rules!(View, |errors, view| create, |errors, new, old| update, "subresource" => |errors, new, old| …)`.
macro_rules! rules {
    ($view:ident, $create:expr, $update:expr $(, $name:literal => $sub:expr)*) => {
        Rules {
            ty: $view::TYPE,
            create: |errors, tree| $create(errors, $view::of(tree)),
            update: |errors, new, old| $update(errors, $view::of(new), $view::of(old)),
            subresources: &[$(($name, |errors, new, old| $sub(errors, $view::of(new), $view::of(old)))),*],
        }
    };
}

/// Every kind with rules of its own.
const RULES: &[Rules] = &[
    Rules {
        ty: Pod::TYPE,
        create: |errors, tree| pod::create(errors, Pod::of(tree)),
        update: pod::update,
        subresources: &[
            ("status", |errors, new, old| {
                pod::status_update(errors, Pod::of(new), Pod::of(old))
            }),
            ("ephemeralcontainers", |errors, new, old| {
                pod::ephemeral_containers(errors, Pod::of(new), Pod::of(old));
            }),
            ("resize", pod::resize),
        ],
    },
    rules!(PodTemplate, pod_template, |errors, new, _| pod_template(
        errors, new
    )),
    Rules {
        ty: PersistentVolumeClaim::TYPE,
        create: |errors, tree| claim::create(errors, PersistentVolumeClaim::of(tree)),
        update: claim::update,
        subresources: &[],
    },
    rules!(ConfigMap, config::config_map, config::config_map_update),
    rules!(Secret, config::secret, config::secret_update),
    rules!(
        Namespace,
        namespace::namespace,
        |errors, new, _| namespace::namespace(errors, new),
        "status" => |errors, new, _| namespace::status(errors, new),
        "finalize" => |errors, new, _| namespace::finalize(errors, new)
    ),
    rules!(
        Node,
        node::create,
        node::update,
        "status" => node::status
    ),
    rules!(
        Service,
        |errors, service| service::check(errors, service, None),
        |errors, new, old| service::check(errors, new, Some(old)),
        "status" => |_: &mut ErrorList, _, _| {}
    ),
    rules!(LimitRange, limit_range::limit_range, |errors, new, _| {
        limit_range::limit_range(errors, new)
    }),
    rules!(
        ResourceQuota,
        resource_quota::create,
        resource_quota::update,
        "status" => |errors, new, _| resource_quota::status_update(errors, new)
    ),
    rules!(Event, event::core, |errors, new, _| event::core(
        errors, new
    )),
    Rules {
        ty: EventsEvent::TYPE,
        create: |errors, tree| event::create(errors, EventsEvent::of(tree)),
        update: event::update,
        subresources: &[],
    },
    rules!(
        Deployment,
        workload::deployment,
        workload::deployment_update,
        "status" => workload::deployment_status
    ),
    rules!(
        ReplicaSet,
        workload::replica_set,
        workload::replica_set_update,
        "status" => |errors, new, _| workload::replica_set_status(errors, new)
    ),
    rules!(
        ReplicationController,
        workload::replication_controller,
        workload::replication_controller_update,
        "status" => |errors, new, _| workload::replication_controller_status(errors, new)
    ),
    rules!(
        StatefulSet,
        stateful_set::create,
        stateful_set::update,
        "status" => stateful_set::status
    ),
    rules!(
        DaemonSet,
        daemon_set::create,
        daemon_set::update,
        "status" => daemon_set::status
    ),
    rules!(
        ControllerRevision,
        daemon_set::revision,
        daemon_set::revision_update
    ),
    rules!(
        PodDisruptionBudget,
        budget::check,
        |errors, new, _| budget::check(errors, new),
        "status" => |errors, new, _| budget::status(errors, new)
    ),
    rules!(Job, batch::job, batch::job_update, "status" => batch::job_status),
    rules!(CronJob, batch::cron_job, batch::cron_job_update),
    rules!(
        ClusterTrustBundle,
        certificates::trust_bundle,
        certificates::trust_bundle_update
    ),
    rules!(
        PodCertificateRequest,
        certificates::pod_request,
        certificates::pod_request_update,
        "status" => |errors, new, _| certificates::pod_request_status(errors, new)
    ),
    rules!(Role, rbac::role, |errors, new, _| rbac::role(errors, new)),
    rules!(ClusterRole, rbac::cluster_role, |errors, new, _| {
        rbac::cluster_role(errors, new)
    }),
    rules!(RoleBinding, rbac::role_binding, rbac::role_binding_update),
    rules!(
        ClusterRoleBinding,
        rbac::cluster_role_binding,
        rbac::cluster_role_binding_update
    ),
    // Of these the rules are asked by who knows their language: see `policies`.
    rules!(
        ValidatingAdmissionPolicy,
        |_: &mut ErrorList, _| {},
        |_: &mut ErrorList, _, _| {}
    ),
    rules!(
        MutatingAdmissionPolicy,
        |_: &mut ErrorList, _| {},
        |_: &mut ErrorList, _, _| {}
    ),
    rules!(
        ValidatingAdmissionPolicyBinding,
        policy_bindings::validating_binding,
        |errors, new, _| policy_bindings::validating_binding(errors, new)
    ),
    rules!(
        MutatingAdmissionPolicyBinding,
        policy_bindings::mutating_binding,
        |errors, new, _| policy_bindings::mutating_binding(errors, new)
    ),
    rules!(Lease, small::lease, |errors, new, _| small::lease(
        errors, new
    )),
    rules!(
        PriorityClass,
        small::priority_class,
        small::priority_class_update
    ),
    Rules {
        ty: PersistentVolume::TYPE,
        create: |errors, tree| persistent_volume::create(errors, PersistentVolume::of(tree)),
        update: persistent_volume::update,
        subresources: &[],
    },
    rules!(
        StorageClass,
        storage::storage_class,
        storage::storage_class_update
    ),
    rules!(
        VolumeAttributesClass,
        storage::attributes_class,
        storage::attributes_class_update
    ),
    rules!(
        VolumeAttachment,
        storage::attachment,
        storage::attachment_update,
        "status" => storage::attachment_update
    ),
    rules!(CSIDriver, storage::driver, storage::driver_update),
    rules!(CSINode, storage::node, storage::node_update),
    rules!(
        CSIStorageCapacity,
        storage::capacity,
        storage::capacity_update
    ),
    rules!(RuntimeClass, runtime_class::create, runtime_class::update),
    rules!(Ingress, ingress::create, ingress::update, "status" => ingress::status),
    rules!(IngressClass, ingress_class::create, ingress_class::update),
    rules!(
        NetworkPolicy,
        network_policy::create,
        network_policy::update
    ),
    rules!(IPAddress, ip_address::create, ip_address::update),
    rules!(ServiceCIDR, service_cidr::create, service_cidr::update),
    rules!(
        EndpointSlice,
        endpoint_slice::create,
        endpoint_slice::update
    ),
    rules!(Endpoints, endpoints::create, endpoints::update),
    rules!(
        APIService,
        api_service::create,
        |errors, new, _| api_service::update(errors, new),
        "status" => |errors, new, _| api_service::status(errors, new)
    ),
    rules!(
        HorizontalPodAutoscaler,
        autoscaler::create,
        autoscaler::update,
        "status" => |errors, new, _| autoscaler::status(errors, new)
    ),
    Rules {
        ty: AutoscalerV1::TYPE,
        create: autoscaler::create_v1,
        update: autoscaler::update_v1,
        subresources: &[("status", autoscaler::status_v1)],
    },
    rules!(
        CertificateSigningRequest,
        signing_request::create,
        signing_request::update,
        "status" => signing_request::status,
        "approval" => signing_request::approval
    ),
    rules!(
        FlowSchema,
        flow_schema::check,
        |errors, new, _| flow_schema::check(errors, new),
        "status" => |errors, new, _| flow_schema::status(errors, new)
    ),
    rules!(
        PriorityLevelConfiguration,
        priority_level::check,
        |errors, new, _| priority_level::check(errors, new),
        "status" => |errors, new, _| priority_level::status(errors, new)
    ),
    Rules {
        ty: MutatingWebhookConfiguration::TYPE,
        create: webhooks::create,
        update: webhooks::update,
        subresources: &[],
    },
    Rules {
        ty: ValidatingWebhookConfiguration::TYPE,
        create: webhooks::create,
        update: webhooks::update,
        subresources: &[],
    },
    rules!(
        StorageVersionMigration,
        migration::create,
        migration::update,
        "status" => migration::status
    ),
];

fn pod_template(errors: &mut ErrorList, template: PodTemplate<'_>) {
    pod::template(errors, &Path::new("template"), template.template());
}

/// Group and resource of the kinds whose metadata alone is checked. (ServiceAccounts have no further rules upstream either.)
pub const UNCHECKED: &[(&str, &str)] = &[
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("resource.k8s.io", "deviceclasses"),
    ("resource.k8s.io", "devicetaintrules"),
    ("resource.k8s.io", "resourceclaims"),
    ("resource.k8s.io", "resourceclaimtemplates"),
    ("resource.k8s.io", "resourceslices"),
];

fn rules_of(tree: &Tree) -> Option<&'static Rules> {
    RULES.iter().find(|rules| rules.ty == tree.type_id())
}

/// What is wrong with a new object, whose defaults and name are filled in; nothing if it is valid. Custom resources get the
/// checks of their metadata.
pub fn create(resource: &Resource, tree: &Tree) -> ErrorList {
    let mut errors = ErrorList::new();
    meta::create(&mut errors, view::metadata(tree), names::scope(resource));
    for message in names::composed(resource, tree) {
        let name = view::metadata(tree).name();
        errors.push(Error::invalid(&Path::new("metadata.name"), name, message));
    }
    if let Some(rules) = rules_of(tree) {
        (rules.create)(&mut errors, tree);
    }
    errors
}

/// What is wrong with an object that changes from `old` to `new`, itself (`subresource` is "") or through a subresource.
pub fn update(resource: &Resource, subresource: &str, new: &Tree, old: &Tree) -> ErrorList {
    let mut errors = ErrorList::new();
    let scope = names::scope(resource);
    meta::update(&mut errors, view::metadata(new), view::metadata(old), scope);
    let Some(rules) = rules_of(new) else {
        return errors;
    };
    if subresource.is_empty() {
        (rules.update)(&mut errors, new, old);
    } else if let Some((_, rule)) = rules
        .subresources
        .iter()
        .find(|(name, _)| *name == subresource)
    {
        rule(&mut errors, new, old);
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kinds;

    #[test]
    fn every_stored_kind_has_rules_or_is_listed() {
        for resource in Kinds::builtin().resources() {
            let listed = UNCHECKED.contains(&(resource.group.as_str(), resource.name.as_str()));
            let checked = RULES.iter().any(|rules| rules.ty == resource.type_id)
                || resource.name == "serviceaccounts";
            let stored = resource.storage.is_some();
            assert_eq!(
                listed,
                stored && !checked,
                "{} {}",
                resource.group,
                resource.name
            );
        }
    }
}
