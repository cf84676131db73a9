//! Nobody writes a role that grants, or a binding to a role that grants, what they may not do themselves (upstream:
//! `registry/rbac/*/policybased`).

use std::sync::Arc;

use api::{Tree, kinds};
use async_trait::async_trait;

use super::{Attributes, Operation, Validate};
use crate::authz::Authorizer;
use crate::authz::rbac::RoleRef;
use crate::registry::{meta, strategy};
use crate::server::policy::{role, rules};
use crate::status::{Qualified, Status};

const GROUP: &str = "rbac.authorization.k8s.io";

/// See the module.
pub struct RbacEscalation {
    authorizer: Arc<Authorizer>,
}

impl RbacEscalation {
    /// A step that asks `authorizer`.
    pub fn new(authorizer: Arc<Authorizer>) -> RbacEscalation {
        RbacEscalation { authorizer }
    }
}

fn resource<'a>(a: &'a Attributes<'_>) -> &'a kinds::Resource {
    &a.kind.resource
}

#[async_trait]
impl Validate for RbacEscalation {
    fn handles(&self, a: &Attributes<'_>) -> bool {
        resource(a).group == GROUP && matches!(a.operation, Operation::Create | Operation::Update)
    }

    async fn validate(
        &self,
        a: &Attributes<'_>,
        new: Option<&Tree>,
        old: Option<&Tree>,
    ) -> Result<(), Status> {
        let Some(new) = new else { return Ok(()) };
        // Labels and the like may be changed by those who may write the object.
        let granted = ["rules", "roleRef", "subjects", "aggregationRule"];
        let unchanged = |old: &Tree| {
            granted
                .iter()
                .all(|f| strategy::same(new.root().get(f), old.root().get(f)))
        };
        if old.is_some_and(unchanged) {
            return Ok(());
        }
        let (identity, name) = (&a.cx.identity, meta::of(new).name());
        let namespace = meta::of(new).namespace();
        let refused = |why: String| Status::forbidden(a.kind.qualified(), name, why);
        match resource(a).name.as_str() {
            "roles" | "clusterroles" => self
                .authorizer
                .may_write_role(identity, namespace, name, &rules(new))
                .map_err(|escalation| refused(escalation.to_string())),
            _ => {
                let Some(role) = role(new) else { return Ok(()) };
                match self.authorizer.may_bind(identity, namespace, &role) {
                    Ok(Some(())) => Ok(()),
                    Ok(None) => Err(missing(&role)),
                    Err(escalation) => Err(refused(escalation.to_string())),
                }
            }
        }
    }
}

fn missing(role: &RoleRef) -> Status {
    let (resource, name) = match role {
        RoleRef::ClusterRole(name) => ("clusterroles", name),
        RoleRef::Role(name) => ("roles", name),
    };
    Status::not_found(Qualified::new(GROUP, resource), name)
}
