//! Parts exchanged: upstream's scheduler and controllers on our API server with our kubelet, and our scheduler and
//! controllers on upstream's API server. The sample application must not notice.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::Command;
use std::time::{Duration, Instant};

use e2e::cluster::{Cluster, Shape};
use e2e::net::free_port;
use e2e::process::Process;
use e2e::{upstream, wait};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests/hello.yaml");
const LIMIT: Duration = Duration::from_secs(120);

/// Lines of level E or F that upstream's components may print here, and why each is no fault of ours.
const ALLOWED: [&str; 3] = [
    // Upstream says so wherever --allow-metric-labels-manifest is not given.
    "The manifest file is empty, ignoring.",
    // Its ReplicaSet controller holds back until its informer has seen its own last write, and tries again.
    "is not as new as written version",
    // The Deployment and the ReplicaSet controller wrote the same ReplicaSet: one of them is told so, and tries again.
    "the object has been modified; please apply your changes to the latest version and try again",
];

/// Starts one of upstream's components; `flags` are its own.
fn upstream_component(cluster: &Cluster, name: &str, config: &str, flags: &[&str]) -> Process {
    let config = cluster.directory().join("data").join(config);
    let mut command = Command::new(upstream::binary(name).unwrap());
    for flag in [
        "--kubeconfig",
        "--authentication-kubeconfig",
        "--authorization-kubeconfig",
    ] {
        command.arg(flag).arg(&config);
    }
    command.args([
        "--bind-address",
        "127.0.0.1",
        "--secure-port",
        &free_port().unwrap().to_string(),
    ]);
    command.args(flags);
    Process::start(name, cluster.directory(), command).unwrap()
}

/// klog's lines of level error and fatal that are not on the list.
fn errors(process: &Process) -> Vec<String> {
    let level = |line: &str| {
        line.starts_with(['E', 'F'])
            && line
                .chars()
                .nth(1)
                .is_some_and(|next| next.is_ascii_digit())
    };
    process
        .output()
        .lines()
        .filter(|line| level(line) && !ALLOWED.iter().any(|allowed| line.contains(allowed)))
        .map(str::to_owned)
        .collect()
}

fn rolled_out(cluster: &Cluster) {
    let args = [
        "rollout",
        "status",
        "-n",
        "hello",
        "deployment/hello",
        "--timeout=60s",
    ];
    let said = cluster.kubectl(&args).unwrap();
    assert!(said.contains("successfully rolled out"), "{said}");
}

fn replicas(cluster: &Cluster, count: &str) {
    let path = "jsonpath={.status.readyReplicas} {.status.updatedReplicas} {.status.replicas}";
    wait::until(
        "each replica is ready and new",
        Duration::from_secs(60),
        || {
            let said =
                cluster.kubectl(&["get", "deployment", "hello", "-n", "hello", "-o", path])?;
            if said == format!("{count} {count} {count}") {
                Ok(())
            } else {
                Err(said)
            }
        },
    );
}

/// The way of the sample application: rolled out, scaled, broken and undone, and its namespace deleted.
fn hello_comes_and_goes(cluster: &Cluster) {
    let begin = Instant::now();
    let hello = |args: &[&str]| cluster.kubectl(&[&["-n", "hello"], args].concat()).unwrap();
    cluster.kubectl(&["apply", "-f", MANIFEST]).unwrap();
    rolled_out(cluster);
    hello(&["scale", "deployment/hello", "--replicas=5"]);
    rolled_out(cluster);
    replicas(cluster, "5");
    hello(&["set", "env", "deployment/hello", "TEXT=changed"]);
    rolled_out(cluster);
    hello(&[
        "set",
        "image",
        "deployment/hello",
        "hello=gantry.local/nothing:1",
    ]);
    wait::until("a pod of the broken image", Duration::from_secs(30), || {
        let said = cluster.kubectl(&["get", "pods", "-n", "hello"])?;
        if said.contains("ErrImageNeverPull") {
            Ok(())
        } else {
            Err(said)
        }
    });
    hello(&["rollout", "undo", "deployment/hello"]);
    rolled_out(cluster);
    replicas(cluster, "5");
    cluster
        .kubectl(&["delete", "namespace", "hello", "--timeout=60s"])
        .unwrap();
    assert!(
        cluster
            .kubectl(&["get", "namespace", "hello"])
            .unwrap_err()
            .contains("NotFound")
    );
    let took = begin.elapsed();
    assert!(took < LIMIT, "it took {took:?}");
}

#[test]
fn upstreams_scheduler_and_controllers_work_on_our_apiserver_with_our_kubelet() {
    if !e2e::is_root() {
        return e2e::skip("upstream_components", "containers need root");
    }
    let mut cluster = Cluster::start(Shape::Separate).unwrap();
    cluster.load_hello().unwrap();
    for ours in ["scheduler", "controllers"] {
        cluster
            .process(ours)
            .unwrap()
            .terminate(Duration::from_secs(5))
            .unwrap();
    }
    let pki = cluster.directory().join("data/pki");
    let file = |name: &str| pki.join(name).to_str().unwrap().to_owned();
    let scheduler = upstream_component(&cluster, "kube-scheduler", "scheduler.conf", &[]);
    let controllers = upstream_component(
        &cluster,
        "kube-controller-manager",
        "controllers.conf",
        &[
            "--use-service-account-credentials=true",
            "--service-account-private-key-file",
            &file("sa.key"),
            "--root-ca-file",
            &file("ca.crt"),
            "--cluster-signing-cert-file",
            &file("ca.crt"),
            "--cluster-signing-key-file",
            &file("ca.key"),
        ],
    );
    hello_comes_and_goes(&cluster);
    for process in [&scheduler, &controllers] {
        let errors = errors(process);
        assert!(errors.is_empty(), "{}", errors.join("\n"));
    }
    println!("\nSHAPE Separate");
}

/// Lines of level ERROR of ours; tracing puts the level second.
fn our_errors(process: &Process) -> Vec<String> {
    let output = process.output();
    let level = |line: &&str| line.split_whitespace().nth(1) == Some("ERROR");
    output.lines().filter(level).map(str::to_owned).collect()
}

#[test]
fn our_scheduler_and_controllers_and_kubelet_work_on_upstreams_apiserver() {
    if !e2e::is_root() {
        return e2e::skip("upstream_components", "containers need root");
    }
    let mut cluster = Cluster::start(Shape::UpstreamApiserver).unwrap();
    cluster.load_hello().unwrap();
    hello_comes_and_goes(&cluster);
    for name in cluster.components() {
        let errors = our_errors(cluster.process(name).unwrap());
        assert!(errors.is_empty(), "{name}: {}", errors.join("\n"));
    }
    println!("\nSHAPE UpstreamApiserver");
}
