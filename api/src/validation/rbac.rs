//! Roles and their bindings.

use super::check::{IMMUTABLE, each, required, same, selector, shown, supported};
use super::format;
use crate::field::{BadValue, Error, ErrorList, Path, quote};
use crate::rbac::v1::{
    AggregationRule, ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef,
    Subject,
};
use crate::view::{List, View};

const GROUP: &str = "rbac.authorization.k8s.io";
const ROLE_REF: Path<'static> = Path::new("roleRef");

pub(super) fn role(errors: &mut ErrorList, role: Role<'_>) {
    rules(errors, role.rules(), true);
    verbs(errors, role.rules());
}

pub(super) fn cluster_role(errors: &mut ErrorList, role: ClusterRole<'_>) {
    rules(errors, role.rules(), false);
    if let Some(rule) = role.aggregation_rule() {
        aggregation(errors, rule);
    }
    verbs(errors, role.rules());
}

fn aggregation(errors: &mut ErrorList, aggregation: AggregationRule<'_>) {
    let path = Path::new("aggregationRule.clusterRoleSelectors");
    let selectors = aggregation.cluster_role_selectors();
    if selectors.is_empty() {
        errors.push(Error::required(
            &path,
            "at least one clusterRoleSelector required if aggregationRule is non-nil",
        ));
    }
    for (at, labels) in selectors.iter().enumerate() {
        let before = errors.len();
        selector(errors, &path.index(at), Some(labels));
        if errors.len() > before {
            // Upstream shows the selector that it could not make.
            let nothing = BadValue::Json("null".to_owned());
            errors.push(Error::invalid(
                &path.index(at),
                nothing,
                "invalid label selector.",
            ));
        }
    }
}

fn rules(errors: &mut ErrorList, rules: List<'_, PolicyRule<'_>>, namespaced: bool) {
    let path = Path::new("rules");
    for (at, item) in rules.iter().enumerate() {
        rule(errors, &path.index(at), item, namespaced);
    }
}

fn rule(errors: &mut ErrorList, path: &Path<'_>, rule: PolicyRule<'_>, namespaced: bool) {
    let urls = rule.non_resource_urls();
    if !urls.is_empty() {
        let place = path.child("nonResourceURLs");
        if namespaced {
            errors.push(Error::invalid(
                &place,
                shown(urls.node()),
                "namespaced rules cannot apply to non-resource URLs",
            ));
        }
        let resources = !rule.api_groups().is_empty()
            || !rule.resources().is_empty()
            || !rule.resource_names().is_empty();
        if resources {
            errors.push(Error::invalid(
                &place,
                shown(urls.node()),
                "rules cannot apply to both regular resources and non-resource URLs",
            ));
        }
        return;
    }
    for (field, list, why) in [
        (
            "apiGroups",
            rule.api_groups(),
            "resource rules must supply at least one api group",
        ),
        (
            "resources",
            rule.resources(),
            "resource rules must supply at least one resource",
        ),
    ] {
        if list.is_empty() {
            errors.push(Error::required(&path.child(field), why));
        }
    }
}

pub(super) fn role_binding(errors: &mut ErrorList, binding: RoleBinding<'_>) {
    in_namespace(errors, binding);
    names(errors, binding.subjects(), binding.role_ref());
}

fn in_namespace(errors: &mut ErrorList, binding: RoleBinding<'_>) {
    role_ref(errors, binding.role_ref(), &["Role", "ClusterRole"]);
    subjects(errors, binding.subjects(), true);
}

pub(super) fn cluster_role_binding(errors: &mut ErrorList, binding: ClusterRoleBinding<'_>) {
    everywhere(errors, binding);
    names(errors, binding.subjects(), binding.role_ref());
}

fn everywhere(errors: &mut ErrorList, binding: ClusterRoleBinding<'_>) {
    role_ref(errors, binding.role_ref(), &["ClusterRole"]);
    subjects(errors, binding.subjects(), false);
}

pub(super) fn role_binding_update(
    errors: &mut ErrorList,
    new: RoleBinding<'_>,
    old: RoleBinding<'_>,
) {
    in_namespace(errors, new);
    same_role(errors, new.role_ref(), old.role_ref());
    names(errors, new.subjects(), new.role_ref());
}

pub(super) fn cluster_role_binding_update(
    errors: &mut ErrorList,
    new: ClusterRoleBinding<'_>,
    old: ClusterRoleBinding<'_>,
) {
    everywhere(errors, new);
    same_role(errors, new.role_ref(), old.role_ref());
    names(errors, new.subjects(), new.role_ref());
}

fn role_ref(errors: &mut ErrorList, role: RoleRef<'_>, kinds: &[&str]) {
    supported(
        errors,
        &ROLE_REF.child("apiGroup"),
        role.api_group(),
        &[GROUP],
    );
    supported(errors, &ROLE_REF.child("kind"), role.kind(), kinds);
    let (place, name) = (ROLE_REF.child("name"), role.name());
    if !name.is_empty() {
        each(errors, &place, name, format::path_segment(name, false));
    }
}

fn subjects(errors: &mut ErrorList, subjects: List<'_, Subject<'_>>, namespaced: bool) {
    let path = Path::new("subjects");
    for (at, subject) in subjects.iter().enumerate() {
        let place = path.index(at);
        let name = subject.name();
        let group = place.child("apiGroup");
        match subject.kind() {
            "ServiceAccount" => {
                if !name.is_empty() {
                    each(
                        errors,
                        &place.child("name"),
                        name,
                        format::dns_subdomain(name),
                    );
                }
                supported(errors, &group, subject.api_group(), &[""]);
                if !namespaced && subject.namespace().is_empty() {
                    errors.push(Error::required(&place.child("namespace"), ""));
                }
            }
            "User" | "Group" => supported(errors, &group, subject.api_group(), &[GROUP]),
            other => errors.push(Error::not_supported(
                &place.child("kind"),
                other,
                &["ServiceAccount", "User", "Group"],
            )),
        }
    }
}

/// The names that must be there. Upstream declares these rules, and judges by what is declared last; so it does with verbs.
fn names(errors: &mut ErrorList, subjects: List<'_, Subject<'_>>, role: RoleRef<'_>) {
    let path = Path::new("subjects");
    for (at, subject) in subjects.iter().enumerate() {
        required(errors, &path.index(at).child("name"), subject.name());
    }
    required(errors, &ROLE_REF.child("name"), role.name());
}

fn verbs(errors: &mut ErrorList, rules: List<'_, PolicyRule<'_>>) {
    let path = Path::new("rules");
    for (at, rule) in rules.iter().enumerate() {
        if rule.verbs().is_empty() {
            errors.push(Error::required(&path.index(at).child("verbs"), ""));
        }
    }
}

/// A binding's role stays: another role is another binding.
fn same_role(errors: &mut ErrorList, new: RoleRef<'_>, old: RoleRef<'_>) {
    if !same(new.node(), old.node()) {
        let value = format!(
            "{{\"APIGroup\":{},\"Kind\":{},\"Name\":{}}}",
            quote(new.api_group()),
            quote(new.kind()),
            quote(new.name())
        );
        errors.push(Error::invalid(&ROLE_REF, BadValue::Json(value), IMMUTABLE));
    }
}
