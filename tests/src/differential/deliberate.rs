//! Differences that are meant: tests/differential/deliberate.yaml, at most 30 of them, each with its reason.

use std::io;
use std::path::Path;

use serde::Deserialize;

use super::compare::Difference;

/// One difference that is meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deliberate {
    /// The kind of upstream's answer, or for what has no kind the request's path.
    pub kind: String,
    /// The field as reports name it; no wildcards.
    pub field: String,
    /// Why ours is another.
    pub reason: String,
}

/// So many are a list of exceptions; more would be another API.
const MOST: usize = 30;

/// Reads the list.
///
/// # Errors
/// If it cannot be read, is too long, or an entry has no reason or a wildcard.
pub fn read(path: &Path) -> io::Result<Vec<Deliberate>> {
    let text = std::fs::read_to_string(path)?;
    let list: Vec<Deliberate> = serde_yaml::from_str(&text).map_err(io::Error::other)?;
    let sound = |entry: &Deliberate| {
        !entry.reason.is_empty() && !format!("{}{}", entry.kind, entry.field).contains('*')
    };
    if list.len() > MOST || !list.iter().all(sound) {
        return Err(io::Error::other(format!(
            "{}: at most {MOST} entries, each with a reason and without wildcards",
            path.display()
        )));
    }
    Ok(list)
}

impl Deliberate {
    /// True if this is the difference that is meant.
    pub fn covers(&self, difference: &Difference) -> bool {
        self.kind == difference.kind && self.field == difference.field
    }
}
