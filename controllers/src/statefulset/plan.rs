//! Which step comes next: upstream's rules as a function of what is seen of the pods. Pure.

use super::model::Rolling;

/// A pod of the set, or the place of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    /// There is a pod.
    pub present: bool,
    /// It ended: it was evicted, or its containers never come back.
    pub ended: bool,
    /// Not all of it runs yet.
    pub pending: bool,
    /// It is on its way out.
    pub deleting: bool,
    /// It runs and is ready.
    pub ready: bool,
    /// It has been ready for long enough.
    pub available: bool,
    /// It is of the revision that the set goes to.
    pub updated: bool,
}

impl Place {
    fn is_unavailable(&self) -> bool {
        !self.available || self.deleting
    }
}

/// How the set wants its pods to come and go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// One after another.
    pub ordered: bool,
    /// The rolling update; `None` where pods of an older revision stay until somebody deletes them.
    pub update: Option<Update>,
}

/// The bounds of a rolling update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Update {
    /// Pods before this place, among those that are named, stay.
    pub from: usize,
    /// How many pods may be unavailable; at least one.
    pub max_unavailable: usize,
}

/// How many of so many replicas may be unavailable: a percentage rounds down, and one always may.
pub(super) fn max_unavailable(rolling: Option<&Rolling>, replicas: i32) -> usize {
    let max = rolling
        .and_then(|r| r.max_unavailable.as_ref())
        // Validation lets through numbers and percentages only.
        .map_or(1, |m| m.scaled(replicas.into(), false).unwrap_or(1));
    usize::try_from(max.max(1)).unwrap_or(usize::MAX)
}

/// One thing to do. Places are of the wanted pods that are named, in order of their ordinals, or of the surplus ones, the
/// highest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Make the pod of a place.
    Create(usize),
    /// Make the claims of a pod that waits, if they are missing.
    EnsureClaims(usize),
    /// See that a pod has the set's labels and claims, and its claims the right owners.
    Tend(usize),
    /// Delete a wanted pod that ended, so that it is made anew.
    Replace(usize),
    /// See that the claims of a surplus pod have the right owners.
    TendSurplus(usize),
    /// Delete a surplus pod.
    Remove(usize),
    /// Delete a wanted pod of an older revision, so that it is made anew.
    Update(usize),
}

/// The steps to be made now, in order. Where pods come one after another, the first that something must be waited for is the
/// last that is looked at. Of the missing pods only the first need be among `wanted`: `left_out` counts the others.
pub(super) fn steps(
    rules: Rules,
    wanted: &[Place],
    left_out: usize,
    surplus: &[Place],
) -> Vec<Step> {
    let mut steps = Vec::new();
    for (at, place) in wanted.iter().enumerate() {
        let waits = if place.ended {
            if !place.deleting {
                steps.push(Step::Replace(at));
            }
            true
        } else if !place.present {
            steps.push(Step::Create(at));
            true
        } else {
            if place.pending {
                steps.push(Step::EnsureClaims(at));
            }
            let waits = place.deleting || !place.ready || !place.available;
            if !(waits && rules.ordered) {
                steps.push(Step::Tend(at));
            }
            waits
        };
        if waits && rules.ordered {
            return steps;
        }
    }
    steps.extend((0..surplus.len()).map(Step::TendSurplus));
    // The lowest that does not work: it may go, although it is not well.
    let first_unavailable = surplus.iter().rposition(Place::is_unavailable);
    for (at, place) in surplus.iter().enumerate() {
        let unwell = (!place.ready || !place.available) && Some(at) != first_unavailable;
        if rules.ordered && (place.deleting || unwell) {
            return steps;
        }
        if !place.deleting {
            steps.push(Step::Remove(at));
            if rules.ordered {
                return steps;
            }
        }
    }
    if let Some(update) = rules.update {
        steps.extend(updates(rules.ordered, update, wanted, left_out).map(Step::Update));
    }
    steps
}

/// The places whose pods give way to the new revision now: from the highest down, and no more than may be unavailable. Those
/// that are unavailable anyway cost nothing where the order does not matter.
fn updates(
    ordered: bool,
    update: Update,
    wanted: &[Place],
    left_out: usize,
) -> std::vec::IntoIter<usize> {
    let unavailable = left_out + wanted.iter().filter(|p| p.is_unavailable()).count();
    let outdated = |p: &Place| !p.updated && !p.deleting && p.present;
    let broken = !ordered && wanted.iter().any(|p| p.is_unavailable() && outdated(p));
    let mut chosen = Vec::new();
    if unavailable >= update.max_unavailable && !broken {
        return chosen.into_iter();
    }
    let candidates = || {
        let from = update.from.min(wanted.len());
        wanted[from..]
            .iter()
            .enumerate()
            .map(move |(at, place)| (at + from, place))
            .rev()
            .filter(move |(_, place)| outdated(place))
    };
    let budget = update.max_unavailable.saturating_sub(unavailable);
    if ordered {
        chosen.extend(candidates().map(|(at, _)| at).take(budget));
    } else {
        // One that ended goes as such.
        let broken = candidates().filter(|(_, p)| !p.available && !p.ended);
        chosen.extend(broken.map(|(at, _)| at));
        let well = candidates().filter(|(_, p)| p.available && !p.ended);
        chosen.extend(well.map(|(at, _)| at).take(budget));
    }
    chosen.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Step::{Create, EnsureClaims, Remove, Replace, Tend, TendSurplus, Update as Renew};

    const GOOD: Place = Place {
        present: true,
        ended: false,
        pending: false,
        deleting: false,
        ready: true,
        available: true,
        updated: true,
    };
    const NONE: Place = Place {
        present: false,
        ended: false,
        pending: false,
        deleting: false,
        ready: false,
        available: false,
        updated: false,
    };
    const OLD: Place = Place {
        updated: false,
        ..GOOD
    };
    const UNREADY: Place = Place {
        ready: false,
        available: false,
        ..GOOD
    };
    const WAITING: Place = Place {
        pending: true,
        ..UNREADY
    };
    const ENDED: Place = Place {
        ended: true,
        ..UNREADY
    };
    const GOING: Place = Place {
        deleting: true,
        ..GOOD
    };
    const OLD_UNREADY: Place = Place {
        updated: false,
        ..UNREADY
    };

    fn rules(ordered: bool, from: usize, max_unavailable: usize) -> Rules {
        let update = Some(Update {
            from,
            max_unavailable,
        });
        Rules { ordered, update }
    }

    /// What changes something.
    fn acts(rules: Rules, wanted: &[Place], surplus: &[Place]) -> Vec<Step> {
        let mut steps = steps(rules, wanted, 0, surplus);
        steps.retain(|s| !matches!(s, Tend(_) | TendSurplus(_) | EnsureClaims(_)));
        steps
    }

    #[test]
    fn ordered_pods_come_one_after_another() {
        let ordered = rules(true, 0, 1);
        let table: [(&[Place], &[Step]); 7] = [
            (&[NONE, NONE], &[Create(0)]),
            (&[WAITING, NONE], &[EnsureClaims(0)]),
            (&[UNREADY, NONE], &[]),
            (&[GOOD, NONE], &[Tend(0), Create(1)]),
            (&[GOOD, ENDED, NONE], &[Tend(0), Replace(1)]),
            (&[GOOD, GOING, NONE], &[Tend(0)]),
            (
                &[
                    Place {
                        available: false,
                        ..GOOD
                    },
                    NONE,
                ],
                &[],
            ),
        ];
        for (wanted, expected) in table {
            assert_eq!(steps(ordered, wanted, 0, &[]), expected, "{wanted:?}");
        }
    }

    #[test]
    fn parallel_pods_come_all_at_once() {
        let parallel = rules(false, 0, 1);
        assert_eq!(
            steps(parallel, &[NONE, WAITING, ENDED, GOOD], 0, &[]),
            [Create(0), EnsureClaims(1), Tend(1), Replace(2), Tend(3)]
        );
    }

    #[test]
    fn missing_pods_that_are_not_named_are_unavailable() {
        let update = |left_out| steps(rules(false, 0, 3), &[OLD, OLD, OLD], left_out, &[]);
        let tended = [Tend(0), Tend(1), Tend(2)];
        assert_eq!(update(2), [&tended[..], &[Renew(2)]].concat());
        assert_eq!(update(3), tended);
    }

    #[test]
    fn ordered_pods_go_the_highest_first_and_only_when_all_others_are_well() {
        let ordered = rules(true, 0, 1);
        let table: [(&[Place], &[Place], &[Step]); 7] = [
            (&[GOOD], &[GOOD, GOOD], &[Remove(0)]),
            (&[UNREADY], &[GOOD, GOOD], &[]),
            (&[GOOD], &[GOING, GOOD], &[]),
            (&[GOOD], &[GOOD, UNREADY], &[Remove(0)]),
            (&[GOOD], &[UNREADY, GOOD], &[Remove(0)]),
            (&[GOOD], &[UNREADY, UNREADY], &[]),
            (&[], &[ENDED], &[Remove(0)]),
        ];
        for (wanted, surplus, expected) in table {
            assert_eq!(acts(ordered, wanted, surplus), expected, "{surplus:?}");
        }
        let parallel = rules(false, 0, 1);
        assert_eq!(
            acts(parallel, &[UNREADY], &[GOOD, GOING, UNREADY]),
            [Remove(0), Remove(2)]
        );
    }

    #[test]
    fn updates_go_from_the_highest_down_to_the_partition() {
        let table: [(Rules, &[Place], &[Step]); 11] = [
            (rules(true, 0, 1), &[OLD, OLD, OLD], &[Renew(2)]),
            (rules(true, 0, 1), &[OLD, OLD, GOOD], &[Renew(1)]),
            (rules(true, 0, 2), &[OLD, OLD, OLD], &[Renew(2), Renew(1)]),
            (rules(true, 2, 1), &[OLD, OLD, GOOD], &[]),
            (rules(true, 9, 1), &[OLD, OLD], &[]),
            (rules(false, 0, 1), &[OLD, OLD, OLD], &[Renew(2)]),
            (rules(false, 0, 1), &[OLD, GOING, OLD], &[]),
            (
                rules(false, 0, 1),
                &[OLD, OLD_UNREADY, OLD_UNREADY],
                &[Renew(2), Renew(1)],
            ),
            (
                rules(false, 0, 2),
                &[OLD, OLD_UNREADY, OLD],
                &[Renew(1), Renew(2)],
            ),
            (rules(false, 2, 1), &[OLD_UNREADY, OLD, GOOD], &[]),
            (
                Rules {
                    ordered: true,
                    update: None,
                },
                &[OLD, OLD],
                &[],
            ),
        ];
        for (rules, wanted, expected) in table {
            assert_eq!(acts(rules, wanted, &[]), expected, "{rules:?} {wanted:?}");
        }
    }

    #[test]
    fn no_more_pods_are_given_up_than_may_be_unavailable_whatever_the_state() {
        let all = [GOOD, NONE, OLD, UNREADY, GOING, OLD_UNREADY, ENDED];
        for a in all {
            for b in all {
                for c in all {
                    for ordered in [true, false] {
                        for max in 1..=3 {
                            let wanted = [a, b, c];
                            let well = |p: &Place| !p.is_unavailable();
                            let given_up = steps(rules(ordered, 0, max), &wanted, 0, &[])
                                .into_iter()
                                .filter(|s| matches!(s, Renew(at) if well(&wanted[*at])))
                                .count();
                            let unavailable = wanted.iter().filter(|p| !well(p)).count();
                            assert!(
                                given_up == 0 || given_up + unavailable <= max,
                                "{ordered} {max} {wanted:?}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn bounds_round_down_and_never_forbid_everything() {
        use api::IntOrString::{Int, String};
        let max = |value| {
            let rolling = Rolling {
                partition: 3,
                max_unavailable: Some(value),
            };
            max_unavailable(Some(&rolling), 10)
        };
        assert_eq!(max(Int(4)), 4);
        assert_eq!(max(String("25%".into())), 2);
        assert_eq!(max(String("1%".into())), 1);
        assert_eq!(max_unavailable(None, 10), 1);
    }
}
