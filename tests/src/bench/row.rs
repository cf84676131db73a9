//! What a figure of the benchmark is, and how it is found again.

use super::ladder::{self, LADDER, RUNGS};
use super::rows::ROWS;

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Requests, deliveries or bindings in a second: more is better.
    PerSecond,
    /// Less is better, as with all that follow.
    Milliseconds,
    /// Of processor time, for one request.
    Microseconds,
    /// Of 1,000,000 bytes.
    Megabytes,
    /// Of one core.
    Percent,
}

impl Unit {
    /// How the unit is written behind a figure.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Milliseconds => " ms",
            Self::Microseconds => " µs",
            Self::Megabytes => " MB",
            Self::Percent => " %",
        }
    }

    /// How many times better `ours` is than `theirs`.
    pub fn advantage(self, ours: f64, theirs: f64) -> f64 {
        match self {
            Self::PerSecond => ours / theirs,
            _ => theirs / ours,
        }
    }

    /// True if `figure` meets `budget`.
    pub fn meets(self, figure: f64, budget: f64) -> bool {
        match self {
            Self::PerSecond => figure >= budget,
            _ => figure <= budget,
        }
    }
}

/// One figure.
#[derive(Debug)]
pub struct Row {
    /// By which it is known in files and to `--only`.
    pub name: &'static str,
    /// What it says, for people.
    pub what: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// The design's budget for it.
    pub budget: Option<f64>,
}

impl Row {
    /// A row without a budget has `None` there.
    pub(super) const fn new(
        name: &'static str,
        what: &'static str,
        unit: Unit,
        budget: Option<f64>,
    ) -> Self {
        Self {
            name,
            what,
            unit,
            budget,
        }
    }
}

/// Everything by which figures are kept, in the order in which they are printed: `ROW`, and `ROW@NODES` for each rung of the ladder.
pub fn keys() -> impl Iterator<Item = (String, &'static Row)> {
    let rungs = LADDER.iter().flat_map(|row| {
        RUNGS
            .iter()
            .map(move |nodes| (ladder::key(row, *nodes), row))
    });
    let rows = ROWS.iter().map(|row| (row.name.to_owned(), row));
    rows.chain(rungs)
}

/// The row that figures of this key are of.
pub fn find(key: &str) -> Option<&'static Row> {
    let name = key.split_once('@').map_or(key, |(name, _)| name);
    ROWS.iter().chain(LADDER).find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_figures_share_a_key() {
        let mut all: Vec<String> = keys().map(|(key, _)| key).collect();
        assert!(all.iter().all(|key| find(key).is_some()));
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
