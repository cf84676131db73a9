//! Probes by gRPC: upstream's own server of the health checking protocol in containers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may, and waits for real processes"
)]

mod support;

use std::io::{Read, Write};

use kubelet::image::pack::{PackOptions, pack};
use serde_json::{Value, json};
use support::cluster::Cluster;

const AGNHOST: &str = "registry.test/agnhost:1";

async fn load_agnhost(cluster: &Cluster) {
    let archive = cluster.machine.path().join("agnhost.tar");
    let options = PackOptions {
        binary: &e2e::upstream::binary("agnhost").unwrap(),
        name: AGNHOST,
        user: "",
    };
    pack(&options, std::fs::File::create(&archive).unwrap()).unwrap();
    let images = support::images(&cluster.machine.containerd);
    images.load(&archive, None).await.unwrap();
}

fn server(probes: Value) -> Value {
    let mut container = json!({
        "name": "c", "image": AGNHOST,
        "args": ["grpc-health-checking", "--port=5000", "--http-port=8080", "--service=main"],
    });
    for (name, probe) in probes.as_object().unwrap() {
        container[name] = probe.clone();
    }
    json!({"terminationGracePeriodSeconds": 0, "containers": [container]})
}

fn get(address: &str, path: &str) {
    let mut connection = std::net::TcpStream::connect(address).unwrap();
    write!(connection, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    connection.read_to_string(&mut String::new()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_services_health_decides_on_readiness_and_restarts() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    load_agnhost(&cluster).await;
    let probe = |port: u16, service: &str, failures: u32| json!({"grpc": {"port": port, "service": service}, "periodSeconds": 1, "timeoutSeconds": 3, "failureThreshold": failures});
    cluster.run(
        "web",
        server(json!({
            "startupProbe": probe(5000, "main", 30),
            "readinessProbe": probe(5000, "main", 1),
            "livenessProbe": probe(5000, "main", 3),
        })),
    );
    cluster.run(
        "unknown",
        server(json!({"readinessProbe": probe(5000, "other", 1)})),
    );
    cluster.run(
        "nobody",
        server(json!({"readinessProbe": probe(5001, "main", 1)})),
    );
    let web = cluster.ready("web");
    let status = &web["status"]["containerStatuses"][0];
    assert_eq!(
        (&status["started"], &status["restartCount"]),
        (&json!(true), &json!(0))
    );
    let said = |what: &str| {
        cluster.until(what, || cluster.events().contains(what).then_some(()));
    };
    said("error: health rpc probe failed: rpc error: code = NotFound desc = unknown service");
    let ip = |pod: &Value| pod["status"]["podIP"].as_str().unwrap().to_owned();
    let nobody = ip(&cluster.phase("nobody", "Running"));
    said(&format!(
        "Readiness probe failed: timeout: failed to connect service \"{nobody}:5001\" within 3s: context deadline exceeded"
    ));

    get(&format!("{}:8080", ip(&web)), "/make-not-serving");
    cluster.until("web is not ready", || {
        (cluster.pod("web")["status"]["containerStatuses"][0]["ready"] == false).then_some(())
    });
    said("Readiness probe failed: service unhealthy (responded with \"NOT_SERVING\")");
    cluster.until("web was restarted", || {
        cluster.pod("web")["status"]["containerStatuses"][0]["restartCount"]
            .as_u64()
            .filter(|count| *count > 0)
    });
    said("Container c failed liveness probe, will be restarted");
    cluster.ready("web");
    for name in ["unknown", "nobody"] {
        assert_eq!(
            cluster.pod(name)["status"]["containerStatuses"][0]["ready"],
            false
        );
    }
    for name in ["web", "unknown", "nobody"] {
        cluster.delete(name);
    }
    cluster.stop().await;
}
