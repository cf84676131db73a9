//! Selectors by label and by field: parsing, matching, writing. They know texts, not objects.

pub mod field;
pub mod label;
