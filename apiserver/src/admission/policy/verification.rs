//! What is wrong with a policy, or with a configuration of webhooks, that is written. What stands in its fields the api crate
//! judges; its expressions are judged here.

use api::Tree;
use api::admissionregistration::v1::{
    MutatingAdmissionPolicy, MutatingWebhookConfiguration, ValidatingAdmissionPolicy,
    ValidatingWebhookConfiguration,
};
use api::field::ErrorList;
use api::validation::policies::{Expressions, Purpose, Wrong, mutating_policy, validating_policy};
use api::validation::webhooks;

use super::environment::{add_variable, environment, with_variables};
use super::mutations::{configuration, operations};
use crate::cel::{CompileError, Environment, Type};

/// Judges the expressions of one policy.
struct Compiler {
    /// Match conditions do not see variables.
    conditions: Environment,
    rest: Environment,
}

impl Compiler {
    fn new(params: bool, variables: bool) -> Compiler {
        let conditions = environment(params);
        let rest = match variables {
            true => with_variables(conditions.clone()),
            false => conditions.clone(),
        };
        Compiler { conditions, rest }
    }
}

impl Expressions for Compiler {
    fn check(&mut self, purpose: Purpose<'_>, source: &str) -> Result<(), Wrong> {
        let patches = || self.rest.clone().with_patches();
        let compiled = match purpose {
            Purpose::MatchCondition => self.conditions.compile(source, &[Type::Bool]),
            Purpose::Validation => self.rest.compile(source, &[Type::Bool]),
            Purpose::Message => self.rest.compile(source, &[Type::String]),
            Purpose::AuditAnnotation => self.rest.compile(source, &[Type::String, Type::Null]),
            Purpose::ApplyConfiguration => patches().compile(source, &[configuration()]),
            Purpose::JsonPatch => patches().compile(source, &[operations()]),
            Purpose::Variable(name) => {
                let compiled = self.rest.compile(source, &[]);
                let ty = compiled.as_ref().ok().map(|program| &program.ty);
                add_variable(&mut self.rest, name, ty);
                compiled
            }
        };
        compiled.map(drop).map_err(wrong)
    }
}

fn wrong(error: CompileError) -> Wrong {
    match error {
        CompileError::Constant(_) => Wrong::Internal(error.to_string()),
        _ => Wrong::Invalid(error.to_string()),
    }
}

/// Judges the match conditions of webhooks.
struct Conditions(Environment);

impl Expressions for Conditions {
    fn check(&mut self, _: Purpose<'_>, source: &str) -> Result<(), Wrong> {
        match self.0.compile(source, &[Type::Bool]) {
            // No webhook is called here: what cannot be run here is no reason to refuse one.
            Ok(_) | Err(CompileError::Lacking(_)) => Ok(()),
            Err(error) => Err(wrong(error)),
        }
    }
}

/// Adds what is wrong with the expressions of webhooks, or with a policy; `old` is the one before, if it is changed. Of other kinds
/// nothing is said.
pub fn verify(errors: &mut ErrorList, new: &Tree, old: Option<&Tree>) {
    if new.type_id() == ValidatingAdmissionPolicy::TYPE {
        let spec = ValidatingAdmissionPolicy::of(new).spec();
        let params = spec.param_kind().is_some();
        let mut compiler = Compiler::new(params, !spec.variables().is_empty());
        validating_policy(errors, new, old, &mut compiler);
    } else if new.type_id() == MutatingAdmissionPolicy::TYPE {
        let params = MutatingAdmissionPolicy::of(new)
            .spec()
            .param_kind()
            .is_some();
        mutating_policy(errors, new, old, &mut Compiler::new(params, true));
    } else if [
        MutatingWebhookConfiguration::TYPE,
        ValidatingWebhookConfiguration::TYPE,
    ]
    .contains(&new.type_id())
    {
        webhooks::expressions(errors, new, old, &mut Conditions(environment(false)));
    }
}

#[cfg(test)]
mod tests {
    use api::admissionregistration::v1::ValidatingWebhookConfigurationMut;

    use super::*;

    fn with_condition(expression: &str) -> Tree {
        let mut tree = Tree::new(ValidatingWebhookConfiguration::TYPE);
        let mut view = ValidatingWebhookConfigurationMut::of(&mut tree);
        let mut hook = view.push_webhooks();
        let mut condition = hook.push_match_conditions();
        condition.set_name("a");
        condition.set_expression(expression);
        tree
    }

    fn found(expression: &str, old: Option<&Tree>) -> Vec<String> {
        let mut errors = ErrorList::new();
        verify(&mut errors, &with_condition(expression), old);
        errors.iter().map(|error| error.field.clone()).collect()
    }

    #[test]
    fn webhooks_are_refused_for_expressions_that_upstream_refuses() {
        for expression in [
            "",
            "request.operation != 'DELETE'",
            "authorizer.group('').resource('pods').check('get').allowed()",
            "isIP(object.spec.ip)",
            "timestamp(object.metadata.creationTimestamp).getHours('UTC') == 1",
        ] {
            assert_eq!(found(expression, None), [""; 0], "{expression}");
        }
        let wrong = ["webhooks[0].matchConditions[0].expression"];
        for expression in ["1 +", "object.kind", "params.a == 1", "1", "nothing"] {
            assert_eq!(found(expression, None), wrong, "{expression}");
        }
        let before = with_condition("nothing");
        assert_eq!(found("nothing", Some(&before)), [""; 0]);
        assert_eq!(found("nothing + 1", Some(&before)), wrong);
    }
}
