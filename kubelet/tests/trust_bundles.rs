//! What pods see of ClusterTrustBundles, in projected volumes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may, and waits for real processes"
)]

mod support;

use serde_json::{Value, json};
use support::cluster::Cluster;

/// The certificate of an authority, in PEM.
fn authority() -> String {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let der = params.self_signed(&key).unwrap().der().to_vec();
    api::pem::encode("CERTIFICATE", &der)
}

fn create(cluster: &Cluster, name: &str, signer: &str, alive: &str, text: &str) {
    let mut bundle = json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "ClusterTrustBundle",
        "metadata": {"name": name, "labels": {"alive": alive}},
        "spec": {"trustBundle": text},
    });
    if !signer.is_empty() {
        bundle["spec"]["signerName"] = signer.into();
    }
    cluster.create(&bundle);
}

/// A pod with a container for each source, which shows its file whenever that changes.
fn pod(sources: &[(&str, Value)]) -> Value {
    let container = |(name, _): &(&str, Value)| json!({"name": name, "args": ["follow", "/bundle/text"], "volumeMounts": [{"name": name, "mountPath": "/bundle"}]});
    let volume = |(name, source): &(&str, Value)| {
        let mut source = source.clone();
        source["path"] = "text".into();
        json!({"name": name, "projected": {"sources": [{"clusterTrustBundle": source}]}})
    };
    json!({
        "terminationGracePeriodSeconds": 0,
        "containers": sources.iter().map(container).collect::<Value>(),
        "volumes": sources.iter().map(volume).collect::<Value>(),
    })
}

/// The contents that the container has seen, one after the other.
fn says(cluster: &Cluster, container: &str, seen: &[&str]) {
    let expected: String = seen.iter().map(|text| format!("{text}\n")).collect();
    cluster.until(&format!("{container} says {expected:?}"), || {
        (cluster.logs(&["p", "-c", container]) == expected).then_some(())
    });
}

/// The blocks of a container's log, sorted: their order is nobody's business.
fn blocks(cluster: &Cluster, container: &str) -> Vec<String> {
    let text = cluster.logs(&["p", "-c", container]);
    let mut blocks: Vec<String> = api::pem::blocks(&text)
        .iter()
        .map(|block| api::pem::encode(&block.label, &block.bytes))
        .collect();
    blocks.sort();
    blocks
}

#[tokio::test(flavor = "multi_thread")]
async fn anchors_of_one_bundle_or_of_a_signer_reach_a_pod_and_follow_their_changes() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    let anchors: Vec<String> = (0..5).map(|_| authority()).collect();
    create(
        &cluster,
        "alone",
        "",
        "true",
        &format!("a comment\n{}", anchors[0]),
    );
    let signer = "example.com/one";
    create(
        &cluster,
        "example.com:one:a",
        signer,
        "true",
        &format!("{}{}", anchors[1], anchors[2]),
    );
    create(
        &cluster,
        "example.com:one:b",
        signer,
        "true",
        &format!("{}{}", anchors[2], anchors[3]),
    );
    create(&cluster, "example.com:one:c", signer, "false", &anchors[4]);
    create(
        &cluster,
        "example.com:two:a",
        "example.com/two",
        "true",
        &anchors[4],
    );
    let alive = json!({"matchLabels": {"alive": "true"}});
    cluster.run(
        "p",
        pod(&[
            ("named", json!({"name": "alone"})),
            (
                "alive",
                json!({"signerName": signer, "labelSelector": alive}),
            ),
            ("all", json!({"signerName": signer, "labelSelector": {}})),
            ("missing", json!({"name": "missing", "optional": true})),
            ("nothing", json!({"signerName": signer, "optional": true})),
        ]),
    );
    cluster.ready("p");
    says(&cluster, "named", &[&anchors[0]]);
    let sorted = |which: &[usize]| {
        let mut list: Vec<String> = which.iter().map(|at| anchors[*at].clone()).collect();
        list.sort();
        list
    };
    cluster.until("each anchor of the signer is there once", || {
        (blocks(&cluster, "alive") == sorted(&[1, 2, 3])).then_some(())
    });
    cluster.until("without labels all are", || {
        (blocks(&cluster, "all") == sorted(&[1, 2, 3, 4])).then_some(())
    });
    says(&cluster, "missing", &[]);
    says(&cluster, "nothing", &[]);

    let patch = json!({"spec": {"trustBundle": anchors[1]}}).to_string();
    let patch = [
        "patch",
        "clustertrustbundle",
        "alone",
        "--type=merge",
        "-p",
        &patch,
    ];
    cluster.api.kubectl(&patch).unwrap();
    says(&cluster, "named", &[&anchors[0], &anchors[1]]);
    create(&cluster, "missing", "", "true", &anchors[2]);
    says(&cluster, "missing", &[&anchors[2]]);
    cluster.delete("p");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_does_not_start_before_its_anchors_are_there() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    for (source, message) in [
        (
            json!({"name": "missing", "optional": false}),
            "while getting ClusterTrustBundle: clustertrustbundle.certificates.k8s.io \"missing\" not found",
        ),
        (
            json!({"signerName": "example.com/one", "labelSelector": {"matchLabels": {"a": "b"}}}),
            "combination of signerName and labelSelector matched zero ClusterTrustBundles",
        ),
    ] {
        cluster.run("p", pod(&[("text", source)]));
        cluster.until("it is told what is missing", || {
            let message = format!("MountVolume.SetUp failed for volume \"text\" : {message}");
            cluster.events().contains(&message).then_some(())
        });
        cluster.waiting("p", "ContainerCreating");
        let pod = cluster.pod("p");
        let ready = pod["status"]["conditions"].as_array().unwrap();
        let ready = ready.iter().find(|c| c["type"] == "Ready").unwrap();
        assert_eq!(ready["status"], "False");
        assert_eq!(ready["reason"], "ContainersNotReady");
        assert_eq!(ready["message"], "containers with unready status: [text]");
        cluster.delete("p");
    }
    cluster.run("p", pod(&[("text", json!({"name": "late"}))]));
    cluster.waiting("p", "ContainerCreating");
    let anchor = authority();
    create(&cluster, "late", "", "true", &anchor);
    cluster.ready("p");
    says(&cluster, "text", &[&anchor]);
    cluster.delete("p");
    cluster.stop().await;
}
