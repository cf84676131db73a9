//! What a validating policy asks.

use api::admissionregistration::v1::{
    ValidatingAdmissionPolicy as GivenPolicy, ValidatingAdmissionPolicyBinding as GivenBinding,
    ValidatingAdmissionPolicySpec as Spec,
};
use api::{Tree, TypeId};

use super::compiled::{Binding, Common, Policy, Rules};
use super::expression::Expression;
use super::matching::Matcher;
use super::params::ParamRef;
use crate::cel::{Environment, Type};
use crate::status::Reason;

/// What a validating policy asks.
#[derive(Debug)]
pub struct Validations {
    /// What must hold.
    pub validations: Vec<Validation>,
    /// What is noted for the audit log.
    pub annotations: Vec<Annotation>,
}

/// What must hold.
#[derive(Debug)]
pub struct Validation {
    /// The expression.
    pub expression: Expression,
    /// What is said when it does not hold; empty: not given.
    pub message: String,
    /// The same, as an expression.
    pub message_expression: Option<Expression>,
    /// Why the request is refused then.
    pub reason: Reason,
}

/// A note for the audit log.
#[derive(Debug)]
pub struct Annotation {
    /// The end of its name.
    pub key: String,
    /// Its text; with null there is none.
    pub expression: Expression,
}

impl Validations {
    fn new(spec: Spec<'_>, env: &Environment) -> Validations {
        let validations = spec.validations().iter().map(|given| {
            let message = Some(given.message_expression()).filter(|source| !source.is_empty());
            Validation {
                expression: Expression::new(env, given.expression(), &[Type::Bool]),
                message: given.message().trim().to_owned(),
                message_expression: message
                    .map(|source| Expression::new(env, source, &[Type::String])),
                reason: match given.reason() {
                    Some("Unauthorized") => Reason::Unauthorized,
                    Some("Forbidden") => Reason::Forbidden,
                    Some("RequestEntityTooLarge") => Reason::RequestEntityTooLarge,
                    _ => Reason::Invalid,
                },
            }
        });
        let annotations = spec.audit_annotations().iter().map(|given| Annotation {
            key: given.key().to_owned(),
            expression: Expression::new(env, given.value_expression(), &[Type::String, Type::Null]),
        });
        Validations {
            validations: validations.collect(),
            annotations: annotations.collect(),
        }
    }
}

impl Rules for Validations {
    const POLICIES: &'static str = "validatingadmissionpolicies/";
    const BINDINGS: &'static str = "validatingadmissionpolicybindings/";
    const POLICY: TypeId = GivenPolicy::TYPE;
    const BINDING: TypeId = GivenBinding::TYPE;

    fn policy(tree: &Tree) -> Policy<Validations> {
        let spec = GivenPolicy::of(tree).spec();
        let common = Common {
            tree,
            failure_policy: spec.failure_policy(),
            constraints: spec.match_constraints(),
            param_kind: spec.param_kind(),
            variables: spec.variables(),
            conditions: spec.match_conditions(),
        };
        common.compile(|env| Validations::new(spec, env))
    }

    fn binding(tree: &Tree) -> Binding {
        let given = GivenBinding::of(tree);
        let spec = given.spec();
        Binding {
            name: given.metadata().name().to_owned(),
            policy: spec.policy_name().to_owned(),
            matcher: spec.match_resources().map(Matcher::new),
            params: spec.param_ref().map(ParamRef::new),
            actions: spec
                .validation_actions()
                .iter()
                .map(str::to_owned)
                .collect(),
        }
    }
}
