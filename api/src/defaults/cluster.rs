//! The core group's other kinds, and small kinds of other groups.

use super::pod::missing;
use super::{Rule, rules};
use crate::authentication::v1::{TokenRequestSpec, TokenRequestSpecMut};
use crate::core::v1::{
    LimitRangeItem, LimitRangeItemMut, Namespace, NamespaceMut, NamespaceStatus,
    NamespaceStatusMut, NodeSpec, NodeSpecMut, NodeStatus, NodeStatusMut, Secret, SecretMut,
};
use crate::rbac::v1::{
    ClusterRoleBinding, ClusterRoleBindingMut, RoleBinding, RoleBindingMut, Subject, SubjectMut,
};
use crate::scheduling::v1::{PriorityClass, PriorityClassMut};

pub(super) const RULES: &[Rule] = rules![
    ClusterRoleBinding => |mut binding: ClusterRoleBindingMut<'_>| binding.role_ref_mut().default_api_group(RBAC),
    LimitRangeItem => limit_range_item,
    Namespace => namespace,
    NamespaceStatus => |mut status: NamespaceStatusMut<'_>| status.default_phase("Active"),
    NodeSpec => node_spec,
    NodeStatus => node_status,
    PriorityClass => |mut class: PriorityClassMut<'_>| class.default_preemption_policy("PreemptLowerPriority"),
    RoleBinding => |mut binding: RoleBindingMut<'_>| binding.role_ref_mut().default_api_group(RBAC),
    Secret => secret,
    Subject => subject,
    TokenRequestSpec => |mut spec: TokenRequestSpecMut<'_>| spec.default_expiration_seconds(3600),
];

const RBAC: &str = "rbac.authorization.k8s.io";

fn subject(mut subject: SubjectMut<'_>) {
    if matches!(subject.view().kind(), "User" | "Group") {
        subject.default_api_group(RBAC);
    }
}

/// `stringData` is for writing alone: it goes over `data`.
fn secret(mut secret: SecretMut<'_>) {
    if secret.view().has_string_data() {
        let strings: Vec<(String, String)> = secret
            .view()
            .string_data()
            .iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        for (key, value) in strings {
            secret.data_mut().insert(&key, value.as_bytes());
        }
        secret.remove_string_data();
    }
    secret.default_type("Opaque");
}

/// Every namespace can be selected by its name. One whose name is still to be generated gets the label when it has one.
fn namespace(mut namespace: NamespaceMut<'_>) {
    const LABEL: &str = "kubernetes.io/metadata.name";
    let metadata = namespace.view().metadata();
    let name = metadata.name();
    if !name.is_empty() && metadata.labels().get(LABEL) != Some(name) {
        let name = name.to_owned();
        namespace.metadata_mut().labels_mut().insert(LABEL, &name);
    }
}

/// `podCIDR` is the first of `podCIDRs`; where they differ it wins.
fn node_spec(mut spec: NodeSpecMut<'_>) {
    let view = spec.view();
    let (cidr, first) = (
        view.pod_cidr(),
        view.pod_cidrs().first().unwrap_or_default(),
    );
    if cidr == first {
        return;
    }
    if cidr.is_empty() {
        let first = first.to_owned();
        spec.set_pod_cidr(&first);
    } else {
        let cidr = cidr.to_owned();
        spec.remove_pod_cidrs();
        spec.push_pod_cidrs(&cidr);
    }
}

fn node_status(mut status: NodeStatusMut<'_>) {
    let view = status.view();
    if view.has_capacity() && !view.has_allocatable() {
        for (name, quantity) in missing(view.capacity(), view.allocatable()) {
            status.allocatable_mut().insert(&name, quantity);
        }
    }
}

/// For containers, the largest is the default limit, the default limit the default request, and the least the last resort.
fn limit_range_item(mut item: LimitRangeItemMut<'_>) {
    if item.view().type_() != "Container" {
        return;
    }
    let add = missing(item.view().max(), item.view().default());
    for (name, quantity) in add {
        item.default_mut().insert(&name, quantity);
    }
    let add = missing(item.view().default(), item.view().default_request());
    for (name, quantity) in add {
        item.default_request_mut().insert(&name, quantity);
    }
    let add = missing(item.view().min(), item.view().default_request());
    for (name, quantity) in add {
        item.default_request_mut().insert(&name, quantity);
    }
}
