//! IngressClasses (upstream: `pkg/apis/networking/validation`).

use super::check::{domain_prefixed_path, each, immutable_text, required};
use super::format;
use crate::field::{Error, ErrorList, Path};
use crate::networking::v1::{IngressClass, IngressClassParametersReference};

const SPEC: Path<'static> = Path::new("spec");
const CONTROLLER_MAX: usize = 250;
const SCOPES: &[&str] = &["Cluster", "Namespace"];

pub(super) fn create(errors: &mut ErrorList, class: IngressClass<'_>) {
    let spec = class.spec();
    let path = SPEC.child("controller");
    if spec.controller().len() > CONTROLLER_MAX {
        errors.push(Error::too_long(&path, CONTROLLER_MAX));
    }
    domain_prefixed_path(errors, &path, spec.controller());
    let Some(reference) = spec.parameters() else {
        return;
    };
    let path = SPEC.child("parameters");
    parameters(errors, &path, reference);
    // Said by upstream's declarative rules, which come last.
    required(errors, &path.child("kind"), reference.kind());
    required(errors, &path.child("name"), reference.name());
}

/// Who serves a class stays the same.
pub(super) fn update(errors: &mut ErrorList, new: IngressClass<'_>, old: IngressClass<'_>) {
    immutable_text(
        errors,
        &SPEC.child("controller"),
        new.spec().controller(),
        old.spec().controller(),
    );
    create(errors, new);
}

fn parameters(
    errors: &mut ErrorList,
    path: &Path<'_>,
    reference: IngressClassParametersReference<'_>,
) {
    if let Some(group) = reference.api_group() {
        let place = path.child("apiGroup");
        each(errors, &place, group, format::dns_subdomain(group));
    }
    for (field, text) in [("kind", reference.kind()), ("name", reference.name())] {
        let messages = format::path_segment(text, false);
        each(errors, &path.child(field), text, messages);
    }
    let Some(scope) = reference.scope() else {
        errors.push(Error::required(&path.child("scope"), ""));
        return;
    };
    let place = path.child("namespace");
    match (scope, reference.namespace()) {
        ("Namespace", None) => errors.push(Error::required(
            &place,
            "`parameters.scope` is set to 'Namespace'",
        )),
        ("Namespace", Some(namespace)) => {
            each(errors, &place, namespace, format::dns_label(namespace));
        }
        ("Cluster", Some(_)) => errors.push(Error::forbidden(
            &place,
            "`parameters.scope` is set to 'Cluster'",
        )),
        ("Cluster", None) => {}
        (other, _) => errors.push(Error::not_supported(&path.child("scope"), other, SCOPES)),
    }
}
