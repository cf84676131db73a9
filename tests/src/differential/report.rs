//! How many cases agree, by resource and by verb, and in which fields the others differ.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::compare::Difference;
use super::deliberate::Deliberate;
use super::sequence::{Sequence, Step};

/// Agreeing cases of all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    /// Cases without a difference, or with deliberate ones only.
    pub agree: usize,
    /// All cases.
    pub all: usize,
}

impl Score {
    fn add(&mut self, agrees: bool) {
        self.agree += usize::from(agrees);
        self.all += 1;
    }

    /// In percent.
    #[allow(clippy::cast_precision_loss, reason = "fewer than 2^53 cases")]
    pub fn percent(&self) -> f64 {
        match self.all {
            0 => 100.0,
            all => self.agree as f64 * 100.0 / all as f64,
        }
    }
}

/// A place in which answers differ, and one of the cases that show it.
#[derive(Debug)]
struct Place {
    cases: usize,
    example: String,
}

/// What was found so far.
#[derive(Debug, Default)]
pub struct Report {
    by_resource: BTreeMap<String, Score>,
    by_verb: BTreeMap<String, Score>,
    whole: Score,
    /// Resource, verb and field.
    places: BTreeMap<(String, String, String), Place>,
    /// How often each entry of the deliberate list was met.
    met: BTreeMap<(String, String), usize>,
    /// Every difference, a line each.
    lines: Vec<String>,
}

impl Report {
    /// Adds what a sequence showed.
    pub fn add(
        &mut self,
        sequence: &Sequence,
        found: Vec<Vec<Difference>>,
        deliberate: &[Deliberate],
    ) {
        for (step, differences) in sequence.steps.iter().zip(found) {
            let (resource, verb) = (step.resource(), step.verb());
            let mut agrees = true;
            for difference in differences {
                if let Some(entry) = deliberate.iter().find(|entry| entry.covers(&difference)) {
                    *self
                        .met
                        .entry((entry.kind.clone(), entry.field.clone()))
                        .or_default() += 1;
                    continue;
                }
                agrees = false;
                self.place(&resource, &verb, sequence, step, difference);
            }
            self.by_resource.entry(resource).or_default().add(agrees);
            self.by_verb.entry(verb).or_default().add(agrees);
            self.whole.add(agrees);
        }
    }

    fn place(
        &mut self,
        resource: &str,
        verb: &str,
        sequence: &Sequence,
        step: &Step,
        difference: Difference,
    ) {
        self.lines.push(
            [
                &sequence.name,
                &step.request,
                &step.note,
                &difference.field,
                &difference.ours,
                &difference.theirs,
            ]
            .map(|text| text.replace(['\t', '\n'], " "))
            .join("\t"),
        );
        let key = (resource.to_owned(), verb.to_owned(), difference.field);
        let place = self.places.entry(key).or_insert_with(|| Place {
            cases: 0,
            example: format!(
                "{} | {}{}\n        ours:     {}\n        upstream: {}",
                sequence.name,
                step.request,
                if step.note.is_empty() {
                    String::new()
                } else {
                    format!(" | {}", step.note)
                },
                difference.ours,
                difference.theirs
            ),
        });
        place.cases += 1;
    }

    /// All cases.
    pub fn whole(&self) -> Score {
        self.whole
    }

    /// Every difference, a line each: sequence, request, what is special about it, field, ours, upstream's; between tabs.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The cases of one resource.
    pub fn of(&self, resource: &str) -> Score {
        self.by_resource.get(resource).copied().unwrap_or_default()
    }

    /// The tables, and the differences with an example each.
    pub fn text(&self, deliberate: &[Deliberate]) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        for (title, scores) in [("resource", &self.by_resource), ("verb", &self.by_verb)] {
            let _ = writeln!(out, "{title:<44} {:>7} {:>7} {:>8}", "agree", "of", "%");
            for (name, score) in scores {
                let _ = writeln!(
                    out,
                    "{name:<44} {:>7} {:>7} {:>8.2}",
                    score.agree,
                    score.all,
                    score.percent()
                );
            }
            out.push('\n');
        }
        let mut places: Vec<_> = self.places.iter().collect();
        places.sort_by_key(|(_, place)| std::cmp::Reverse(place.cases));
        for ((resource, verb, field), place) in places {
            let _ = writeln!(
                out,
                "{:>5} × {resource}, {verb}: {field}\n        {}",
                place.cases, place.example
            );
        }
        for entry in deliberate {
            let key = (entry.kind.clone(), entry.field.clone());
            let met = self.met.get(&key).copied().unwrap_or(0);
            let _ = writeln!(
                out,
                "deliberate, {met} ×: {}, {}: {}",
                entry.kind, entry.field, entry.reason
            );
        }
        let whole = self.whole;
        let _ = writeln!(
            out,
            "{} of {} cases agree ({:.2} %)",
            whole.agree,
            whole.all,
            whole.percent()
        );
        out
    }
}
