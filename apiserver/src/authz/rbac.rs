//! Role-based access control over an index by subject.
//!
//! A decision looks up the caller's name and groups, cluster-wide and in the namespace, and tries the rules of the roles
//! bound there: it never walks all bindings. Roles are shared by their bindings, and a binding whose role is missing grants
//! nothing until the role appears.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use api::field::quote;

use super::{Attributes, Rule};
use crate::identity::{Identity, service_account_user};

/// Whom a binding is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A user by name.
    User(String),
    /// A group.
    Group(String),
    /// A service account; an empty namespace is the binding's own.
    ServiceAccount {
        /// The account's namespace.
        namespace: String,
        /// The account's name.
        name: String,
    },
}

/// Which role a binding refers to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RoleRef {
    /// A ClusterRole.
    ClusterRole(String),
    /// A Role of the binding's namespace.
    Role(String),
}

impl RoleRef {
    fn parts(&self) -> (&'static str, &str) {
        match self {
            RoleRef::ClusterRole(name) => ("ClusterRole", name),
            RoleRef::Role(name) => ("Role", name),
        }
    }
}

/// A change of roles or bindings, as the view tells it. An empty namespace means a ClusterRole or ClusterRoleBinding.
#[derive(Clone, Debug)]
pub enum PolicyChange {
    /// A role has these rules now.
    Role {
        /// The role's namespace.
        namespace: String,
        /// The role's name.
        name: String,
        /// All its rules.
        rules: Vec<Rule>,
    },
    /// A role is gone.
    RoleGone {
        /// The role's namespace.
        namespace: String,
        /// The role's name.
        name: String,
    },
    /// A binding reads so now.
    Binding {
        /// The binding's namespace.
        namespace: String,
        /// The binding's name.
        name: String,
        /// The role.
        role: RoleRef,
        /// For whom.
        subjects: Vec<Subject>,
    },
    /// A binding is gone.
    BindingGone {
        /// The binding's namespace.
        namespace: String,
        /// The binding's name.
        name: String,
    },
}

/// What the view feeds.
pub trait PolicySink {
    /// Applies one change.
    fn apply(&mut self, change: PolicyChange);
}

/// Namespace (empty: the cluster) and name.
type Key = (String, String);

/// The bindings of one scope, by whom they are for: users and service accounts by user name, groups by name.
#[derive(Debug, Default)]
struct Scope {
    users: HashMap<String, Vec<Grant>>,
    groups: HashMap<String, Vec<Grant>>,
}

#[derive(Clone, Debug)]
struct Grant {
    binding: Arc<str>,
    role: RoleRef,
}

/// Roles and bindings, indexed.
#[derive(Debug, Default)]
pub struct Rbac {
    cluster_roles: HashMap<String, Arc<[Rule]>>,
    /// By namespace, then name.
    roles: HashMap<String, HashMap<String, Arc<[Rule]>>>,
    /// For whom each binding is: what has to be taken out of the index when it changes.
    bindings: BTreeMap<Key, Vec<Subject>>,
    cluster: Scope,
    namespaces: HashMap<String, Scope>,
}

impl PolicySink for Rbac {
    fn apply(&mut self, change: PolicyChange) {
        match change {
            PolicyChange::Role {
                namespace,
                name,
                rules,
            } if namespace.is_empty() => {
                self.cluster_roles.insert(name, rules.into());
            }
            PolicyChange::Role {
                namespace,
                name,
                rules,
            } => {
                self.roles
                    .entry(namespace)
                    .or_default()
                    .insert(name, rules.into());
            }
            PolicyChange::RoleGone { namespace, name } if namespace.is_empty() => {
                self.cluster_roles.remove(&name);
            }
            PolicyChange::RoleGone { namespace, name } => {
                if let Some(roles) = self.roles.get_mut(&namespace) {
                    roles.remove(&name);
                    if roles.is_empty() {
                        self.roles.remove(&namespace);
                    }
                }
            }
            PolicyChange::Binding {
                namespace,
                name,
                role,
                subjects,
            } => {
                self.unbind(&namespace, &name);
                self.bind(&namespace, &name, &role, &subjects);
                self.bindings.insert((namespace, name), subjects);
            }
            PolicyChange::BindingGone { namespace, name } => self.unbind(&namespace, &name),
        }
    }
}

impl Rbac {
    fn scope_mut(&mut self, namespace: &str) -> &mut Scope {
        match namespace {
            "" => &mut self.cluster,
            namespace => self.namespaces.entry(namespace.to_owned()).or_default(),
        }
    }

    fn bind(&mut self, namespace: &str, name: &str, role: &RoleRef, subjects: &[Subject]) {
        let grant = Grant {
            binding: Arc::from(name),
            role: role.clone(),
        };
        let scope = self.scope_mut(namespace);
        for subject in subjects {
            let Some((is_group, key)) = index_key(subject, namespace) else {
                continue;
            };
            let index = if is_group {
                &mut scope.groups
            } else {
                &mut scope.users
            };
            let grants = index.entry(key).or_default();
            // A subject named twice is granted once.
            if !grants.iter().any(|g| *g.binding == *name) {
                grants.push(grant.clone());
            }
        }
    }

    fn unbind(&mut self, namespace: &str, name: &str) {
        let Some(old) = self
            .bindings
            .remove(&(namespace.to_owned(), name.to_owned()))
        else {
            return;
        };
        let scope = self.scope_mut(namespace);
        for subject in &old {
            let Some((is_group, key)) = index_key(subject, namespace) else {
                continue;
            };
            let index = if is_group {
                &mut scope.groups
            } else {
                &mut scope.users
            };
            if let Some(grants) = index.get_mut(&key) {
                grants.retain(|g| *g.binding != *name);
                if grants.is_empty() {
                    index.remove(&key);
                }
            }
        }
        if !namespace.is_empty() && scope.users.is_empty() && scope.groups.is_empty() {
            self.namespaces.remove(namespace);
        }
    }

    /// The rules of a role as a binding in `namespace` sees it.
    pub fn role(&self, role: &RoleRef, namespace: &str) -> Option<&Arc<[Rule]>> {
        match role {
            RoleRef::ClusterRole(name) => self.cluster_roles.get(name),
            RoleRef::Role(name) => self.roles.get(namespace)?.get(name),
        }
    }

    /// Calls `visit` with every grant and its rules that the identity has in the cluster and in `namespace`, until it
    /// answers something.
    fn visit<T>(
        &self,
        identity: &Identity,
        namespace: &str,
        mut visit: impl FnMut(&str, &Grant, Source<'_>, &[Rule]) -> Option<T>,
    ) -> Option<T> {
        let local = (!namespace.is_empty())
            .then(|| self.namespaces.get(namespace))
            .flatten();
        for (scope, at) in [(Some(&self.cluster), ""), (local, namespace)] {
            let Some(scope) = scope else { continue };
            let users = scope
                .users
                .get(&identity.name)
                .map(|grants| (grants, Source::User(&identity.name)));
            let groups = identity
                .groups
                .iter()
                .filter_map(|g| scope.groups.get(g).map(|grants| (grants, Source::Group(g))));
            for (grants, source) in users.into_iter().chain(groups) {
                for grant in grants {
                    if let Some(rules) = self.role(&grant.role, at)
                        && let Some(answer) = visit(at, grant, source, rules)
                    {
                        return Some(answer);
                    }
                }
            }
        }
        None
    }

    /// Why the request is allowed, if it is.
    pub fn authorize(&self, identity: &Identity, attributes: &Attributes<'_>) -> Option<String> {
        self.visit(
            identity,
            attributes.namespace,
            |namespace, grant, source, rules| {
                rules
                    .iter()
                    .any(|rule| rule.allows(attributes))
                    .then(|| explain(namespace, grant, source))
            },
        )
    }

    /// Every rule that the identity has in the cluster and in `namespace`.
    pub fn rules_for(&self, identity: &Identity, namespace: &str) -> Vec<Rule> {
        let mut all = Vec::new();
        let mut seen = Vec::new();
        self.visit(identity, namespace, |at, grant, _, rules| {
            // A binding that names both the user and one of its groups counts once.
            let id = (at.to_owned(), Arc::clone(&grant.binding));
            if !seen.contains(&id) {
                seen.push(id);
                all.extend_from_slice(rules);
            }
            None::<()>
        });
        all
    }
}

/// Through what an identity came to a grant.
#[derive(Clone, Copy)]
enum Source<'a> {
    User(&'a str),
    Group(&'a str),
}

fn index_key(subject: &Subject, binding_namespace: &str) -> Option<(bool, String)> {
    match subject {
        Subject::User(name) => Some((false, name.clone())),
        Subject::Group(name) => Some((true, name.clone())),
        Subject::ServiceAccount { namespace, name } => {
            let namespace = if namespace.is_empty() {
                binding_namespace
            } else {
                namespace
            };
            (!namespace.is_empty()).then(|| (false, service_account_user(namespace, name)))
        }
    }
}

/// The reason that upstream gives, namespaces after names included.
fn explain(namespace: &str, grant: &Grant, source: Source<'_>) -> String {
    let (kind, name) = grant.role.parts();
    let subject = match source {
        Source::Group(name) => format!("Group {}", quote(name)),
        Source::User(name) => match crate::identity::split_service_account(name) {
            Some((namespace, name)) => {
                format!("ServiceAccount {}", quote(&format!("{name}/{namespace}")))
            }
            None => format!("User {}", quote(name)),
        },
    };
    let binding = match namespace {
        "" => format!("ClusterRoleBinding {}", quote(&grant.binding)),
        namespace => format!(
            "RoleBinding {}",
            quote(&format!("{}/{namespace}", grant.binding))
        ),
    };
    format!(
        "RBAC: allowed by {binding} of {kind} {} to {subject}",
        quote(name)
    )
}
