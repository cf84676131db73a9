//! What the expressions of one policy may cost together, for one binding and one parameter: upstream's figures.

/// All validations with their messages, all audit annotations, or one mutation.
pub const EXPRESSIONS: u64 = 10_000_000;
/// All match conditions.
pub const CONDITIONS: u64 = 2_500_000;

/// The budget is used up: nothing more is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "validation failed due to running out of cost budget, no further validation rules will be run"
)]
pub struct OutOfBudget;

/// What is left.
#[derive(Debug)]
pub struct Left(pub u64);

impl Left {
    /// Takes away what was spent.
    ///
    /// # Errors
    /// If it is more than is left.
    pub fn spend(&mut self, cost: u64) -> Result<(), OutOfBudget> {
        self.0 = self.0.checked_sub(cost).ok_or(OutOfBudget)?;
        Ok(())
    }
}
