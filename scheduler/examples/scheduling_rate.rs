//! How many pods a second one thread decides: `cargo run --release -p scheduler --example scheduling_rate [nodes] [pods]`.

#![allow(clippy::disallowed_methods, reason = "it measures the machine")]

use std::sync::Arc;
use std::time::Instant;

use scheduler::decision::{Engine, slow};
use scheduler::labels::{Labels, Selector};
use scheduler::plugins::{Constraint, Spread, Template};
use scheduler::pod::{InclusionPolicy, Load, NeedsBuilder, PodKey, Resources};
use scheduler::snapshot::{NodeShape, Snapshot};
use scheduler::text::Text;

fn cluster(nodes: usize) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for i in 0..nodes {
        let (name, zone) = (format!("node-{i:05}"), format!("zone-{}", i % 3));
        let labels: Labels = [
            ("kubernetes.io/hostname", name.as_str()),
            ("topology.kubernetes.io/zone", zone.as_str()),
        ]
        .into_iter()
        .collect();
        snapshot.set_node(NodeShape {
            labels,
            allocatable: Resources {
                milli_cpu: 32_000,
                memory: 128 << 30,
                ephemeral_storage: 100 << 30,
                ..Default::default()
            },
            pods: 110,
            images: [(Text::from("app:1"), 80 << 20)].into(),
            ..NodeShape::named(&name)
        });
    }
    snapshot
}

fn template(i: usize, spread: &str) -> (Template, Arc<Load>) {
    let labels: Labels = [("app", format!("app-{i}").as_str())].into_iter().collect();
    let constraint = |key: &str, max_skew| Constraint {
        max_skew,
        topology_key: key.into(),
        selector: Selector::of_labels(&labels),
        self_match: true,
        min_domains: 1,
        node_affinity_policy: InclusionPolicy::Honor,
        node_taints_policy: InclusionPolicy::Ignore,
    };
    let (host, zone) = (
        ("kubernetes.io/hostname", 3),
        ("topology.kubernetes.io/zone", 5),
    );
    let (hard, soft) = match spread {
        "default" => (
            vec![],
            vec![constraint(host.0, host.1), constraint(zone.0, zone.1)],
        ),
        "required" => (vec![constraint(host.0, 1), constraint(zone.0, 1)], vec![]),
        _ => (vec![], vec![]),
    };
    let milli_cpu = 100 + (i as i64 % 7) * 10;
    let needs = NeedsBuilder {
        requests: Resources {
            milli_cpu,
            memory: 256 << 20,
            ..Default::default()
        },
        least_allocated: (milli_cpu, 256 << 20),
        images: ["app:1".into()].into(),
        ..Default::default()
    };
    let load = Load {
        requests: needs.requests.clone(),
        nonzero_milli_cpu: milli_cpu,
        nonzero_memory: 256 << 20,
        labels,
        ..Default::default()
    };
    let spread = Spread {
        namespace: if hard.is_empty() && soft.is_empty() {
            "".into()
        } else {
            "default".into()
        },
        hard: hard.into(),
        soft: soft.into(),
        require_all: spread == "required",
    };
    (
        Template {
            needs: Arc::new(needs.build()),
            spread: Arc::new(spread),
        },
        Arc::new(load),
    )
}

fn run(name: &str, nodes: usize, pods: usize, templates: usize, spread: &str, fast: bool) {
    let mut snapshot = cluster(nodes);
    let templates: Vec<_> = (0..templates).map(|i| template(i, spread)).collect();
    let mut engine = Engine::default();
    let uid: Text = "uid".into();
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let mut placed = 0;
    for i in 0..pods {
        let (template, load) = &templates[i % templates.len()];
        let draw = (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let decision = if fast {
            engine.decide(&snapshot, template, draw)
        } else {
            slow::model(&snapshot, template, draw)
        };
        if let Some(at) = decision.node {
            snapshot.assume(
                PodKey::new("default", i.to_string()),
                uid.clone(),
                load.clone(),
                at,
            );
            placed += 1;
        }
    }
    let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let rate = |seconds: f64| pods as f64 / seconds;
    println!(
        "{name:<38} {nodes:>6} nodes {placed:>7}/{pods} placed {:>9.0} pods/s, {:>9.0} per second of CPU",
        rate(wall),
        rate(cpu)
    );
}

/// CPU time of this thread: what counts on a machine that others use too.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ')
        .next()
        .and_then(|ns| ns.parse::<f64>().ok())
        .unwrap_or(f64::NAN)
        / 1e9
}

fn main() {
    let mut args = std::env::args().skip(1);
    let nodes = args.next().and_then(|a| a.parse().ok()).unwrap_or(5_000);
    let pods = args.next().and_then(|a| a.parse().ok()).unwrap_or(100_000);
    run("one template, no spreading", nodes, pods, 1, "none", true);
    run(
        "one template, default spreading",
        nodes,
        pods,
        1,
        "default",
        true,
    );
    run(
        "one template, required spreading",
        nodes,
        pods,
        1,
        "required",
        true,
    );
    run(
        "100 templates, default spreading",
        nodes,
        pods,
        100,
        "default",
        true,
    );
    run(
        "1,000 templates, default spreading",
        nodes,
        pods / 10,
        1000,
        "default",
        true,
    );
    run(
        "slow model, default spreading",
        nodes,
        200,
        1,
        "default",
        false,
    );
}
