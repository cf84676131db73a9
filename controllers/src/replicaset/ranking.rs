//! Which pods go first when there are too many: upstream's order, so that what matters least is lost first.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use runtime::Object;

use crate::object::pod::Pod;

/// The `count` pods to delete. `related` are all pods of the ReplicaSets of the same owner: of a node that holds many of
/// them one is rather spared.
pub(super) fn pods_to_delete(
    mut pods: Vec<Arc<Object<Pod>>>,
    related: &[Arc<Object<Pod>>],
    count: usize,
    now: Timestamp,
) -> Vec<Arc<Object<Pod>>> {
    if count < pods.len() {
        let mut on_node: BTreeMap<&str, usize> = BTreeMap::new();
        for pod in related.iter().filter(|p| p.value.is_active()) {
            *on_node.entry(&pod.value.node).or_default() += 1;
        }
        let rank = |pod: &Object<Pod>| on_node.get(pod.value.node.as_str()).copied().unwrap_or(0);
        pods.sort_by_cached_key(|pod| place(pod, rank(pod), now));
        pods.truncate(count);
    }
    pods
}

/// Less is deleted first. A key and not a comparison, so that the order is total: upstream's comparison, which lets the uid
/// decide between ages of one magnitude but goes on to other rules between equal ages, is not.
fn place(pod: &Arc<Object<Pod>>, rank: usize, now: Timestamp) -> impl Ord + use<> {
    let value = &pod.value;
    // Ages count by their order of magnitude only; an age that nobody knows is the least.
    let age = |since: Option<Timestamp>| since.map(|since| magnitude(since, now));
    // Not bound before bound, pending before running, not ready before ready, then by cost, crowded nodes first.
    (
        (!value.node.is_empty(), value.phase, value.is_ready),
        value.deletion_cost,
        Reverse(rank),
        age(value.ready.filter(|_| value.is_ready)),
        Reverse(value.restarts),
        age(value.created),
        // As good as chance, and equal inputs give equal outputs.
        pod.uid.clone(),
    )
}

/// The binary logarithm of an age in nanoseconds; -1 for the present and the future.
fn magnitude(since: Timestamp, now: Timestamp) -> i64 {
    let age = now.duration_since(since).as_nanos();
    if age > 0 { i64::from(age.ilog2()) } else { -1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::pod::Phase;
    use runtime::Key;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).expect("in range")
    }

    fn pod(name: &str, change: impl FnOnce(&mut Pod)) -> Arc<Object<Pod>> {
        let mut value = Pod {
            labels: Default::default(),
            controller: None,
            deletion: None,
            created: Some(at(0)),
            node: format!("node-of-{name}"),
            phase: Phase::Running,
            ready: Some(at(0)),
            is_ready: true,
            deletion_cost: 0,
            restarts: (0, 0),
            tolerations: Vec::new(),
            disruption_target: false,
            work: None,
            disruption: None,
            claims: Vec::new(),
            wanted_node: None,
        };
        change(&mut value);
        Arc::new(Object {
            key: Key::new("ns", name),
            uid: name.into(),
            resource_version: "1".into(),
            value,
        })
    }

    fn first(pods: Vec<Arc<Object<Pod>>>, related: &[Arc<Object<Pod>>]) -> String {
        pods_to_delete(pods, related, 1, at(100_000))[0]
            .key
            .name()
            .to_owned()
    }

    #[test]
    fn each_rule_comes_before_the_next() {
        let rules: Vec<(&str, Arc<Object<Pod>>)> = vec![
            ("unbound", pod("unbound", |p| p.node = String::new())),
            ("pending", pod("pending", |p| p.phase = Phase::Pending)),
            ("unknown", pod("unknown", |p| p.phase = Phase::Unknown)),
            (
                "unready",
                pod("unready", |p| (p.is_ready, p.ready) = (false, None)),
            ),
            ("cheap", pod("cheap", |p| p.deletion_cost = -1)),
            ("recent", pod("recent", |p| p.ready = Some(at(99_999)))),
            ("restarting", pod("restarting", |p| p.restarts = (3, 0))),
            ("sidecar", pod("sidecar", |p| p.restarts = (0, 3))),
            ("young", pod("young", |p| p.created = Some(at(99_999)))),
            ("old", pod("old", |_| ())),
        ];
        for at in 0..rules.len() {
            let rest: Vec<_> = rules[at..]
                .iter()
                .rev()
                .map(|(_, pod)| pod.clone())
                .collect();
            assert_eq!(first(rest, &[]), rules[at].0);
        }
    }

    #[test]
    fn of_equals_the_one_on_a_crowded_node_goes_first() {
        let alone = pod("alone", |p| p.node = "n1".into());
        let crowded = pod("crowded", |p| p.node = "n2".into());
        let other = pod("other", |p| p.node = "n2".into());
        let related = [alone.clone(), crowded.clone(), other];
        assert_eq!(first(vec![alone, crowded], &related), "crowded");
    }

    #[test]
    fn ages_of_one_order_of_magnitude_do_not_decide() {
        let a = pod("a", |p| p.ready = Some(at(10)));
        let b = pod("b", |p| p.ready = Some(at(20)));
        assert_eq!(
            first(vec![b, a], &[]),
            "a",
            "by uid, although b became ready later"
        );
    }

    #[test]
    fn the_order_is_total_where_ages_are_alike_and_restarts_are_not() {
        let pods: Vec<_> = (0..64_i64)
            .map(|i| {
                pod(&format!("{:02}", i * 37 % 64), |p| {
                    p.ready = Some(at(i % 3));
                    p.created = Some(at(i % 5));
                    p.restarts = (i32::try_from(i % 2).expect("small"), 0);
                })
            })
            .collect();
        let whole = pods_to_delete(pods.clone(), &[], 63, at(100));
        for count in 1..63 {
            let chosen = pods_to_delete(pods.clone(), &[], count, at(100));
            let same = chosen
                .iter()
                .zip(&whole)
                .all(|(one, other)| Arc::ptr_eq(one, other));
            assert!(
                same && chosen.len() == count,
                "{count} are the first of all"
            );
        }
        assert!(whole.is_sorted_by_key(|pod| Reverse(pod.value.restarts)));
    }

    #[test]
    fn all_of_them_need_no_order() {
        let pods = vec![pod("a", |_| ()), pod("b", |_| ())];
        assert_eq!(pods_to_delete(pods, &[], 2, at(1)).len(), 2);
    }
}
