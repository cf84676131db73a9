//! The bindings of admission policies.

use super::check::{each, one_of, required, selector, shown, supported};
use super::format;
use super::match_resources::{MUTABLE, match_resources, mutable_operations};
use super::static_names;
use crate::admissionregistration::v1::{
    MatchResources, MutatingAdmissionPolicyBinding, ParamRef, ValidatingAdmissionPolicyBinding,
};
use crate::field::{Error, ErrorList, Path};
use crate::view::List;

const SPEC: Path<'static> = Path::new("spec");
const ACTIONS: &[&str] = &["Audit", "Deny", "Warn"];
const NOT_FOUND_ACTIONS: &[&str] = &["Deny", "Allow"];

pub(super) fn new_validating_binding(
    errors: &mut ErrorList,
    binding: ValidatingAdmissionPolicyBinding<'_>,
) {
    validating_binding(errors, binding);
    static_names::refuse(errors, binding.metadata().name());
}

pub(super) fn validating_binding(
    errors: &mut ErrorList,
    binding: ValidatingAdmissionPolicyBinding<'_>,
) {
    let spec = binding.spec();
    let parts = (spec.policy_name(), spec.param_ref(), spec.match_resources());
    common(errors, parts);
    actions(
        errors,
        &SPEC.child("validationActions"),
        spec.validation_actions(),
    );
}

pub(super) fn new_mutating_binding(
    errors: &mut ErrorList,
    binding: MutatingAdmissionPolicyBinding<'_>,
) {
    mutating_binding(errors, binding);
    static_names::refuse(errors, binding.metadata().name());
}

pub(super) fn mutating_binding(
    errors: &mut ErrorList,
    binding: MutatingAdmissionPolicyBinding<'_>,
) {
    let spec = binding.spec();
    common(
        errors,
        (spec.policy_name(), spec.param_ref(), spec.match_resources()),
    );
    if let Some(resources) = spec.match_resources() {
        let path = SPEC.child("matchResources.resourceRules.operations");
        mutable_operations(errors, &path, resources, MUTABLE);
    }
}

fn common(
    errors: &mut ErrorList,
    (policy, reference, resources): (&str, Option<ParamRef<'_>>, Option<MatchResources<'_>>),
) {
    let path = SPEC.child("policyName");
    if required(errors, &path, policy) {
        each(errors, &path, policy, format::dns_subdomain(policy));
    }
    if let Some(reference) = reference {
        param_ref(errors, &SPEC.child("paramRef"), reference);
    }
    if let Some(resources) = resources {
        match_resources(errors, &SPEC.child("matchResources"), resources);
    }
}

fn actions(errors: &mut ErrorList, path: &Path<'_>, actions: List<'_, str>) {
    for (at, action) in actions.iter().enumerate() {
        supported(errors, &path.index(at), action, ACTIONS);
        if actions.iter().take(at).any(|before| before == action) {
            errors.push(Error::duplicate(&path.index(at), action));
        }
    }
    if actions.contains("Deny") && actions.contains("Warn") {
        let why = "must not contain both Deny and Warn (repeating the same validation failure information in the API response and \
                   headers serves no purpose)";
        errors.push(Error::invalid(path, shown(actions.node()), why));
    }
    if actions.is_empty() {
        errors.push(Error::required(path, ""));
    }
}

fn param_ref(errors: &mut ErrorList, path: &Path<'_>, reference: ParamRef<'_>) {
    const BOTH: &str = "name and selector are mutually exclusive";
    let name = reference.name();
    let given = reference.selector();
    if !name.is_empty() {
        let place = path.child("name");
        each(errors, &place, name, format::path_segment(name, false));
        if given.is_some() {
            errors.push(Error::forbidden(&place, BOTH));
        }
    }
    if given.is_some() {
        let place = path.child("selector");
        selector(errors, &place, given);
        if !name.is_empty() {
            errors.push(Error::forbidden(&place, BOTH));
        }
    }
    if name.is_empty() && given.is_none() {
        errors.push(Error::required(
            path,
            "one of name or selector must be specified",
        ));
    }
    let action = reference.parameter_not_found_action().unwrap_or_default();
    one_of(
        errors,
        &path.child("parameterNotFoundAction"),
        action,
        NOT_FOUND_ACTIONS,
    );
}
