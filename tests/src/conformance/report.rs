//! What a run says at its end: what became of every conformance test, by area, each line adding up; and what another cluster
//! does better.

use std::collections::BTreeMap;
use std::fmt;

use super::results::{Outcome, Results};
use super::suite::area;

/// Counts of one area.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
    not_run: usize,
}

impl Counts {
    fn add(&mut self, outcome: Option<Outcome>) {
        match outcome {
            Some(Outcome::Passed) => self.passed += 1,
            Some(Outcome::Failed) => self.failed += 1,
            Some(Outcome::Skipped) => self.skipped += 1,
            None => self.not_run += 1,
        }
    }
}

/// The table.
#[derive(Debug, Default)]
pub struct Table {
    areas: BTreeMap<String, Counts>,
    total: Counts,
}

impl Table {
    /// Every one of `tests`, with what `outcome` knows of it.
    pub fn of<'a>(
        tests: impl IntoIterator<Item = &'a String>,
        outcome: impl Fn(&str) -> Option<Outcome>,
    ) -> Self {
        let mut table = Self::default();
        for test in tests {
            let outcome = outcome(test);
            let counts = table.areas.entry(area(test).to_owned()).or_default();
            counts.add(outcome);
            table.total.add(outcome);
        }
        table
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "| area | passed | failed | skipped | not run | all |")?;
        writeln!(out, "|---|--:|--:|--:|--:|--:|")?;
        let areas = self
            .areas
            .iter()
            .map(|(name, counts)| (name.as_str(), counts));
        for (name, counts) in areas.chain([("all", &self.total)]) {
            let Counts {
                passed,
                failed,
                skipped,
                not_run,
            } = *counts;
            let all = passed + failed + skipped + not_run;
            writeln!(
                out,
                "| {name} | {passed} | {failed} | {skipped} | {not_run} | {all} |"
            )?;
        }
        Ok(())
    }
}

/// Those of `tests` that pass on the baseline and were run on our cluster without passing.
pub fn behind<'a>(
    tests: &'a [String],
    ours: &Results,
    baseline: &Results,
) -> impl Iterator<Item = &'a String> {
    tests.iter().filter(|test| {
        baseline.of(test) == Some(Outcome::Passed)
            && ours
                .of(test)
                .is_some_and(|outcome| outcome != Outcome::Passed)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn behind_are_those_that_only_the_baseline_passes() {
        let dir = tempfile::tempdir().unwrap();
        let (passed, failed) = (Outcome::Passed, Outcome::Failed);
        let results = |name: &str, noted: &[(&str, Outcome)]| {
            let mut results = Results::open(&dir.path().join(name)).unwrap();
            for (test, outcome) in noted {
                results.note(test, *outcome, "1").unwrap();
            }
            results
        };
        let ours = results(
            "a",
            &[
                ("a", passed),
                ("b", failed),
                ("c", Outcome::Skipped),
                ("d", failed),
            ],
        );
        let noted = [
            ("a", passed),
            ("b", passed),
            ("c", passed),
            ("d", failed),
            ("e", passed),
        ];
        let baseline = results("b", &noted);
        let tests = ["a", "b", "c", "d", "e"].map(str::to_owned);
        assert_eq!(
            behind(&tests, &ours, &baseline).collect::<Vec<_>>(),
            ["b", "c"]
        );
    }

    #[test]
    fn every_test_is_counted_once() {
        let tests = ["[x] a", "[x] b", "[y] c", "[y] d", "[y] e"].map(str::to_owned);
        let table = Table::of(&tests, |test| match test {
            "[x] a" | "[y] c" => Some(Outcome::Passed),
            "[x] b" => Some(Outcome::Failed),
            "[y] d" => Some(Outcome::Skipped),
            _ => None,
        });
        let text = table.to_string();
        assert!(text.contains("| x | 1 | 1 | 0 | 0 | 2 |"), "{text}");
        assert!(text.contains("| y | 1 | 0 | 1 | 1 | 3 |"), "{text}");
        assert!(text.contains("| all | 2 | 1 | 1 | 1 | 5 |"), "{text}");
    }
}
