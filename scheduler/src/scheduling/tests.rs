use std::time::Duration;

use super::*;
use crate::labels::{Labels, Selector};
use crate::pod::{NeedsBuilder, Resources};
use crate::queue::State;
use crate::workloads::OwnerKind;

fn node(name: &str, milli_cpu: i64) -> Option<NodeShape> {
    let allocatable = Resources {
        milli_cpu,
        memory: 1 << 40,
        ..Default::default()
    };
    Some(NodeShape {
        allocatable,
        pods: 110,
        ..NodeShape::named(name)
    })
}

fn pod(uid: &str, milli_cpu: i64) -> PodView {
    let requests = Resources {
        milli_cpu,
        ..Default::default()
    };
    let needs = NeedsBuilder {
        requests: requests.clone(),
        least_allocated: (milli_cpu, 0),
        ..Default::default()
    };
    let needs = Arc::new(needs.build());
    PodView {
        uid: uid.into(),
        node: None,
        scheduler_name: "default-scheduler".into(),
        spec: Some(Arc::new(PodSpec::new(
            "ns".into(),
            Labels::default(),
            None,
            needs,
            vec![],
            vec![],
        ))),
        load: Arc::new(Load {
            requests,
            nonzero_milli_cpu: milli_cpu,
            ..Default::default()
        }),
        gated: false,
        preempts: true,
        finished: false,
        nominated: None,
        created: 0,
    }
}

fn on(node: &str, pod: PodView) -> PodView {
    PodView {
        node: Some(node.into()),
        spec: None,
        ..pod
    }
}

struct World {
    s: Scheduling,
    decisions: Decisions,
    now: Duration,
}

fn key(name: &str) -> PodKey {
    PodKey::new("ns", name)
}

impl World {
    fn new() -> World {
        World {
            s: Scheduling::new("default-scheduler", 1),
            decisions: Decisions::default(),
            now: Duration::ZERO,
        }
    }

    fn pod(&mut self, name: &str, pod: Option<PodView>) {
        self.s.observe_pod(&key(name), pod.as_ref(), self.now);
    }

    fn next(&mut self) -> Option<Next> {
        self.s.wake(self.now);
        self.s
            .next(self.now, jiff::Timestamp::UNIX_EPOCH, &mut self.decisions)
    }

    fn bound_to(&mut self) -> String {
        match self.next() {
            Some(Next::Bind { node, .. }) => node.to_string(),
            other => panic!("{other:?}"),
        }
    }

    fn bound(&mut self) -> (String, String) {
        match self.next() {
            Some(Next::Bind { key, node, .. }) => (key.name.to_string(), node.to_string()),
            other => panic!("{other:?}"),
        }
    }

    fn refused(&mut self) -> String {
        match self.next() {
            Some(Next::Refuse { message, .. }) => message,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_message_says_for_how_many_nodes_each_reason_held() {
    let mut w = World::new();
    w.pod("p", Some(pod("u", 2000)));
    assert_eq!(w.refused(), "no nodes available to schedule pods");
    for (name, cpu) in [("a", 1000), ("b", 1000), ("c", 4000)] {
        w.s.observe_node(name, node(name, cpu));
    }
    let cordoned = NodeShape {
        unschedulable: true,
        ..node("c", 4000).unwrap()
    };
    w.s.observe_node("c", Some(cordoned));
    w.pod("q", Some(pod("v", 2000)));
    assert_eq!(
        w.refused(),
        "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu. \
         preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
    );
}

#[test]
fn a_pod_that_was_refused_is_tried_again_when_its_node_is_freed() {
    let mut w = World::new();
    w.s.observe_node("a", node("a", 1000));
    w.s.observe_node("b", node("b", 100));
    w.pod("big", Some(on("a", pod("u1", 900))));
    w.pod("small", Some(on("b", pod("u2", 10))));
    w.pod("p", Some(pod("u", 500)));
    assert!(
        w.refused()
            .starts_with("0/2 nodes are available: 2 Insufficient cpu.")
    );
    w.now = Duration::from_secs(60);
    w.pod("small", None);
    assert!(w.next().is_none(), "b is free, and too small all the same");
    w.pod(
        "big",
        Some(PodView {
            finished: true,
            ..on("a", pod("u1", 900))
        }),
    );
    assert_eq!(w.bound_to(), "a");
}

#[test]
fn a_pod_that_was_refused_is_tried_again_when_another_is_resized_to_less() {
    let mut w = World::new();
    w.s.observe_node("a", node("a", 1000));
    w.pod("big", Some(on("a", pod("u1", 900))));
    w.pod("p", Some(pod("u", 500)));
    assert!(w.refused().contains("1 Insufficient cpu"));
    w.now = Duration::from_secs(60);
    w.pod("big", Some(on("a", pod("u1", 600))));
    assert!(w.next().is_none(), "it gave too little back");
    w.pod("big", Some(on("a", pod("u1", 500))));
    assert_eq!(w.bound_to(), "a");
}

#[test]
fn a_pod_that_was_refused_is_tried_again_when_it_asks_for_less_itself() {
    let mut w = World::new();
    w.s.observe_node("a", node("a", 1000));
    w.pod("p", Some(pod("u", 1500)));
    assert!(w.refused().contains("1 Insufficient cpu"));
    w.now = Duration::from_secs(60);
    w.pod("p", Some(pod("u", 500)));
    assert_eq!(w.bound_to(), "a");
}

#[test]
fn what_is_being_bound_is_counted_and_a_late_view_of_it_does_not_bring_it_back() {
    let mut w = World::new();
    w.s.observe_node("a", node("a", 1000));
    w.pod("p", Some(pod("u", 600)));
    w.pod("q", Some(pod("v", 600)));
    assert_eq!(w.bound_to(), "a");
    assert!(
        w.refused().contains("Insufficient cpu"),
        "the node is taken from the moment of the decision"
    );
    w.pod("p", Some(pod("u", 600)));
    w.s.bound(&key("p"), "u");
    w.pod("p", Some(pod("u", 600)));
    assert!(w.next().is_none() && w.s.queue().state(&key("p")).is_none());
    w.pod("p", Some(on("a", pod("u", 600))));
    assert!(!w.s.snapshot().pod(&key("p")).unwrap().assumed);
}

#[test]
fn that_a_pod_came_to_where_it_was_sent_is_news_to_those_that_are_spread() {
    let mut w = World::new();
    w.s.observe_node("a", node("a", 1000));
    w.pod("p", Some(pod("u", 600)));
    assert_eq!(w.bound_to(), "a");
    w.s.events.clear();
    for news in [1, 0] {
        w.pod("p", Some(on("a", pod("u", 600))));
        let events = std::mem::take(&mut w.s.events);
        assert_eq!(events.len(), news, "once: {events:?}");
        assert!(events.iter().all(|e| matches!(e, Event::Placed { .. })));
    }
}

#[test]
fn a_binding_that_failed_frees_the_node_and_the_pod_waits() {
    let mut w = World::new();
    w.s.observe_node("a", node("a", 1000));
    w.pod("p", Some(pod("u", 600)));
    w.pod("q", Some(pod("v", 600)));
    assert_eq!(w.bound_to(), "a");
    assert!(w.refused().contains("Insufficient cpu"));
    w.s.not_bound(&key("p"), "u", w.now);
    assert!(matches!(
        w.s.queue().state(&key("p")),
        Some(State::Backoff { error: true, .. })
    ));
    w.now = Duration::from_secs(2);
    let Some(Next::Bind { key: first, .. }) = w.next() else {
        panic!()
    };
    assert_eq!(&*first.name, "p", "it waited longest");
}

#[test]
fn a_pod_that_was_deleted_while_it_was_bound_is_gone() {
    let mut w = World::new();
    w.s.observe_node("a", node("a", 1000));
    w.pod("p", Some(pod("u", 600)));
    assert_eq!(w.bound_to(), "a");
    w.pod("p", None);
    w.s.not_bound(&key("p"), "u", w.now);
    assert!(w.s.queue().is_empty() && w.s.snapshot().pod_count() == 0);
    w.pod("p", Some(pod("second", 600)));
    assert_eq!(w.bound_to(), "a");
    w.s.not_bound(&key("p"), "u", w.now);
    assert!(
        w.s.snapshot().pod(&key("p")).is_some(),
        "the first pod's failure is not the second's"
    );
}

#[test]
fn pods_of_other_schedulers_terminating_and_gated_pods_are_left_alone() {
    let mut w = World::new();
    w.s.observe_node("a", node("a", 1000));
    w.pod(
        "other",
        Some(PodView {
            scheduler_name: "other".into(),
            ..pod("u1", 1)
        }),
    );
    let load = Arc::new(Load {
        terminating: true,
        ..Default::default()
    });
    w.pod(
        "going",
        Some(PodView {
            load,
            ..pod("u2", 1)
        }),
    );
    w.pod(
        "gated",
        Some(PodView {
            gated: true,
            ..pod("u3", 1)
        }),
    );
    assert!(w.next().is_none());
    w.pod("gated", Some(pod("u3", 1)));
    assert_eq!(w.bound_to(), "a");
}

#[test]
fn fields_that_are_not_supported_are_named() {
    let mut w = World::new();
    w.s.observe_node("a", node("a", 1000));
    let needs = Arc::new(NeedsBuilder::default().build());
    let unsupported = vec!["spec.resourceClaims".into()];
    let spec = PodSpec::new(
        "ns".into(),
        Labels::default(),
        None,
        needs,
        vec![],
        unsupported,
    );
    w.pod(
        "p",
        Some(PodView {
            spec: Some(Arc::new(spec)),
            ..pod("u", 1)
        }),
    );
    assert_eq!(
        w.refused(),
        "this scheduler does not support: spec.resourceClaims"
    );
    w.s.observe_node("b", node("b", 1000));
    w.now = Duration::from_secs(60);
    assert!(w.next().is_none(), "a new node does not help");
}

#[test]
fn pods_of_a_replica_set_are_spread_over_hosts() {
    let mut w = World::new();
    for name in ["a", "b", "c"] {
        let labels: Labels = [("kubernetes.io/hostname", name)].into_iter().collect();
        w.s.observe_node(
            name,
            Some(NodeShape {
                labels,
                ..node(name, 100_000).unwrap()
            }),
        );
    }
    let app: Labels = [("app", "web")].into_iter().collect();
    let owner = crate::pod::Owner {
        api_version: "apps/v1".into(),
        kind: "ReplicaSet".into(),
        name: "rs".into(),
    };
    w.s.workloads().set_owner(
        OwnerKind::ReplicaSet,
        "ns".into(),
        "rs".into(),
        Some(Selector::of_labels(&app)),
    );
    let mut counts = std::collections::BTreeMap::new();
    for i in 0..9 {
        let plain = pod(&i.to_string(), 0);
        let needs = Arc::new(NeedsBuilder::default().build());
        let spec = PodSpec::new(
            "ns".into(),
            app.clone(),
            Some(owner.clone()),
            needs,
            vec![],
            vec![],
        );
        let load = Arc::new(Load {
            labels: app.clone(),
            ..Default::default()
        });
        w.pod(
            &i.to_string(),
            Some(PodView {
                spec: Some(Arc::new(spec)),
                load,
                ..plain
            }),
        );
        *counts.entry(w.bound_to()).or_insert(0) += 1;
    }
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [3, 3, 3]);
}

#[test]
fn every_nodes_verdict_is_told_as_it_was_when_it_was_decided() {
    let mut w = World::new();
    w.s.observe_node("a", node("a", 1000));
    w.s.observe_node("b", node("b", 100));
    w.pod("p", Some(pod("u", 600)));
    assert_eq!(w.bound_to(), "a");
    w.s.observe_node("b", None);
    let json = w.decisions.get(&key("p")).unwrap().to_json(&key("p"));
    assert_eq!(
        (&json["result"], &json["node"], &json["feasible"]),
        (&"Placed".into(), &"a".into(), &1.into())
    );
    assert_eq!(json["nodes"][0]["fits"], true);
    assert_eq!(json["nodes"][0]["scores"].as_array().unwrap().len(), 5);
    assert_eq!(json["nodes"][1]["reasons"][0], "Insufficient cpu");
    assert_eq!(
        json["nodes"][1]["detail"],
        "cpu: 600m requested, 0m of 100m in use"
    );
}

fn of_priority(priority: i32, pod: PodView) -> PodView {
    let load = Arc::new(Load {
        priority,
        ..(*pod.load).clone()
    });
    PodView { load, ..pod }
}

fn terminating(pod: PodView) -> PodView {
    let load = Arc::new(Load {
        terminating: true,
        ..(*pod.load).clone()
    });
    PodView { load, ..pod }
}

#[test]
fn pods_of_lower_priority_make_room_which_is_kept() {
    let mut w = World::new();
    w.s.observe_node("a", node("a", 1000));
    let low = |name: &str, created| {
        let pod = on("a", pod(name, 300));
        PodView { created, ..pod }
    };
    w.pod("old", Some(low("old", 1)));
    w.pod("new", Some(low("new", 2)));
    w.pod("mid", Some(of_priority(5, low("mid", 3))));
    let high = of_priority(10, pod("p", 500));
    w.pod("p", Some(high.clone()));
    let Some(Next::Preempt {
        node,
        victims,
        message,
        ..
    }) = w.next()
    else {
        panic!("nobody is preempted");
    };
    let names: Vec<&str> = victims.iter().map(|v| &*v.key.name).collect();
    assert_eq!((&*node, names), ("a", vec!["old", "new"]));
    assert_eq!(message, "0/1 nodes are available: 1 Insufficient cpu.");

    // Until they are gone nobody else is asked, and nobody takes what comes free.
    for name in ["old", "new"] {
        w.pod(name, Some(terminating(low(name, 1))));
    }
    w.pod("old", None);
    w.now += Duration::from_secs(60);
    assert!(
        w.refused()
            .ends_with("not eligible due to a terminating pod on the nominated node.")
    );
    w.pod("thief", Some(pod("thief", 300)));
    assert!(w.refused().contains("1 Insufficient cpu"));
    w.pod("new", None);
    w.now += Duration::from_secs(60);
    assert_eq!(w.bound(), ("p".to_owned(), "a".to_owned()));
    w.pod("p", Some(on("a", high)));
    w.now += Duration::from_secs(60);
    assert!(w.next().is_none(), "800m of 1000m are in use");
}

#[test]
fn who_waits_for_room_loses_it_to_a_higher_priority_and_when_it_goes() {
    let mut w = World::new();
    w.s.observe_node("a", node("a", 1000));
    w.pod("low", Some(on("a", pod("low", 900))));
    w.pod("mid", Some(of_priority(5, pod("mid", 900))));
    assert!(matches!(w.next(), Some(Next::Preempt { .. })));
    w.pod("low", Some(terminating(on("a", pod("low", 900)))));
    // Nobody has to be told: the pod that goes already is enough, and the other only waits.
    w.pod("high", Some(of_priority(9, pod("high", 900))));
    let Some(Next::Preempt { victims, .. }) = w.next() else {
        panic!("nobody is preempted");
    };
    assert_eq!(&*victims[0].key.name, "low");
    assert_eq!(victims.len(), 1);
    w.pod("low", None);
    w.now += Duration::from_secs(60);
    assert_eq!(w.bound().0, "high");
    // A pod that is deleted while room is kept for it leaves it.
    let mut w = World::new();
    w.s.observe_node("a", node("a", 1000));
    let nominated = PodView {
        nominated: Some("a".into()),
        ..of_priority(5, pod("p", 900))
    };
    w.pod("p", Some(nominated));
    w.pod("q", Some(of_priority(9, pod("q", 50))));
    assert_eq!(w.bound().0, "q");
    assert_eq!(w.s.snapshot().pod_count(), 2);
    w.pod("p", None);
    assert_eq!(w.s.snapshot().pod_count(), 1);
}

#[test]
fn who_may_not_preempt_or_finds_nobody_lower_is_told_so() {
    let mut w = World::new();
    w.s.observe_node("a", node("a", 1000));
    w.pod("low", Some(on("a", pod("u1", 900))));
    let never = PodView {
        preempts: false,
        ..of_priority(10, pod("q", 500))
    };
    w.pod("q", Some(never));
    assert!(
        w.refused()
            .ends_with("preemption: not eligible due to preemptionPolicy=Never.")
    );
    w.pod("r", Some(pod("r", 500)));
    assert!(
        w.refused()
            .ends_with("1 No preemption victims found for incoming pod.")
    );
}
