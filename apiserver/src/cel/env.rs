//! What an expression may name: variables and their types, and objects with declared fields.

use std::collections::HashMap;
use std::sync::Arc;

use super::ast::Expr;
use super::check::Checker;
use super::error::{CompileError, compile_error};
use super::parse::parse;
use super::types::Type;

/// What an expression may name.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: HashMap<Arc<str>, Type>,
    structs: HashMap<Arc<str>, HashMap<Arc<str>, Type>>,
    patches: bool,
}

/// An expression that compiles.
#[derive(Debug)]
pub struct Program {
    pub(super) expr: Expr,
    /// The type of its value.
    pub ty: Type,
}

/// The fields of an object that an expression makes.
pub(super) enum Made {
    /// Any, of any type.
    Anything,
    /// These.
    Declared(&'static [(&'static str, Type)]),
}

/// An operation of a JSON patch.
const JSON_PATCH: &[(&str, Type)] = &[
    ("op", Type::String),
    ("path", Type::String),
    ("from", Type::String),
    ("value", Type::Dyn),
];

impl Environment {
    /// Adds a variable.
    #[must_use]
    pub fn variable(mut self, name: &str, ty: Type) -> Environment {
        self.variables.insert(name.into(), ty);
        self
    }

    /// Adds a type of objects with these fields.
    #[must_use]
    pub fn object(mut self, name: &str, fields: &[(&str, Type)]) -> Environment {
        let fields = fields
            .iter()
            .map(|(field, ty)| ((*field).into(), ty.clone()));
        self.structs.insert(name.into(), fields.collect());
        self
    }

    /// Adds a field to a type of objects.
    pub fn add_field(&mut self, object: &str, field: &str, ty: Type) {
        let fields = self.structs.entry(object.into()).or_default();
        fields.insert(field.into(), ty);
    }

    /// Lets expressions make patches: `Object{}`, `JSONPatch{}`.
    #[must_use]
    pub fn with_patches(mut self) -> Environment {
        self.patches = true;
        self
    }

    /// The type of a variable.
    pub(super) fn type_of(&self, variable: &str) -> Option<&Type> {
        self.variables.get(variable)
    }

    /// The type of a field of a declared object; none if the object has no such field.
    pub(super) fn field(&self, object: &str, field: &str) -> Option<Type> {
        match self.structs.get(object) {
            Some(fields) => fields.get(field).cloned(),
            None => match self.made(object)? {
                Made::Anything => Some(Type::Dyn),
                Made::Declared(fields) => {
                    let found = fields.iter().find(|(name, _)| *name == field);
                    found.map(|(_, ty)| ty.clone())
                }
            },
        }
    }

    /// What an expression may make an object of a type of.
    pub(super) fn made(&self, object: &str) -> Option<Made> {
        match object {
            _ if !self.patches => None,
            "JSONPatch" => Some(Made::Declared(JSON_PATCH)),
            "Object" => Some(Made::Anything),
            name if name.starts_with("Object.") => Some(Made::Anything),
            _ => None,
        }
    }

    /// Compiles an expression, whose value must be of one of the types `wanted`; of any, if there are none.
    ///
    /// # Errors
    /// If it does not parse, names what is not there, or has another type.
    pub fn compile(&self, source: &str, wanted: &[Type]) -> Result<Program, CompileError> {
        let mut expr = parse(source).map_err(|issue| compile_error(source, &[issue]))?;
        let mut checker = Checker::new(self);
        let ty = checker.check(&mut expr);
        let (constant, lacks) = (checker.constant.take(), checker.lacks);
        let issues = checker.issues();
        if !issues.is_empty() {
            return Err(match compile_error(source, &issues) {
                CompileError::Issues(text) if lacks => CompileError::Lacking(text),
                error => error,
            });
        }
        let exact =
            |wanted: &Type| *wanted == ty || matches!((wanted, &ty), (Type::Dyn, Type::Free));
        if wanted.is_empty() || wanted.iter().any(exact) {
            return match constant {
                Some(error) => Err(CompileError::Constant(error)),
                None => Ok(Program { expr, ty }),
            };
        }
        let wanted = match wanted {
            [only] => only.to_string(),
            several => {
                let all: Vec<String> = several.iter().map(Type::to_string).collect();
                format!("one of [{}]", all.join(" "))
            }
        };
        Err(CompileError::Type {
            wanted,
            found: ty.to_string(),
        })
    }
}
