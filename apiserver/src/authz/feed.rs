//! Roles and bindings as the view holds them, as changes of the RBAC index.

use std::sync::Arc;

use api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding};

use super::Rule;
use super::rbac::{PolicyChange, RoleRef, Subject};

impl From<PolicyRule<'_>> for Rule {
    fn from(rule: PolicyRule<'_>) -> Rule {
        Rule {
            verbs: rule.verbs().iter().map(Arc::from).collect(),
            groups: rule.api_groups().iter().map(Arc::from).collect(),
            resources: rule.resources().iter().map(Arc::from).collect(),
            names: rule.resource_names().iter().map(Arc::from).collect(),
            urls: rule.non_resource_urls().iter().map(Arc::from).collect(),
        }
    }
}

impl From<ClusterRole<'_>> for PolicyChange {
    fn from(role: ClusterRole<'_>) -> PolicyChange {
        PolicyChange::Role {
            namespace: String::new(),
            name: role.metadata().name().to_owned(),
            rules: role.rules().iter().map(Rule::from).collect(),
        }
    }
}

impl From<Role<'_>> for PolicyChange {
    fn from(role: Role<'_>) -> PolicyChange {
        PolicyChange::Role {
            namespace: role.metadata().namespace().to_owned(),
            name: role.metadata().name().to_owned(),
            rules: role.rules().iter().map(Rule::from).collect(),
        }
    }
}

impl From<ClusterRoleBinding<'_>> for PolicyChange {
    fn from(binding: ClusterRoleBinding<'_>) -> PolicyChange {
        PolicyChange::Binding {
            namespace: String::new(),
            name: binding.metadata().name().to_owned(),
            role: role_ref(binding.role_ref()),
            subjects: binding.subjects().iter().filter_map(subject).collect(),
        }
    }
}

impl From<RoleBinding<'_>> for PolicyChange {
    fn from(binding: RoleBinding<'_>) -> PolicyChange {
        PolicyChange::Binding {
            namespace: binding.metadata().namespace().to_owned(),
            name: binding.metadata().name().to_owned(),
            role: role_ref(binding.role_ref()),
            subjects: binding.subjects().iter().filter_map(subject).collect(),
        }
    }
}

/// The role that a binding refers to; validation lets no other kinds through.
fn role_ref(role: api::rbac::v1::RoleRef<'_>) -> RoleRef {
    match role.kind() {
        "Role" => RoleRef::Role(role.name().to_owned()),
        _ => RoleRef::ClusterRole(role.name().to_owned()),
    }
}

/// Whom a binding is for; a kind that is not known is nobody.
fn subject(subject: api::rbac::v1::Subject<'_>) -> Option<Subject> {
    let name = subject.name().to_owned();
    match subject.kind() {
        "User" => Some(Subject::User(name)),
        "Group" => Some(Subject::Group(name)),
        "ServiceAccount" => Some(Subject::ServiceAccount {
            namespace: subject.namespace().to_owned(),
            name,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::rbac::PolicySink;
    use crate::authz::{Attributes, Authorizer};
    use crate::identity::Identity;
    use api::rbac::v1::{RoleBindingMut, RoleMut};
    use api::tree::Tree;

    #[test]
    fn objects_of_the_view_grant() {
        let mut role = Tree::new(Role::TYPE);
        let mut r = RoleMut::of(&mut role);
        r.metadata_mut().set_namespace("d");
        r.metadata_mut().set_name("reader");
        let mut rule = r.push_rules();
        rule.push_verbs("get");
        rule.push_api_groups("");
        rule.push_resources("pods");
        rule.push_resource_names("x");

        let mut binding = Tree::new(RoleBinding::TYPE);
        let mut b = RoleBindingMut::of(&mut binding);
        b.metadata_mut().set_namespace("d");
        b.metadata_mut().set_name("readers");
        b.role_ref_mut().set_kind("Role");
        b.role_ref_mut().set_name("reader");
        let mut subject = b.push_subjects();
        subject.set_kind("ServiceAccount");
        subject.set_name("robot");

        let authorizer = Authorizer::default();
        let mut rbac = authorizer.rbac.write();
        rbac.apply(Role::of(&role).into());
        rbac.apply(RoleBinding::of(&binding).into());
        drop(rbac);
        let robot = Identity::user("system:serviceaccount:d:robot", []);
        let may = |name| {
            let what = Attributes::resource("get", "", "pods", "d", name);
            authorizer.authorize(&robot, &what).is_allowed()
        };
        assert!(may("x"));
        assert!(!may("y"));
    }
}
