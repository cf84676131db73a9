//! The types of calls, and of walks over lists and maps.

use std::sync::Arc;

use super::ast::{Call, Expr, Fold, FoldKind, Node};
use super::budget::Budget;
use super::check::Checker;
use super::functions;
use super::types::{Bindings, Type};
use super::value::Value;

/// Functions whose argument, if it is a constant, must be one that they take.
const CONVERSIONS: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "duration",
    "int",
    "string",
    "timestamp",
    "uint",
];

impl Checker<'_> {
    pub(super) fn fold(&mut self, fold: &mut Fold) -> Type {
        let range = self.check(&mut fold.range);
        let (first, second) = match &range {
            Type::List(element) => match fold.second {
                Some(_) => (Type::Int, (**element).clone()),
                None => ((**element).clone(), Type::Dyn),
            },
            Type::Map(entry) => (entry.0.clone(), entry.1.clone()),
            Type::Dyn | Type::Free => (Type::Dyn, Type::Dyn),
            other => {
                let message = format!(
                    "expression of type '{}' cannot be range of a comprehension (must be list, map, or dynamic)",
                    other.show()
                );
                self.issue(fold.range.at, message);
                (Type::Dyn, Type::Dyn)
            }
        };
        let outer = self.scopes.len();
        self.scopes
            .push((Arc::clone(&fold.variable), first.clone()));
        if let Some(name) = &fold.second {
            self.scopes.push((Arc::clone(name), second));
        }
        if let Some(filter) = &mut fold.filter {
            self.condition(filter);
        }
        let ty = match fold.kind {
            FoldKind::All | FoldKind::Exists | FoldKind::ExistsOne => {
                self.condition(&mut fold.body);
                Type::Bool
            }
            FoldKind::Filter => {
                self.condition(&mut fold.body);
                Type::list(first)
            }
            FoldKind::Map | FoldKind::TransformList => Type::list(self.check(&mut fold.body)),
            FoldKind::TransformMap => Type::map(first, self.check(&mut fold.body)),
            FoldKind::TransformMapEntry => match self.check(&mut fold.body) {
                map @ (Type::Map(_) | Type::Dyn | Type::Free) => map,
                other => self.no_overload(fold.body.at, "transformMapEntry", &[other], true),
            },
            FoldKind::SortBy => {
                self.check(&mut fold.body);
                range
            }
        };
        self.scopes.truncate(outer);
        ty
    }

    fn condition(&mut self, expr: &mut Expr) {
        let ty = self.check(expr);
        if !ty.fits(&Type::Bool) {
            let message = format!("expected type 'bool' but found '{}'", ty.show());
            self.issue(expr.at, message);
        }
    }

    pub(super) fn call(&mut self, at: u32, call: &mut Call) -> Type {
        self.qualify(call);
        let mut types = Vec::new();
        if let Some(target) = &mut call.target {
            types.push(self.check(target));
        }
        types.extend(call.args.iter_mut().map(|arg| self.check(arg)));
        let known = functions::named(&call.function);
        if known.is_empty() {
            return self.undeclared(at, &call.function);
        }
        let member = call.target.is_some();
        let mut result: Option<Type> = None;
        for function in known {
            let mut bound = Bindings::default();
            let fits = function.member == member
                && function.params.len() == types.len()
                && types
                    .iter()
                    .zip(function.params)
                    .all(|(ty, wanted)| ty.unify(*wanted, &mut bound));
            if fits {
                call.overloads.push(function);
                let ty = Type::of(function.result, &bound);
                result = Some(match result {
                    Some(before) if before != ty => Type::Dyn,
                    _ => ty,
                });
            }
        }
        match result {
            Some(ty) => {
                self.constants(call);
                ty
            }
            None => {
                let name = Arc::clone(&call.function);
                self.no_overload(at, &name, &types, member)
            }
        }
    }

    /// Constants that a function takes are tried at once.
    fn constants(&mut self, call: &Call) {
        let argument = match (&*call.function, &call.target, &call.args[..]) {
            ("matches" | "find" | "findAll", Some(_), [pattern, ..]) => pattern,
            ("matches", None, [_, pattern]) => pattern,
            (name, None, [only]) if CONVERSIONS.contains(&name) => only,
            _ => return,
        };
        let Node::Literal(value) = &argument.node else {
            return;
        };
        let mut budget = Budget::default();
        let name = &*call.function;
        let tried = match (name, value) {
            ("matches" | "find" | "findAll", Value::String(pattern)) => {
                budget.regex(pattern, 0).map(drop)
            }
            _ => functions::call(
                name,
                &call.overloads,
                std::slice::from_ref(value),
                &mut budget,
            )
            .map(drop),
        };
        let Err(error) = tried else { return };
        match name {
            "matches" | "duration" | "timestamp" => {
                self.issue(argument.at, format!("invalid {name} argument"));
            }
            _ => self.constant = self.constant.take().or(Some(error)),
        }
    }

    /// `sets.contains(a, b)` is a function of that name, and not one of `sets`.
    fn qualify(&self, call: &mut Call) {
        let prefix = call
            .target
            .as_ref()
            .and_then(|target| target.qualified_name());
        if let Some(prefix) = prefix {
            let name = format!("{prefix}.{}", call.function);
            let scoped = self.scopes.iter().any(|(own, _)| **own == *prefix);
            if !scoped && (!functions::named(&name).is_empty() || functions::is_lacking(&name)) {
                call.function = name.into();
                call.target = None;
            }
        }
    }

    pub(super) fn no_overload(
        &mut self,
        at: u32,
        name: &str,
        types: &[Type],
        member: bool,
    ) -> Type {
        // Getters of a time take a time zone upstream.
        self.lacks |= member && types.len() == 2 && name.starts_with("get");
        let shown: Vec<String> = types.iter().map(Type::show).collect();
        let signature = match (member, shown.split_first()) {
            (true, Some((target, args))) => format!("{target}.({})", args.join(", ")),
            _ => format!("({})", shown.join(", ")),
        };
        let message = format!("found no matching overload for '{name}' applied to '{signature}'");
        self.issue(at, message)
    }
}
