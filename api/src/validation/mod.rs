//! Validation: what upstream refuses, field by field and in its words.
//!
//! [`create`] and [`update`] look at an object whose defaults are filled in. Every kind's metadata is checked; the kinds in
//! [`UNCHECKED`] have no further rules yet. A valid object costs no allocation but for a few short lists: paths are chains on the
//! stack, and a message is made only when something is wrong.
//!
//! Rules know nothing of other objects, of who asks, or of the cluster. Facts: upstream's `pkg/apis/*/validation`.

mod address;
mod api_service;
mod autoscaler;
mod batch;
mod budget;
mod certificates;
mod check;
mod claim;
mod config;
mod daemon_set;
mod endpoint_slice;
mod endpoints;
mod event;
mod flow_schema;
mod format;
mod ingress;
mod ingress_class;
mod ip_address;
mod limit_range;
mod match_resources;
mod meta;
mod migration;
mod names;
mod namespace;
mod network_policy;
mod node;
pub mod options;
mod persistent_volume;
mod pod;
pub mod policies;
mod policy_bindings;
mod policy_parts;
mod priority_level;
mod rbac;
mod resource_quota;
mod rules;
mod runtime_class;
mod service;
mod service_cidr;
mod signing_request;
mod small;
mod stateful_set;
mod static_names;
mod storage;
mod url;
pub mod webhooks;
mod workload;

pub use address::endpoint_ip;
pub(crate) use check::same;
pub use config::SIZE_MAX;
pub(crate) use format::dns_label;
pub use meta::ANNOTATIONS_MAX;
pub use small::binding;
pub use workload::scale;

use crate::field::{Error, ErrorList, Path};
use crate::kinds::Resource;
use crate::tree::Tree;
use crate::view;

/// Group and resource of the kinds whose metadata alone is checked. (ServiceAccounts have no further rules upstream either.)
pub const UNCHECKED: &[(&str, &str)] = &[
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("resource.k8s.io", "deviceclasses"),
    ("resource.k8s.io", "devicetaintrules"),
    ("resource.k8s.io", "resourceclaims"),
    ("resource.k8s.io", "resourceclaimtemplates"),
    ("resource.k8s.io", "resourceslices"),
];

/// What is wrong with a new object, whose defaults and name are filled in; nothing if it is valid. Custom resources get the
/// checks of their metadata.
pub fn create(resource: &Resource, tree: &Tree) -> ErrorList {
    let mut errors = ErrorList::new();
    meta::create(&mut errors, view::metadata(tree), names::scope(resource));
    for message in names::composed(resource, tree) {
        let name = view::metadata(tree).name();
        errors.push(Error::invalid(&Path::new("metadata.name"), name, message));
    }
    if let Some(rules) = rules::of(tree) {
        (rules.create)(&mut errors, tree);
    }
    errors
}

/// What is wrong with an object that changes from `old` to `new`, itself (`subresource` is "") or through a subresource.
pub fn update(resource: &Resource, subresource: &str, new: &Tree, old: &Tree) -> ErrorList {
    let mut errors = ErrorList::new();
    let scope = names::scope(resource);
    meta::update(&mut errors, view::metadata(new), view::metadata(old), scope);
    let Some(rules) = rules::of(new) else {
        return errors;
    };
    if subresource.is_empty() {
        (rules.update)(&mut errors, new, old);
    } else if let Some((_, rule)) = rules
        .subresources
        .iter()
        .find(|(name, _)| *name == subresource)
    {
        rule(&mut errors, new, old);
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kinds;

    #[test]
    fn every_stored_kind_has_rules_or_is_listed() {
        for resource in Kinds::builtin().resources() {
            let listed = UNCHECKED.contains(&(resource.group.as_str(), resource.name.as_str()));
            let checked = rules::RULES
                .iter()
                .any(|rules| rules.ty == resource.type_id)
                || resource.name == "serviceaccounts";
            let stored = resource.storage.is_some();
            assert_eq!(
                listed,
                stored && !checked,
                "{} {}",
                resource.group,
                resource.name
            );
        }
    }
}
