//! Calls that are no functions: `has`, and the walks over lists and maps.

use std::sync::Arc;

use super::ast::{Expr, Fold, FoldKind, Node};
use super::error::Issue;
use super::parse::{call, make};

/// `name(args)`.
pub fn global(at: u32, name: &str, mut args: Vec<Expr>) -> Result<Expr, Issue> {
    if name != "has" || args.len() != 1 {
        return call(at, None, name, args);
    }
    let arg = args.remove(0);
    let arg_at = arg.at;
    match arg.node {
        Node::Select(operand, field, false) => make(at, Node::Has(operand, field)),
        _ => Err(Issue::new(arg_at, "invalid argument to has() macro")),
    }
}

/// `target.name(args)`.
pub fn member(at: u32, target: Expr, name: &str, args: Vec<Expr>) -> Result<Expr, Issue> {
    let (kind, names) = match (name, args.len()) {
        ("all", 2) => (FoldKind::All, 1),
        ("all", 3) => (FoldKind::All, 2),
        ("exists", 2) => (FoldKind::Exists, 1),
        ("exists", 3) => (FoldKind::Exists, 2),
        ("exists_one" | "existsOne", 2) => (FoldKind::ExistsOne, 1),
        ("exists_one" | "existsOne", 3) => (FoldKind::ExistsOne, 2),
        ("map", 2 | 3) => (FoldKind::Map, 1),
        ("filter", 2) => (FoldKind::Filter, 1),
        ("transformList", 3 | 4) => (FoldKind::TransformList, 2),
        ("transformMap", 3 | 4) => (FoldKind::TransformMap, 2),
        ("transformMapEntry", 3 | 4) => (FoldKind::TransformMapEntry, 2),
        ("sortBy", 2) => (FoldKind::SortBy, 1),
        ("optMap" | "optFlatMap", 2) => return opt_map(at, target, args, name == "optFlatMap"),
        _ => return call(at, Some(target), name, args),
    };
    let mut args = args.into_iter();
    let mut next = || {
        let missing = || Issue::new(at, "argument is missing");
        args.next().ok_or_else(missing)
    };
    let variable = simple_name(&next()?)?;
    let second = match names {
        2 => Some(simple_name(&next()?)?),
        _ => None,
    };
    let first = next()?;
    let (filter, body) = match args.next() {
        Some(body) => (Some(first), body),
        None => (None, first),
    };
    let fold = Fold {
        kind,
        range: target,
        variable,
        second,
        filter,
        body,
    };
    make(at, Node::Fold(Box::new(fold)))
}

fn opt_map(at: u32, target: Expr, mut args: Vec<Expr>, flat: bool) -> Result<Expr, Issue> {
    let body = args.pop();
    let (Some(body), Some(variable)) = (body, args.pop()) else {
        return Err(Issue::new(at, "argument is missing"));
    };
    make(
        at,
        Node::OptMap {
            target: Box::new(target),
            variable: simple_name(&variable)?,
            body: Box::new(body),
            flat,
        },
    )
}

fn simple_name(expr: &Expr) -> Result<Arc<str>, Issue> {
    match &expr.node {
        Node::Ident(name) => Ok(Arc::clone(name)),
        _ => Err(Issue::new(expr.at, "argument is not an identifier")),
    }
}
