//! Kinds with few rules: leases, priority classes, bindings.

use super::check::{each, quoted, required};
use super::format;
use super::pod;
use crate::Tree;
use crate::coordination::v1::{Lease, LeaseSpec};
use crate::core::v1::Binding;
use crate::field::{BadValue, Error, ErrorList, Path};
use crate::scheduling::v1::PriorityClass;

const HIGHEST_PRIORITY: i32 = 1_000_000_000;
const SYSTEM_PREFIX: &str = "system-";
/// Name, value and description of upstream's own classes.
const SYSTEM_CLASSES: &[(&str, i32)] = &[
    ("system-node-critical", 2_000_001_000),
    ("system-cluster-critical", 2_000_000_000),
];

pub(super) fn lease(errors: &mut ErrorList, lease: Lease<'_>) {
    lease_spec(errors, &Path::new("spec"), lease.spec());
}

fn lease_spec(errors: &mut ErrorList, path: &Path<'_>, spec: LeaseSpec<'_>) {
    if let Some(seconds) = spec.lease_duration_seconds()
        && seconds <= 0
    {
        let place = path.child("leaseDurationSeconds");
        errors.push(Error::invalid(&place, seconds, "must be greater than 0"));
    }
    if let Some(transitions) = spec.lease_transitions()
        && transitions < 0
    {
        let place = path.child("leaseTransitions");
        let why = "must be greater than or equal to 0";
        errors.push(Error::invalid(&place, transitions, why));
    }
}

pub(super) fn priority_class(errors: &mut ErrorList, class: PriorityClass<'_>) {
    let (name, value) = (class.metadata().name(), class.value());
    if name.starts_with(SYSTEM_PREFIX) {
        let known = SYSTEM_CLASSES.iter().find(|known| known.0 == name);
        let problem = match known {
            None => Some(format!("{name} is not a known system priority class")),
            Some((_, right)) if *right != value => {
                Some(format!("value of {name} PriorityClass must be {right}"))
            }
            Some(_) if class.global_default() => Some(format!(
                "globalDefault of {name} PriorityClass must be false"
            )),
            Some(_) => None,
        };
        if let Some(problem) = problem {
            errors.push(Error::forbidden(
                &Path::new("metadata.name"),
                format!(
                    "priority class names with '{SYSTEM_PREFIX}' prefix are reserved for system use only. error: {problem}"
                ),
            ));
        }
    } else if value > HIGHEST_PRIORITY {
        errors.push(Error::forbidden(
            &Path::new("value"),
            format!("maximum allowed value of a user defined priority is {HIGHEST_PRIORITY}"),
        ));
    }
    pod::preemption_policy(
        errors,
        &Path::new("preemptionPolicy"),
        class.preemption_policy(),
    );
}

/// What pods rely on stays as it is.
pub(super) fn priority_class_update(
    errors: &mut ErrorList,
    new: PriorityClass<'_>,
    old: PriorityClass<'_>,
) {
    if new.value() != old.value() {
        errors.push(Error::forbidden(
            &Path::new("value"),
            "may not be changed in an update.",
        ));
    }
    if new.preemption_policy() != old.preemption_policy() {
        let value = new
            .preemption_policy()
            .map_or(BadValue::Json("null".to_owned()), quoted);
        errors.push(Error::invalid(
            &Path::new("preemptionPolicy"),
            value,
            super::check::IMMUTABLE,
        ));
    }
}

/// A pod's binding to a node (`pods/binding`, `bindings`).
pub fn binding(tree: &Tree) -> ErrorList {
    let mut errors = ErrorList::new();
    let target = Binding::of(tree).target();
    let path = Path::new("target");
    if !matches!(target.kind(), "" | "Node") {
        let place = path.child("kind");
        errors.push(Error::not_supported(
            &place,
            target.kind(),
            &["Node", "<empty>"],
        ));
    }
    let place = path.child("name");
    if required(&mut errors, &place, target.name()) && matches!(target.kind(), "" | "Node") {
        let messages = format::dns_subdomain(target.name());
        each(&mut errors, &place, target.name(), messages);
    }
    errors
}
