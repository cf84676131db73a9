//! MutatingAdmissionPolicies and ValidatingAdmissionPolicies. Their expressions are in a language that is not known here: who
//! knows it gives an [`Expressions`].

use std::collections::BTreeSet;

use super::match_resources::{MUTABLE, match_resources, mutable_operations, param_kind};
use super::policy_parts::{self as parts, Checks};
use super::static_names;
use crate::admissionregistration::v1::{
    MatchResources, MutatingAdmissionPolicy, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicySpec,
};
use crate::field::{Error, ErrorList, Path};
use crate::tree::Tree;

const SPEC: Path<'static> = Path::new("spec");
const FAILURE_POLICIES: &[&str] = &["Fail", "Ignore"];
const REINVOCATION: &[&str] = &["IfNeeded", "Never"];
const MAX_ANNOTATIONS: usize = 20;
const ONE_ITEM: &str = "validations or auditAnnotations must contain at least one item";

/// What an expression is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// Whether the policy is about a write.
    MatchCondition,
    /// The variable of this name.
    Variable(&'a str),
    /// What must hold.
    Validation,
    /// What is said when it does not hold.
    Message,
    /// A note for the audit log.
    AuditAnnotation,
    /// A configuration to be applied.
    ApplyConfiguration,
    /// The operations of a JSON patch.
    JsonPatch,
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is none.
    Invalid(String),
    /// It cannot be run; upstream does not call it the client's fault.
    Internal(String),
}

/// Knows the language of expressions.
pub trait Expressions {
    /// Checks an expression of a policy; variables come before those that may name them.
    ///
    /// # Errors
    /// What is wrong with it.
    fn check(&mut self, purpose: Purpose<'_>, source: &str) -> Result<(), Wrong>;
}

/// What is wrong with a validating policy; `old` is the one before, if it is changed.
pub fn validating_policy(
    errors: &mut ErrorList,
    new: &Tree,
    old: Option<&Tree>,
    expressions: &mut dyn Expressions,
) {
    let policy = ValidatingAdmissionPolicy::of(new);
    let before = old.map(|old| ValidatingAdmissionPolicy::of(old).spec());
    validating(errors, policy, before, expressions);
    if old.is_none() {
        static_names::refuse(errors, policy.metadata().name());
    }
}

fn validating(
    errors: &mut ErrorList,
    policy: ValidatingAdmissionPolicy<'_>,
    before: Option<ValidatingAdmissionPolicySpec<'_>>,
    expressions: &mut dyn Expressions,
) {
    let (name, spec) = (policy.metadata().name(), policy.spec());
    let mut checks = Checks {
        expressions,
        known: BTreeSet::new(),
    };
    if let Some(before) = before {
        checks
            .known
            .extend(before.match_conditions().iter().map(|c| c.expression()));
        for validation in before.validations().iter() {
            checks
                .known
                .extend([validation.expression(), validation.message_expression()]);
        }
        let annotations = before.audit_annotations().iter();
        checks
            .known
            .extend(annotations.map(|a| a.value_expression()));
    }
    failure_policy(errors, spec.failure_policy());
    if let Some(kind) = spec.param_kind() {
        param_kind(errors, &SPEC.child("paramKind"), kind);
    }
    constraints(errors, spec.match_constraints());
    let list = SPEC.child("matchConditions");
    parts::match_conditions(errors, &list, spec.match_conditions(), &mut checks);
    parts::variables(errors, spec.variables(), &mut checks);
    let (validations, annotations) = (spec.validations(), spec.audit_annotations());
    if validations.is_empty() && annotations.is_empty() {
        errors.push(Error::required(&SPEC.child("validations"), ONE_ITEM));
        errors.push(Error::required(&SPEC.child("auditAnnotations"), ONE_ITEM));
        return;
    }
    let list = SPEC.child("validations");
    for (at, validation) in validations.iter().enumerate() {
        parts::validation(errors, &list.index(at), validation, &mut checks);
    }
    let list = SPEC.child("auditAnnotations");
    if annotations.len() > MAX_ANNOTATIONS {
        let why = format!("must not have more than {MAX_ANNOTATIONS} auditAnnotations");
        errors.push(Error::invalid(
            &list,
            super::check::shown(annotations.node()),
            why,
        ));
    }
    for (at, annotation) in annotations.iter().enumerate() {
        let path = list.index(at);
        parts::annotation(errors, &path, (name, annotation), &mut checks);
        if annotations
            .iter()
            .take(at)
            .any(|a| a.key() == annotation.key())
        {
            errors.push(Error::duplicate(&path.child("key"), annotation.key()));
        }
    }
}

/// What is wrong with a mutating policy; `old` is the one before, if it is changed.
pub fn mutating_policy(
    errors: &mut ErrorList,
    new: &Tree,
    old: Option<&Tree>,
    expressions: &mut dyn Expressions,
) {
    let policy = MutatingAdmissionPolicy::of(new);
    let spec = policy.spec();
    let mut checks = Checks {
        expressions,
        known: BTreeSet::new(),
    };
    if let Some(before) = old.map(|old| MutatingAdmissionPolicy::of(old).spec()) {
        checks
            .known
            .extend(before.match_conditions().iter().map(|c| c.expression()));
        for mutation in before.mutations().iter() {
            let applied = mutation.apply_configuration().map(|c| c.expression());
            checks.known.extend(applied);
            checks
                .known
                .extend(mutation.json_patch().map(|p| p.expression()));
        }
    }
    failure_policy(errors, spec.failure_policy());
    if let Some(kind) = spec.param_kind() {
        param_kind(errors, &SPEC.child("paramKind"), kind);
    }
    constraints(errors, spec.match_constraints());
    if let Some(constraints) = spec.match_constraints() {
        let path = SPEC.child("matchConstraints.resourceRules.operations");
        mutable_operations(errors, &path, constraints, MUTABLE);
    }
    let list = SPEC.child("matchConditions");
    parts::match_conditions(errors, &list, spec.match_conditions(), &mut checks);
    parts::variables(errors, spec.variables(), &mut checks);
    let (list, mutations) = (SPEC.child("mutations"), spec.mutations());
    if mutations.is_empty() {
        errors.push(Error::required(
            &list,
            "mutations must contain at least one item",
        ));
    }
    for (at, mutation) in mutations.iter().enumerate() {
        parts::mutation(errors, &list.index(at), mutation, &mut checks);
    }
    let path = SPEC.child("reinvocationPolicy");
    super::check::one_of(errors, &path, spec.reinvocation_policy(), REINVOCATION);
    if old.is_none() {
        static_names::refuse(errors, policy.metadata().name());
    }
}

fn failure_policy(errors: &mut ErrorList, policy: Option<&str>) {
    let path = SPEC.child("failurePolicy");
    match policy {
        None => errors.push(Error::required(&path, "")),
        Some(policy) => super::check::supported(errors, &path, policy, FAILURE_POLICIES),
    }
}

fn constraints(errors: &mut ErrorList, constraints: Option<MatchResources<'_>>) {
    let path = SPEC.child("matchConstraints");
    let Some(constraints) = constraints else {
        errors.push(Error::required(&path, ""));
        return;
    };
    match_resources(errors, &path, constraints);
    // They say of which types the object is.
    if constraints.resource_rules().is_empty() {
        errors.push(Error::required(&path.child("resourceRules"), ""));
    }
}
