//! Roles and bindings, from the view to the authorizer.

use std::sync::Arc;

use api::{Ref, Tree};

use crate::authz::rbac::{PolicyChange, PolicySink, RoleRef, Subject};
use crate::authz::{Authorizer, Rule};
use crate::codec::object::decode_as;
use crate::view::{Derived, Event, Object};

const PREFIXES: [(&str, &str); 4] = [
    ("roles/", "Role"),
    ("clusterroles/", "ClusterRole"),
    ("rolebindings/", "RoleBinding"),
    ("clusterrolebindings/", "ClusterRoleBinding"),
];

/// Feeds roles and bindings to the authorizer.
pub struct PolicyFeed {
    authorizer: Arc<Authorizer>,
}

impl PolicyFeed {
    /// A feed of `authorizer`.
    pub fn new(authorizer: Arc<Authorizer>) -> PolicyFeed {
        PolicyFeed { authorizer }
    }
}

impl Derived for PolicyFeed {
    fn wants(&self, prefix: &str) -> bool {
        PREFIXES.iter().any(|(p, _)| *p == prefix)
    }

    fn apply(&self, prefix: &str, event: &Event) {
        let Some((_, kind)) = PREFIXES.iter().find(|(p, _)| *p == prefix) else {
            return;
        };
        let Some(subject) = event.subject() else {
            return;
        };
        let (namespace, name) = (subject.namespace().to_owned(), subject.name().to_owned());
        let tree = event.new.as_ref().map(|object| decode(kind, object));
        let change = match (tree, kind.ends_with("Binding")) {
            (None, false) => PolicyChange::RoleGone { namespace, name },
            (None, true) => PolicyChange::BindingGone { namespace, name },
            // What cannot be read grants nothing.
            (Some(None), false) => PolicyChange::Role {
                namespace,
                name,
                rules: Vec::new(),
            },
            (Some(None), true) => PolicyChange::BindingGone { namespace, name },
            (Some(Some(tree)), false) => PolicyChange::Role {
                namespace,
                name,
                rules: rules(&tree),
            },
            (Some(Some(tree)), true) => match role(&tree) {
                Some(role) => PolicyChange::Binding {
                    namespace,
                    name,
                    role,
                    subjects: subjects(&tree),
                },
                None => PolicyChange::BindingGone { namespace, name },
            },
        };
        self.authorizer.rbac.write().apply(change);
    }
}

fn decode(kind: &str, object: &Object) -> Option<Tree> {
    let ty = api::Schema::builtin().type_of_kind("rbac.authorization.k8s.io", "v1", kind)?;
    decode_as(object.value(), ty)
}

fn text<'a>(node: Ref<'a>, field: &str) -> &'a str {
    node.get(field).and_then(Ref::as_str).unwrap_or_default()
}

/// The rules of a role.
pub fn rules(role: &Tree) -> Vec<Rule> {
    let list = |rule: Ref<'_>, field: &str| -> Vec<Arc<str>> {
        rule.get(field)
            .into_iter()
            .flat_map(Ref::items)
            .filter_map(Ref::as_str)
            .map(Arc::from)
            .collect()
    };
    let rule = |rule: Ref<'_>| Rule {
        verbs: list(rule, "verbs"),
        groups: list(rule, "apiGroups"),
        resources: list(rule, "resources"),
        names: list(rule, "resourceNames"),
        urls: list(rule, "nonResourceURLs"),
    };
    role.root()
        .get("rules")
        .into_iter()
        .flat_map(Ref::items)
        .map(rule)
        .collect()
}

/// The role of a binding.
pub fn role(binding: &Tree) -> Option<RoleRef> {
    let role = binding.root().get("roleRef")?;
    let name = text(role, "name").to_owned();
    match text(role, "kind") {
        "ClusterRole" => Some(RoleRef::ClusterRole(name)),
        "Role" => Some(RoleRef::Role(name)),
        _ => None,
    }
}

fn subjects(binding: &Tree) -> Vec<Subject> {
    let subject = |s: Ref<'_>| {
        let name = text(s, "name").to_owned();
        match text(s, "kind") {
            "User" => Some(Subject::User(name)),
            "Group" => Some(Subject::Group(name)),
            "ServiceAccount" => Some(Subject::ServiceAccount {
                namespace: text(s, "namespace").to_owned(),
                name,
            }),
            _ => None,
        }
    };
    binding
        .root()
        .get("subjects")
        .into_iter()
        .flat_map(Ref::items)
        .filter_map(subject)
        .collect()
}
