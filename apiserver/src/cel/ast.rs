//! The syntax tree, with macros already expanded into [`Fold`] and its like.

use std::sync::Arc;

use super::functions::Function;
use super::value::Value;

/// An expression and where it stands in its source.
#[derive(Clone, Debug)]
pub struct Expr {
    /// The offset in characters that messages point to.
    pub at: u32,
    /// How many levels there are, itself included: what walks the tree may recurse.
    pub depth: u32,
    /// What it is.
    pub node: Node,
}

/// What an expression is.
#[derive(Clone, Debug)]
pub enum Node {
    /// A constant.
    Literal(Value),
    /// A variable, or the name of a type.
    Ident(Arc<str>),
    /// `operand.field`, or `operand.?field`.
    Select(Box<Expr>, Arc<str>, bool),
    /// `has(operand.field)`.
    Has(Box<Expr>, Arc<str>),
    /// `operand[index]`, or `operand[?index]`.
    Index(Box<Expr>, Box<Expr>, bool),
    /// A function or an operator.
    Call(Call),
    /// All hold.
    And(Vec<Expr>),
    /// One holds.
    Or(Vec<Expr>),
    /// Condition, then, else.
    Ternary(Box<[Expr; 3]>),
    /// Elements; optional ones are left out when they have no value.
    List(Vec<(Expr, bool)>),
    /// Entries, likewise.
    Map(Vec<(Expr, Expr, bool)>),
    /// An object of a named type, likewise.
    Struct(Arc<str>, Vec<Field>),
    /// A walk over a list or a map.
    Fold(Box<Fold>),
    /// `target.optMap(variable, body)`; with `flat`, `optFlatMap`.
    OptMap {
        /// What may have a value.
        target: Box<Expr>,
        /// What the value is called.
        variable: Arc<str>,
        /// What is made of it.
        body: Box<Expr>,
        /// The body is an optional itself.
        flat: bool,
    },
}

/// A field of an object that is made.
#[derive(Clone, Debug)]
pub struct Field {
    /// Where its colon stands, to which messages point.
    pub at: u32,
    /// Its name.
    pub name: Arc<str>,
    /// Its value.
    pub value: Expr,
    /// It is left out when its value has none.
    pub optional: bool,
}

/// A call.
#[derive(Clone, Debug)]
pub struct Call {
    /// `target.function()`.
    pub target: Option<Box<Expr>>,
    /// The function's name; an operator's is like `_+_`.
    pub function: Arc<str>,
    /// The arguments.
    pub args: Vec<Expr>,
    /// The overloads that the types allow: found by the checker.
    pub overloads: Vec<&'static Function>,
}

/// What a walk makes of what it walks over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names are the macros' own.
pub enum FoldKind {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
    TransformList,
    TransformMap,
    TransformMapEntry,
    SortBy,
}

/// A walk over a list or a map.
#[derive(Clone, Debug)]
pub struct Fold {
    /// What it makes.
    pub kind: FoldKind,
    /// What it walks over.
    pub range: Expr,
    /// What an element (of a map: a key) is called; with two names, index or key, and element or value.
    pub variable: Arc<str>,
    /// See `variable`.
    pub second: Option<Arc<str>>,
    /// Elements for which this does not hold are left out.
    pub filter: Option<Expr>,
    /// What is evaluated for each.
    pub body: Expr,
}

impl Node {
    /// The levels of what is below.
    pub fn depth_below(&self) -> u32 {
        let of = |all: &[Expr]| all.iter().map(|e| e.depth).max().unwrap_or_default();
        match self {
            Node::Literal(_) | Node::Ident(_) => 0,
            Node::Select(operand, ..) | Node::Has(operand, _) => operand.depth,
            Node::Index(operand, index, _) => operand.depth.max(index.depth),
            Node::Call(call) => {
                let target = call.target.as_ref().map_or(0, |t| t.depth);
                target.max(of(&call.args))
            }
            Node::And(all) | Node::Or(all) => of(all),
            Node::Ternary(all) => of(&all[..]),
            Node::List(items) => items.iter().map(|(e, _)| e.depth).max().unwrap_or_default(),
            Node::Map(entries) => {
                let each = entries.iter().map(|(k, v, _)| k.depth.max(v.depth));
                each.max().unwrap_or_default()
            }
            Node::Struct(_, fields) => {
                let each = fields.iter().map(|field| field.value.depth);
                each.max().unwrap_or_default()
            }
            Node::Fold(fold) => {
                let filter = fold.filter.as_ref().map_or(0, |f| f.depth);
                fold.range.depth.max(filter).max(fold.body.depth)
            }
            Node::OptMap { target, body, .. } => target.depth.max(body.depth),
        }
    }
}

impl Expr {
    /// The name that a chain of selections spells: `a.b.c`.
    pub fn qualified_name(&self) -> Option<String> {
        match &self.node {
            Node::Ident(name) => Some(name.to_string()),
            Node::Select(operand, field, false) => {
                Some(format!("{}.{field}", operand.qualified_name()?))
            }
            _ => None,
        }
    }
}
