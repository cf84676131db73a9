use super::*;
use crate::labels::Labels;
use crate::pod::NeedsBuilder;

fn spec(image: &str) -> Arc<PodSpec> {
    let needs = NeedsBuilder {
        images: [image.into()].into(),
        ..Default::default()
    }
    .build();
    Arc::new(PodSpec::new(
        "ns".into(),
        Labels::default(),
        None,
        Arc::new(needs),
        vec![],
        vec![],
    ))
}

fn pod(name: &str, priority: i32) -> Waiting {
    Waiting {
        key: PodKey::new("ns", name),
        uid: name.into(),
        spec: spec("a"),
        load: Arc::default(),
        priority,
        preempts: true,
        gated: false,
    }
}

fn at(seconds: f64) -> Instant {
    Duration::from_secs_f64(seconds)
}

fn popped(queue: &mut Queue, now: f64) -> Option<String> {
    queue.pop(at(now)).map(|pod| pod.key.name.to_string())
}

#[test]
fn higher_priority_goes_first_then_who_came_first() {
    let mut q = Queue::default();
    for (name, priority) in [("b", 0), ("a", 0), ("high", 10), ("low", -1)] {
        q.set(pod(name, priority), at(0.0));
    }
    let order: Vec<_> = std::iter::from_fn(|| popped(&mut q, 0.0)).collect();
    assert_eq!(order, ["high", "b", "a", "low"]);
    assert!(
        !q.is_ready(at(1000.0)),
        "what is being decided is not given out twice"
    );
}

#[test]
fn an_unschedulable_pod_stays_until_an_event_helps_and_its_backoff_is_over() {
    let mut q = Queue::default();
    q.set(pod("a", 0), at(0.0));
    q.set(pod("busy", 0), at(0.0));
    assert_eq!(popped(&mut q, 0.0).as_deref(), Some("a"));
    let key = PodKey::new("ns", "a");
    q.unschedulable(&key, vec![Plugin::NodePorts], at(0.1));
    assert_eq!(
        q.wake(at(0.2), |_, plugins| plugins == [Plugin::NodeAffinity]),
        0
    );
    assert_eq!(
        q.wake(at(0.2), |_, plugins| plugins == [Plugin::NodePorts]),
        1
    );
    assert_eq!(
        q.state(&key),
        Some(&State::Backoff {
            until: at(1.1),
            error: false
        })
    );
    assert_eq!(
        popped(&mut q, 0.3).as_deref(),
        Some("busy"),
        "active ones go before those in backoff"
    );
    assert_eq!(
        popped(&mut q, 0.3).as_deref(),
        Some("a"),
        "when nothing is active, nobody waits for nothing"
    );
}

#[test]
fn a_failed_binding_waits_longer_each_time() {
    let mut q = Queue::default();
    q.set(pod("a", 0), at(0.0));
    let key = PodKey::new("ns", "a");
    let mut now = 0.0;
    for wait in [1.0, 2.0, 4.0, 8.0, 10.0, 10.0] {
        assert_eq!(popped(&mut q, now).as_deref(), Some("a"));
        q.failed(&key, at(now));
        assert_eq!(q.next_change(), Some(at(now + wait)));
        assert_eq!(popped(&mut q, now + wait - 0.01), None);
        now += wait;
    }
}

#[test]
fn after_five_minutes_everybody_tries_again() {
    let mut q = Queue::default();
    q.set(pod("a", 0), at(0.0));
    popped(&mut q, 0.0);
    q.unschedulable(&PodKey::new("ns", "a"), vec![], at(0.0));
    assert_eq!(q.next_change(), Some(at(300.0)));
    assert_eq!(popped(&mut q, 299.0), None);
    assert_eq!(popped(&mut q, 300.0).as_deref(), Some("a"));
}

#[test]
fn gates_keep_a_pod_back_until_the_last_is_gone() {
    let mut q = Queue::default();
    q.set(
        Waiting {
            gated: true,
            ..pod("a", 0)
        },
        at(0.0),
    );
    assert_eq!(popped(&mut q, 1000.0), None);
    assert_eq!(q.wake(at(1000.0), |_, _| true), 0);
    q.set(pod("a", 0), at(1000.0));
    assert_eq!(popped(&mut q, 1000.0).as_deref(), Some("a"));
}

#[test]
fn a_change_of_its_spec_lets_an_unschedulable_pod_try_again() {
    let mut q = Queue::default();
    q.set(pod("a", 0), at(0.0));
    popped(&mut q, 0.0);
    q.unschedulable(&PodKey::new("ns", "a"), vec![], at(0.0));
    q.set(pod("a", 0), at(5.0));
    assert_eq!(popped(&mut q, 5.0), None, "nothing changed");
    q.set(
        Waiting {
            spec: spec("b"),
            ..pod("a", 0)
        },
        at(5.0),
    );
    assert_eq!(popped(&mut q, 5.0).as_deref(), Some("a"));
}

#[test]
fn a_pod_of_the_same_name_starts_anew() {
    let mut q = Queue::default();
    q.set(pod("a", 0), at(0.0));
    popped(&mut q, 0.0);
    q.set(
        Waiting {
            uid: "second".into(),
            ..pod("a", 0)
        },
        at(1.0),
    );
    assert_eq!(q.attempts(&PodKey::new("ns", "a")), 0);
    assert_eq!(popped(&mut q, 1.0).as_deref(), Some("a"));
    assert_eq!(q.len(), 1);
}

#[test]
fn what_was_removed_leaves_no_trace() {
    let mut q = Queue::default();
    for name in ["a", "b", "c"] {
        q.set(pod(name, 0), at(0.0));
    }
    popped(&mut q, 0.0);
    q.unschedulable(&PodKey::new("ns", "a"), vec![], at(0.0));
    popped(&mut q, 0.0);
    q.failed(&PodKey::new("ns", "b"), at(0.0));
    for name in ["a", "b", "c"] {
        assert!(q.remove(&PodKey::new("ns", name)).is_some());
    }
    assert!(q.is_empty() && q.next_change().is_none() && !q.is_ready(at(1e6)));
    assert!(q.unschedulable.is_empty() && q.active.is_empty());
}
