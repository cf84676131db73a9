//! Names and types: which variables and functions an expression names, and whether their types fit.

use std::sync::Arc;

use super::ast::{Expr, Field, Node};
use super::env::{Environment, Made};
use super::error::{Error, Issue};
use super::functions;
use super::types::Type;

/// The types that have names of one word.
pub const TYPE_NAMES: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "type",
    "uint",
];

/// Checks one expression.
pub struct Checker<'a> {
    env: &'a Environment,
    /// What walks over lists and maps call their elements; the innermost last.
    pub(super) scopes: Vec<(Arc<str>, Type)>,
    issues: Vec<Issue>,
    /// Whether something is named that upstream has, and this server has not.
    pub(super) lacks: bool,
    /// What goes wrong with constants, which are evaluated only once all types are right.
    pub(super) constant: Option<Error>,
}

impl<'a> Checker<'a> {
    /// A checker of expressions that may name what `env` has.
    pub fn new(env: &'a Environment) -> Checker<'a> {
        Checker {
            env,
            scopes: Vec::new(),
            issues: Vec::new(),
            lacks: false,
            constant: None,
        }
    }

    /// What was found wrong, by place.
    pub fn issues(mut self) -> Vec<Issue> {
        self.issues.sort_by_key(|issue| issue.at);
        self.issues
    }

    pub(super) fn issue(&mut self, at: u32, message: impl Into<String>) -> Type {
        self.issues.push(Issue::new(at, message));
        Type::Dyn
    }

    pub(super) fn undeclared(&mut self, at: u32, name: &str) -> Type {
        let lacks = functions::is_lacking(name);
        self.lacks |= lacks;
        let lacking = match lacks {
            true => ": not supported by this server",
            false => "",
        };
        let message = format!("undeclared reference to '{name}' (in container ''){lacking}");
        self.issue(at, message)
    }

    /// The type of an expression; of one that is wrong, dyn. Calls get their overloads.
    pub fn check(&mut self, expr: &mut Expr) -> Type {
        let at = expr.at;
        match &mut expr.node {
            Node::Literal(value) => literal(value.type_name()),
            Node::Ident(name) => self.ident(at, name),
            Node::Select(operand, field, optional) => {
                let (operand, optional) = (self.check(operand), *optional);
                self.select(at, &operand, field, optional)
            }
            Node::Has(operand, field) => {
                let operand = self.check(operand);
                self.select(at, &operand, field, false);
                Type::Bool
            }
            Node::Index(operand, index, optional) => {
                let (operand, index) = (self.check(operand), self.check(index));
                self.index(at, &operand, &index, *optional)
            }
            Node::Call(call) => self.call(at, call),
            Node::And(all) => self.logical(at, "_&&_", all),
            Node::Or(all) => self.logical(at, "_||_", all),
            Node::Ternary(parts) => {
                let types: Vec<Type> = parts.iter_mut().map(|part| self.check(part)).collect();
                let joined = types[1].join(&types[2]);
                match joined.filter(|_| types[0].fits(&Type::Bool)) {
                    Some(ty) => ty,
                    None => self.no_overload(at, "_?_:_", &types, false),
                }
            }
            Node::List(items) => {
                let mut element = Type::Free;
                for (item, optional) in items {
                    let ty = self.item(item, *optional);
                    element = self.same(item.at, &element, ty);
                }
                Type::list(element)
            }
            Node::Map(entries) => {
                let (mut key, mut value) = (Type::Free, Type::Free);
                for (k, v, optional) in entries {
                    let ty = self.check(k);
                    key = self.same(k.at, &key, ty);
                    let ty = self.item(v, *optional);
                    value = self.same(v.at, &value, ty);
                }
                Type::map(key, value)
            }
            Node::Struct(name, fields) => {
                let name = Arc::clone(name);
                self.object(at, &name, fields)
            }
            Node::Fold(fold) => self.fold(fold),
            Node::OptMap {
                target,
                variable,
                body,
                flat,
            } => {
                let held = match self.check(target) {
                    Type::Optional(held) => (*held).clone(),
                    Type::Dyn | Type::Free => Type::Dyn,
                    other => {
                        let name = if *flat { "optFlatMap" } else { "optMap" };
                        self.no_overload(at, name, &[other], true)
                    }
                };
                self.scopes.push((Arc::clone(variable), held));
                let body = self.check(body);
                self.scopes.pop();
                match (*flat, body) {
                    (false, body) => Type::Optional(Arc::new(body)),
                    (true, body @ Type::Optional(_)) => body,
                    (true, body) => body.join(&Type::Dyn).unwrap_or(Type::Dyn),
                }
            }
        }
    }

    fn ident(&mut self, at: u32, name: &str) -> Type {
        let scoped = self.scopes.iter().rev().find(|(own, _)| **own == *name);
        if let Some(ty) = scoped.map(|(_, ty)| ty).or_else(|| self.env.type_of(name)) {
            return ty.clone();
        }
        if TYPE_NAMES.contains(&name) {
            return Type::Type;
        }
        self.undeclared(at, name)
    }

    fn select(&mut self, at: u32, operand: &Type, field: &str, optional: bool) -> Type {
        let (target, was_optional) = match operand {
            Type::Optional(held) => (&**held, true),
            other => (other, false),
        };
        let ty = match target {
            Type::Map(entry) => entry.1.clone(),
            Type::Struct(name) => match self.env.field(name, field) {
                Some(ty) => ty,
                None => self.issue(at, format!("undefined field '{field}'")),
            },
            Type::Dyn | Type::Free => Type::Dyn,
            other => {
                let shown = other.show();
                self.issue(
                    at,
                    format!("type '{shown}' does not support field selection"),
                )
            }
        };
        match optional || was_optional {
            true => Type::Optional(Arc::new(ty)),
            false => ty,
        }
    }

    fn index(&mut self, at: u32, operand: &Type, index: &Type, optional: bool) -> Type {
        let (target, was_optional) = match operand {
            Type::Optional(held) => (&**held, true),
            other => (other, false),
        };
        let found = match target {
            Type::Dyn | Type::Free => Some(Type::Dyn),
            Type::List(element) if index.fits(&Type::Int) => Some((**element).clone()),
            Type::Map(entry) if index.fits(&entry.0) => Some(entry.1.clone()),
            _ => None,
        };
        let Some(ty) = found else {
            let name = if optional { "_[?_]" } else { "_[_]" };
            return self.no_overload(at, name, &[operand.clone(), index.clone()], false);
        };
        match optional || was_optional {
            true => Type::Optional(Arc::new(ty)),
            false => ty,
        }
    }

    fn logical(&mut self, at: u32, name: &str, all: &mut [Expr]) -> Type {
        let types: Vec<Type> = all.iter_mut().map(|part| self.check(part)).collect();
        match types.iter().all(|ty| ty.fits(&Type::Bool)) {
            true => Type::Bool,
            false => {
                self.no_overload(at, name, &types, false);
                Type::Bool
            }
        }
    }

    /// An item of a list or an entry; what an optional one holds.
    fn item(&mut self, expr: &mut Expr, optional: bool) -> Type {
        match (self.check(expr), optional) {
            (ty, false) => ty,
            (Type::Optional(held), true) => (*held).clone(),
            (Type::Dyn, true) => Type::Dyn,
            (other, true) => {
                let message = format!(
                    "expected type 'optional_type(dyn)' but found '{}'",
                    other.show()
                );
                self.issue(expr.at, message)
            }
        }
    }

    /// Items of one list are of one type.
    fn same(&mut self, at: u32, before: &Type, ty: Type) -> Type {
        // What is known late only is of no type that others could share.
        match before.join(&ty).filter(|_| before.equivalent(&ty)) {
            Some(joined) => joined,
            None => {
                let message = format!(
                    "expected type '{}' but found '{}'",
                    before.show(),
                    ty.show()
                );
                self.issue(at, message)
            }
        }
    }

    fn object(&mut self, at: u32, name: &Arc<str>, fields: &mut [Field]) -> Type {
        let Some(made) = self.env.made(name) else {
            return self.undeclared(at, name);
        };
        for field in fields {
            let ty = self.item(&mut field.value, field.optional);
            let Made::Declared(declared) = made else {
                continue;
            };
            let (at, name) = (field.at, &field.name);
            match declared.iter().find(|(declared, _)| *declared == &**name) {
                None => {
                    self.issue(at, format!("undefined field '{name}'"));
                }
                Some((_, wanted)) if !ty.fits(wanted) => {
                    let (wanted, found) = (wanted.show(), ty.show());
                    let message = format!(
                        "expected type of field '{name}' is '{wanted}' but provided type is '{found}'"
                    );
                    self.issue(at, message);
                }
                Some(_) => {}
            }
        }
        Type::Struct(Arc::clone(name))
    }
}

fn literal(type_name: &str) -> Type {
    match type_name {
        "null_type" => Type::Null,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        _ => Type::Dyn,
    }
}
