//! What a mutating policy does.

use api::admissionregistration::v1::{
    MutatingAdmissionPolicy as GivenPolicy, MutatingAdmissionPolicyBinding as GivenBinding,
    MutatingAdmissionPolicySpec as Spec,
};
use api::{Tree, TypeId};

use super::compiled::{Binding, Common, Policy, Rules};
use super::expression::Expression;
use super::matching::Matcher;
use super::params::ParamRef;
use crate::cel::{Environment, Type};

/// What a mutating policy does.
#[derive(Debug)]
pub struct Mutations {
    /// The changes, in their order.
    pub mutations: Vec<Mutation>,
    /// It is asked again, if the object was changed after it.
    pub again: bool,
}

/// A change.
#[derive(Debug)]
pub enum Mutation {
    /// The expression makes a configuration, which is merged into the object.
    Apply(Expression),
    /// The expression makes the operations of a JSON patch.
    Patch(Expression),
}

/// The type of a configuration.
pub fn configuration() -> Type {
    Type::Struct("Object".into())
}

/// The type of the operations of a JSON patch.
pub fn operations() -> Type {
    Type::list(Type::Struct("JSONPatch".into()))
}

impl Mutations {
    fn new(spec: Spec<'_>, env: &Environment) -> Mutations {
        let env = env.clone().with_patches();
        let mutations = spec
            .mutations()
            .iter()
            .filter_map(|given| match given.patch_type() {
                "ApplyConfiguration" => {
                    let source = given.apply_configuration()?.expression();
                    Some(Mutation::Apply(Expression::new(
                        &env,
                        source,
                        &[configuration()],
                    )))
                }
                "JSONPatch" => {
                    let source = given.json_patch()?.expression();
                    Some(Mutation::Patch(Expression::new(
                        &env,
                        source,
                        &[operations()],
                    )))
                }
                _ => None,
            });
        Mutations {
            mutations: mutations.collect(),
            again: spec.reinvocation_policy() == "IfNeeded",
        }
    }
}

impl Rules for Mutations {
    const POLICIES: &'static str = "mutatingadmissionpolicies/";
    const BINDINGS: &'static str = "mutatingadmissionpolicybindings/";
    const POLICY: TypeId = GivenPolicy::TYPE;
    const BINDING: TypeId = GivenBinding::TYPE;

    fn policy(tree: &Tree) -> Policy<Mutations> {
        let spec = GivenPolicy::of(tree).spec();
        let common = Common {
            tree,
            failure_policy: spec.failure_policy(),
            constraints: spec.match_constraints(),
            param_kind: spec.param_kind(),
            variables: spec.variables(),
            conditions: spec.match_conditions(),
        };
        common.compile(|env| Mutations::new(spec, env))
    }

    fn binding(tree: &Tree) -> Binding {
        let given = GivenBinding::of(tree);
        let spec = given.spec();
        Binding {
            name: given.metadata().name().to_owned(),
            policy: spec.policy_name().to_owned(),
            matcher: spec.match_resources().map(Matcher::new),
            params: spec.param_ref().map(ParamRef::new),
            actions: Vec::new(),
        }
    }
}
