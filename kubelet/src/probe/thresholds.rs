//! How many answers in a row count.

/// What counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All is well.
    Success,
    /// It is not.
    Failure,
}

/// Counts answers of one kind in a row.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds {
    successes: u32,
    failures: u32,
    last: Option<bool>,
    run: u32,
    counts: Option<bool>,
}

impl Thresholds {
    /// So many in a row count; `initial` counts from the start.
    pub fn new(successes: u32, failures: u32, initial: Option<bool>) -> Self {
        Self {
            successes: successes.max(1),
            failures: failures.max(1),
            last: None,
            run: 0,
            counts: initial,
        }
    }

    /// Notes an answer; what counts from now on, if that changed.
    pub fn note(&mut self, success: bool) -> Option<Verdict> {
        if self.last == Some(success) {
            self.run += 1;
        } else {
            (self.last, self.run) = (Some(success), 1);
        }
        let needed = if success {
            self.successes
        } else {
            self.failures
        };
        if self.run < needed || self.counts == Some(success) {
            return None;
        }
        self.counts = Some(success);
        Some(if success {
            Verdict::Success
        } else {
            Verdict::Failure
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_enough_in_a_row_count() {
        let mut thresholds = Thresholds::new(2, 3, None);
        let answers = [
            true, false, true, true, false, false, true, false, false, false, false,
        ];
        let verdicts: Vec<_> = answers
            .iter()
            .map(|answer| thresholds.note(*answer))
            .collect();
        let (none, good, bad) = (None, Some(Verdict::Success), Some(Verdict::Failure));
        assert_eq!(
            verdicts,
            [
                none, none, none, good, none, none, none, none, none, bad, none
            ]
        );
    }

    #[test]
    fn what_counted_before_is_not_told_again() {
        let mut thresholds = Thresholds::new(1, 1, Some(true));
        assert_eq!(thresholds.note(true), None);
        assert_eq!(thresholds.note(false), Some(Verdict::Failure));
    }
}
