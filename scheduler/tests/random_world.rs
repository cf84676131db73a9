//! Whatever the order in which things happen and are seen: no node is overcommitted by a decision, nobody is forgotten.

#![allow(clippy::unwrap_used)] // Helpers of tests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use scheduler::decisions::Decisions;
use scheduler::labels::Labels;
use scheduler::pod::{Load, NeedsBuilder, PodKey, PodSpec, Resources};
use scheduler::queue::State;
use scheduler::scheduling::{Next, PodView, Scheduling};
use scheduler::snapshot::NodeShape;

/// The truth that the scheduler sees late: pods by name with their uid and node.
#[derive(Default)]
struct World {
    pods: BTreeMap<u8, (u32, Option<String>)>,
    uids: u32,
    /// Bindings that the scheduler sent and that were not answered: pod, uid, node.
    sent: Vec<(PodKey, String, String)>,
    /// Victims cannot be told to go.
    deaf: bool,
}

fn key(pod: u8) -> PodKey {
    PodKey::new("ns", pod.to_string())
}

/// Pods ask for a different amount each, so that they are not all of one template.
fn milli_cpu(pod: u8) -> i64 {
    300 + i64::from(pod % 4) * 100
}

/// Some may have others go for them.
fn priority(pod: u8) -> i32 {
    i32::from(pod / 4)
}

fn view(pod: u8, uid: u32, node: Option<&String>) -> PodView {
    let requests = Resources {
        milli_cpu: milli_cpu(pod),
        ..Default::default()
    };
    let needs = NeedsBuilder {
        requests: requests.clone(),
        ..Default::default()
    }
    .build();
    let spec = PodSpec::new(
        "ns".into(),
        Labels::default(),
        None,
        Arc::new(needs),
        vec![],
        vec![],
    );
    PodView {
        uid: uid.to_string().into(),
        node: node.map(|n| n.as_str().into()),
        scheduler_name: "s".into(),
        spec: node.is_none().then(|| Arc::new(spec)),
        load: Arc::new(Load {
            requests,
            priority: priority(pod),
            ..Default::default()
        }),
        gated: false,
        preempts: true,
        finished: false,
        nominated: None,
        created: uid.into(),
    }
}

fn node(name: &str) -> NodeShape {
    let allocatable = Resources {
        milli_cpu: 1000,
        memory: 1 << 30,
        ..Default::default()
    };
    NodeShape {
        allocatable,
        pods: 10,
        ..NodeShape::named(name)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Create(u8),
    Delete(u8),
    /// The scheduler sees how the pod is now.
    See(u8),
    /// Node i comes or goes, and the scheduler sees it.
    Node(u8, bool),
    Decide,
    /// The i-th binding takes effect (unless its pod is gone); whether its answer says so.
    Bind(usize, bool),
    /// The i-th binding is refused.
    Refuse(usize),
    /// Whether victims can be told to go from now on.
    Hear(bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..12u8).prop_map(Step::Create),
        3 => (0..12u8).prop_map(Step::Delete),
        6 => (0..12u8).prop_map(Step::See),
        1 => (0..2u8, proptest::bool::weighted(0.8)).prop_map(|(i, there)| Step::Node(i, there)),
        6 => Just(Step::Decide),
        4 => (0..8usize, any::<bool>()).prop_map(|(i, known)| Step::Bind(i, known)),
        1 => (0..8usize).prop_map(Step::Refuse),
        1 => (1..20u64).prop_map(Step::Wait),
        1 => any::<bool>().prop_map(Step::Hear),
    ]
}

impl World {
    fn see(&self, s: &mut Scheduling, pod: u8, now: Duration) {
        let seen = self
            .pods
            .get(&pod)
            .map(|(uid, node)| view(pod, *uid, node.as_ref()));
        s.observe_pod(&key(pod), seen.as_ref(), now);
    }

    /// True when the API has the pod on this node afterwards.
    fn bind(&mut self, key: &PodKey, uid: &str, node: &str) -> bool {
        let Some((known, on)) = key
            .name
            .parse()
            .ok()
            .and_then(|pod: u8| self.pods.get_mut(&pod))
        else {
            return false;
        };
        if known.to_string() == uid && on.is_none() {
            *on = Some(node.to_owned());
            return true;
        }
        false
    }

    fn decide(&mut self, s: &mut Scheduling, decisions: &mut Decisions, now: Duration) -> bool {
        s.wake(now);
        let Some(next) = s.next(now, jiff::Timestamp::UNIX_EPOCH, decisions) else {
            return false;
        };
        match next {
            Next::Bind { key, uid, node } => {
                let at = s.snapshot().nodes().find(&node).unwrap();
                assert!(
                    s.snapshot().nodes().requested_milli_cpu(at) <= 1000,
                    "{node} is overcommitted by {key}"
                );
                self.sent.push((key, uid.to_string(), node.to_string()));
            }
            Next::Preempt { key, uid, .. } if self.deaf => s.not_preempted(&key, &uid, now),
            Next::Preempt { key, victims, .. } => {
                let number = |key: &PodKey| key.name.parse::<u8>().unwrap();
                for victim in victims {
                    let pod = number(&victim.key);
                    assert!(priority(pod) < priority(number(&key)), "{key} ends {pod}");
                    if (self.pods.get(&pod)).is_some_and(|(uid, _)| uid.to_string() == *victim.uid)
                    {
                        self.pods.remove(&pod);
                    }
                }
            }
            Next::Refuse { .. } => {}
        }
        true
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn nobody_is_forgotten_and_nothing_is_overcommitted(steps in proptest::collection::vec(step(), 1..200)) {
        let mut s = Scheduling::new("s", 1);
        let mut decisions = Decisions::default();
        let mut world = World::default();
        let mut now = Duration::ZERO;
        for i in 0..2 {
            let name = format!("n{i}");
            s.observe_node(&name, Some(node(&name)));
        }
        for step in steps {
            match step {
                Step::Create(pod) => {
                    world.uids += 1;
                    let uid = world.uids;
                    world.pods.entry(pod).or_insert((uid, None));
                }
                Step::Delete(pod) => {
                    world.pods.remove(&pod);
                }
                Step::See(pod) => world.see(&mut s, pod, now),
                Step::Node(i, there) => {
                    let name = format!("n{i}");
                    s.observe_node(&name, there.then(|| node(&name)));
                }
                Step::Decide => {
                    world.decide(&mut s, &mut decisions, now);
                }
                Step::Bind(i, known) if i < world.sent.len() => {
                    let (key, uid, node) = world.sent.remove(i);
                    let done = world.bind(&key, &uid, &node);
                    // An answer that is lost is replaced by reading: the scheduler knows in the end either way.
                    if done || !known { s.bound(&key, &uid) } else { s.not_bound(&key, &uid, now) }
                    if !done && !known {
                        s.not_bound(&key, &uid, now);
                    }
                }
                Step::Refuse(i) if i < world.sent.len() => {
                    let (key, uid, _) = world.sent.remove(i);
                    s.not_bound(&key, &uid, now);
                }
                Step::Bind(..) | Step::Refuse(_) => {}
                Step::Hear(hears) => world.deaf = !hears,
                Step::Wait(seconds) => now += Duration::from_secs(seconds),
            }
        }

        // Now everything is seen, everything works, and time passes: less than the five minutes after which everybody
        // tries again, so that it is the events that must have woken whom they help.
        world.deaf = false;
        for i in 0..2 {
            let name = format!("n{i}");
            s.observe_node(&name, Some(node(&name)));
        }
        for _ in 0..10 {
            for (key, uid, node) in std::mem::take(&mut world.sent) {
                if world.bind(&key, &uid, &node) { s.bound(&key, &uid) } else { s.not_bound(&key, &uid, now) }
            }
            for pod in 0..12 {
                world.see(&mut s, pod, now);
            }
            while world.decide(&mut s, &mut decisions, now) {}
            now += Duration::from_secs(15);
        }
        let mut used: BTreeMap<&str, i64> = BTreeMap::new();
        let mut kept: BTreeMap<(&str, i32), i64> = BTreeMap::new();
        for (pod, (uid, on)) in &world.pods {
            if let Some(on) = on {
                *used.entry(on).or_default() += milli_cpu(*pod);
                *kept.entry((on, priority(*pod))).or_default() += milli_cpu(*pod);
                let placed = s.snapshot().pod(&key(*pod)).unwrap();
                prop_assert!(!placed.assumed && *placed.uid == uid.to_string());
                prop_assert!(s.queue().state(&key(*pod)).is_none());
            }
        }
        prop_assert_eq!(s.snapshot().pod_count(), world.pods.values().filter(|(_, on)| on.is_some()).count());
        for at in s.snapshot().nodes().iter() {
            let nodes = s.snapshot().nodes();
            prop_assert_eq!(nodes.requested_milli_cpu(at), used.get(&**nodes.name(at)).copied().unwrap_or(0));
        }
        // Whoever still waits is too big for what is left on every node, and for what those of lower priority have.
        for (pod, (_, on)) in &world.pods {
            if on.is_none() {
                let waits = matches!(s.queue().state(&key(*pod)), Some(State::Unschedulable { .. }));
                prop_assert!(waits, "{pod} is forgotten: {:?}", s.queue().state(&key(*pod)));
                for i in 0..2 {
                    let name = format!("n{i}");
                    let stays = kept.iter().filter(|((on, p), _)| **on == name && *p >= priority(*pod));
                    let free = 1000 - stays.map(|(_, used)| used).sum::<i64>();
                    prop_assert!(free < milli_cpu(*pod), "{pod} would fit on n{i}");
                }
            }
        }
    }
}
