//! The values of what a policy's expressions name, for one write.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use super::policy::Variable;
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
