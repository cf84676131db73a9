//! Admission: what may change or refuse a write after it was authorized and before it is stored.
//!
//! A chain of steps, each in a file of its own. First those that change the new object run, in order, then those that only judge
//! it, and at last what it uses is charged. Steps ask the view, never the log. A step that calls others over the network (a webhook) fits the same signatures.

mod certificates;
mod escalation;
mod limit_ranger;
mod lookup;
mod namespace_lifecycle;
mod node_restriction;
mod node_taint;
mod node_token;
mod pod_certificate;
mod pod_resize;
pub mod policy;
mod priority;
mod resource_quota;
mod runtime_class;
mod service_account;
mod storage_protection;
mod tolerations;
mod trust_bundle;

use std::sync::Arc;

use api::Tree;
use async_trait::async_trait;

pub use certificates::{CertificateRequester, CertificateSigners};
pub use escalation::RbacEscalation;
pub use limit_ranger::LimitRanger;
pub use lookup::Lookup;
pub use namespace_lifecycle::NamespaceLifecycle;
pub use node_restriction::NodeRestriction;
pub use node_taint::TaintNodesByCondition;
pub use node_token::NodeTokens;
pub use pod_certificate::{NodePodCertificates, PodCertificateSigners};
pub use pod_resize::PodResizeValidator;
pub use policy::{MutatingPolicies, ValidatingPolicies};
pub use priority::Priority;
pub use resource_quota::{Charge, ResourceQuota};
pub use runtime_class::RuntimeClass;
pub use service_account::ServiceAccount;
pub use storage_protection::StorageObjectInUseProtection;
pub use tolerations::DefaultTolerationSeconds;
pub use trust_bundle::ClusterTrustBundleAttest;

use self::policy::Rounds;
use crate::env::Env;
use crate::registry::{Api, Kind, meta};
use crate::request::{DeleteOptions, RequestContext};
use crate::status::Status;
use crate::view::View;

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A new object.
    Create,
    /// A change of an object.
    Update,
    /// A deletion.
    Delete,
    /// A stream to an object: exec, attach, port-forward, proxy.
    Connect,
}

/// What is known of a write.
#[derive(Clone, Copy)]
pub struct Attributes<'a> {
    /// The request: identity, warnings, audit.
    pub cx: &'a RequestContext,
    /// The kind.
    pub kind: &'a Kind,
    /// The subresource; empty for the object itself.
    pub subresource: &'a str,
    /// What is done.
    pub operation: Operation,
    /// The namespace; for a Namespace, its name.
    pub namespace: &'a str,
    /// The name; empty while it is to be generated.
    pub name: &'a str,
    /// Nothing will be stored.
    pub dry_run: bool,
    /// The options of a deletion.
    pub delete: Option<&'a DeleteOptions>,
}

impl Attributes<'_> {
    /// Whether the write concerns the resource of that group itself.
    pub fn is(&self, group: &str, resource: &str) -> bool {
        self.subresource.is_empty() && self.kind.is(group, resource)
    }

    /// The refusal of this write, in upstream's words. `new` names the object while the request does not.
    pub fn forbidden(&self, new: Option<&Tree>, why: impl std::fmt::Display) -> Status {
        let own = new.map(meta::of);
        let candidates = [
            Some(self.name),
            own.map(|m| m.name()),
            own.map(|m| m.generate_name()),
        ];
        let name = candidates
            .into_iter()
            .flatten()
            .find(|name| !name.is_empty())
            .unwrap_or("Unknown");
        Status::forbidden(self.kind.qualified(), name, why)
    }
}

/// A step that may change the new object.
#[async_trait]
pub trait Mutate: Send + Sync + 'static {
    /// Whether the step has anything to do with the write: asked before it is run.
    fn handles(&self, attributes: &Attributes<'_>) -> bool;

    /// Changes `new`, or refuses the write. `old` is the object before, for updates.
    async fn mutate(
        &self,
        attributes: &Attributes<'_>,
        new: &mut Tree,
        old: Option<&Tree>,
    ) -> Result<(), Status>;
}

/// A step that judges the write.
#[async_trait]
pub trait Validate: Send + Sync + 'static {
    /// Whether the step has anything to do with the write: asked before it is run.
    fn handles(&self, attributes: &Attributes<'_>) -> bool;

    /// Refuses the write, or not. `new` is none for a deletion, `old` none for a creation.
    async fn validate(
        &self,
        attributes: &Attributes<'_>,
        new: Option<&Tree>,
        old: Option<&Tree>,
    ) -> Result<(), Status>;
}

/// The steps, in their order.
#[derive(Default)]
pub struct Chain {
    mutating: Vec<Box<dyn Mutate>>,
    policies: Option<MutatingPolicies>,
    validating: Vec<Box<dyn Validate>>,
    judges: Option<ValidatingPolicies>,
    quota: Option<ResourceQuota>,
}

impl Chain {
    /// Adds a step that may change the new object, after those that are there.
    pub fn mutating(mut self, step: impl Mutate) -> Chain {
        self.mutating.push(Box::new(step));
        self
    }

    /// Adds the policies that may change the new object, after all steps that may.
    pub fn mutating_policies(mut self, step: MutatingPolicies) -> Chain {
        self.policies = Some(step);
        self
    }

    /// Adds a step that judges, after those that are there.
    pub fn validating(mut self, step: impl Validate) -> Chain {
        self.validating.push(Box::new(step));
        self
    }

    /// Adds the policies that judge, after all steps that do.
    pub fn validating_policies(mut self, step: ValidatingPolicies) -> Chain {
        self.judges = Some(step);
        self
    }

    /// Adds the step that charges quotas, the last of all.
    pub fn charging(mut self, step: ResourceQuota) -> Chain {
        self.quota = Some(step);
        self
    }

    /// The steps that upstream runs by default, as far as they are built, in upstream's order.
    pub fn standard(view: &Arc<View>, env: &Env) -> Chain {
        let lookup = Lookup::new(Arc::clone(view));
        Chain::default()
            .mutating(NamespaceLifecycle::new(lookup.clone()))
            .mutating(LimitRanger::new(lookup.clone()))
            .mutating(ServiceAccount::new(lookup.clone(), env.clone()))
            .mutating(TaintNodesByCondition)
            .mutating(Priority::new(lookup.clone()))
            .mutating(DefaultTolerationSeconds)
            .mutating(StorageObjectInUseProtection)
            .mutating(RuntimeClass::new(lookup.clone()))
            .mutating(CertificateRequester)
            .mutating_policies(MutatingPolicies::new(lookup.clone()))
            .validating(NamespaceLifecycle::new(lookup.clone()))
            .validating(LimitRanger::new(lookup.clone()))
            .validating(NodeRestriction::new(lookup.clone()))
            .validating(Priority::new(lookup.clone()))
            .validating(RuntimeClass::new(lookup.clone()))
            .validating(PodResizeValidator::new(lookup.clone()))
            .validating_policies(ValidatingPolicies::new(lookup))
            .charging(ResourceQuota::default())
    }

    /// Runs the steps that may change the new object; a second time, after a policy has patched it.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn mutate(
        &self,
        attributes: &Attributes<'_>,
        new: &mut Tree,
        old: Option<&Tree>,
    ) -> Result<(), Status> {
        self.run_mutating(attributes, new, old).await?;
        let handles = |policies: &&MutatingPolicies| policies.handles(attributes);
        let Some(policies) = self.policies.as_ref().filter(handles) else {
            return Ok(());
        };
        let mut rounds = Rounds::default();
        if policies.mutate(attributes, new, old, &mut rounds).await? {
            self.run_mutating(attributes, new, old).await?;
            policies.mutate(attributes, new, old, &mut rounds).await?;
        }
        Ok(())
    }

    async fn run_mutating(
        &self,
        attributes: &Attributes<'_>,
        new: &mut Tree,
        old: Option<&Tree>,
    ) -> Result<(), Status> {
        for step in self.mutating.iter().filter(|step| step.handles(attributes)) {
            step.mutate(attributes, new, old).await?;
        }
        Ok(())
    }

    /// Runs the steps that judge.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn validate(
        &self,
        attributes: &Attributes<'_>,
        new: Option<&Tree>,
        old: Option<&Tree>,
    ) -> Result<(), Status> {
        for step in self
            .validating
            .iter()
            .filter(|step| step.handles(attributes))
        {
            step.validate(attributes, new, old).await?;
        }
        self.judge(attributes, new, old).await
    }

    /// Asks the policies about what a request to a subresource carries, where that is not the object: an eviction, the options of a
    /// stream. No other step knows such bodies.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn judge_body(&self, attributes: &Attributes<'_>, body: &Tree) -> Result<(), Status> {
        self.judge(attributes, Some(body), None).await
    }

    async fn judge(
        &self,
        attributes: &Attributes<'_>,
        new: Option<&Tree>,
        old: Option<&Tree>,
    ) -> Result<(), Status> {
        let handles = |judges: &&ValidatingPolicies| judges.handles(attributes);
        match self.judges.as_ref().filter(handles) {
            Some(judges) => judges.validate(attributes, new, old).await,
            None => Ok(()),
        }
    }

    /// Charges a write that all other steps let pass, which is written with what this returns.
    ///
    /// # Errors
    /// The refusal of a quota.
    pub async fn charge(
        &self,
        api: &Api,
        attributes: &Attributes<'_>,
        new: &Tree,
        old: Option<&Tree>,
    ) -> Result<Charge, Status> {
        match &self.quota {
            Some(quota) => quota.charge(api, attributes, new, old).await,
            None => Ok(Charge::default()),
        }
    }
}
