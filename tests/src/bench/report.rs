//! The tables of docs/benchmarks.md.

use std::fmt::Write as _;

use super::baseline::{Baseline, Kept};
use super::figures::{median, show};
use super::ladder::table;
use super::row::Row;
use super::rows::ROWS;

/// Between these lines of docs/benchmarks.md is what the harness writes.
const BEGIN: &str = "<!-- What follows is written by hack/bench --keep. -->";
const END: &str = "<!-- What precedes is written by hack/bench --keep. -->";

/// Everything that was measured, as Markdown.
pub fn tables(kept: &Baseline) -> String {
    rows(kept) + &table::table(kept) + &ledger(kept)
}

/// A page with the tables of these figures in place of those that it has.
///
/// # Errors
/// What is wrong with the page, if the two lines are not in it.
pub fn page(page: &str, kept: &Baseline) -> Result<String, String> {
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let Some((before, after)) = parts else {
        return Err(format!("it lacks the lines {BEGIN} and {END}"));
    };
    let (origin, tables) = (kept.origin(|_| true), tables(kept));
    Ok(format!(
        "{before}{BEGIN}\n\nMeasured at {origin}.\n\n{}\n\n{END}{after}",
        tables.trim()
    ))
}

fn rows(kept: &Baseline) -> String {
    let measured: Vec<(&Row, &Kept)> = ROWS
        .iter()
        .filter_map(|row| Some((row, kept.rows.get(row.name)?)))
        .collect();
    if measured.is_empty() {
        return String::new();
    }
    let compared = measured.iter().any(|(_, kept)| kept.ratio.is_some());
    // Writing to a String cannot fail.
    let mut out = String::new();
    if compared {
        let _ = writeln!(
            out,
            "| row | what | budget | ours | upstream | times better (min – max) | in each pair |"
        );
        let _ = writeln!(out, "|---|---|---|---|---|---|---|");
    } else {
        let _ = writeln!(out, "| row | what | budget | measured |");
        let _ = writeln!(out, "|---|---|---|---|");
    }
    for (row, kept) in measured {
        let Some(ours) = median(&kept.ours) else {
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
            let theirs = median(&kept.upstream);
            let theirs = theirs.map_or("–".to_owned(), |theirs| show(theirs, Some(row)));
            let _ = write!(out, " {theirs} | {} |", advantage(&kept.ratios(row)));
        }
        out.push('\n');
    }
    out
}

/// By how much ours is better: the median with the worst and the best pair, and each pair.
fn advantage(ratios: &[f64]) -> String {
    let Some(middle) = median(ratios) else {
        return "– | –".to_owned();
    };
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(0.0, f64::max);
    let each: Vec<String> = ratios.iter().map(|ratio| show(*ratio, None)).collect();
    format!(
        "{} ({} – {}) | {}",
        show(middle, None),
        show(least, None),
        show(most, None),
        each.join(" ")
    )
}

/// Where the processor time of a request goes.
fn ledger(kept: &Baseline) -> String {
    let mut stages: Vec<&str> = kept
        .ledger
        .values()
        .flat_map(|of| of.keys().map(String::as_str))
        .collect();
    stages.sort_unstable();
    stages.dedup();
    if stages.is_empty() {
        return String::new();
    }
    let mut out = String::from("\n| stage, µs a request |");
    for request in kept.ledger.keys() {
        let _ = write!(out, " {request} |");
    }
    let _ = write!(out, "\n|---|{}\n", "---|".repeat(kept.ledger.len()));
    for stage in stages {
        let _ = write!(
            out,
            "| {} |",
            stage.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ')
        );
        for of in kept.ledger.values() {
            let figure = of
                .get(stage)
                .map_or("–".to_owned(), |figure| show(*figure, None));
            let _ = write!(out, " {figure} |");
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    fn kept(ours: &[f64], upstream: &[f64]) -> Baseline {
        let mut all = Baseline::default();
        let row = Kept {
            taken: "abc, 2026-01-02".into(),
            ours: ours.to_vec(),
            upstream: upstream.to_vec(),
            ratio: (!upstream.is_empty()).then_some(1.0),
        };
        all.rows.insert("update".into(), row);
        all
    }

    #[test]
    fn each_pair_has_its_ratio() {
        let table = tables(&kept(&[20.0, 30.0, 60.0], &[10.0, 10.0, 10.0]));
        let line = table.lines().last().unwrap();
        assert!(
            line.ends_with("| 30.0/s | 10.0/s | 3.00 (2.00 – 6.00) | 2.00 3.00 6.00 |"),
            "{line}"
        );
        assert!(!tables(&kept(&[1.0], &[])).contains("upstream"));
    }

    #[test]
    fn a_page_keeps_what_people_wrote() {
        let old = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let new = page(&old, &kept(&[1.0], &[])).unwrap();
        assert!(new.starts_with("before\n") && new.ends_with("\nafter\n"));
        assert!(new.contains("abc, 2026-01-02") && !new.contains("old"));
        assert_eq!(page(&new, &kept(&[1.0], &[])).unwrap(), new);
        assert!(page("nothing", &Baseline::default()).is_err());
    }
}
