//! The main job: from nothing to a served Deployment, in both shapes, on real containerd.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::time::Duration;

use e2e::cluster::{Cluster, SHAPES, Shape, fetch};
use e2e::wait;

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests/hello.yaml");

/// Name and address of each pod of the Deployment that is not going away.
fn pods(cluster: &Cluster) -> Result<Vec<(String, String)>, String> {
    let list = cluster.kubectl(&[
        "get",
        "pods",
        "-n",
        "hello",
        "-l",
        "app=hello",
        "-o",
        "json",
    ])?;
    let list: serde_json::Value = serde_json::from_str(&list).map_err(|error| error.to_string())?;
    let pods = list["items"].as_array().cloned().unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    Ok(pods
        .iter()
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        .map(|pod| {
            (
                text(&pod["metadata"]["name"]),
                text(&pod["status"]["podIP"]),
            )
        })
        .collect())
}

/// Fetches a page from each of `count` pods; each must name its pod and hold `text`.
fn pages(cluster: &Cluster, count: usize, text: &str) {
    wait::until("a page of each pod", Duration::from_secs(30), || {
        let pods = pods(cluster)?;
        if pods.len() != count {
            return Err(format!("{} pods instead of {count}", pods.len()));
        }
        for (name, address) in pods {
            let page =
                fetch(&address, 8080).map_err(|error| format!("{name} at {address}: {error}"))?;
            if !page.contains(&name) || !page.contains(text) {
                return Err(format!("{name} answers {page}"));
            }
        }
        Ok(())
    });
}

fn serves_a_deployment(shape: Shape) {
    let cluster = Cluster::start(shape).unwrap();
    cluster.load_hello().unwrap();
    let rolled_out = || {
        cluster
            .ctl(&[
                "rollout",
                "status",
                "-n",
                "hello",
                "deployment/hello",
                "--timeout=60s",
            ])
            .unwrap()
    };

    cluster.ctl(&["apply", "-f", MANIFEST]).unwrap();
    assert!(rolled_out().contains("successfully rolled out"));
    pages(&cluster, 3, "Hello from Gantry!");
    assert!(
        cluster
            .ctl(&["apply", "-f", MANIFEST])
            .unwrap()
            .contains("deployment.apps/hello unchanged")
    );

    // A ConfigMap changed and the Deployment restarted change the page.
    let patch = r#"{"data":{"text":"Something else"}}"#;
    cluster
        .kubectl(&[
            "patch",
            "configmap",
            "hello",
            "-n",
            "hello",
            "--type=merge",
            "-p",
            patch,
        ])
        .unwrap();
    cluster
        .ctl(&["rollout", "restart", "-n", "hello", "deployment/hello"])
        .unwrap();
    rolled_out();
    pages(&cluster, 3, "Something else");

    cluster
        .ctl(&["scale", "-n", "hello", "deployment/hello", "--replicas=5"])
        .unwrap();
    rolled_out();
    pages(&cluster, 5, "Something else");

    // A broken image is told about, and undone.
    cluster
        .ctl(&[
            "set",
            "image",
            "-n",
            "hello",
            "deployment/hello",
            "hello=gantry.local/nothing:1",
        ])
        .unwrap();
    wait::until(
        "the pod says why it does not run",
        Duration::from_secs(30),
        || {
            let list = cluster.ctl(&["get", "pods", "-n", "hello"])?;
            if list.contains("ErrImageNeverPull") {
                Ok(())
            } else {
                Err(list)
            }
        },
    );
    cluster
        .ctl(&["rollout", "undo", "-n", "hello", "deployment/hello"])
        .unwrap();
    rolled_out();
    pages(&cluster, 5, "Something else");

    let (name, _) = pods(&cluster).unwrap().remove(0);
    let why = ["explain-scheduling", "-n", "hello", &name];
    let why = cluster.ctl(&why).unwrap();
    let node = cluster.kubectl(&["get", "nodes", "-o", "name"]).unwrap();
    let node = node.trim().trim_start_matches("node/");
    assert!(
        why.contains(&format!("pod {name} was placed on {node}"))
            && why.contains("chosen   score "),
        "{why}"
    );
    let log = cluster.kubectl(&["logs", "-n", "hello", &name]).unwrap();
    assert!(!log.is_empty(), "the log of {name} is empty");

    cluster
        .kubectl(&["delete", "namespace", "hello", "--timeout=60s"])
        .unwrap();
    assert!(
        cluster
            .kubectl(&["get", "namespace", "hello"])
            .unwrap_err()
            .contains("NotFound")
    );
    println!("\nSHAPE {shape:?}");
}

#[test]
fn a_deployment_is_served_changed_scaled_undone_and_deleted_in_both_shapes() {
    if !e2e::is_root() {
        return e2e::skip("hello", "containers need root");
    }
    for shape in SHAPES {
        serves_a_deployment(shape);
    }
}
