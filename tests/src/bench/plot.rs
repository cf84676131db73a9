//! docs/benchmarks.svg: how many times better than upstream's, a bar for each row, on a logarithmic scale.

use std::fmt::Write as _;

use super::baseline::Baseline;
use super::figures::show;
use super::rows::ROWS;

const LABELS: f64 = 330.0;
const WIDTH: f64 = 820.0;
const LINE: f64 = 24.0;
/// Where the scale begins: ten times worse.
const LEAST: f64 = 0.1;
/// Where it ends.
const MOST: f64 = 1_000.0;

/// The picture, as SVG.
pub fn svg(baseline: &Baseline) -> String {
    let rows: Vec<_> = ROWS
        .iter()
        .filter_map(|row| Some((row, baseline.rows.get(row.name)?.ratio?)))
        .collect();
    let height = LINE * (row_count(rows.len()) + 3.0);
    // Writing to a String cannot fail.
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"8\" y=\"18\">How many times better than upstream's; {}</text>\n",
        escape(&baseline.origin(|key| !key.contains('@')))
    );
    for tick in [0.1, 1.0, 10.0, 100.0, 1_000.0] {
        let x = at(tick);
        let colour = if tick == 1.0 { "black" } else { "#ccc" };
        let _ = writeln!(
            out,
            "<line x1=\"{x:.1}\" y1=\"{LINE}\" x2=\"{x:.1}\" y2=\"{:.1}\" stroke=\"{colour}\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#666\">{tick}</text>",
            height - 1.5 * LINE,
            height - 0.75 * LINE,
        );
    }
    for (place, (row, ratio)) in rows.iter().enumerate() {
        let y = LINE * (row_count(place) + 1.25);
        let (one, end) = (at(1.0), at(*ratio));
        let colour = if *ratio >= 1.0 { "#2a7" } else { "#c33" };
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            LABELS - 8.0,
            y + 0.6 * LINE,
            escape(row.what),
            one.min(end),
            (end - one).abs().max(1.0),
            0.75 * LINE,
            one.max(end) + 5.0,
            y + 0.6 * LINE,
            show(*ratio, None),
        );
    }
    out + "</svg>\n"
}

#[allow(clippy::cast_precision_loss, reason = "there are few rows")]
fn row_count(count: usize) -> f64 {
    count as f64
}

/// Text of Markdown as text of SVG.
pub(super) fn escape(text: &str) -> String {
    text.replace('`', "")
        .replace('&', "&amp;")
        .replace('<', "&lt;")
}

/// Where a ratio lies on the scale.
fn at(ratio: f64) -> f64 {
    let part = (ratio.clamp(LEAST, MOST) / LEAST).log10() / (MOST / LEAST).log10();
    LABELS + part * (WIDTH - LABELS - 60.0)
}
