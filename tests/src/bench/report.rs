//! The tables of docs/benchmarks.md.

use std::fmt::Write as _;

use super::figures::{Figures, show};
use super::row::ROWS;
use super::subject::Subject;

/// Everything that was measured, as Markdown.
pub fn tables(figures: &Figures) -> String {
    let mut out = String::new();
    let compared = ROWS
        .iter()
        .any(|row| !figures.of(Subject::Upstream, row.name).is_empty());
    // Writing to a String cannot fail.
    if compared {
        let _ = writeln!(
            out,
            "| row | what | budget | ours | upstream | times better (min – max) |"
        );
        let _ = writeln!(out, "|---|---|---|---|---|---|");
    } else {
        let _ = writeln!(out, "| row | what | budget | measured |");
        let _ = writeln!(out, "|---|---|---|---|");
    }
    for row in ROWS {
        let Some(ours) = figures.median(Subject::Gantry, row.name) else {
            continue;
        };
        let budget = row
            .budget
            .map_or("–".to_owned(), |budget| show(budget, Some(row)));
        let missed = row
            .budget
            .is_some_and(|budget| !row.unit.meets(ours, budget));
        let mark = if missed { "**" } else { "" };
        let _ = write!(
            out,
            "| `{}` | {} | {budget} | {mark}{}{mark} |",
            row.name,
            row.what,
            show(ours, Some(row))
        );
        if compared {
            let theirs = figures.median(Subject::Upstream, row.name);
            let theirs = theirs.map_or("–".to_owned(), |theirs| show(theirs, Some(row)));
            let _ = write!(out, " {theirs} | {} |", advantage(figures, row));
        }
        out.push('\n');
    }
    out + &ledger(figures)
}

/// By how much ours is better, pair by pair: the median, and the worst and the best pair.
fn advantage(figures: &Figures, row: &super::row::Row) -> String {
    let ratios = super::baseline::ratios(figures, row);
    let Some(middle) = super::figures::median(&ratios) else {
        return "–".to_owned();
    };
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(0.0, f64::max);
    format!(
        "{} ({} – {})",
        show(middle, None),
        show(least, None),
        show(most, None)
    )
}

/// Where the processor time of a request goes.
fn ledger(figures: &Figures) -> String {
    let mut stages: Vec<&str> = figures
        .ledger()
        .values()
        .flat_map(|of| of.keys().map(String::as_str))
        .collect();
    stages.sort_unstable();
    stages.dedup();
    if stages.is_empty() {
        return String::new();
    }
    let requests: Vec<&String> = figures.ledger().keys().collect();
    let mut out = String::from("\n| stage, µs a request |");
    for request in &requests {
        let _ = write!(out, " {request} |");
    }
    let _ = write!(out, "\n|---|{}\n", "---|".repeat(requests.len()));
    for stage in stages {
        let _ = write!(
            out,
            "| {} |",
            stage.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ')
        );
        for request in &requests {
            let figure = figures.ledger()[*request].get(stage);
            let _ = write!(
                out,
                " {} |",
                figure.map_or("–".to_owned(), |figure| show(*figure, None))
            );
        }
        out.push('\n');
    }
    out
}
