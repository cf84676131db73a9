//! The values of what a policy's expressions name, for one write.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use super::compiled::Variable;
use crate::cel::{Activation, Error, Value};

/// The values that are there from the start.
#[derive(Clone, Debug)]
pub struct Values {
    /// The new object; null for a deletion.
    pub object: Value,
    /// The object before; null for a creation.
    pub old_object: Value,
    /// What is asked for.
    pub request: Value,
    /// The parameter; null if there is none.
    pub params: Value,
    /// The namespace of the object; null if it has none.
    pub namespace: Value,
}

/// Those, and a policy's variables, each evaluated when it is first asked for.
pub struct Inputs<'a> {
    values: &'a Values,
    variables: &'a [Variable],
    known: RefCell<HashMap<&'a str, Result<Value, Error>>>,
    spent: Cell<u64>,
}

impl<'a> Inputs<'a> {
    /// Nothing is evaluated yet.
    pub fn new(values: &'a Values, variables: &'a [Variable]) -> Inputs<'a> {
        Inputs {
            values,
            variables,
            known: RefCell::default(),
            spent: Cell::new(0),
        }
    }

    /// What variables have cost since this was asked last.
    pub fn take_spent(&self) -> u64 {
        self.spent.take()
    }

    fn evaluate(&self, variable: &Variable, depth: u32) -> Result<Value, Error> {
        let name = &variable.name;
        let program = match variable.expression.program() {
            Ok(program) => program,
            Err(why) => {
                let message = format!("composited variable \"{name}\" fails to compile: {why}");
                return Err(Error::failed(message));
            }
        };
        let outcome = program.eval(self, depth);
        self.spent
            .set(self.spent.get().saturating_add(outcome.cost));
        outcome.value.map_err(|error| match error.is_final() {
            true => error,
            false => {
                let message = format!("composited variable \"{name}\" fails to evaluate: {error}");
                Error::failed(message)
            }
        })
    }
}

impl Activation for Inputs<'_> {
    fn variable(&self, name: &str) -> Option<Value> {
        let values = self.values;
        let value = match name {
            "object" => &values.object,
            "oldObject" => &values.old_object,
            "request" => &values.request,
            "params" => &values.params,
            "namespaceObject" => &values.namespace,
            _ => return None,
        };
        Some(value.clone())
    }

    fn field(&self, variable: &str, field: &str, depth: u32) -> Option<Result<Value, Error>> {
        if variable != "variables" {
            return None;
        }
        // Of several of one name the last counts.
        let found = self.variables.iter().rev().find(|v| v.name == field)?;
        if let Some(known) = self.known.borrow().get(found.name.as_str()) {
            return Some(known.clone());
        }
        let value = self.evaluate(found, depth);
        self.known.borrow_mut().insert(&found.name, value.clone());
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::policy::budget::Left;
    use crate::admission::policy::environment::{add_variable, environment, with_variables};
    use crate::admission::policy::expression::Expression;

    #[test]
    fn variables_are_evaluated_when_they_are_asked_for() {
        let mut env = with_variables(environment(false));
        let sources = [
            ("wrong", "object.nothing"),
            ("list", "lists.range(1000)"),
            ("even", "variables.list.filter(x, x % 2 == 0)"),
        ];
        let variables = sources.map(|(name, source)| {
            let expression = Expression::new(&env, source, &[]);
            add_variable(&mut env, name, expression.ty());
            let name = name.to_owned();
            Variable { name, expression }
        });
        let values = Values {
            object: Value::Null,
            old_object: Value::Null,
            request: Value::Null,
            params: Value::Null,
            namespace: Value::Null,
        };
        let inputs = Inputs::new(&values, &variables);
        let evaluate = |source: &str| {
            let mut left = Left(1_000_000);
            let expression = Expression::new(&env, source, &[]);
            let value = expression.evaluate(&inputs, &mut left).unwrap();
            (value.map(|value| value.to_string()), 1_000_000 - left.0)
        };
        let (value, first) = evaluate("variables.even.size()");
        assert_eq!(value.unwrap(), "500");
        // The second time it is known already.
        let (value, second) = evaluate("variables.even.size()");
        assert_eq!(value.unwrap(), "500");
        assert!(first > 1000 && second < 10, "{first} {second}");
        let (value, _) = evaluate("variables.wrong == 1");
        assert_eq!(
            value.unwrap_err(),
            "expression 'variables.wrong == 1' resulted in error: composited variable \"wrong\" fails to evaluate: no such key: nothing"
        );
        assert!(env.compile("variables.none", &[]).is_err());
    }
}
