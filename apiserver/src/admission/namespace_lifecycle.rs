//! NamespaceLifecycle: nothing new in a namespace that is not there or is going, and three namespaces never go.

use api::Tree;
use api::core::v1::Namespace;
use async_trait::async_trait;

use super::{Attributes, Lookup, Mutate, Operation, Validate};
use crate::status::{Cause, Details, Qualified, Status};

/// The namespaces that cannot be deleted.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

/// See the module.
pub struct NamespaceLifecycle {
    lookup: Lookup,
}

impl NamespaceLifecycle {
    /// A step that reads namespaces by `lookup`.
    pub fn new(lookup: Lookup) -> NamespaceLifecycle {
        NamespaceLifecycle { lookup }
    }
}

#[async_trait]
impl Mutate for NamespaceLifecycle {
    fn handles(&self, a: &Attributes<'_>) -> bool {
        // Access reviews must not tell which namespaces there are.
        a.operation == Operation::Create
            && !a.namespace.is_empty()
            && !a.kind.is("", "namespaces")
            && !a
                .kind
                .is("authorization.k8s.io", "localsubjectaccessreviews")
    }

    async fn mutate(
        &self,
        a: &Attributes<'_>,
        new: &mut Tree,
        _: Option<&Tree>,
    ) -> Result<(), Status> {
        let Some(namespace) = self
            .lookup
            .get_fresh("namespaces/", a.namespace, Namespace::TYPE)
            .await
        else {
            return Err(Status::not_found(
                Qualified::new("", "namespaces"),
                a.namespace,
            ));
        };
        if Namespace::of(&namespace).status().phase() != "Terminating" {
            return Ok(());
        }
        let why = format!(
            "unable to create new content in namespace {} because it is being terminated",
            a.namespace
        );
        let status = a.forbidden(Some(new), why);
        let cause = Cause {
            reason: "NamespaceTerminating".to_owned(),
            message: format!("namespace {} is being terminated", a.namespace),
            field: "metadata.namespace".to_owned(),
        };
        let details = status.details().cloned().unwrap_or_default();
        let details = Details {
            causes: vec![cause],
            ..details
        };
        Err(Status::new(
            status.code(),
            status.reason(),
            status.message(),
            Some(details),
        ))
    }
}

#[async_trait]
impl Validate for NamespaceLifecycle {
    fn handles(&self, a: &Attributes<'_>) -> bool {
        a.operation == Operation::Delete && a.is("", "namespaces")
    }

    async fn validate(
        &self,
        a: &Attributes<'_>,
        _: Option<&Tree>,
        _: Option<&Tree>,
    ) -> Result<(), Status> {
        match IMMORTAL.contains(&a.name) {
            true => Err(Status::forbidden(
                a.kind.qualified(),
                a.name,
                "this namespace may not be deleted",
            )),
            false => Ok(()),
        }
    }
}
