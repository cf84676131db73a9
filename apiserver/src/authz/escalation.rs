//! Nobody grants what they do not have.
//!
//! Writing a role needs every right that the role gives, or the verb `escalate` on it; writing a binding needs every right
//! that the bound role gives, or the verb `bind` on that role. Members of `system:masters` have every right.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::field::quote;

use super::rbac::RoleRef;
use super::{Attributes, Authorizer, Rule};
use crate::identity::{Identity, MASTERS};

const GROUP: &str = "rbac.authorization.k8s.io";

/// Why a role or a binding may not be written; the message is upstream's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Escalation(String);

impl Authorizer {
    /// Whether `identity` may write a role of `rules`: in `namespace`, or (empty) a ClusterRole.
    pub fn may_write_role(
        &self,
        identity: &Identity,
        namespace: &str,
        name: &str,
        rules: &[Rule],
    ) -> Result<(), Escalation> {
        let resource = if namespace.is_empty() {
            "clusterroles"
        } else {
            "roles"
        };
        let escalate = Attributes::resource("escalate", GROUP, resource, namespace, name);
        if identity.in_group(MASTERS) || self.authorize(identity, &escalate).is_allowed() {
            return Ok(());
        }
        self.confirm(identity, namespace, rules)
    }

    /// Whether `identity` may write a binding to `role`: in `namespace`, or (empty) a ClusterRoleBinding. A role that does
    /// not exist gives nothing, but only those who may bind it may name it: upstream answers 404 for it, as the caller does
    /// with `None`.
    pub fn may_bind(
        &self,
        identity: &Identity,
        namespace: &str,
        role: &RoleRef,
    ) -> Result<Option<()>, Escalation> {
        let (resource, name) = match role {
            RoleRef::ClusterRole(name) => ("clusterroles", name),
            RoleRef::Role(name) => ("roles", name),
        };
        let bind = Attributes::resource("bind", GROUP, resource, namespace, name);
        if identity.in_group(MASTERS) || self.authorize(identity, &bind).is_allowed() {
            return Ok(Some(()));
        }
        let rules = self.rbac.read().role(role, namespace).cloned();
        match rules {
            None => Ok(None),
            Some(rules) => self.confirm(identity, namespace, &rules).map(Some),
        }
    }

    fn confirm(
        &self,
        identity: &Identity,
        namespace: &str,
        wanted: &[Rule],
    ) -> Result<(), Escalation> {
        let own = self.rbac.read().rules_for(identity, namespace);
        let missing: Vec<Rule> = wanted
            .iter()
            .flat_map(Rule::atoms)
            .filter(|atom| !own.iter().any(|rule| rule.covers(atom)))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mut lines: Vec<String> = compact(missing).iter().map(Rule::describe).collect();
        lines.sort();
        lines.dedup();
        let groups: Vec<String> = identity.groups.iter().map(|g| quote(g)).collect();
        Err(Escalation(format!(
            "user {} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
            quote(&identity.name),
            groups.join(" "),
            lines.join("\n")
        )))
    }
}

/// Joins the verbs of parts that are otherwise equal.
fn compact(atoms: Vec<Rule>) -> Vec<Rule> {
    type Key = (Vec<Arc<str>>, Vec<Arc<str>>, Vec<Arc<str>>);
    let mut by_resource: BTreeMap<Key, Rule> = BTreeMap::new();
    let mut out = Vec::new();
    for atom in atoms {
        if atom.resources.is_empty() {
            out.push(atom);
            continue;
        }
        let key = (
            atom.groups.clone(),
            atom.resources.clone(),
            atom.names.clone(),
        );
        match by_resource.get_mut(&key) {
            Some(rule) => rule.verbs.extend(atom.verbs),
            None => {
                by_resource.insert(key, atom);
            }
        }
    }
    out.extend(by_resource.into_values());
    out
}
