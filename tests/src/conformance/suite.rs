//! What upstream's suite says of itself: its conformance tests and the images that it uses.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;

use super::packages::output;
use crate::upstream;

/// Upstream's `e2e.test`.
pub struct Suite {
    /// The program.
    pub program: PathBuf,
    /// The names of its conformance tests, sorted.
    pub tests: Vec<String>,
    /// The images that any of its tests may use.
    pub images: Vec<String>,
}

#[derive(Deserialize)]
struct Listed {
    codename: String,
}

impl Suite {
    /// Asks the program; builds it if need be, which takes minutes.
    ///
    /// # Errors
    /// When it cannot be built or its answer is not understood.
    pub fn open() -> io::Result<Self> {
        let program = upstream::binary("e2e.test")?;
        let list = output(Command::new(&program).arg("--list-conformance-tests"))?;
        let listed: Vec<Listed> = serde_yaml::from_str(&list).map_err(io::Error::other)?;
        let mut tests: Vec<String> = listed.into_iter().map(|test| test.codename).collect();
        tests.sort();
        let mut images: Vec<String> = output(Command::new(&program).arg("--list-images"))?
            .lines()
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty())
            .collect();
        images.sort();
        Ok(Self {
            program,
            tests,
            images,
        })
    }
}

/// The group that a test belongs to: the first word in brackets, `sig-node` of `[sig-node] Pods …`.
pub fn area(test: &str) -> &str {
    test.strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map_or("", |(area, _)| area)
}

/// True for a test that must have the cluster for itself.
pub fn is_serial(test: &str) -> bool {
    test.contains("[Serial]")
}
