//! The fast way decides as the slow model does, ties, reasons and scores included, in whatever order things happen.

use std::sync::Arc;

use proptest::prelude::*;
use scheduler::decision::{Engine, slow};
use scheduler::labels::{Labels, Requirement, Selector};
use scheduler::plugins::{Constraint, Spread, Template};
use scheduler::pod::{
    Effect, HostPort, InclusionPolicy, Load, NeedsBuilder, NodeTerm, PodKey, Preference, Resources,
    Taint, Toleration, TolerationOperator,
};
use scheduler::snapshot::{NodeIx, NodeShape, Snapshot};
use scheduler::text::Text;

const ZONE: &str = "topology.kubernetes.io/zone";
const HOST: &str = "kubernetes.io/hostname";

fn text(s: impl AsRef<str>) -> Text {
    s.as_ref().into()
}

fn node(i: usize) -> impl Strategy<Value = NodeShape> {
    let zone = prop_oneof![8 => (0..3u8).prop_map(Some), 1 => Just(None)];
    // Sometimes hosts share a label, or have none.
    let host = prop_oneof![12 => Just(Some(i)), 1 => Just(Some(0)), 1 => Just(None)];
    let taints = proptest::collection::vec((0..3u8, 0..3u8), 0..3);
    let images = proptest::collection::btree_map(0..4u8, 1..2000i64, 0..3);
    let amounts = (
        prop_oneof![Just(0i64), 1000..8000i64],
        1..64i64,
        prop_oneof![3 => Just(110i64), 1 => 0..6i64],
        0..3i64,
    );
    (
        zone,
        host,
        taints,
        images,
        amounts,
        any::<bool>(),
        proptest::bool::weighted(0.1),
    )
        .prop_map(
            move |(zone, host, taints, images, (cpu, memory, pods, gpus), ssd, unschedulable)| {
                let mut labels = vec![
                    (text("disk"), text(if ssd { "ssd" } else { "hdd" })),
                    (text("size"), text(i.to_string())),
                ];
                labels.extend(zone.map(|z| (text(ZONE), text(format!("z{z}")))));
                labels.extend(host.map(|h| (text(HOST), text(format!("n{h}")))));
                let effects = [
                    Effect::NoSchedule,
                    Effect::PreferNoSchedule,
                    Effect::PreferNoSchedule,
                ];
                NodeShape {
                    labels: labels.into_iter().collect(),
                    taints: taints
                        .into_iter()
                        .map(|(k, e)| Taint {
                            key: text(format!("t{k}")),
                            value: text(""),
                            effect: effects[e as usize],
                        })
                        .collect(),
                    unschedulable,
                    allocatable: Resources {
                        milli_cpu: cpu,
                        memory: memory << 30,
                        ephemeral_storage: 10,
                        scalars: [(text("example.com/gpu"), gpus)].into(),
                    },
                    pods,
                    images: images
                        .into_iter()
                        .map(|(k, mb)| (text(format!("i{k}:latest")), mb << 20))
                        .collect(),
                    ..NodeShape::named(&format!("n{i}"))
                }
            },
        )
}

fn term() -> impl Strategy<Value = NodeTerm> {
    let requirement = prop_oneof![
        Just(("disk", "In", vec!["ssd"])),
        Just(("disk", "NotIn", vec!["ssd"])),
        Just((ZONE, "Exists", vec![])),
        Just((ZONE, "In", vec!["z0", "z1"])),
        Just(("size", "Gt", vec!["3"])),
        Just(("size", "Lt", vec!["9"])),
    ];
    proptest::collection::vec(requirement, 0..3).prop_map(|all| NodeTerm {
        expressions: all
            .into_iter()
            .map(|(key, op, values)| {
                Requirement::parse(text(key), op, values.into_iter().map(text).collect())
            })
            .collect(),
        fields: Box::new([]),
    })
}

fn constraint() -> impl Strategy<Value = Constraint> {
    let key = prop_oneof![3 => Just(ZONE), 3 => Just(HOST), 1 => Just("disk")];
    let policy = || prop_oneof![Just(InclusionPolicy::Honor), Just(InclusionPolicy::Ignore)];
    let selector = prop_oneof![
        4 => (0..3u8).prop_map(|app| Selector::of_labels(&[("app", format!("a{app}").as_str())].into_iter().collect())),
        1 => Just(Selector::new(vec![])),
        1 => Just(Selector::Nothing),
    ];
    (
        key,
        1..4i32,
        any::<bool>(),
        1..4i32,
        policy(),
        policy(),
        selector,
    )
        .prop_map(
            |(key, max_skew, self_match, min_domains, affinity, taints, selector)| Constraint {
                max_skew,
                topology_key: text(key),
                selector,
                self_match,
                min_domains,
                node_affinity_policy: affinity,
                node_taints_policy: taints,
            },
        )
}

fn template() -> impl Strategy<Value = Template> {
    let requests = (0..1500i64, 0..8i64, 0..3i64, 0..2i64);
    let required = proptest::option::weighted(0.2, proptest::collection::vec(term(), 0..3));
    let preferred =
        proptest::option::weighted(0.4, proptest::collection::vec((1..100i32, term()), 0..3));
    let tolerations = proptest::collection::vec((0..3u8, any::<bool>()), 0..3);
    let ports = proptest::collection::vec((80..83u16, any::<bool>()), 0..2);
    let images = proptest::collection::vec(0..4u8, 0..3);
    let spread = (
        proptest::collection::vec(constraint(), 0..2),
        proptest::collection::vec(constraint(), 0..3),
        any::<bool>(),
    );
    let named = proptest::option::weighted(0.1, 0..6usize);
    (
        requests,
        required,
        preferred,
        tolerations,
        ports,
        images,
        spread,
        named,
    )
        .prop_map(
            |(
                (cpu, memory, storage, gpus),
                required,
                preferred,
                tolerations,
                ports,
                images,
                (hard, soft, require_all),
                named,
            )| {
                let mut required: Option<Box<[NodeTerm]>> = required.map(Into::into);
                if let Some(i) = named {
                    let field = Requirement::parse(
                        text("metadata.name"),
                        "In",
                        vec![text(format!("n{i}"))],
                    );
                    required = Some(
                        [NodeTerm {
                            expressions: Box::new([]),
                            fields: [field].into(),
                        }]
                        .into(),
                    );
                }
                let needs = NeedsBuilder {
                    requests: Resources {
                        milli_cpu: cpu / 500 * 500,
                        memory: memory << 30,
                        ephemeral_storage: storage,
                        scalars: if gpus > 0 {
                            [(text("example.com/gpu"), gpus)].into()
                        } else {
                            Box::new([])
                        },
                    },
                    least_allocated: (cpu.max(100), (memory << 30).max(200 << 20)),
                    required,
                    preferred: preferred.map(|all| {
                        all.into_iter()
                            .map(|(weight, term)| Preference { weight, term })
                            .collect()
                    }),
                    tolerations: tolerations
                        .into_iter()
                        .map(|(k, all)| Toleration {
                            key: text(format!("t{k}")),
                            operator: TolerationOperator::Exists,
                            value: text(""),
                            effect: (!all).then_some(Effect::NoSchedule),
                        })
                        .collect(),
                    ports: ports
                        .into_iter()
                        .map(|(port, any)| HostPort {
                            protocol: text("TCP"),
                            ip: text(if any { "0.0.0.0" } else { "10.0.0.1" }),
                            port,
                        })
                        .collect(),
                    images: images
                        .into_iter()
                        .map(|k| text(format!("i{k}:latest")))
                        .collect(),
                    ..Default::default()
                };
                let spread = Spread {
                    namespace: text("default"),
                    hard: hard.into(),
                    soft: soft.into(),
                    require_all,
                };
                Template {
                    needs: Arc::new(needs.build()),
                    spread: Arc::new(spread),
                }
            },
        )
}

#[derive(Clone, Debug)]
enum Step {
    /// Decide for this template and place a pod with this label where it says.
    Schedule {
        template: usize,
        app: u8,
        terminating: bool,
    },
    /// Remove the i-th pod that is there.
    Remove(usize),
    /// Change, add or remove a node.
    Node(NodeShape),
    Drop(usize),
    /// A pod appears on a node that may not be there.
    Appear {
        node: usize,
        app: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..4usize, 0..3u8, proptest::bool::weighted(0.1))
            .prop_map(|(template, app, terminating)| Step::Schedule { template, app, terminating }),
        3 => (0..1000usize).prop_map(Step::Remove),
        1 => (0..14usize).prop_flat_map(node).prop_map(Step::Node),
        1 => (0..14usize).prop_map(Step::Drop),
        1 => (0..16usize, 0..3u8).prop_map(|(node, app)| Step::Appear { node, app }),
    ]
}

fn load(template: &Template, app: u8, terminating: bool) -> Arc<Load> {
    let needs = &template.needs;
    Arc::new(Load {
        requests: needs.requests.clone(),
        nonzero_milli_cpu: needs.least_allocated.0,
        nonzero_memory: needs.least_allocated.1,
        ports: needs.ports.to_vec().into(),
        labels: [("app", format!("a{app}").as_str())]
            .into_iter()
            .collect::<Labels>(),
        terminating,
        priority: 0,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_fast_way_decides_as_the_slow_model(
        nodes in (1..12usize).prop_flat_map(|n| (0..n).map(node).collect::<Vec<_>>()),
        templates in proptest::collection::vec(template(), 4),
        steps in proptest::collection::vec((step(), any::<u64>()), 1..40),
    ) {
        let mut snapshot = Snapshot::default();
        for shape in nodes {
            snapshot.set_node(shape);
        }
        let mut engine = Engine::default();
        let mut pods: Vec<PodKey> = Vec::new();
        for (i, (step, draw)) in steps.into_iter().enumerate() {
            let key = PodKey::new(if i % 7 == 0 { "other" } else { "default" }, format!("p{i}"));
            match step {
                Step::Schedule { template, app, terminating } => {
                    let template = &templates[template];
                    let fast = engine.decide(&snapshot, template, draw);
                    let slow = slow::model(&snapshot, template, draw);
                    prop_assert_eq!(fast.node, slow.node);
                    prop_assert_eq!(fast.feasible, slow.feasible);
                    prop_assert_eq!(fast.explanation.message(), slow.explanation.message());
                    for at in (0..snapshot.nodes().capacity() as u32).map(NodeIx) {
                        prop_assert_eq!(fast.explanation.verdict(at), slow.explanation.verdict(at));
                    }
                    if let Some(at) = fast.node {
                        snapshot.assume(key.clone(), text("u"), load(template, app, terminating), at);
                        pods.push(key);
                    }
                }
                Step::Remove(i) if !pods.is_empty() => {
                    let gone = pods.swap_remove(i % pods.len());
                    snapshot.remove_pod(&gone);
                }
                Step::Remove(_) => {}
                Step::Node(shape) => {
                    snapshot.set_node(shape);
                }
                Step::Drop(i) => {
                    snapshot.remove_node(&format!("n{i}"));
                }
                Step::Appear { node, app } => {
                    let load = load(&templates[0], app, false);
                    snapshot.place(key.clone(), text("u"), load, &format!("n{node}"));
                    pods.push(key);
                }
            }
        }
    }
}
