//! Certificates of pods' own, in projected volumes: the test is their signer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may, and waits for real processes"
)]

mod support;

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use rcgen::{CertificateParams, CertificateSigningRequestParams, Issuer, KeyPair};
use serde_json::{Value, json};
use support::cluster::{Cluster, NODE};

const SIGNER: &str = "example.com/one";

/// Signs what is asked for.
struct Signer {
    issuer: Issuer<'static, KeyPair>,
    seen: Vec<String>,
}

impl Signer {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self {
            issuer: Issuer::new(params, KeyPair::generate().unwrap()),
            seen: Vec::new(),
        }
    }

    /// The next request that was not seen before.
    fn next(&mut self, cluster: &Cluster) -> Value {
        let request = cluster.until("a request is there", || {
            let list = cluster
                .api
                .kubectl(&["get", "podcertificaterequests", "-o", "json"]);
            let list: Value = serde_json::from_str(&list.ok()?).ok()?;
            let new = |request: &&Value| {
                let name = request["metadata"]["name"].as_str().unwrap();
                !self.seen.iter().any(|seen| seen == name)
            };
            list["items"].as_array()?.iter().find(new).cloned()
        });
        let name = request["metadata"]["name"].as_str().unwrap();
        self.seen.push(name.to_owned());
        request
    }

    /// Answers a request with a certificate, which it returns.
    fn sign(&self, cluster: &Cluster, request: &Value) -> String {
        let der = request["spec"]["stubPKCS10Request"].as_str().unwrap();
        let der = base64::engine::general_purpose::STANDARD
            .decode(der)
            .unwrap();
        let mut params = CertificateSigningRequestParams::from_der(&der.into()).unwrap();
        let begin = u64::try_from(jiff::Timestamp::now().as_second()).unwrap();
        let end = begin + 3600;
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        params.params.not_before = epoch + Duration::from_secs(begin);
        params.params.not_after = epoch + Duration::from_secs(end);
        let certificate = params.signed_by(&self.issuer).unwrap();
        let chain = api::pem::encode("CERTIFICATE", certificate.der());
        let time = |seconds: u64| {
            let seconds = i64::try_from(seconds).unwrap();
            jiff::Timestamp::from_second(seconds).unwrap().to_string()
        };
        let status = json!({
            // What stands between the blocks is nothing for the pod.
            "certificateChain": format!("subject: a pod\n{chain}"),
            "notBefore": time(begin), "notAfter": time(end), "beginRefreshAt": time(begin + 1800),
            "conditions": [condition("Issued", &time(begin))],
        });
        answer(cluster, request, &status);
        chain
    }
}

fn condition(kind: &str, time: &str) -> Value {
    json!({"type": kind, "status": "True", "reason": "Test", "message": "because", "lastTransitionTime": time})
}

fn answer(cluster: &Cluster, request: &Value, status: &Value) {
    let name = request["metadata"]["name"].as_str().unwrap();
    let patch = json!({"status": status}).to_string();
    let patch = [
        "patch",
        "podcertificaterequest",
        name,
        "--subresource=status",
        "--type=merge",
        "-p",
        &patch,
    ];
    cluster.api.kubectl(&patch).unwrap();
}

fn pod(key_type: &str) -> Value {
    json!({
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "c", "args": ["follow", "/certificate/sub/chain"], "volumeMounts": [{"name": "own", "mountPath": "/certificate"}]}],
        "volumes": [{"name": "own", "projected": {"sources": [{"podCertificate": {
            "signerName": SIGNER, "keyType": key_type, "maxExpirationSeconds": 7200,
            "userAnnotations": {"example.com/path": "/x"},
            "credentialBundlePath": "both", "keyPath": "key", "certificateChainPath": "sub/chain",
        }}]}}],
    })
}

/// Where the pod's volume is on the node.
fn volume(cluster: &Cluster) -> PathBuf {
    let uid = cluster.pod("p")["metadata"]["uid"]
        .as_str()
        .unwrap()
        .to_owned();
    let dir = format!("kubelet/pods/{uid}/volumes/kubernetes.io~projected/own");
    cluster.machine.path().join(dir)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_gets_a_key_and_what_the_signer_says_of_it() {
    skip_without_containerd!();
    let mut cluster = Cluster::start().await;
    let mut signer = Signer::new();
    cluster.run("p", pod("ECDSAP256"));
    let request = signer.next(&cluster);
    cluster.until("the pod waits", || {
        let message =
            "MountVolume.SetUp failed for volume \"own\" : credential bundle is not issued yet";
        cluster.events().contains(message).then_some(())
    });
    let pod = cluster.pod("p");
    let uid = |kind: &str, name: &str| cluster.get(kind, name).unwrap()["metadata"]["uid"].clone();
    let spec = &request["spec"];
    assert_eq!(spec["signerName"], SIGNER);
    assert_eq!(
        (&spec["podName"], &spec["podUID"]),
        (&json!("p"), &pod["metadata"]["uid"])
    );
    assert_eq!(
        (&spec["nodeName"], &spec["nodeUID"]),
        (&json!(NODE), &uid("node", NODE))
    );
    assert_eq!(spec["serviceAccountName"], "default");
    assert_eq!(spec["serviceAccountUID"], uid("serviceaccount", "default"));
    assert_eq!(spec["maxExpirationSeconds"], 7200);
    assert_eq!(
        spec["unverifiedUserAnnotations"],
        json!({"example.com/path": "/x"})
    );
    let owner = &request["metadata"]["ownerReferences"][0];
    assert_eq!(
        (&owner["kind"], &owner["uid"]),
        (&json!("Pod"), &pod["metadata"]["uid"])
    );

    let chain = signer.sign(&cluster, &request);
    let ready = cluster.ready("p");
    let shown = |expected: &str| {
        cluster.until("the pod sees its chain", || {
            (cluster.logs(&["p"]) == expected).then_some(())
        });
    };
    shown(&format!("{chain}\n"));
    let read = |file: &str| std::fs::read_to_string(volume(&cluster).join(file)).unwrap();
    let key = read("key");
    assert_eq!(read("both"), format!("{key}{chain}"));
    let pair = KeyPair::from_pem(&key).unwrap();
    let der = &api::pem::blocks(&chain)[0].bytes;
    let (_, certificate) = x509_parser::parse_x509_certificate(der).unwrap();
    assert_eq!(
        pair.public_key_raw(),
        &*certificate.public_key().subject_public_key.data
    );
    // What was asked for is not kept over a restart: the pod keeps what it has until there is another.
    cluster.kill();
    cluster.restart();
    let request = signer.next(&cluster);
    // Before anything is answered.
    cluster.until("the node knows the pod again", || {
        let logs = ["logs", "--insecure-skip-tls-verify-backend", "p"];
        let logs = cluster.api.kubectl(&logs).ok()?;
        (logs == format!("{chain}\n")).then_some(())
    });
    let another = signer.sign(&cluster, &request);
    cluster.until("the pod sees its new chain", || {
        (cluster.logs(&["p"]) == format!("{chain}\n{another}\n")).then_some(())
    });
    let started = |pod: &Value| pod["status"]["containerStatuses"][0]["state"].clone();
    assert_eq!(started(&cluster.ready("p")), started(&ready));
    cluster.delete("p");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_whose_certificate_is_denied_does_not_start() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    let mut signer = Signer::new();
    cluster.run("p", pod("ED25519"));
    let request = signer.next(&cluster);
    let now = jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    answer(
        &cluster,
        &request,
        &json!({"conditions": [condition("Denied", &now)]}),
    );
    let name = request["metadata"]["name"].as_str().unwrap();
    for message in [
        format!(
            "Denied PodCertificateRequest default/{name} was denied, reason=\"Test\", message=\"because\""
        ),
        "PodCertificateRequest was permanently denied: reason=\"Test\" message=\"because\""
            .to_owned(),
    ] {
        cluster.until(&message, || {
            let events = cluster.events();
            let mut lines = events
                .lines()
                .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
            lines.any(|line| line.contains(&message)).then_some(())
        });
    }
    cluster.waiting("p", "ContainerCreating");
    cluster.delete("p");
    cluster.run("p", pod("RSA4096"));
    let status = cluster.waiting("p", "UnsupportedField");
    let message = status["state"]["waiting"]["message"].as_str().unwrap();
    assert!(
        message.contains("spec.volumes[own].projected.sources.podCertificate.keyType: RSA4096"),
        "{message}"
    );
    cluster.delete("p");
    cluster.stop().await;
}
