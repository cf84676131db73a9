//! The pods of a set in their places. Pure.
//!
//! A set may want two billion pods: what is held is bounded by the pods that there are, not by the number that is wanted.

use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Pods by what is wanted of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Places<T> {
    /// Ordinals that are wanted, in their order: of every pod that there is, and of the missing ones the first.
    pub wanted: Vec<(i32, Option<T>)>,
    /// How many ordinals are wanted beside those: their pods are missing.
    pub left_out: usize,
    /// The pods of other ordinals, the highest first.
    pub surplus: Vec<T>,
}

impl<T: Copy> Places<T> {
    /// Places pods, by their ordinals, of which `replicas` are wanted from `start` on; names no more than `most` missing ones.
    pub(super) fn of(
        pods: impl Iterator<Item = (i32, T)>,
        start: i32,
        replicas: i32,
        most: usize,
    ) -> Self {
        let ordinals = start..start.saturating_add(replicas);
        let (mut wanted, mut surplus) = (BTreeMap::new(), Vec::new());
        for (ordinal, pod) in pods {
            if ordinals.contains(&ordinal) {
                wanted.insert(ordinal, Some(pod));
            } else {
                surplus.push((ordinal, pod));
            }
        }
        surplus.sort_by_key(|(ordinal, _)| Reverse(*ordinal));
        let is_missing = |ordinal: &i32| !wanted.contains_key(ordinal);
        let missing: Vec<i32> = ordinals.clone().filter(is_missing).take(most).collect();
        wanted.extend(missing.into_iter().map(|ordinal| (ordinal, None)));
        Places {
            left_out: ordinals.len() - wanted.len(),
            wanted: wanted.into_iter().collect(),
            surplus: surplus.into_iter().map(|(_, pod)| pod).collect(),
        }
    }

    /// The pod of one of the wanted places, if there is one.
    pub(super) fn pod(&self, at: usize) -> Option<T> {
        self.wanted.get(at).and_then(|(_, pod)| *pod)
    }

    /// Where in `wanted` those are that come after the first `count` ordinals of a set that starts at `start`.
    pub(super) fn after(&self, start: i32, count: i32) -> usize {
        let first = start.saturating_add(count);
        self.wanted.partition_point(|(ordinal, _)| *ordinal < first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pods: &[i32], start: i32, replicas: i32, most: usize) -> Places<i32> {
        Places::of(pods.iter().map(|at| (*at, *at)), start, replicas, most)
    }

    #[test]
    fn pods_stand_in_order_with_gaps_and_the_others_from_the_highest_down() {
        let places = of(&[4, 9, 1, 2, 0], 1, 4, 10);
        let wanted = [(1, Some(1)), (2, Some(2)), (3, None), (4, Some(4))];
        assert_eq!(places.wanted, wanted);
        assert_eq!((places.left_out, places.surplus), (0, vec![9, 0]));
    }

    #[test]
    fn two_billion_missing_pods_take_the_place_of_a_few() {
        let places = of(&[1, 1_000_000], 0, i32::MAX, 3);
        let wanted = [(0, None), (1, Some(1)), (2, None), (3, None)];
        assert_eq!(places.wanted[..4], wanted);
        assert_eq!(places.wanted[4..], [(1_000_000, Some(1_000_000))]);
        assert_eq!(places.left_out, i32::MAX as usize - 5);
        assert_eq!(places.after(0, 2), 2);
        assert_eq!(places.after(0, 1_000_001), 5);
    }

    #[test]
    fn ordinals_end_where_numbers_do() {
        let places = of(&[], i32::MAX - 1, 5, 10);
        assert_eq!(places.wanted, [(i32::MAX - 1, None)]);
    }
}
