//! docs/benchmarks-scale.svg: a panel for each row of the ladder, nodes to the right and the figure upwards, both logarithmic.

use std::fmt::Write as _;

use super::table::{as_float, figure};
use super::{LADDER, RUNGS};
use crate::bench::baseline::Baseline;
use crate::bench::figures::{grouped, show};
use crate::bench::plot::escape;
use crate::bench::row::Row;
use crate::bench::subject::Subject;

const COLUMNS: usize = 2;
const PANEL: (f64, f64) = (480.0, 210.0);
/// From a panel's edge to its axes.
const LEFT: f64 = 40.0;
const RIGHT: f64 = 70.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 28.0;
const HEADER: f64 = 30.0;

/// The picture as SVG, if the ladder was climbed.
pub fn svg(kept: &Baseline) -> Option<String> {
    let panels: Vec<Panel> = LADDER
        .iter()
        .filter_map(|row| Panel::of(kept, row))
        .collect();
    if panels.is_empty() {
        return None;
    }
    let lines = panels.len().div_ceil(COLUMNS);
    let width = PANEL.0 * as_float(COLUMNS);
    let height = HEADER + PANEL.1 * as_float(lines);
    // Writing to a String cannot fail.
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"8\" y=\"20\">With 10 to 5,000 simulated nodes: <tspan fill=\"{}\">ours</tspan>, <tspan fill=\"{}\">upstream</tspan>; {}</text>\n",
        colour(Subject::Gantry),
        colour(Subject::Upstream),
        escape(&kept.origin(|key| key.contains('@'))),
    );
    for (place, panel) in panels.iter().enumerate() {
        let x = PANEL.0 * as_float(place % COLUMNS);
        let y = HEADER + PANEL.1 * as_float(place / COLUMNS);
        let _ = writeln!(
            out,
            "<g transform=\"translate({x},{y})\">{}</g>",
            panel.svg()
        );
    }
    Some(out + "</svg>\n")
}

fn colour(subject: Subject) -> &'static str {
    match subject {
        Subject::Gantry => "#2a7",
        Subject::Upstream => "#36c",
    }
}

/// One row: the points of each subject.
struct Panel {
    row: &'static Row,
    lines: Vec<(Subject, Vec<(usize, f64)>)>,
}

impl Panel {
    fn of(kept: &Baseline, row: &'static Row) -> Option<Self> {
        let lines = [Subject::Gantry, Subject::Upstream].map(|subject| {
            let points = RUNGS.into_iter().filter_map(|nodes| {
                let figure = figure(kept, row, nodes, subject)?;
                // A logarithm has no place for nothing.
                (figure > 0.0).then_some((nodes, figure))
            });
            (subject, points.collect::<Vec<_>>())
        });
        let lines: Vec<_> = lines
            .into_iter()
            .filter(|(_, points)| !points.is_empty())
            .collect();
        (!lines.is_empty()).then_some(Self { row, lines })
    }

    fn svg(&self) -> String {
        let all = || self.lines.iter().flat_map(|(_, points)| points);
        let least = all().map(|point| point.1).fold(f64::INFINITY, f64::min);
        let most = all().map(|point| point.1).fold(0.0, f64::max);
        let (floor, ceiling) = bounds(least, most);
        let x = |nodes: usize| {
            LEFT + share(
                as_float(nodes),
                as_float(RUNGS[0]),
                as_float(RUNGS[RUNGS.len() - 1]),
            ) * (PANEL.0 - LEFT - RIGHT)
        };
        let y = |figure: f64| {
            PANEL.1 - BOTTOM - share(figure, floor, ceiling) * (PANEL.1 - TOP - BOTTOM)
        };
        let mut out = format!(
            "<text x=\"8\" y=\"20\" font-size=\"11\">{}</text>",
            escape(self.row.what)
        );
        let mut tick = floor;
        while tick <= ceiling * 1.01 {
            let _ = write!(
                out,
                "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#666\" font-size=\"10\">{}</text>",
                PANEL.0 - RIGHT,
                LEFT - 4.0,
                y(tick) + 3.0,
                power_of_ten(tick),
                y = y(tick),
            );
            tick *= 10.0;
        }
        for nodes in RUNGS {
            let _ = write!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#666\" font-size=\"10\">{}</text>",
                x(nodes),
                PANEL.1 - BOTTOM + 14.0,
                grouped(&nodes.to_string()),
            );
        }
        for (subject, points) in &self.lines {
            let colour = colour(*subject);
            let mut path = String::new();
            for (nodes, figure) in points {
                let (x, y) = (x(*nodes), y(*figure));
                let _ = write!(path, "{x:.1},{y:.1} ");
                let _ = write!(
                    out,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"
                );
            }
            let _ = write!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>",
                path.trim_end()
            );
            if let Some((nodes, figure)) = points.last() {
                let _ = write!(
                    out,
                    "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\" font-size=\"11\">{}</text>",
                    x(*nodes) + 6.0,
                    y(*figure) + 4.0,
                    show(*figure, Some(self.row)),
                );
            }
        }
        out
    }
}

/// Powers of ten around what is drawn.
fn bounds(least: f64, most: f64) -> (f64, f64) {
    let floor = 10f64.powf(least.log10().floor());
    let ceiling = 10f64.powf(most.log10().ceil());
    (
        floor,
        if ceiling > floor {
            ceiling
        } else {
            floor * 10.0
        },
    )
}

/// Where between the bounds a value lies, by its logarithm.
fn share(value: f64, least: f64, most: f64) -> f64 {
    (value / least).log10() / (most / least).log10()
}

fn power_of_ten(tick: f64) -> String {
    if tick < 0.99 {
        format!("{tick:.2}").trim_end_matches('0').to_owned()
    } else {
        grouped(&format!("{tick:.0}"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;
    use crate::bench::baseline::Kept;
    use crate::bench::ladder::key;

    #[test]
    fn what_is_drawn_lies_between_powers_of_ten() {
        assert_eq!(bounds(3.0, 40.0), (1.0, 100.0));
        assert_eq!(bounds(10.0, 10.0), (10.0, 100.0));
        assert!((share(10.0, 1.0, 100.0) - 0.5).abs() < 1e-9);
        assert_eq!(
            (power_of_ten(0.1), power_of_ten(10_000.0)),
            ("0.1".into(), "10,000".into())
        );
    }

    #[test]
    fn a_ladder_that_was_not_climbed_is_not_drawn() {
        let mut kept = Baseline::default();
        assert_eq!(svg(&kept), None);
        let row = Kept {
            ours: vec![5.0],
            ..Kept::default()
        };
        kept.rows.insert(key(&LADDER[0], 10), row);
        let drawn = svg(&kept).unwrap();
        assert_eq!(drawn.matches("<polyline").count(), 1);
        assert!(drawn.contains("5.00/s"), "{drawn}");
    }
}
