//! A policy, compiled, and its bindings.

use api::admissionregistration::v1;
use api::view::List;
use api::{Tree, TypeId, view};

use super::budget::{CONDITIONS, Left};
use super::environment::{add_variable, environment, with_variables};
use super::expression::Expression;
use super::inputs::{Inputs, Values};
use super::matching::Matcher;
use super::params::{ParamKind, ParamRef};
use crate::cel::{Environment, Type, Value};

/// What a kind of policies asks: to judge or to change.
pub trait Rules: Sized + Send + Sync + 'static {
    /// Where its policies stand.
    const POLICIES: &'static str;
    /// Where the bindings of its policies stand.
    const BINDINGS: &'static str;
    /// The type of a policy, as it is stored.
    const POLICY: TypeId;
    /// The type of a binding, as it is stored.
    const BINDING: TypeId;

    /// Compiles a policy.
    fn policy(tree: &Tree) -> Policy<Self>;

    /// Reads a binding.
    fn binding(tree: &Tree) -> Binding;
}

/// A policy.
#[derive(Debug)]
pub struct Policy<R> {
    /// Its name.
    pub name: String,
    /// What is wrong with the policy, or happens when it is asked, does not matter.
    pub ignores_failures: bool,
    /// Which writes it is about.
    pub matcher: Result<Matcher, String>,
    /// The kind of its parameters.
    pub param_kind: Option<ParamKind>,
    /// Its variables.
    pub variables: Vec<Variable>,
    /// What else must hold for it to be asked.
    pub conditions: Vec<Expression>,
    /// What it asks.
    pub rules: R,
}

/// A variable of a policy.
#[derive(Debug)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub expression: Expression,
}

/// A binding.
#[derive(Debug)]
pub struct Binding {
    /// Its name.
    pub name: String,
    /// The policy that it binds.
    pub policy: String,
    /// Which writes it is about, of those of the policy.
    pub matcher: Option<Result<Matcher, String>>,
    /// The parameters that it gives.
    pub params: Option<ParamRef>,
    /// What becomes of what a validating policy finds.
    pub actions: Vec<String>,
}

/// What policies of both kinds have.
pub struct Common<'a> {
    /// The whole policy.
    pub tree: &'a Tree,
    /// Whether failures matter.
    pub failure_policy: Option<&'a str>,
    /// Which writes it is about.
    pub constraints: Option<v1::MatchResources<'a>>,
    /// The kind of its parameters.
    pub param_kind: Option<v1::ParamKind<'a>>,
    /// Its variables.
    pub variables: List<'a, v1::Variable<'a>>,
    /// What else must hold.
    pub conditions: List<'a, v1::MatchCondition<'a>>,
}

impl Common<'_> {
    /// Compiles a policy: variables in their order, each of which may name those before, then the rest.
    pub fn compile<R>(&self, rules: impl FnOnce(&Environment) -> R) -> Policy<R> {
        let mut env = with_variables(environment(self.param_kind.is_some()));
        let mut variables = Vec::new();
        for variable in self.variables.iter() {
            let expression = Expression::new(&env, variable.expression(), &[]);
            add_variable(&mut env, variable.name(), expression.ty());
            variables.push(Variable {
                name: variable.name().to_owned(),
                expression,
            });
        }
        let condition =
            |c: v1::MatchCondition<'_>| Expression::new(&env, c.expression(), &[Type::Bool]);
        let missing = || "policy contained no match constraints, a required field".to_owned();
        Policy {
            name: view::metadata(self.tree).name().to_owned(),
            ignores_failures: self.failure_policy == Some("Ignore"),
            matcher: self.constraints.ok_or_else(missing).and_then(Matcher::new),
            param_kind: self.param_kind.map(ParamKind::new),
            conditions: self.conditions.iter().map(condition).collect(),
            rules: rules(&env),
            variables,
        }
    }
}

impl<R> Policy<R> {
    /// Whether its match conditions hold. Each of them is evaluated; one that does not hold decides, whatever the others do.
    ///
    /// # Errors
    /// If one of them fails, and this matters.
    pub fn applies(&self, values: &Values) -> Result<bool, String> {
        let inputs = Inputs::new(values, &self.variables);
        let mut left = Left(CONDITIONS);
        let mut failures = Vec::new();
        let mut holds = true;
        for condition in &self.conditions {
            match condition.evaluate(&inputs, &mut left) {
                Ok(Ok(value)) => holds &= !matches!(value, Value::Bool(false)),
                Ok(Err(why)) => failures.push(why),
                Err(out_of_budget) if !self.ignores_failures => {
                    return Err(out_of_budget.to_string());
                }
                Err(_) => return Ok(false),
            }
        }
        match (holds, &failures[..]) {
            (true, [_, ..]) if self.ignores_failures => Ok(false),
            (true, [only]) => Err(only.clone()),
            (true, [_, ..]) => Err(format!("[{}]", failures.join(", "))),
            (holds, _) => Ok(holds),
        }
    }
}
