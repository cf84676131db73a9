//! How many pods each ReplicaSet of a Deployment gets: upstream's rules as functions of numbers. Pure.

use api::IntOrString;

/// By how much a rolling update may stray from the wanted number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Pods more than wanted.
    pub surge: i32,
    /// Pods fewer available than wanted.
    pub unavailable: i32,
}

impl Bounds {
    /// From numbers or percentages: surge rounds up, unavailability down. If both come out as nothing, one pod may be
    /// unavailable, or the update could never move.
    pub(super) fn resolve(
        surge: Option<&IntOrString>,
        unavailable: Option<&IntOrString>,
        desired: i32,
    ) -> Bounds {
        let scale = |value: Option<&IntOrString>, up| {
            // Validation lets through numbers and percentages only.
            let scaled = value
                .and_then(|v| v.scaled(desired.into(), up).ok())
                .unwrap_or(0);
            i32::try_from(scaled.max(0)).unwrap_or(i32::MAX)
        };
        let (surge, mut unavailable) = (scale(surge, true), scale(unavailable, false));
        if surge == 0 && unavailable == 0 {
            unavailable = 1;
        }
        Bounds {
            surge,
            unavailable: unavailable.min(desired),
        }
    }
}

/// A ReplicaSet in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Size {
    /// How many pods it wants.
    pub replicas: i32,
    /// How many of its pods are available.
    pub available: i32,
}

/// How large the new ReplicaSet should be in a rolling update. It has been given `new` pods; `old` pods are, or may still
/// come, of the others, which is more than they have been given while some of them shrink; `None` while that cannot be told.
pub(super) fn scale_up(desired: i32, bounds: Bounds, old: Option<i32>, new: i32) -> i32 {
    if new >= desired {
        return desired;
    }
    let Some(old) = old else { return new };
    // Pods beyond what it has been given are on their way out: none of them is counted on to stay.
    let most = desired.saturating_add(bounds.surge).saturating_sub(old);
    new.max(most.min(desired))
}

/// How large the old ReplicaSets (oldest first) should be in a rolling update: first they lose pods that are not available
/// anyway, then as many as others stand in for.
pub(super) fn scale_down(desired: i32, bounds: Bounds, new: Size, old: &[Size]) -> Vec<i32> {
    let mut sizes: Vec<i32> = old.iter().map(|s| s.replicas).collect();
    let total = sizes.iter().sum::<i32>() + new.replicas;
    let min_available = desired - bounds.unavailable;
    // Pods of the new one that are not available yet count as if they were not there.
    let mut cleanup = total - min_available - (new.replicas - new.available);
    if cleanup <= 0 {
        return sizes;
    }
    for (size, set) in sizes.iter_mut().zip(old) {
        let unhealthy = (set.replicas - set.available).clamp(0, cleanup);
        *size -= unhealthy;
        cleanup -= unhealthy;
    }
    let available: i32 = old.iter().map(|s| s.available).sum::<i32>() + new.available;
    let mut surplus = (available - min_available).max(0);
    for size in &mut sizes {
        let cut = (*size).min(surplus);
        *size -= cut;
        surplus -= cut;
    }
    sizes
}

/// A ReplicaSet with pods, when its Deployment is scaled in the midst of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    /// How many pods it wants.
    pub replicas: i32,
    /// The number of pods that was allowed in all when it got them; `None` where that is not recorded.
    pub max_before: Option<i32>,
}

/// How large each ReplicaSet should be, when the Deployment is scaled in the midst of an update: in proportion to what they
/// have. The order of `shares` decides who gets what is left over: the largest first, of equals the newer when scaling
/// up, the older when scaling down.
pub(super) fn proportional(desired: i32, surge: i32, actual: i32, shares: &[Share]) -> Vec<i32> {
    let allowed = if desired > 0 {
        desired.saturating_add(surge)
    } else {
        0
    };
    let to_add = allowed - shares.iter().map(|s| s.replicas).sum::<i32>();
    let mut sizes: Vec<i32> = shares.iter().map(|s| s.replicas).collect();
    if to_add == 0 {
        return sizes;
    }
    let mut added = 0;
    for (size, share) in sizes.iter_mut().zip(shares) {
        let left = to_add - added;
        if share.replicas == 0 || left == 0 {
            continue;
        }
        let fraction = fraction(desired, surge, actual, *share);
        let part = if to_add > 0 {
            fraction.min(left)
        } else {
            fraction.max(left)
        };
        *size += part;
        added += part;
    }
    if let Some(first) = sizes.first_mut() {
        *first = (*first + to_add - added).max(0);
    }
    sizes
}

/// The change of one ReplicaSet's size that keeps its share.
fn fraction(desired: i32, surge: i32, actual: i32, share: Share) -> i32 {
    if desired == 0 {
        return -share.replicas;
    }
    let before = match share.max_before {
        Some(before) if before > 0 => before,
        _ if actual > 0 => actual,
        _ => return 0,
    };
    let size =
        f64::from(share.replicas) * f64::from(desired.saturating_add(surge)) / f64::from(before);
    // Rounds half away from zero, as upstream's does.
    size.round() as i32 - share.replicas
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(text: &str) -> IntOrString {
        IntOrString::String(text.to_owned())
    }

    fn bounds(surge: i32, unavailable: i32) -> Bounds {
        Bounds { surge, unavailable }
    }

    fn sizes(pairs: &[(i32, i32)]) -> Vec<Size> {
        pairs
            .iter()
            .map(|&(replicas, available)| Size {
                replicas,
                available,
            })
            .collect()
    }

    #[test]
    fn surge_rounds_up_and_unavailability_down() {
        let resolve = |s: IntOrString, u: IntOrString, n| Bounds::resolve(Some(&s), Some(&u), n);
        assert_eq!(resolve(percent("25%"), percent("25%"), 10), bounds(3, 2));
        assert_eq!(resolve(percent("25%"), percent("25%"), 3), bounds(1, 0));
        assert_eq!(
            resolve(IntOrString::Int(0), percent("1%"), 2),
            bounds(0, 1),
            "never stuck"
        );
        assert_eq!(
            resolve(IntOrString::Int(2), IntOrString::Int(9), 4),
            bounds(2, 4),
            "no more than there are"
        );
        assert_eq!(Bounds::resolve(None, None, 3), bounds(0, 1));
        assert_eq!(
            resolve(IntOrString::Int(0), IntOrString::Int(0), 0),
            bounds(0, 0)
        );
    }

    #[test]
    fn the_new_set_grows_into_the_room_that_there_is() {
        assert_eq!(scale_up(10, bounds(3, 2), Some(10), 0), 3);
        assert_eq!(scale_up(10, bounds(3, 2), Some(10), 3), 3, "no room");
        assert_eq!(scale_up(10, bounds(3, 2), Some(6), 5), 7);
        assert_eq!(
            scale_up(10, bounds(30, 2), Some(10), 0),
            10,
            "never more than wanted"
        );
        assert_eq!(
            scale_up(3, bounds(1, 0), Some(0), 5),
            3,
            "and not fewer than it may lose at once"
        );
        assert_eq!(
            scale_up(10, bounds(3, 2), None, 2),
            2,
            "what cannot be told may be too many"
        );
    }

    #[test]
    fn old_pods_go_only_as_far_as_others_stand_in() {
        assert_eq!(
            scale_down(
                10,
                bounds(3, 2),
                Size {
                    replicas: 3,
                    available: 0
                },
                &sizes(&[(10, 10)])
            ),
            [8]
        );
        assert_eq!(
            scale_down(
                10,
                bounds(3, 2),
                Size {
                    replicas: 5,
                    available: 5
                },
                &sizes(&[(8, 8)])
            ),
            [3]
        );
        assert_eq!(
            scale_down(
                3,
                bounds(1, 0),
                Size {
                    replicas: 1,
                    available: 0
                },
                &sizes(&[(3, 3)])
            ),
            [3]
        );
        assert_eq!(
            scale_down(
                3,
                bounds(1, 0),
                Size {
                    replicas: 1,
                    available: 1
                },
                &sizes(&[(3, 3)])
            ),
            [2]
        );
    }

    #[test]
    fn pods_that_do_not_work_go_first_whichever_set_they_are_in() {
        let new = Size {
            replicas: 0,
            available: 0,
        };
        assert_eq!(
            scale_down(10, bounds(3, 2), new, &sizes(&[(8, 8), (5, 0)])),
            [8, 0]
        );
        assert_eq!(
            scale_down(10, bounds(3, 2), new, &sizes(&[(10, 8), (3, 0)])),
            [8, 0],
            "five may go: the two and the three that do not work"
        );
    }

    #[test]
    fn a_new_set_that_crashes_never_costs_an_old_pod() {
        // Upstream's example: 10 wanted, surge 3, unavailable 2; 8 old, 5 new that crash; then an old one fails too.
        assert_eq!(
            scale_down(
                10,
                bounds(3, 2),
                Size {
                    replicas: 5,
                    available: 0
                },
                &sizes(&[(8, 7)])
            ),
            [8]
        );
    }

    #[test]
    fn availability_is_never_promised_away_whatever_the_state() {
        for desired in 0..8 {
            for unavailable in 0..=desired {
                for surge in 0..4 {
                    for new in 0..=desired {
                        for (old, old_available) in
                            (0..10).flat_map(|r| (0..=r).map(move |a| (r, a)))
                        {
                            for new_available in 0..=new {
                                let bounds = bounds(surge, unavailable);
                                let size = Size {
                                    replicas: new,
                                    available: new_available,
                                };
                                let left = scale_down(
                                    desired,
                                    bounds,
                                    size,
                                    &sizes(&[(old, old_available)]),
                                )[0];
                                assert!(left >= 0 && left <= old);
                                // Unready pods are deleted first, so as many available ones stay as there is place for.
                                let available = old_available.min(left) + new_available;
                                let before = old_available + new_available;
                                assert!(available >= (desired - unavailable).min(before));
                                assert!(
                                    scale_up(desired, bounds, Some(old), new) + old
                                        <= (desired + surge).max(old + new)
                                );
                            }
                        }
                    }
                }
            }
        }
    }

    fn share(replicas: i32, max_before: i32) -> Share {
        Share {
            replicas,
            max_before: Some(max_before),
        }
    }

    #[test]
    fn scaling_in_the_midst_of_an_update_keeps_proportions() {
        // 10 wanted, surge 3, in the midst: 8 old, 5 new; scaled to 15: 18 in all.
        assert_eq!(
            proportional(15, 3, 13, &[share(8, 13), share(5, 13)]),
            [11, 7]
        );
        assert_eq!(
            proportional(5, 3, 13, &[share(8, 13), share(5, 13)]),
            [5, 3]
        );
        assert_eq!(
            proportional(0, 3, 13, &[share(8, 13), share(5, 13)]),
            [0, 0]
        );
        assert_eq!(
            proportional(10, 3, 13, &[share(8, 13), share(5, 13)]),
            [8, 5],
            "nothing to do"
        );
    }

    #[test]
    fn what_is_left_over_goes_to_the_first_and_the_sum_is_exact() {
        assert_eq!(
            proportional(7, 0, 5, &[share(3, 5), share(1, 5), share(1, 5)]),
            [5, 1, 1]
        );
        for desired in 1..30 {
            let sizes = proportional(desired, 2, 14, &[share(6, 14), share(5, 14), share(3, 14)]);
            assert_eq!(
                sizes.iter().sum::<i32>(),
                desired + 2,
                "{desired}: {sizes:?}"
            );
        }
    }

    #[test]
    fn without_a_record_the_actual_number_stands_in() {
        let lost = Share {
            replicas: 5,
            max_before: None,
        };
        assert_eq!(proportional(20, 0, 10, &[lost, lost]), [10, 10]);
        assert_eq!(
            proportional(20, 0, 0, &[lost, lost]),
            [15, 5],
            "nothing known: all to the first"
        );
    }
}
