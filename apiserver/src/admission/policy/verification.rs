//! What is wrong with a policy that is written. What stands in its fields the api crate judges; its expressions are judged here.

use api::Tree;
use api::admissionregistration::v1::{MutatingAdmissionPolicy, ValidatingAdmissionPolicy};
use api::field::ErrorList;
use api::validation::policies::{Expressions, Purpose, Wrong, mutating_policy, validating_policy};

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
        compiled.map(drop).map_err(|error| match error {
            CompileError::Constant(_) => Wrong::Internal(error.to_string()),
            _ => Wrong::Invalid(error.to_string()),
        })
    }
}

/// Adds what is wrong with a policy; `old` is the one before, if it is changed. Of other kinds nothing is said.
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
    }
}
