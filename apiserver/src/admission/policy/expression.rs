//! One expression of a policy: compiled once, evaluated for each write.

use super::budget::{Left, OutOfBudget};
use super::inputs::Inputs;
use crate::cel::{Environment, Program, Type, Value};

/// An expression, compiled as far as it could be. What is wrong with it was told when the policy was written; what an earlier
/// or another server let pass fails when it is evaluated.
#[derive(Debug)]
pub struct Expression {
    source: String,
    program: Result<Program, String>,
}

impl Expression {
    /// Compiles a source whose value must be of one of the types `wanted`.
    pub fn new(env: &Environment, source: &str, wanted: &[Type]) -> Expression {
        let program = env.compile(source, wanted);
        Expression {
            source: source.to_owned(),
            program: program.map_err(|error| error.to_string()),
        }
    }

    /// The source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it was compiled into, or why it was not.
    pub fn program(&self) -> Result<&Program, &str> {
        self.program.as_ref().map_err(String::as_str)
    }

    /// The type of its value, if it compiles.
    pub fn ty(&self) -> Option<&Type> {
        self.program.as_ref().ok().map(|program| &program.ty)
    }

    /// The value, or why there is none, in upstream's words.
    ///
    /// # Errors
    /// If nothing more may be evaluated.
    pub fn evaluate(
        &self,
        inputs: &Inputs<'_>,
        left: &mut Left,
    ) -> Result<Result<Value, String>, OutOfBudget> {
        let program = match &self.program {
            Ok(program) => program,
            Err(why) => return Ok(Err(format!("compilation error: {why}"))),
        };
        let outcome = program.eval(inputs, 0);
        left.spend(inputs.take_spent())?;
        left.spend(outcome.cost)?;
        let value = outcome.value;
        Ok(value
            .map_err(|error| format!("expression '{}' resulted in error: {error}", self.source)))
    }
}
