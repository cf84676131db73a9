//! Which tests a run is asked for.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use super::results::{Outcome, Results};
use super::suite::{Suite, area};

/// All of these must hold for a test.
#[derive(Args)]
pub struct Choice {
    /// Only tests of this area, such as sig-node; may be repeated.
    #[arg(long)]
    area: Vec<String>,
    /// Only tests whose name matches this (an extended regular expression, as grep -E takes it).
    #[arg(long, value_name = "RE")]
    focus: Option<String>,
    /// No tests whose name matches this.
    #[arg(long, value_name = "RE")]
    skip: Option<String>,
    /// Only the tests that this file names, one in a line; lines that begin with # are comments.
    #[arg(long, value_name = "FILE")]
    listed: Option<PathBuf>,
    /// Only tests that failed last.
    #[arg(long)]
    failed: bool,
}

impl Choice {
    /// Those of the suite's tests. `results` tell which failed; `directory` takes a list of all.
    ///
    /// # Errors
    /// When there is no such area or listed test, or an expression is none.
    pub fn of(
        &self,
        suite: &Suite,
        results: &Results,
        directory: &Path,
    ) -> io::Result<Vec<String>> {
        for wanted in &self.area {
            if !suite.tests.iter().any(|test| area(test) == wanted) {
                return Err(io::Error::other(format!("there is no area {wanted}")));
            }
        }
        let matching = |wanted: &Option<String>| match wanted {
            Some(wanted) => grep(wanted, &suite.tests, directory).map(Some),
            None => Ok(None),
        };
        let (focus, skip) = (matching(&self.focus)?, matching(&self.skip)?);
        let listed = self.listed.as_deref().map(|file| listed(file, suite));
        let listed = listed.transpose()?;
        let in_area = |test: &&String| {
            self.area.is_empty() || self.area.iter().any(|wanted| area(test) == wanted)
        };
        Ok(suite
            .tests
            .iter()
            .filter(in_area)
            .filter(|test| focus.as_ref().is_none_or(|focus| focus.contains(test)))
            .filter(|test| skip.as_ref().is_none_or(|skip| !skip.contains(test)))
            .filter(|test| listed.as_ref().is_none_or(|listed| listed.contains(test)))
            .filter(|test| !self.failed || results.of(test) == Some(Outcome::Failed))
            .cloned()
            .collect())
    }
}

/// The tests that a file names; each must be one of the suite's.
fn listed(file: &Path, suite: &Suite) -> io::Result<Vec<String>> {
    let text = std::fs::read_to_string(file)?;
    let names = text
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'));
    names
        .map(|name| match suite.tests.iter().any(|test| test == name) {
            true => Ok(name.to_owned()),
            false => Err(io::Error::other(format!(
                "{}: the suite has no test {name}",
                file.display()
            ))),
        })
        .collect()
}

/// Those of `tests` that an extended regular expression matches.
fn grep(expression: &str, tests: &[String], directory: &Path) -> io::Result<Vec<String>> {
    let list = directory.join("tests.txt");
    std::fs::write(&list, tests.join("\n"))?;
    let output = Command::new("grep")
        .args(["-E", "-e", expression])
        .arg(&list)
        .output()?;
    // 1 says that none matches.
    if !matches!(output.status.code(), Some(0 | 1)) {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(format!("{expression}: {said}")));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().map(str::to_owned).collect())
}
