//! Bindings of roles.

use api::Tree;
use api::meta::v1::ObjectMeta;
use api::rbac::v1::{ClusterRoleBinding, RoleBinding, RoleRef, Subject};
use api::view::List;
use serde_json::Value;

use super::age::Now;
use super::cells;
use super::text::separated;

pub fn role_binding(object: &Tree, now: Now) -> Vec<Value> {
    let binding = RoleBinding::of(object);
    cells_of(
        binding.metadata(),
        binding.role_ref(),
        binding.subjects(),
        now,
    )
}

pub fn cluster_role_binding(object: &Tree, now: Now) -> Vec<Value> {
    let binding = ClusterRoleBinding::of(object);
    cells_of(
        binding.metadata(),
        binding.role_ref(),
        binding.subjects(),
        now,
    )
}

fn cells_of(
    meta: ObjectMeta<'_>,
    role: RoleRef<'_>,
    subjects: List<'_, Subject<'_>>,
    now: Now,
) -> Vec<Value> {
    let of_kind = |kind: &'static str| {
        subjects
            .iter()
            .filter(move |subject| subject.kind() == kind)
    };
    let names = |kind| separated(of_kind(kind).map(|subject| subject.name()), ", ");
    let accounts = of_kind("ServiceAccount")
        .map(|account| format!("{}/{}", account.namespace(), account.name()));
    cells![
        meta.name(),
        format!("{}/{}", role.kind(), role.name()),
        now.since(meta.creation_timestamp()),
        names("User"),
        names("Group"),
        separated(accounts, ", "),
    ]
}
