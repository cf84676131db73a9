//! The table of the rules: which apply to a new object of a kind, to a changed one, and to one that changes through a subresource.
//!
//! One row a kind; a kind without one is in [`super::UNCHECKED`].

use super::{
    api_service, autoscaler, batch, budget, certificates, claim, config, daemon_set,
    endpoint_slice, endpoints, event, flow_schema, ingress, ingress_class, ip_address, limit_range,
    migration, namespace, network_policy, node, persistent_volume, pod, policy_bindings,
    priority_level, rbac, resource_quota, runtime_class, service, service_cidr, signing_request,
    small, stateful_set, storage, webhooks, workload,
};
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
use crate::field::{ErrorList, Path};
use crate::flowcontrol::v1::{FlowSchema, PriorityLevelConfiguration};
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

/// A rule for the change from one object (the last) to another.
type Update = fn(&mut ErrorList, &Tree, &Tree);

/// Rules for one kind.
pub(super) struct Rules {
    pub ty: TypeId,
    /// A new object.
    pub create: fn(&mut ErrorList, &Tree),
    /// A changed one.
    pub update: Update,
    /// Changes through subresources, by name.
    pub subresources: &'static [(&'static str, Update)],
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
pub(super) const RULES: &[Rules] = &[
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
        policy_bindings::new_validating_binding,
        |errors, new, _| policy_bindings::validating_binding(errors, new)
    ),
    rules!(
        MutatingAdmissionPolicyBinding,
        policy_bindings::new_mutating_binding,
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

/// The rules of an object's kind; none if there are none.
pub(super) fn of(tree: &Tree) -> Option<&'static Rules> {
    RULES.iter().find(|rules| rules.ty == tree.type_id())
}
