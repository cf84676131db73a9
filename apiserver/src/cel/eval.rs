//! The value of an expression.

use std::sync::Arc;

use super::ast::{Call, Expr, Node};
use super::budget::{Budget, MAX_DEPTH};
use super::check::TYPE_NAMES;
use super::env::Program;
use super::error::Error;
use super::functions;
use super::value::{Key, Value};

/// The values of variables.
pub trait Activation {
    /// The value of a variable.
    fn variable(&self, name: &str) -> Option<Value>;

    /// A field of a variable whose fields are evaluated when they are asked for; none if the variable is not of that kind, or has
    /// no such field. `depth` is how deep the evaluation is nested that asks, which goes on from there.
    fn field(&self, variable: &str, field: &str, depth: u32) -> Option<Result<Value, Error>> {
        let _ = (variable, field, depth);
        None
    }
}

/// What an evaluation gave.
#[derive(Debug)]
pub struct Outcome {
    /// The value.
    pub value: Result<Value, Error>,
    /// What it cost, without what was spent on fields that were evaluated on the way.
    pub cost: u64,
}

impl Program {
    /// Evaluates the expression, nested `depth` deep in other evaluations.
    pub fn eval(&self, activation: &dyn Activation, depth: u32) -> Outcome {
        let mut evaluation = Evaluation {
            activation,
            scopes: Vec::new(),
            budget: Budget::default(),
            depth,
        };
        let value = evaluation.eval(&self.expr);
        Outcome {
            value,
            cost: evaluation.budget.spent(),
        }
    }
}

/// One evaluation.
pub(super) struct Evaluation<'a> {
    activation: &'a dyn Activation,
    /// What walks over lists and maps call their elements; the innermost last.
    pub(super) scopes: Vec<(Arc<str>, Value)>,
    pub(super) budget: Budget,
    depth: u32,
}

impl Evaluation<'_> {
    /// The value of an expression.
    pub(super) fn eval(&mut self, expr: &Expr) -> Result<Value, Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::TooDeep);
        }
        let value = match &expr.node {
            Node::Literal(value) => Ok(value.clone()),
            Node::Ident(name) => self.ident(name),
            Node::Select(operand, field, optional) => self.select(operand, field, *optional),
            Node::Has(operand, field) => self.has(operand, field),
            Node::Index(operand, index, optional) => self.index(operand, index, *optional),
            Node::Call(call) => self.call(call),
            Node::And(all) => self.logical(all, true),
            Node::Or(all) => self.logical(all, false),
            Node::Ternary(parts) => {
                let [condition, then, other] = &**parts;
                match self.eval(condition) {
                    Ok(Value::Bool(true)) => self.eval(then),
                    Ok(Value::Bool(false)) => self.eval(other),
                    Ok(_) => Err(Error::NoSuchOverload),
                    Err(error) => Err(error),
                }
            }
            Node::List(items) => self.list(items),
            Node::Map(entries) => self.map(entries),
            Node::Struct(name, fields) => self.object(name, fields),
            Node::Fold(fold) => self.fold(fold),
            Node::OptMap {
                target,
                variable,
                body,
                flat,
            } => self.opt_map(target, variable, body, *flat),
        };
        self.depth -= 1;
        value
    }

    fn scoped(&self, name: &str) -> Option<&Value> {
        let mut scopes = self.scopes.iter().rev();
        scopes
            .find(|(own, _)| **own == *name)
            .map(|(_, value)| value)
    }

    fn ident(&mut self, name: &Arc<str>) -> Result<Value, Error> {
        self.budget.spend(1)?;
        if let Some(value) = self.scoped(name) {
            return Ok(value.clone());
        }
        match self.activation.variable(name) {
            Some(value) => Ok(value),
            None if TYPE_NAMES.contains(&&**name) => Ok(Value::Type(Arc::clone(name))),
            None => Err(Error::NoSuchVariable(name.to_string())),
        }
    }

    /// A field that is evaluated only now.
    fn lazy_field(&mut self, operand: &Expr, field: &str) -> Option<Result<Value, Error>> {
        match &operand.node {
            Node::Ident(name) if self.scoped(name).is_none() => {
                self.activation.field(name, field, self.depth)
            }
            _ => None,
        }
    }

    #[inline(never)]
    fn select(&mut self, operand: &Expr, field: &Arc<str>, optional: bool) -> Result<Value, Error> {
        self.budget.spend(1)?;
        if let Some(value) = self.lazy_field(operand, field) {
            return match optional {
                true => Value::some(value?),
                false => value,
            };
        }
        let value = self.eval(operand)?;
        let is_optional = optional || matches!(value, Value::Optional(_));
        let found = value.held().and_then(|value| value.get(field));
        match is_optional {
            true => Value::optional(found),
            false => found.ok_or_else(|| Error::NoSuchKey(field.to_string())),
        }
    }

    #[inline(never)]
    fn has(&mut self, operand: &Expr, field: &Arc<str>) -> Result<Value, Error> {
        if let Some(value) = self.lazy_field(operand, field) {
            return value.map(|_| Value::Bool(true));
        }
        let value = self.eval(operand)?;
        let found = value.held().and_then(|value| value.get(field));
        Ok(Value::Bool(found.is_some()))
    }

    #[inline(never)]
    fn index(&mut self, operand: &Expr, index: &Expr, optional: bool) -> Result<Value, Error> {
        self.budget.spend(1)?;
        let value = self.eval(operand)?;
        let index = self.eval(index)?;
        let is_optional = optional || matches!(value, Value::Optional(_));
        let found = match value.held() {
            None => Err(Error::NoSuchKey(index.to_string())),
            Some(value) => at(value, &index),
        };
        match found {
            Ok(found) if is_optional => Value::some(found),
            Err(Error::NoSuchKey(_) | Error::OutOfBounds(_)) if is_optional => {
                Ok(Value::Optional(None))
            }
            found => found,
        }
    }

    #[inline(never)]
    fn call(&mut self, call: &Call) -> Result<Value, Error> {
        let mut args = Vec::with_capacity(call.args.len() + 1);
        for arg in call.target.as_deref().into_iter().chain(&call.args) {
            args.push(self.eval(arg)?);
        }
        functions::call(&call.function, &call.overloads, &args, &mut self.budget)
    }

    /// All hold (`all`), or one does. What fails does not matter where another one decides.
    #[inline(never)]
    fn logical(&mut self, parts: &[Expr], all: bool) -> Result<Value, Error> {
        let mut failed = None;
        for part in parts {
            match self.eval(part) {
                Ok(Value::Bool(holds)) if holds == all => {}
                Ok(Value::Bool(holds)) => return Ok(Value::Bool(holds)),
                Ok(_) => failed = failed.or(Some(Error::NoSuchOverload)),
                Err(error) if error.is_final() => return Err(error),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(Value::Bool(all)), Err)
    }
}

/// A list's element, a map's value.
fn at(value: &Value, index: &Value) -> Result<Value, Error> {
    match value {
        Value::List(list) => {
            let Some(Key::Int(index)) = Key::of(index) else {
                return Err(Error::failed(format!(
                    "unsupported index type: {}",
                    index.type_name()
                )));
            };
            let found = usize::try_from(index).ok().and_then(|at| list.get(at));
            found.cloned().ok_or(Error::OutOfBounds(index))
        }
        Value::Map(map) => {
            let found = Key::of(index).and_then(|key| map.get(&key));
            found
                .cloned()
                .ok_or_else(|| Error::NoSuchKey(index.to_string()))
        }
        Value::Struct(object) => {
            let found = match index {
                Value::String(name) => object.fields().get(name),
                _ => None,
            };
            found
                .cloned()
                .ok_or_else(|| Error::NoSuchKey(index.to_string()))
        }
        // As upstream: what has no elements has not this one either.
        _ => Err(Error::NoSuchKey(index.to_string())),
    }
}
