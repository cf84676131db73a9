//! May they? Every request is authorized: members of `system:masters` may everything, nodes what the node authorizer
//! grants, everybody what RBAC grants. Nothing denies; what nobody allows is forbidden.
//!
//! Decisions are pure and synchronous, over indexes that the view feeds through [`rbac::PolicySink`] and
//! [`node::NodeSink`]. This module must not know how objects are stored, encoded or transported.

mod attributes;
pub mod bootstrap;
pub mod escalation;
pub mod node;
pub mod rbac;
mod rule;

use parking_lot::RwLock;

use crate::identity::{Identity, MASTERS};
use crate::status::Status;

pub use attributes::{Attributes, FieldRequirement};
pub use rule::Rule;

/// What the authorizers say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Allowed; the reason is for audit and for SubjectAccessReview.
    Allow(String),
    /// Allowed by nobody; what an authorizer has to add, if anything.
    NoOpinion(String),
}

impl Decision {
    /// Whether the request is allowed.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Decision::Allow(_))
    }

    /// Why.
    pub fn reason(&self) -> &str {
        match self {
            Decision::Allow(reason) | Decision::NoOpinion(reason) => reason,
        }
    }
}

/// The authorizers, with what they know of the cluster.
#[derive(Debug, Default)]
pub struct Authorizer {
    /// Roles and bindings.
    pub rbac: RwLock<rbac::Rbac>,
    /// Which objects concern which node.
    pub nodes: RwLock<node::Graph>,
}

impl Authorizer {
    /// Decides.
    pub fn authorize(&self, identity: &Identity, attributes: &Attributes<'_>) -> Decision {
        if identity.in_group(MASTERS) {
            return Decision::Allow(String::new());
        }
        let node = match identity.node() {
            Some(name) => match self.nodes.read().authorize(name, attributes) {
                Ok(()) => return Decision::Allow(String::new()),
                // Upstream names the authorizer whose reason it passes on.
                Err(reason) if !reason.is_empty() => format!("node: {reason}"),
                Err(reason) => reason,
            },
            None => String::new(),
        };
        match self.rbac.read().authorize(identity, attributes) {
            Some(reason) => Decision::Allow(reason),
            None => Decision::NoOpinion(node),
        }
    }

    /// Decides, and says no in upstream's words.
    pub fn require(
        &self,
        identity: &Identity,
        attributes: &Attributes<'_>,
    ) -> Result<String, Status> {
        match self.authorize(identity, attributes) {
            Decision::Allow(reason) => Ok(reason),
            Decision::NoOpinion(reason) => Err(attributes.forbidden(identity, &reason)),
        }
    }
}

/// The verdict of a SubjectAccessReview: its `status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// Whether the subject may.
    pub allowed: bool,
    /// Why, or what an authorizer has to add.
    pub reason: String,
}

impl Authorizer {
    /// Evaluates a SubjectAccessReview (or one of its local and self forms, which differ in whom they ask about).
    pub fn review(&self, subject: &Identity, attributes: &Attributes<'_>) -> Review {
        let decision = self.authorize(subject, attributes);
        Review {
            allowed: decision.is_allowed(),
            reason: decision.reason().to_owned(),
        }
    }

    /// The rules that `subject` has in `namespace`, for a SelfSubjectRulesReview. The second value says whether the list is
    /// incomplete, and why: the node authorizer's grants cannot be listed. Members of `system:masters` are listed as the
    /// ClusterRoleBinding `cluster-admin` has them.
    pub fn rules_for(
        &self,
        subject: &Identity,
        namespace: &str,
    ) -> (Vec<Rule>, Option<&'static str>) {
        let rules = self.rbac.read().rules_for(subject, namespace);
        (
            rules,
            subject
                .node()
                .map(|_| "node authorizer does not support user rule resolution"),
        )
    }
}

#[cfg(test)]
mod tests;
