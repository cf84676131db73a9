//! The ladder as a table: a column for each rung, and how a figure grows from the first to the last.

use std::fmt::Write as _;

use super::{LADDER, RUNGS, key};
use crate::bench::baseline::Baseline;
use crate::bench::figures::{grouped, median, show};
use crate::bench::row::Row;
use crate::bench::subject::Subject;

/// Everything that was measured, as Markdown; nothing if nothing was.
pub fn table(kept: &Baseline) -> String {
    let climbed: Vec<usize> = RUNGS
        .into_iter()
        .filter(|nodes| {
            LADDER
                .iter()
                .any(|row| kept.rows.contains_key(&key(row, *nodes)))
        })
        .collect();
    if climbed.is_empty() {
        return String::new();
    }
    // Writing to a String cannot fail.
    let mut out = String::from("\n| what | of |");
    for nodes in &climbed {
        let _ = write!(out, " {} nodes |", count(*nodes));
    }
    let _ = writeln!(
        out,
        " last ÷ first | grows as |\n|---|---|{}---|---|",
        "---|".repeat(climbed.len())
    );
    for row in LADDER {
        for subject in [Subject::Gantry, Subject::Upstream] {
            let figures: Vec<Option<f64>> = climbed
                .iter()
                .map(|nodes| figure(kept, row, *nodes, subject))
                .collect();
            if figures.iter().all(Option::is_none) {
                continue;
            }
            let _ = write!(out, "| {} | {} |", row.what, name(subject));
            for figure in &figures {
                let text = figure.map_or("–".to_owned(), |figure| show(figure, Some(row)));
                let _ = write!(out, " {text} |");
            }
            // Of what was climbed: one subject may still be below the other.
            let mut points = climbed
                .iter()
                .zip(&figures)
                .filter_map(|(nodes, figure)| Some((*nodes, (*figure)?)));
            let low = points.next();
            let growth = low
                .zip(points.next_back())
                .and_then(|(low, high)| Growth::between(low, high));
            let (factor, power) = growth.map_or(("–".to_owned(), "–".to_owned()), |growth| {
                (
                    format!("{}×", show(growth.factor, None)),
                    format!("nodes^{:.2}", growth.power),
                )
            });
            let _ = writeln!(out, " {factor} | {power} |");
        }
        let ratios = climbed
            .iter()
            .map(|nodes| kept.rows.get(&key(row, *nodes))?.ratio);
        let ratios: Vec<Option<f64>> = ratios.collect();
        if ratios.iter().any(Option::is_some) {
            let _ = write!(out, "| | times better |");
            for ratio in ratios {
                let text = ratio.map_or("–".to_owned(), |ratio| show(ratio, None));
                let _ = write!(out, " {text} |");
            }
            let _ = writeln!(out, " | |");
        }
    }
    out
}

/// The median of a rung's figures.
pub fn figure(kept: &Baseline, row: &Row, nodes: usize, subject: Subject) -> Option<f64> {
    median(kept.rows.get(&key(row, nodes))?.of(subject))
}

/// What a subject is called in a table.
fn name(subject: Subject) -> &'static str {
    match subject {
        Subject::Gantry => "ours",
        Subject::Upstream => "upstream",
    }
}

/// How a figure grows between two numbers of nodes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Growth {
    /// How many times larger it becomes.
    factor: f64,
    /// The power of the number of nodes that would do the same: 0 does not grow, 1 grows as they do.
    power: f64,
}

impl Growth {
    fn between(low: (usize, f64), high: (usize, f64)) -> Option<Self> {
        let sizes = as_float(high.0) / as_float(low.0);
        let factor = high.1 / low.1;
        // One rung shows no growth, and nothing grows from zero.
        (sizes > 1.0 && factor.is_finite() && factor > 0.0).then(|| Self {
            factor,
            power: factor.ln() / sizes.ln(),
        })
    }
}

fn count(nodes: usize) -> String {
    grouped(&nodes.to_string())
}

#[allow(clippy::cast_precision_loss, reason = "some thousand nodes")]
pub(super) fn as_float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;
    use crate::bench::baseline::Kept;

    #[test]
    fn growth_is_a_factor_and_a_power() {
        let linear = Growth::between((10, 2.0), (1_000, 200.0)).unwrap();
        assert!((linear.factor - 100.0).abs() < 1e-9 && (linear.power - 1.0).abs() < 1e-9);
        let none = Growth::between((10, 2.0), (1_000, 2.0)).unwrap();
        assert!(none.power.abs() < 1e-9);
        assert_eq!(Growth::between((10, 2.0), (10, 2.0)), None, "one rung");
        assert_eq!(Growth::between((10, 0.0), (100, 2.0)), None, "from nothing");
    }

    #[test]
    fn rungs_that_were_not_climbed_have_no_column() {
        let mut kept = Baseline::default();
        assert_eq!(table(&kept), "");
        for (nodes, ours) in [(10, 30.0), (100, 60.0)] {
            let row = Kept {
                ours: vec![ours],
                upstream: vec![2.0 * ours],
                ratio: Some(2.0),
                ..Kept::default()
            };
            kept.rows.insert(key(&LADDER[2], nodes), row);
        }
        let table = table(&kept);
        let lines: Vec<&str> = table.trim().lines().collect();
        assert_eq!(
            lines[0],
            "| what | of | 10 nodes | 100 nodes | last ÷ first | grows as |"
        );
        assert!(
            lines[2].ends_with("| ours | 30.0 MB | 60.0 MB | 2.00× | nodes^0.30 |"),
            "{table}"
        );
        assert_eq!(lines[4], "| | times better | 2.00 | 2.00 | | |");
    }
}
