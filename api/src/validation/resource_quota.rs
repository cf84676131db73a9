//! ResourceQuotas.

use super::check::{IMMUTABLE, internal, quoted, required, shown};
use super::pod;
use crate::Quantity;
use crate::core::v1::{
    ResourceQuota, ResourceQuotaSpec, ResourceQuotaStatus, ScopedResourceSelectorRequirement,
};
use crate::field::{Error, ErrorList, Path};
use crate::view::{MapRef, View};

use std::collections::BTreeSet;

/// Resources that a quota can bound without a domain.
const STANDARD: &[&str] = &[
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
];
const COMPUTE: &[&str] = &[
    "cpu",
    "memory",
    "limits.cpu",
    "limits.memory",
    "requests.cpu",
    "requests.memory",
];
const SCOPES: &[&str] = &[
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "VolumeAttributesClass",
    "CrossNamespacePodAffinity",
];
const CONFLICTING: [[&str; 2]; 2] = [
    ["BestEffort", "NotBestEffort"],
    ["Terminating", "NotTerminating"],
];

fn is_standard(name: &str) -> bool {
    let huge = name.strip_prefix("requests.").unwrap_or(name);
    STANDARD.contains(&name) || huge.starts_with("hugepages-")
}

/// Whether a quota of this scope can bound such a resource.
fn applies(scope: &str, name: &str) -> bool {
    match scope {
        "Terminating"
        | "NotTerminating"
        | "NotBestEffort"
        | "PriorityClass"
        | "CrossNamespacePodAffinity" => name == "pods" || COMPUTE.contains(&name),
        "BestEffort" => name == "pods",
        "VolumeAttributesClass" => matches!(name, "persistentvolumeclaims" | "requests.storage"),
        _ => true,
    }
}

pub(super) fn create(errors: &mut ErrorList, quota: ResourceQuota<'_>) {
    spec(errors, quota.spec());
    status(errors, quota.status());
}

pub(super) fn update(errors: &mut ErrorList, new: ResourceQuota<'_>, old: ResourceQuota<'_>) {
    spec(errors, new.spec());
    let scopes = |quota: ResourceQuota<'_>| -> BTreeSet<String> {
        quota.spec().scopes().iter().map(str::to_owned).collect()
    };
    if scopes(new) != scopes(old) {
        let path = Path::new("spec");
        let value = shown(new.spec().scopes().node());
        errors.push(Error::invalid(&path.child("scopes"), value, IMMUTABLE));
    }
}

pub(super) fn status_update(errors: &mut ErrorList, new: ResourceQuota<'_>) {
    let version = new.metadata().resource_version();
    required(errors, &Path::new("resourceVersion"), version);
    status(errors, new.status());
}

fn status(errors: &mut ErrorList, status: ResourceQuotaStatus<'_>) {
    let path = Path::new("status");
    amounts(errors, &path.child("hard"), status.hard());
    amounts(errors, &path.child("used"), status.used());
}

fn amounts(errors: &mut ErrorList, path: &Path<'_>, amounts: MapRef<'_, Quantity>) {
    for (name, amount) in amounts {
        let place = path.key(name);
        pod::resource_name(errors, &place, name);
        if !name.contains('/') && !is_standard(name) {
            let why = "must be a standard resource for quota";
            errors.push(Error::invalid(&place, quoted(name), why));
        }
        pod::resource_quantity(errors, &place, name, amount);
    }
}

fn spec(errors: &mut ErrorList, spec: ResourceQuotaSpec<'_>) {
    let path = Path::new("spec");
    amounts(errors, &path.child("hard"), spec.hard());
    let place = path.child("scopes");
    let list = || shown(spec.scopes().node());
    for scope in spec.scopes() {
        if !SCOPES.contains(&scope) {
            errors.push(Error::invalid(&place, list(), "unsupported scope"));
        }
        for _ in inapplicable(spec, scope) {
            let why = "unsupported scope applied to resource";
            errors.push(Error::invalid(&place, list(), why));
        }
    }
    conflicting(errors, &place, spec, |scope| spec.scopes().contains(scope));
    let Some(selector) = spec.scope_selector() else {
        return;
    };
    let place = path.child("scopeSelector");
    let place = place.child("matchExpressions");
    for requirement in selector.match_expressions() {
        let scope = requirement.scope_name();
        if !SCOPES.contains(&scope) {
            let place = place.child("scopeName");
            errors.push(Error::invalid(&place, quoted(scope), "unsupported scope"));
        }
        for _ in inapplicable(spec, scope) {
            let why = "unsupported scope applied to resource";
            errors.push(Error::invalid(&place, internal(selector.node()), why));
        }
        operator(errors, &place, requirement);
    }
    conflicting(errors, &place, spec, |scope| {
        let mut all = selector.match_expressions().iter();
        all.any(|requirement| requirement.scope_name() == scope)
    });
}

/// The bounded resources that are of another sort than the scope.
fn inapplicable<'a>(spec: ResourceQuotaSpec<'a>, scope: &'a str) -> impl Iterator<Item = &'a str> {
    let names = spec.hard().keys();
    names.filter(move |name| is_standard(name) && !applies(scope, name))
}

fn conflicting(
    errors: &mut ErrorList,
    path: &Path<'_>,
    spec: ResourceQuotaSpec<'_>,
    has: impl Fn(&str) -> bool,
) {
    for _ in CONFLICTING
        .iter()
        .filter(|pair| pair.iter().all(|scope| has(scope)))
    {
        let value = shown(spec.scopes().node());
        errors.push(Error::invalid(path, value, "conflicting scopes"));
    }
}

fn operator(
    errors: &mut ErrorList,
    path: &Path<'_>,
    requirement: ScopedResourceSelectorRequirement<'_>,
) {
    let (operator, values) = (requirement.operator(), requirement.values());
    let plain = !matches!(
        requirement.scope_name(),
        "PriorityClass" | "VolumeAttributesClass"
    );
    if plain && SCOPES.contains(&requirement.scope_name()) && operator != "Exists" {
        let why = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, \
                   ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or \
                   ResourceQuotaScopeCrossNamespacePodAffinity";
        let place = path.child("operator");
        errors.push(Error::invalid(&place, quoted(operator), why));
    }
    match operator {
        "In" | "NotIn" if values.is_empty() => errors.push(Error::required(
            &path.child("values"),
            "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
        )),
        "Exists" | "DoesNotExist" if !values.is_empty() => errors.push(Error::invalid(
            &path.child("values"),
            shown(values.node()),
            "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
        )),
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        other => errors.push(Error::invalid(
            &path.child("operator"),
            quoted(other),
            "not a valid selector operator",
        )),
    }
}
