//! docs/benchmarks.json: the figures of a full run, which later runs are held against.
//!
//! Machines are noisy and differ: only the ratio to upstream's, measured in turn on the same machine in the same run, is
//! compared, and only when all of at least three pairs agree is a row called worse. Some ratios are steady and others spread over
//! twice their size, whence a pair is held against the worst one that was kept.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::disk::Disk;
use super::figures::{Figures, median, show};
use super::row::{self, Row};
use super::subject::Subject;

/// A row is worse when in every pair its ratio is below this part of the kept pairs' worst.
const TOLERATED: f64 = 0.8;
/// Rows of durable writes: of both subjects the slower disk takes the same time more, so that ratios of two disks are not compared.
const DURABLE: &[&str] = &["create-64", "create-64-p99", "create-1", "update", "delete"];
/// A disk is another one when its syncs take more than so many times as long.
const OTHER_DISK: f64 = 2.0;
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
    /// The median of those times, in microseconds.
    #[serde(default)]
    pub sync_micros: f64,
    /// By what [`row::keys`] says.
    pub rows: BTreeMap<String, Kept>,
    /// What a request costs: request → stage → microseconds.
    #[serde(default)]
    pub ledger: Stages,
}

/// Request → stage → microseconds.
pub type Stages = BTreeMap<String, BTreeMap<String, f64>>;

/// One row.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Kept {
    /// Commit and date.
    #[serde(default)]
    pub taken: String,
    /// Each round's figure, in the row's unit.
    pub ours: Vec<f64>,
    /// The same of upstream's; empty where it is not measured.
    pub upstream: Vec<f64>,
    /// How many times better ours is: the median of the pairs.
    pub ratio: Option<f64>,
}

impl Kept {
    /// Each round's figure of a subject.
    pub fn of(&self, subject: Subject) -> &[f64] {
        match subject {
            Subject::Gantry => &self.ours,
            Subject::Upstream => &self.upstream,
        }
    }

    /// By how much ours is better, pair by pair.
    pub fn ratios(&self, row: &Row) -> Vec<f64> {
        ratios(&self.ours, &self.upstream, row)
    }
}

impl Baseline {
    /// The figures as they would be kept.
    pub fn of(figures: &Figures, taken: &str, disk: &Disk) -> Self {
        let kept = row::keys().filter_map(|(key, row)| {
            let ours = figures.of(Subject::Gantry, &key).to_vec();
            let upstream = figures.of(Subject::Upstream, &key).to_vec();
            let kept = Kept {
                taken: taken.to_owned(),
                ratio: median(&ratios(&ours, &upstream, row)),
                ours,
                upstream,
            };
            (!kept.ours.is_empty()).then_some((key, kept))
        });
        Self {
            taken: taken.to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            disk: disk.to_string(),
            sync_micros: disk.sync_micros(),
            rows: kept.collect(),
            ledger: figures.ledger().clone(),
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
                for (request, stages) in before.ledger {
                    all.ledger.entry(request).or_insert(stages);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        std::fs::write(path, serde_json::to_string_pretty(&all)? + "\n")
    }

    /// Where the figures of some keys come from, for people: commits with their dates, cores and disk.
    pub fn origin(&self, wanted: impl Fn(&str) -> bool) -> String {
        let mut taken: Vec<&str> = self
            .rows
            .iter()
            .filter(|(key, kept)| wanted(key) && !kept.taken.is_empty())
            .map(|(_, kept)| kept.taken.as_str())
            .collect();
        taken.sort_unstable();
        taken.dedup();
        format!(
            "{}; {} cores; {}",
            taken.join(" and "),
            self.cores,
            self.disk
        )
    }

    /// The rows that can be compared with those of another run on this disk, and those that cannot.
    fn comparable(&self, disk: &Disk) -> (Vec<(String, &'static Row)>, Vec<String>) {
        let other = disk.sync_micros() > self.sync_micros * OTHER_DISK;
        let (not, all): (Vec<_>, Vec<_>) =
            row::keys().partition(|(key, _)| other && DURABLE.contains(&key.as_str()));
        (all, not.into_iter().map(|(key, _)| key).collect())
    }

    /// The rows that are worse than they were, a line each. What cannot be compared is printed.
    pub fn worse(&self, figures: &Figures, disk: &Disk) -> Vec<String> {
        let (rows, other) = self.comparable(disk);
        if !other.is_empty() {
            println!(
                "not compared, since syncs take much longer than {:.0} µs here: {}",
                self.sync_micros,
                other.join(", ")
            );
        }
        let lines = rows.into_iter().filter_map(|(key, row)| {
            let kept = self.rows.get(&key)?;
            let before = kept.ratios(row).into_iter().min_by(f64::total_cmp)?;
            let of = |subject| figures.of(subject, &key);
            let ratios = ratios(of(Subject::Gantry), of(Subject::Upstream), row);
            let agreed = ratios.len() >= PAIRS && ratios.iter().all(|r| *r < before * TOLERATED);
            agreed.then(|| {
                let mut line = format!(
                    "{}: at least {} times as good as upstream's at {},",
                    key,
                    show(before, None),
                    kept.taken
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

fn ratios(ours: &[f64], theirs: &[f64], row: &Row) -> Vec<f64> {
    let pairs = ours.iter().zip(theirs);
    pairs
        .map(|(ours, theirs)| row.unit.advantage(*ours, *theirs))
        // Beside nothing everything is infinitely more.
        .filter(|ratio| ratio.is_finite())
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
        let baseline = Baseline::of(&before, "then", &Disk::of_micros(100));
        let worse = |ours: &[f64], theirs: &[f64]| {
            baseline.worse(&figures(path, ours, theirs), &Disk::of_micros(120))
        };
        assert!(worse(&[50.0, 50.0], &[10.0, 10.0]).is_empty(), "two pairs");
        let mixed = worse(&[50.0, 50.0, 85.0], &[10.0, 10.0, 10.0]);
        assert!(mixed.is_empty(), "one pair disagrees: {mixed:?}");
        let spread = worse(&[75.0, 75.0, 75.0], &[10.0, 10.0, 10.0]);
        assert!(spread.is_empty(), "the worst kept pair is near: {spread:?}");
        let slow_machine = worse(&[50.0, 50.0, 50.0], &[5.0, 5.0, 5.0]);
        assert!(slow_machine.is_empty(), "{slow_machine:?}");
        let all = worse(&[50.0, 50.0, 71.0], &[10.0, 10.0, 10.0]);
        assert!(
            all.len() == 1 && all[0].starts_with("list: at least 9.00 times"),
            "{all:?}"
        );
    }

    #[test]
    fn durable_rows_of_a_slower_disk_are_not_compared() {
        let baseline = Baseline {
            sync_micros: 100.0,
            ..Baseline::default()
        };
        let (all, none) = baseline.comparable(&Disk::of_micros(199));
        assert!(none.is_empty() && all.iter().any(|(key, _)| key == "update"));
        let (some, others) = baseline.comparable(&Disk::of_micros(201));
        assert_eq!(
            (others.len(), some.len() + others.len()),
            (DURABLE.len(), all.len())
        );
    }

    #[test]
    fn rows_that_are_not_measured_anew_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("benchmarks.json");
        let first = figures(directory.path(), &[1.0], &[2.0]);
        Baseline::of(&first, "first", &Disk::of_micros(100))
            .write(&path)
            .unwrap();
        let none = Figures::open(&directory.path().join("none.json")).unwrap();
        Baseline::of(&none, "second", &Disk::of_micros(100))
            .write(&path)
            .unwrap();
        let read = Baseline::read(&path).unwrap();
        assert_eq!(
            (read.taken.as_str(), read.rows["list"].taken.as_str()),
            ("second", "first")
        );
        assert!(read.origin(|key| key == "list").starts_with("first; "));
        assert_eq!(read.rows["list"].ours, [1.0]);
    }
}
