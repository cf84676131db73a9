use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::labels::{Labels, Selector};
use crate::pod::{Load, NeedsBuilder, PodSpec, Resources};
use crate::snapshot::{NodeChange, NodeShape};
use crate::workloads::Workloads;

const NS: &str = "ns";

fn node(snapshot: &mut Snapshot, name: &str, milli_cpu: i64) {
    let shape = NodeShape {
        allocatable: Resources {
            milli_cpu,
            ..Resources::default()
        },
        pods: 110,
        ..NodeShape::named(name)
    };
    assert!(matches!(snapshot.set_node(shape), NodeChange::Added(_)));
}

fn place(
    snapshot: &mut Snapshot,
    name: &str,
    node: &str,
    milli_cpu: i64,
    priority: i32,
    since: i64,
) {
    let load = Load {
        requests: Resources {
            milli_cpu,
            ..Resources::default()
        },
        labels: [("name", name)].into_iter().collect(),
        priority,
        ..Load::default()
    };
    let key = PodKey::new(NS, name);
    snapshot.place(key.clone(), name.into(), Arc::new(load), node);
    snapshot.set_since(&key, since);
}

/// A template of pods that ask for this much.
fn template(milli_cpu: i64) -> Template {
    let needs = NeedsBuilder {
        requests: Resources {
            milli_cpu,
            ..Resources::default()
        },
        ..NeedsBuilder::default()
    };
    let needs = Arc::new(needs.build());
    let spec = PodSpec::new(NS.into(), Labels::default(), None, needs, vec![], vec![]);
    Workloads::default().template(&Arc::new(spec))
}

fn preempt(
    snapshot: &mut Snapshot,
    milli_cpu: i64,
    priority: i32,
    budgets: &Budgets,
) -> Option<(String, Vec<String>)> {
    let template = template(milli_cpu);
    let decision = slow::model(snapshot, &template, 0);
    assert_eq!(decision.node, None, "it fits");
    let chosen = choose(
        snapshot,
        &template,
        priority,
        &decision.explanation,
        budgets,
        0,
    )?;
    let node = snapshot.nodes().name(chosen.node).to_string();
    let victims = chosen.victims.iter().map(|v| v.key.name.to_string());
    Some((node, victims.collect()))
}

fn chosen(node: &str, victims: &[&str]) -> Option<(String, Vec<String>)> {
    let victims = victims.iter().map(|name| (*name).to_owned());
    Some((node.to_owned(), victims.collect()))
}

#[test]
fn the_least_is_lost_in_the_order_that_counts() {
    let mut s = Snapshot::default();
    for name in ["a", "b", "c"] {
        node(&mut s, name, 1000);
    }
    let none = Budgets::default();
    // The lowest of the highest priorities.
    place(&mut s, "a1", "a", 1000, 3, 1);
    place(&mut s, "b1", "b", 1000, 2, 1);
    place(&mut s, "c1", "c", 1000, 4, 1);
    assert_eq!(preempt(&mut s, 500, 9, &none), chosen("b", &["b1"]));
    // With a budget that allows nothing another node is better, and if all are protected it is this one again.
    let mut budgets = Budgets::default();
    let protects = |name| Budget {
        selector: Selector::of_labels(&[("name", name)].into_iter().collect()),
        allowed: 0,
        disrupted: Box::new([]),
    };
    budgets.set(NS, "b", Some(protects("b1")));
    assert_eq!(preempt(&mut s, 500, 9, &budgets), chosen("a", &["a1"]));
    budgets.set(NS, "a", Some(protects("a1")));
    budgets.set(NS, "c", Some(protects("c1")));
    assert_eq!(preempt(&mut s, 500, 9, &budgets), chosen("b", &["b1"]));
    budgets.set(NS, "b", None);
    let counted = Budget {
        disrupted: Box::new(["a1".into()]),
        ..protects("a1")
    };
    budgets.set(NS, "a", Some(counted));
    budgets.set(NS, "b", Some(protects("b1")));
    assert_eq!(preempt(&mut s, 500, 9, &budgets), chosen("a", &["a1"]));
    // Nobody of its own priority or a higher one.
    assert_eq!(preempt(&mut s, 500, 2, &none), None);
    // Fewer pods, and among as many the younger ones.
    let mut s = Snapshot::default();
    for name in ["a", "b", "c"] {
        node(&mut s, name, 1000);
    }
    place(&mut s, "a1", "a", 500, 1, 1);
    place(&mut s, "a2", "a", 500, 1, 1);
    place(&mut s, "b1", "b", 1000, 1, 1);
    place(&mut s, "c1", "c", 1000, 1, 2);
    assert_eq!(preempt(&mut s, 1000, 9, &none), chosen("c", &["c1"]));
    // On one node the older one stays.
    assert_eq!(preempt(&mut s, 1001, 9, &none), None);
    s.remove_node("b");
    s.remove_node("c");
    place(&mut s, "a2", "a", 500, 1, 9);
    assert_eq!(preempt(&mut s, 500, 9, &none), chosen("a", &["a2"]));
}

/// What the arrays say of each node, to be compared.
fn filling(snapshot: &Snapshot) -> BTreeMap<String, (i64, i64)> {
    let nodes = snapshot.nodes();
    let all = nodes.iter();
    all.map(|at| {
        let amounts = (nodes.requested_milli_cpu(at), nodes.pod_count(at));
        (nodes.name(at).to_string(), amounts)
    })
    .collect()
}

#[test]
fn victims_suffice_none_is_spared_needlessly_and_all_is_as_before() {
    let mut state: u64 = 7;
    let mut random = move |below: i64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(state >> 33).unwrap() % below
    };
    let mut preempted = 0;
    for _ in 0..300 {
        let mut s = Snapshot::default();
        for n in 0..4 {
            node(&mut s, &format!("n{n}"), 1000);
            for p in 0..random(6) {
                let priority = i32::try_from(random(4)).unwrap();
                let (cpu, since) = (100 + random(300), random(5));
                place(
                    &mut s,
                    &format!("p{n}-{p}"),
                    &format!("n{n}"),
                    cpu,
                    priority,
                    since,
                );
            }
        }
        let (asked, priority) = (300 + random(900), i32::try_from(random(5)).unwrap());
        let template = template(asked);
        let decision = slow::model(&s, &template, 0);
        if decision.node.is_some() {
            continue;
        }
        let before = filling(&s);
        let draw = u64::try_from(random(4)).unwrap();
        let none = Budgets::default();
        let found = choose(
            &mut s,
            &template,
            priority,
            &decision.explanation,
            &none,
            draw,
        );
        assert_eq!(filling(&s), before);
        let Some(found) = found else {
            // Then no node would take it with all of lower priority gone.
            let lower: Vec<PodKey> = s.below(priority).map(|(key, _)| key.clone()).collect();
            lower.iter().for_each(|key| drop(s.remove_pod(key)));
            assert_eq!(slow::model(&s, &template, 0).node, None);
            continue;
        };
        preempted += 1;
        for victim in &found.victims {
            let placed = s.remove_pod(&victim.key).unwrap();
            assert!(placed.load.priority < priority && placed.node == found.node);
        }
        assert!(slow::fits(&s, &template, found.node));
    }
    assert!(preempted > 20, "{preempted}");
}
