//! CEL, the language in which policies say what they ask of an object. <https://github.com/google/cel-spec>
//!
//! [`Environment::compile`] makes a [`Program`] of a source: it parses, resolves names and checks types, and refuses by name
//! what is not there. [`Program::eval`] gives its value for the variables of an [`Activation`], within a budget that no
//! expression can exceed. The functions are those of Kubernetes' environment, as far as they are built (`functions`).
//!
//! This folder knows nothing of admission, of kinds, or of requests, does no I/O and never waits: custom resources' rules are to
//! use it, too. The parser is our own, since messages point to places in the source, and the evaluator, since each step is paid
//! for; no crate has both.

mod ast;
mod budget;
mod check;
mod check_calls;
mod compare;
mod construct;
mod env;
mod error;
mod eval;
mod fold;
mod functions;
mod json;
mod lex;
mod literal;
mod macros;
mod parse;
mod primary;
#[cfg(test)]
mod tests;
mod types;
mod value;
mod when;

pub use budget::PER_EXPRESSION;
pub use env::{Environment, Program};
pub use error::{CompileError, Error};
pub use eval::{Activation, Outcome};
pub use json::{NoJson, from_json, to_json};
pub use types::Type;
pub use value::{Key, List, Map, Struct, Value};
