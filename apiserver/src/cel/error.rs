//! What goes wrong, in the words of cel-go, since clients see them.

/// An expression that does not compile: everything that is wrong with it, as upstream shows it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// Syntax or types.
    #[error("compilation failed: {0}")]
    Issues(String),
    /// The same, of an expression that names what upstream has and this server has not: upstream may find nothing wrong with it.
    #[error("compilation failed: {0}")]
    Lacking(String),
    /// A constant that the function which is given it does not take.
    #[error("program instantiation failed: {0}")]
    Constant(Error),
    /// Of another type than is wanted.
    #[error("must evaluate to {wanted} but got {found}")]
    Type {
        /// The type, or the types, that it may have.
        wanted: String,
        /// The type that it has.
        found: String,
    },
}

/// One thing that is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Where, in characters; none, if it is about the whole.
    pub at: Option<u32>,
    /// What.
    pub message: String,
}

impl Issue {
    /// What is wrong at a place.
    pub fn new(at: u32, message: impl Into<String>) -> Issue {
        Issue {
            at: Some(at),
            message: message.into(),
        }
    }

    /// With the line that it is about, and a mark below.
    fn show(&self, source: &str) -> String {
        let Some(at) = self.at else {
            return format!("ERROR: <input>:-1:0: {}", self.message);
        };
        let before: String = source.chars().take(at as usize).collect();
        let line = before.matches('\n').count();
        let column = before.chars().rev().take_while(|c| *c != '\n').count();
        let text = source.split('\n').nth(line).unwrap_or_default();
        let text = text.replace('\t', " ");
        let mark = ".".repeat(column.min(text.chars().count()));
        format!(
            "ERROR: <input>:{}:{}: {}\n | {text}\n | {mark}^",
            line + 1,
            column + 1,
            self.message
        )
    }
}

/// All issues of a source, in their order.
pub fn compile_error(source: &str, issues: &[Issue]) -> CompileError {
    let shown: Vec<String> = issues.iter().map(|issue| issue.show(source)).collect();
    CompileError::Issues(shown.join("\n"))
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A map or an object has nothing of that name.
    #[error("no such key: {0}")]
    NoSuchKey(String),
    /// A list is shorter.
    #[error("index out of bounds: {0}")]
    OutOfBounds(i64),
    /// No overload of an operator or a function for these values.
    #[error("no such overload")]
    NoSuchOverload,
    /// No overload of an operator for its first operand, whatever the other one is.
    #[error("no such overload: {0}")]
    NoOverloadOf(String),
    /// No overload of a function for values of these types.
    #[error("no such overload: {function}({types})")]
    NoOverloadFor {
        /// The function.
        function: String,
        /// The types of what it was called with.
        types: String,
    },
    /// A variable that has no value.
    #[error("no such attribute(s): {0}")]
    NoSuchVariable(String),
    /// A map is given the same key twice.
    #[error("Failed with repeated key")]
    RepeatedKey,
    /// What a function refuses.
    #[error("{0}")]
    Failed(String),
    /// The evaluation costs more than it may.
    #[error("operation cancelled: actual cost limit exceeded")]
    CostLimit,
    /// The evaluation, or what it makes, nests deeper than it may.
    #[error("operation cancelled: nested too deep")]
    TooDeep,
}

impl Error {
    /// What a function refuses.
    pub fn failed(message: impl Into<String>) -> Error {
        Error::Failed(message.into())
    }

    /// Whether it ends the evaluation, wherever it happens: `false && error` is false, but not with these.
    pub fn is_final(&self) -> bool {
        matches!(self, Error::CostLimit | Error::TooDeep)
    }
}
