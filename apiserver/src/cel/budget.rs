//! What an evaluation may cost. The units are upstream's: about ten million a second.

use std::collections::HashMap;

use regex::{Regex, RegexBuilder};

use super::error::Error;

/// What one expression may cost.
pub const PER_EXPRESSION: u64 = 1_000_000;
/// How deep evaluations may nest: expressions, and the variables that they ask for.
pub const MAX_DEPTH: u32 = 500;
/// What a compiled regular expression may take, in bytes.
const REGEX_SIZE: usize = 512 << 10;
/// What compiling one costs: about what it takes, which upstream does not count.
const REGEX_COST: u64 = 2_000;

/// What an evaluation has cost so far.
#[derive(Debug, Default)]
pub struct Budget {
    spent: u64,
    /// The regular expressions that were used: most are used for each of a list's elements.
    regexes: HashMap<String, Regex>,
}

impl Budget {
    /// What was spent.
    pub fn spent(&self) -> u64 {
        self.spent
    }

    /// Spends `cost`.
    ///
    /// # Errors
    /// If it is more than one expression may cost.
    pub fn spend(&mut self, cost: u64) -> Result<(), Error> {
        self.spent = self.spent.saturating_add(cost);
        match self.spent > PER_EXPRESSION {
            true => Err(Error::CostLimit),
            false => Ok(()),
        }
    }

    /// Spends what walking over `length` bytes or elements costs.
    ///
    /// # Errors
    /// See [`Budget::spend`].
    pub fn walk(&mut self, length: usize) -> Result<(), Error> {
        self.spend((length as u64).div_ceil(10).max(1))
    }

    /// A regular expression, paid for a match with a text of `length` bytes.
    ///
    /// # Errors
    /// If it is none, or is too large; see [`Budget::spend`].
    pub fn regex(&mut self, pattern: &str, length: usize) -> Result<&Regex, Error> {
        let cost = (length as u64 + 1).div_ceil(10) * (pattern.len() as u64).div_ceil(4);
        self.spend(cost.max(1))?;
        if !self.regexes.contains_key(pattern) {
            // The first one is free, as it is upstream: a constant one is compiled once there.
            if !self.regexes.is_empty() {
                self.spend(REGEX_COST)?;
            }
            let regex = RegexBuilder::new(pattern).size_limit(REGEX_SIZE).build();
            let regex = regex.map_err(|error| {
                // Behind where it is wrong stands what is wrong.
                let error = error.to_string();
                let why = error.lines().last().unwrap_or_default();
                Error::failed(format!(
                    "error parsing regexp: {}",
                    why.trim_start_matches("error: ")
                ))
            })?;
            self.regexes.insert(pattern.to_owned(), regex);
        }
        let lost = || Error::failed("a regular expression got lost");
        self.regexes.get(pattern).ok_or_else(lost)
    }
}
