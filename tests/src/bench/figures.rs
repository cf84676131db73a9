//! What was measured, by subject and row, one figure a round; kept in a file, so that a long run can be taken up again.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::row::{self, Row};
use super::subject::Subject;

/// The figures of all rounds so far.
#[derive(Debug)]
pub struct Figures {
    path: PathBuf,
    of: BTreeMap<String, BTreeMap<String, Vec<f64>>>,
    /// Stages that are done, as `ROUND/STAGE/SUBJECT`.
    done: Vec<String>,
    /// Processor time by stage of a request, for the ledger: row → stage → microseconds.
    ledger: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Figures {
    /// Those of the file, or none if there is no such file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => "{}".to_owned(),
            Err(error) => return Err(error),
        };
        let mut kept: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text)?;
        let mut part = |name: &str| kept.remove(name).filter(|value| !value.is_null());
        let of = part("figures").map(serde_json::from_value).transpose()?;
        let done = part("done").map(serde_json::from_value).transpose()?;
        let ledger = part("ledger").map(serde_json::from_value).transpose()?;
        Ok(Self {
            path: path.to_owned(),
            of: of.unwrap_or_default(),
            done: done.unwrap_or_default(),
            ledger: ledger.unwrap_or_default(),
        })
    }

    /// Adds one figure and prints it.
    ///
    /// # Panics
    /// If there is no row of that name: a stage is written wrongly.
    pub fn add(&mut self, subject: Subject, name: &str, figure: f64) {
        assert!(row::find(name).is_some(), "no row is called {name}");
        println!(
            "{:>9} {name}: {}",
            subject.as_str(),
            show(figure, row::find(name))
        );
        let rows = self.of.entry(subject.as_str().to_owned()).or_default();
        rows.entry(name.to_owned()).or_default().push(figure);
    }

    /// Keeps what one request of a row cost by stage, in microseconds; the last round's stands.
    pub fn keep_ledger(&mut self, name: &str, stages: BTreeMap<String, f64>) {
        self.ledger.insert(name.to_owned(), stages);
    }

    /// The ledger: row → stage → microseconds.
    pub fn ledger(&self) -> &BTreeMap<String, BTreeMap<String, f64>> {
        &self.ledger
    }

    /// True if this stage was done in an earlier run.
    pub fn is_done(&self, stage: &str) -> bool {
        self.done.iter().any(|done| done == stage)
    }

    /// Notes that a stage is done and writes the file.
    pub fn finish(&mut self, stage: &str) -> io::Result<()> {
        self.done.push(stage.to_owned());
        let kept =
            serde_json::json!({"figures": self.of, "done": self.done, "ledger": self.ledger});
        let text = serde_json::to_string_pretty(&kept)?;
        // Written whole beside the old one, so that an interrupt leaves one of them.
        let new = self.path.with_extension("new");
        std::fs::write(&new, text)?;
        std::fs::rename(new, &self.path)
    }

    /// A row's figures in the order of the rounds.
    pub fn of(&self, subject: Subject, name: &str) -> &[f64] {
        self.of
            .get(subject.as_str())
            .and_then(|rows| rows.get(name))
            .map_or(&[], Vec::as_slice)
    }

    /// A row's median, if it was measured.
    pub fn median(&self, subject: Subject, name: &str) -> Option<f64> {
        median(self.of(subject, name))
    }
}

/// The middle of the sorted figures; of an even number, the mean of the two in the middle.
pub fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// A figure for people: three significant digits, thousands apart.
pub fn show(figure: f64, row: Option<&Row>) -> String {
    let suffix = row.map_or("", |row| row.unit.suffix());
    if figure < 9.95 {
        format!("{figure:.2}{suffix}")
    } else if figure < 99.5 {
        format!("{figure:.1}{suffix}")
    } else {
        format!("{}{suffix}", grouped(&format!("{figure:.0}")))
    }
}

/// Digits with the thousands apart.
pub fn grouped(digits: &str) -> String {
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn figures_are_written_for_people() {
        assert_eq!(show(0.125, None), "0.12");
        assert_eq!(show(31.25, None), "31.2");
        assert_eq!(show(1_234_567.0, row::find("watch")), "1,234,567/s");
        assert_eq!(show(100.4, row::find("start-ready")), "100 ms");
    }

    #[test]
    #[allow(clippy::unwrap_used, reason = "a test may")]
    fn a_run_is_taken_up_where_it_was_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("figures.json");
        let mut figures = Figures::open(&path).unwrap();
        figures.add(Subject::Gantry, "get", 5.0);
        figures.finish("1/requests/gantry").unwrap();
        figures.add(Subject::Gantry, "list", 7.0); // its stage was interrupted
        let figures = Figures::open(&path).unwrap();
        assert!(figures.is_done("1/requests/gantry") && !figures.is_done("1/start/gantry"));
        assert_eq!(figures.of(Subject::Gantry, "get"), [5.0]);
        assert_eq!(figures.median(Subject::Gantry, "list"), None);
    }
}
