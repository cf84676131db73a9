//! What becomes of an object that is to go: whether it is marked, how long it has, who holds it.

use api::Tree;

use super::{Kind, meta};
use crate::registry::strategy::Garbage;
use crate::request::{DeleteOptions, Propagation};

/// The finalizer that leaves dependents without their owner.
const ORPHAN: &str = "orphan";
/// The finalizer that waits for dependents to go first.
const FOREGROUND: &str = "foregroundDeletion";

/// What is to be done with an object that is to go.
pub(super) enum Step {
    /// Nothing: it is on its way.
    Pending,
    /// It is marked, and somebody else finishes.
    Mark,
    /// It is marked, and then goes.
    MarkAndGo,
    /// It goes.
    Go,
}

/// Marks an object as being deleted, as far as that is needed, and says what comes next (upstream: `rest.BeforeDelete`,
/// `deletionFinalizersForGarbageCollection`).
pub(super) fn step(kind: &Kind, object: &mut Tree, options: &DeleteOptions, now: i64) -> Step {
    let old = meta::of(object);
    let (deletion, grace, generation) = (
        old.deletion(),
        old.grace().map(|g| if g < 0 { 1 } else { g }),
        old.generation(),
    );
    let asked = options
        .grace_period_seconds
        .map(|g| if g < 0 { 1 } else { g });
    let graceful = kind.strategy.rules.grace(object, options);
    let mut marked = None;
    if graceful.is_some() {
        match (deletion, grace.unwrap_or_default()) {
            // Marked before, with no time left: it goes.
            (Some(_), 0) => {}
            (Some(deletion), grace) => match asked {
                // Only a shorter time may be asked for.
                Some(asked) if asked < grace => {
                    let moved = deletion.saturating_sub(grace).saturating_add(asked);
                    let late = moved < now;
                    marked = Some((
                        if late { now } else { moved },
                        if late && asked != 0 { 1 } else { asked },
                        generation,
                    ));
                }
                _ => return Step::Pending,
            },
            (None, _) => {
                let grace = graceful.unwrap_or_default();
                marked = Some((
                    now.saturating_add(grace),
                    grace,
                    generation + i64::from(generation > 0),
                ));
            }
        }
    }
    let wanted = finalizers(kind, object, options);
    let changed = {
        let mut had: Vec<&str> = meta::of(object).finalizers().collect();
        let mut wants: Vec<&str> = wanted.iter().map(String::as_str).collect();
        had.sort_unstable();
        wants.sort_unstable();
        had != wants
    };
    if changed {
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        meta::of_mut(object).set_finalizers(&wanted);
    }
    let mut metadata = meta::of_mut(object);
    match marked {
        Some((deletion, grace, generation)) => {
            metadata.set_time("deletionTimestamp", deletion);
            metadata.set("deletionGracePeriodSeconds", grace);
            metadata.set("generation", generation);
            match grace == 0 && wanted.is_empty() {
                true => Step::MarkAndGo,
                false => Step::Mark,
            }
        }
        None if wanted.is_empty() => Step::Go,
        None => {
            if deletion.is_none() && generation > 0 {
                metadata.set("generation", generation + 1);
            }
            if deletion.is_none_or(|at| at > now) {
                metadata.set_time("deletionTimestamp", now);
            }
            metadata.set("deletionGracePeriodSeconds", 0);
            match changed || deletion.is_none() || grace != Some(0) {
                true => Step::Mark,
                false => Step::Pending,
            }
        }
    }
}

/// The finalizers that an object is to have, once it is being deleted.
fn finalizers(kind: &Kind, object: &Tree, options: &DeleteOptions) -> Vec<String> {
    let had: Vec<&str> = meta::of(object).finalizers().collect();
    let default = kind.strategy.garbage;
    let has = |finalizer: &str| had.contains(&finalizer);
    let first = had
        .iter()
        .find(|f| matches!(**f, ORPHAN | FOREGROUND))
        .copied();
    let (orphan, foreground) = match (default, options.orphan_dependents, options.propagation) {
        (Garbage::Unsupported, ..) => (false, false),
        (_, Some(orphan), _) => (orphan, false),
        (_, None, Some(propagation)) => (
            propagation == Propagation::Orphan,
            propagation == Propagation::Foreground,
        ),
        _ if has(ORPHAN) || has(FOREGROUND) => (first == Some(ORPHAN), first == Some(FOREGROUND)),
        _ => (default == Garbage::Orphan, false),
    };
    let kept = had
        .iter()
        .filter(|f| !matches!(**f, ORPHAN | FOREGROUND))
        .map(|f| (*f).to_owned());
    kept.chain(orphan.then(|| ORPHAN.to_owned()))
        .chain(foreground.then(|| FOREGROUND.to_owned()))
        .collect()
}

/// A namespace is marked as terminating; it goes when nothing of it is left.
pub(super) fn namespace_step(object: &mut Tree, options: &DeleteOptions, now: i64) -> Step {
    let old = meta::of(object);
    if old.deletion().is_some() {
        let empty = object
            .root()
            .path("spec.finalizers")
            .is_none_or(|list| list.is_empty());
        return match empty && old.finalizers().next().is_none() {
            true => Step::Go,
            false => Step::Pending,
        };
    }
    let had: Vec<String> = old.finalizers().map(str::to_owned).collect();
    let has = |finalizer: &str| had.iter().any(|f| f == finalizer);
    let (orphan, foreground) = match (options.orphan_dependents, options.propagation) {
        (Some(orphan), _) => (orphan, !orphan),
        (None, Some(propagation)) => (
            propagation == Propagation::Orphan,
            propagation == Propagation::Foreground,
        ),
        (None, None) => (has(ORPHAN), has(FOREGROUND)),
    };
    let mut wanted: Vec<&str> = had
        .iter()
        .map(String::as_str)
        .filter(|f| !matches!(*f, ORPHAN | FOREGROUND))
        .collect();
    wanted.extend(orphan.then_some(ORPHAN));
    wanted.extend(foreground.then_some(FOREGROUND));
    let mut metadata = meta::of_mut(object);
    metadata.set_finalizers(&wanted);
    metadata.set_time("deletionTimestamp", now);
    meta::ensure(&mut object.root_mut(), "status", |status| {
        meta::set(status, "phase", "Terminating")
    });
    Step::Mark
}
