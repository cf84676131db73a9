//! Selectors by label and by field: parsing, matching, writing. They know texts; of objects only how these give selectors.

pub mod field;
mod given;
pub mod label;

pub use given::InvalidSelector;
