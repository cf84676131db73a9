//! docs/benchmarks.json: the figures of a full run, which later runs are held against.
//!
//! Machines are noisy and differ: only the ratio to upstream's, measured in turn on the same machine in the same run, is
//! compared, and only when all of at least three pairs agree is a row called worse.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::figures::{Figures, median, show};
use super::row::{ROWS, Row};
use super::subject::Subject;

/// A row is worse when its ratio is below this part of the kept one, in every pair.
const TOLERATED: f64 = 0.8;
/// Fewer pairs say nothing.
const PAIRS: usize = 3;

/// What was measured, where and when.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Baseline {
    /// Commit and date.
    pub taken: String,
    /// Of the machine.
    pub cores: usize,
    /// How long one sync takes there.
    pub disk: String,
    /// By the name of the row.
    pub rows: BTreeMap<String, Kept>,
}

/// One row.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Kept {
    /// Each round's figure, in the row's unit.
    pub ours: Vec<f64>,
    /// The same of upstream's; empty where it is not measured.
    pub upstream: Vec<f64>,
    /// How many times better ours is: the median of the pairs.
    pub ratio: Option<f64>,
}

impl Baseline {
    /// The figures as they would be kept.
    pub fn of(figures: &Figures, taken: &str, disk: &str) -> Self {
        let kept = ROWS.iter().filter_map(|row| {
            let ours = figures.of(Subject::Gantry, row.name).to_vec();
            let upstream = figures.of(Subject::Upstream, row.name).to_vec();
            let ratio = median(&ratios(figures, row));
            let kept = Kept {
                ours,
                upstream,
                ratio,
            };
            (!kept.ours.is_empty()).then(|| (row.name.to_owned(), kept))
        });
        Self {
            taken: taken.to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            disk: disk.to_owned(),
            rows: kept.collect(),
        }
    }

    /// Reads the file.
    pub fn read(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?)
    }

    /// Writes the file: rows that were not measured anew keep their figures.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut all = self.clone();
        match Self::read(path) {
            Ok(before) => {
                for (name, kept) in before.rows {
                    all.rows.entry(name).or_insert(kept);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        std::fs::write(path, serde_json::to_string_pretty(&all)? + "\n")
    }

    /// The rows that are worse than they were, a line each.
    pub fn worse(&self, figures: &Figures) -> Vec<String> {
        let lines = ROWS.iter().filter_map(|row| {
            let before = self.rows.get(row.name)?.ratio?;
            let ratios = ratios(figures, row);
            let agreed = ratios.len() >= PAIRS && ratios.iter().all(|r| *r < before * TOLERATED);
            agreed.then(|| {
                let mut line = format!(
                    "{}: {} times as good as upstream's at {},",
                    row.name,
                    show(before, None),
                    self.taken
                );
                for ratio in &ratios {
                    // Writing to a String cannot fail.
                    let _ = write!(line, " {}", show(*ratio, None));
                }
                line + " now"
            })
        });
        lines.collect()
    }
}

/// By how much ours is better, pair by pair.
pub fn ratios(figures: &Figures, row: &Row) -> Vec<f64> {
    let pairs = figures
        .of(Subject::Gantry, row.name)
        .iter()
        .zip(figures.of(Subject::Upstream, row.name));
    pairs
        .map(|(ours, theirs)| row.unit.advantage(*ours, *theirs))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    fn figures(directory: &Path, ours: &[f64], theirs: &[f64]) -> Figures {
        let mut figures = Figures::open(&directory.join("none.json")).unwrap();
        for figure in ours {
            figures.add(Subject::Gantry, "list", *figure);
        }
        for figure in theirs {
            figures.add(Subject::Upstream, "list", *figure);
        }
        figures
    }

    #[test]
    fn a_row_is_worse_when_three_pairs_agree() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let before = figures(path, &[100.0, 90.0, 110.0], &[10.0, 10.0, 10.0]);
        let baseline = Baseline::of(&before, "then", "");
        let worse = |ours: &[f64], theirs: &[f64]| baseline.worse(&figures(path, ours, theirs));
        assert!(worse(&[50.0, 50.0], &[10.0, 10.0]).is_empty(), "two pairs");
        let mixed = worse(&[50.0, 50.0, 85.0], &[10.0, 10.0, 10.0]);
        assert!(mixed.is_empty(), "one pair disagrees: {mixed:?}");
        let slow_machine = worse(&[50.0, 50.0, 50.0], &[5.0, 5.0, 5.0]);
        assert!(slow_machine.is_empty(), "{slow_machine:?}");
        let all = worse(&[50.0, 50.0, 79.0], &[10.0, 10.0, 10.0]);
        assert!(
            all.len() == 1 && all[0].starts_with("list: 10.0 times"),
            "{all:?}"
        );
    }

    #[test]
    fn rows_that_are_not_measured_anew_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("benchmarks.json");
        let first = figures(directory.path(), &[1.0], &[2.0]);
        Baseline::of(&first, "first", "").write(&path).unwrap();
        let none = Figures::open(&directory.path().join("none.json")).unwrap();
        Baseline::of(&none, "second", "").write(&path).unwrap();
        let read = Baseline::read(&path).unwrap();
        assert_eq!(read.taken, "second");
        assert_eq!(read.rows["list"].ours, [1.0]);
    }
}
