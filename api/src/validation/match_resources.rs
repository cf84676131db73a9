//! What admission policies, their bindings and webhooks are about: rules for resources, kinds of parameters (upstream:
//! `pkg/apis/admissionregistration/validation`).

use super::check::{each, one_of, required, selector, shown, supported};
use super::format;
use crate::admissionregistration::v1::{
    MatchResources, NamedRuleWithOperations, ParamKind, RuleWithOperations,
};
use crate::field::{Error, ErrorList, Path};
use crate::view::List;

const MATCH_POLICIES: &[&str] = &["Equivalent", "Exact"];
const OPERATIONS: &[&str] = &["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
/// What a mutating policy can be about: of a deletion there is nothing to change.
pub(super) const MUTABLE: &[&str] = &["*", "CONNECT", "CREATE", "UPDATE"];
const SCOPES: &[&str] = &["*", "Cluster", "Namespaced"];

pub(super) fn param_kind(errors: &mut ErrorList, path: &Path<'_>, kind: ParamKind<'_>) {
    let (place, given) = (path.child("apiVersion"), kind.api_version());
    if required(errors, &place, given) {
        let (group, version) = given.split_once('/').unwrap_or(("", given));
        if version.contains('/') {
            let why = format!("unexpected GroupVersion string: {given}");
            errors.push(Error::invalid(&place, given, why));
        } else {
            if !group.is_empty() {
                let messages = format::dns_subdomain(group);
                if !messages.is_empty() {
                    errors.push(Error::invalid(&place, group, messages.join(",")));
                }
            }
            if version.is_empty() {
                errors.push(Error::invalid(&place, given, "version must be specified"));
            } else {
                let messages = format::dns_1035_label(version);
                if !messages.is_empty() {
                    errors.push(Error::invalid(&place, version, messages.join(",")));
                }
            }
        }
    }
    let (place, kind) = (path.child("kind"), kind.kind());
    if required(errors, &place, kind) {
        let messages = format::dns_1035_label(&kind.to_lowercase());
        if !messages.is_empty() {
            let why = format!(
                "may have mixed case, but should otherwise match: {}",
                messages.join(",")
            );
            errors.push(Error::invalid(&place, kind, why));
        }
    }
}

pub(super) fn match_resources(errors: &mut ErrorList, path: &Path<'_>, given: MatchResources<'_>) {
    let policy = given.match_policy().unwrap_or_default();
    one_of(errors, &path.child("matchPolicy"), policy, MATCH_POLICIES);
    for (field, given) in [
        ("namespaceSelector", given.namespace_selector()),
        ("objectSelector", given.object_selector()),
    ] {
        let place = path.child(field);
        match given {
            None => errors.push(Error::required(&place, "")),
            given => selector(errors, &place, given),
        }
    }
    for (field, rules) in [
        ("resourceRules", given.resource_rules()),
        ("excludeResourceRules", given.exclude_resource_rules()),
    ] {
        let list = path.child(field);
        for (at, rule) in rules.iter().enumerate() {
            self::rule(errors, &list.index(at), rule);
        }
    }
}

/// Operations of which a mutating policy could change nothing.
pub(super) fn mutable_operations(
    errors: &mut ErrorList,
    path: &Path<'_>,
    given: MatchResources<'_>,
    mutable: &[&str],
) {
    for rule in given.resource_rules().iter() {
        for operation in rule.operations().iter() {
            supported(errors, path, operation, mutable);
        }
    }
}

fn rule(errors: &mut ErrorList, path: &Path<'_>, rule: NamedRuleWithOperations<'_>) {
    let (list, names) = (path.child("resourceNames"), rule.resource_names());
    for (at, name) in names.iter().enumerate() {
        each(
            errors,
            &list.index(at),
            name,
            format::path_segment(name, false),
        );
        if names.iter().take(at).any(|before| before == name) {
            errors.push(Error::duplicate(&list.index(at), name));
        }
    }
    let parts = Parts {
        operations: rule.operations(),
        groups: rule.api_groups(),
        versions: rule.api_versions(),
        resources: rule.resources(),
        scope: rule.scope(),
    };
    self::parts(errors, path, parts);
}

/// A webhook's rule: as that of a policy, without names.
pub(super) fn webhook_rule(errors: &mut ErrorList, path: &Path<'_>, rule: RuleWithOperations<'_>) {
    let parts = Parts {
        operations: rule.operations(),
        groups: rule.api_groups(),
        versions: rule.api_versions(),
        resources: rule.resources(),
        scope: rule.scope(),
    };
    self::parts(errors, path, parts);
}

/// What rules of webhooks and of policies have in common.
struct Parts<'a> {
    operations: List<'a, str>,
    groups: List<'a, str>,
    versions: List<'a, str>,
    resources: List<'a, str>,
    scope: Option<&'a str>,
}

fn parts(errors: &mut ErrorList, path: &Path<'_>, rule: Parts<'_>) {
    let list = path.child("operations");
    alone(errors, &list, rule.operations, "operations");
    for (at, operation) in rule.operations.iter().enumerate() {
        supported(errors, &list.index(at), operation, OPERATIONS);
    }
    alone(errors, &path.child("apiGroups"), rule.groups, "API groups");
    let list = path.child("apiVersions");
    alone(errors, &list, rule.versions, "API versions");
    for (at, version) in rule.versions.iter().enumerate() {
        required(errors, &list.index(at), version);
    }
    resources(errors, &path.child("resources"), rule.resources);
    if let Some(scope) = rule.scope {
        supported(errors, &path.child("scope"), scope, SCOPES);
    }
}

/// A list that is not empty, in which `*` stands alone.
fn alone(errors: &mut ErrorList, path: &Path<'_>, list: List<'_, str>, what: &str) {
    if list.is_empty() {
        errors.push(Error::required(path, ""));
    }
    if list.len() > 1 && list.contains("*") {
        let why = format!("if '*' is present, must not specify other {what}");
        errors.push(Error::invalid(path, shown(list.node()), why));
    }
}

fn resources(errors: &mut ErrorList, path: &Path<'_>, resources: List<'_, str>) {
    if resources.is_empty() {
        errors.push(Error::required(path, ""));
    }
    let (mut all, mut plain) = (false, false);
    // What stands for all subresources of one, and for one subresource of all.
    let (mut wide, mut deep): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for (at, given) in resources.iter().enumerate() {
        let place = path.index(at);
        if !required(errors, &place, given) {
            continue;
        }
        all |= given == "*";
        let Some((resource, sub)) = given.split_once('/') else {
            plain = given != "*";
            continue;
        };
        if wide.contains(&resource) {
            let why = format!("if '{resource}/*' is present, must not specify {given}");
            errors.push(Error::invalid(&place, given, why));
        }
        if deep.contains(&sub) {
            let why = format!("if '*/{sub}' is present, must not specify {given}");
            errors.push(Error::invalid(&place, given, why));
        }
        if sub == "*" {
            wide.push(resource);
        }
        if resource == "*" {
            deep.push(sub);
        }
    }
    if resources.len() > 1 && resources.contains("*/*") {
        let why = "if '*/*' is present, must not specify other resources";
        errors.push(Error::invalid(path, shown(resources.node()), why));
    }
    if all && plain {
        let why = "if '*' is present, must not specify other resources without subresources";
        errors.push(Error::invalid(path, shown(resources.node()), why));
    }
}
