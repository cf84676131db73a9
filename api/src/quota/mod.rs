//! What a ResourceQuota counts: how much of it an object uses, and whether the quota is about the object at all.
//!
//! Pure, so that the API server, which charges what is made, and the controller, which counts what is there, agree. Facts:
//! upstream's `pkg/quota/v1`. <https://kubernetes.io/docs/concepts/policy/resource-quotas/>

mod amounts;
mod claim;
mod device;
mod pod;
mod scope;
mod service;

use std::collections::BTreeSet;

use crate::aggregate::Amounts;
use crate::core::v1::ResourceQuotaSpec;
use crate::kinds::is_review;
use crate::selector::label::InvalidRequirement;
use crate::{Quantity, Time, Tree};

pub use self::amounts::{
    at_least_zero_difference, exceeding, is_same, masked, negative, read, total,
};
pub use self::claim::attributes_classes;
pub use self::pod::{is_charged, is_terminating, requests as pod_requests, spec_requests};
pub use self::scope::Selector;

const COUNT: &str = "count/";

/// Resources that no quota counts beside reviews, by group and name: others that are not stored, and events.
const IGNORED: &[(&str, &str)] = &[
    ("", "bindings"),
    ("", "componentstatuses"),
    ("", "events"),
    ("events.k8s.io", "events"),
];

/// Resources of the core group whose objects are also counted under the resource's own name.
const NAMED: &[&str] = &[
    "configmaps",
    "resourcequotas",
    "replicationcontrollers",
    "secrets",
];

/// How the objects of one resource are counted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Evaluator {
    /// Pods: what their containers ask for.
    Pods,
    /// Services: node ports and load balancers.
    Services,
    /// PersistentVolumeClaims: storage, by class.
    Claims,
    /// ResourceClaims: devices, by class.
    Devices,
    /// Any other: one is one, under these names.
    Objects(Vec<String>),
}

impl Evaluator {
    /// How a resource is counted; none where it never is.
    pub fn of(group: &str, resource: &str) -> Option<Evaluator> {
        if IGNORED.contains(&(group, resource)) || is_review(group, resource) {
            return None;
        }
        Some(match (group, resource) {
            ("", "pods") => Evaluator::Pods,
            ("", "services") => Evaluator::Services,
            ("", "persistentvolumeclaims") => Evaluator::Claims,
            ("resource.k8s.io", "resourceclaims") => Evaluator::Devices,
            ("", name) => {
                let mut names = vec![format!("{COUNT}{name}")];
                if NAMED.contains(&name) {
                    names.push(name.to_owned());
                }
                Evaluator::Objects(names)
            }
            (group, name) => Evaluator::Objects(vec![format!("{COUNT}{name}.{group}")]),
        })
    }

    /// Whether objects of this resource use what is called `name` in a quota.
    pub fn counts(&self, name: &str) -> bool {
        match self {
            Evaluator::Pods => pod::counts(name),
            Evaluator::Services => service::NAMES.contains(&name),
            Evaluator::Claims => claim::counts(name),
            Evaluator::Devices => device::counts(name),
            Evaluator::Objects(names) => names.iter().any(|own| own == name),
        }
    }

    /// How much an object uses at a time.
    pub fn usage(&self, object: &Tree, now: Time) -> Amounts {
        match self {
            Evaluator::Pods => pod::usage(object, now),
            Evaluator::Services => service::usage(object),
            Evaluator::Claims => claim::usage(object),
            Evaluator::Devices => device::usage(object),
            Evaluator::Objects(names) => names.iter().map(|name| (name.clone(), one())).collect(),
        }
    }

    /// Whether an object is within all of a quota's scopes. Objects that no scope is about are within none.
    ///
    /// # Errors
    /// A scope's selector that cannot be.
    pub fn is_within(
        &self,
        scopes: &[Selector<'_>],
        object: &Tree,
    ) -> Result<bool, InvalidRequirement> {
        let mut within = true;
        for scope in scopes {
            within &= match self {
                Evaluator::Pods => scope.selects_pod(object)?,
                Evaluator::Claims => scope.selects_claim(object)?,
                _ => false,
            };
        }
        Ok(within)
    }

    /// What an object must say and does not, where a quota bounds all of `names`: in upstream's words.
    pub fn missing<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
        object: &Tree,
    ) -> Option<String> {
        match self {
            Evaluator::Pods => pod::missing(names, object),
            _ => None,
        }
    }

    /// What objects use together that are within these scopes, of the names in `hard` that they can use. What cannot be told
    /// counts as nothing.
    pub fn sum<'a>(
        &self,
        spec: ResourceQuotaSpec<'_>,
        objects: impl IntoIterator<Item = &'a Tree>,
        now: Time,
    ) -> Amounts {
        let scopes = Selector::all(spec);
        let counted: BTreeSet<&str> = spec.hard().keys().filter(|n| self.counts(n)).collect();
        let zero = Quantity::from_units(0, crate::quantity::Format::DecimalSI);
        let mut used: Amounts = counted.iter().map(|n| ((*n).to_owned(), zero)).collect();
        for object in objects {
            if self.is_within(&scopes, object).unwrap_or(false) {
                let usage = self.usage(object, now);
                used = total(&used, &masked(&usage, |name| counted.contains(name)));
            }
        }
        used
    }
}

fn one() -> Quantity {
    Quantity::from_units(1, crate::quantity::Format::DecimalSI)
}
