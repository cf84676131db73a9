//! Each test's last result, in a file with a line for each: test, result, commit, separated by tabs.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It passed.
    Passed,
    /// It failed, or was ended because it took too long.
    Failed,
    /// It said that it does not apply here.
    Skipped,
}

impl Outcome {
    /// Its word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Passed, Self::Failed, Self::Skipped]
            .into_iter()
            .find(|outcome| outcome.as_str() == word)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The results of one file.
#[derive(Debug)]
pub struct Results {
    path: PathBuf,
    /// By the test's name: how it ended, and of which commit.
    tests: BTreeMap<String, (Outcome, String)>,
}

impl Results {
    /// Reads the file; none yet if there is none.
    ///
    /// # Errors
    /// When it cannot be read, or a line is no result.
    pub fn open(path: &Path) -> io::Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        let mut tests = BTreeMap::new();
        for (at, line) in text.lines().enumerate() {
            let mut cells = line.split('\t');
            let (test, outcome, commit) = (cells.next(), cells.next(), cells.next());
            let (Some(test), Some(outcome), Some(commit)) =
                (test, outcome.and_then(Outcome::parse), commit)
            else {
                let place = format!("{}:{}", path.display(), at + 1);
                return Err(io::Error::other(format!("{place}: no result: {line}")));
            };
            tests.insert(test.to_owned(), (outcome, commit.to_owned()));
        }
        Ok(Self {
            path: path.to_owned(),
            tests,
        })
    }

    /// How a test ended last.
    pub fn of(&self, test: &str) -> Option<Outcome> {
        self.tests.get(test).map(|(outcome, _)| *outcome)
    }

    /// Notes how a test ended; `true` if it passed before and does not now.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn note(&mut self, test: &str, outcome: Outcome, commit: &str) -> io::Result<bool> {
        let before = self.of(test);
        self.tests
            .insert(test.to_owned(), (outcome, commit.to_owned()));
        self.write()?;
        Ok(before == Some(Outcome::Passed) && outcome != Outcome::Passed)
    }

    /// A run that is interrupted in the middle leaves the old file or the new one.
    fn write(&self) -> io::Result<()> {
        use fmt::Write as _;
        let mut text = String::new();
        for (test, (outcome, commit)) in &self.tests {
            let _ = writeln!(text, "{test}\t{outcome}\t{commit}");
        }
        let new = self.path.with_extension("tsv.new");
        std::fs::write(&new, text)?;
        std::fs::rename(new, &self.path)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn what_was_noted_is_read_again_and_a_regression_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results.tsv");
        let mut results = Results::open(&path).unwrap();
        assert!(!results.note("b", Outcome::Failed, "1").unwrap());
        assert!(!results.note("a", Outcome::Passed, "1").unwrap());
        let mut results = Results::open(&path).unwrap();
        assert_eq!(results.of("a"), Some(Outcome::Passed));
        assert!(!results.note("b", Outcome::Failed, "2").unwrap());
        assert!(results.note("a", Outcome::Failed, "2").unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "a\tfailed\t2\nb\tfailed\t2\n");
    }

    #[test]
    fn a_line_that_is_no_result_is_refused_by_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results.tsv");
        std::fs::write(&path, "a\tpassed\t1\nb\tgreen\t1\n").unwrap();
        let error = Results::open(&path).unwrap_err().to_string();
        assert!(error.contains("results.tsv:2: no result"), "{error}");
    }
}
