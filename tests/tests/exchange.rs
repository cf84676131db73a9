//! One etcd, two API servers: whatever upstream's wrote is served equal by ours, and the other way round, for every stored kind.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use api::codec::json::Strict;
use api::codec::yaml;
use api::kinds::{Kinds, Resource};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use e2e::cluster::binary;
use e2e::load::client::{Connection, Target};
use e2e::net::free_port;
use e2e::process::Process;
use e2e::upstream::{Etcd, UpstreamApiserver, kubectl};
use e2e::wait;
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

const OBJECTS: &str = include_str!("defaults/objects.yaml");

/// What is not equal of what ours wrote, by kind and path.
const UNEQUAL_OF_OURS: [(&str, &str); 2] = [
    // Counted by upstream's registry for clients of versions long gone.
    ("DaemonSet", ".metadata.annotations"),
    // Protobuf tells no empty list from none: no limitation, ours still has what was sent.
    ("CSINode", ".spec.drivers"),
];

/// It takes a node's signature over a pod's key, which only a kubelet of upstream's makes.
const WITHOUT_SAMPLE: [&str; 1] = ["PodCertificateRequest"];

/// Our API server on an etcd.
struct Ours {
    admin: PathBuf,
    _process: Process,
}

impl Ours {
    fn start(directory: &Path, etcd: &str) -> Self {
        let data = directory.join("ours");
        let mut command = Command::new(binary("apiserver"));
        command.arg("--data-dir").arg(&data);
        command.args(["--bind-address", "127.0.0.1", "--etcd-servers", etcd]);
        command.args(["--secure-port", &free_port().unwrap().to_string()]);
        let process = Process::start("apiserver", directory, command).unwrap();
        let admin = data.join("admin.conf");
        wait::until("our API server is ready", Duration::from_secs(60), || {
            kubectl(&admin, &["get", "--raw", "/readyz"])
        });
        Self {
            admin,
            _process: process,
        }
    }
}

async fn call(
    connection: &mut Connection,
    method: Method,
    path: &str,
    body: Vec<u8>,
) -> (u16, Value) {
    let response = connection
        .send(method, path, "application/json", Bytes::from(body))
        .await
        .unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

fn collection(resource: &Resource, namespace: Option<&str>) -> String {
    let root = match (&*resource.group, &*resource.version) {
        ("", version) => format!("/api/{version}"),
        (group, version) => format!("/apis/{group}/{version}"),
    };
    match namespace {
        Some(namespace) if resource.namespaced => {
            format!("{root}/namespaces/{namespace}/{}", resource.name)
        }
        _ => format!("{root}/{}", resource.name),
    }
}

fn ca() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.self_signed(&key).unwrap().pem()
}

fn signing_request() -> Value {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    let request = params.serialize_request(&key).unwrap().pem().unwrap();
    json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "minimal"},
        "spec": {"request": BASE64_STANDARD.encode(request), "signerName": "example.com/x", "usages": ["client auth"]},
    })
}

/// The objects of the file and others, in the order in which they are made.
fn samples() -> Vec<Value> {
    let account = |name: &str| json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "default"}});
    let text = OBJECTS.replace("$CERTIFICATE", &ca().replace('\n', "\\n"));
    let of_file = yaml::documents(&text).map(|document| {
        let bytes = yaml::to_json(document.as_bytes(), &mut Strict::new()).unwrap();
        let mut object: Value = serde_json::from_slice(&bytes).unwrap();
        if matches!(
            object["kind"].as_str(),
            Some("LimitRange" | "ResourceQuota")
        ) {
            // Where they limit none of the others.
            object["metadata"]["namespace"] = "kube-public".into();
        }
        if object["apiVersion"] == "events.k8s.io/v1" {
            // Both groups' Events are stored in one place.
            object["metadata"]["name"] = "of-events".into();
        }
        object
    });
    [account("default"), account("someone"), signing_request()]
        .into_iter()
        .chain(of_file)
        .collect()
}

/// Makes all samples; those that are refused come back with the reason.
async fn create_all(admin: &Path) -> Vec<String> {
    let mut connection = Target::from_kubeconfig(admin)
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut refused = Vec::new();
    for object in samples() {
        let version = object["apiVersion"].as_str().unwrap();
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let kind = object["kind"].as_str().unwrap();
        let resource = Kinds::builtin().by_kind(group, version, kind).unwrap();
        let path = collection(resource, object["metadata"]["namespace"].as_str());
        let body = object.to_string().into_bytes();
        let (status, answer) = call(&mut connection, Method::POST, &path, body).await;
        if status != 201 {
            refused.push(format!(
                "{kind} {}: {}",
                object["metadata"]["name"], answer["message"]
            ));
        }
    }
    refused
}

/// All objects of a resource by namespace and name.
async fn list(connection: &mut Connection, resource: &Resource) -> BTreeMap<String, Value> {
    let path = collection(resource, None);
    let (status, list) = call(connection, Method::GET, &path, Vec::new()).await;
    assert_eq!(status, 200, "{path}: {list}");
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let key = |object: &Value| {
        format!(
            "{}/{}",
            object["metadata"]["namespace"], object["metadata"]["name"]
        )
    };
    items
        .into_iter()
        .map(|object| (key(&object), object))
        .collect()
}

/// Where two values differ, by path.
fn differences(path: &str, ours: &Value, theirs: &Value, out: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let of = |map: &serde_json::Map<String, Value>| {
                    map.get(key).cloned().unwrap_or_default()
                };
                differences(&format!("{path}.{key}"), &of(a), &of(b), out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}[{at}]"), a, b, out);
            }
        }
        _ if ours == theirs => {}
        _ => out.push(format!("{path}: ours {ours}, upstream's {theirs}")),
    }
}

/// Compares every object of every stored resource, in every version that is served.
async fn compare(ours: &Path, theirs: &Path, unequal: &[(&str, &str)]) {
    let mut ours = Target::from_kubeconfig(ours)
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut theirs = Target::from_kubeconfig(theirs)
        .unwrap()
        .connect()
        .await
        .unwrap();
    let (mut differ, mut empty, mut equal) = (Vec::new(), Vec::new(), 0);
    for resource in Kinds::builtin().resources() {
        if resource.storage.is_none() {
            continue;
        }
        let mut found = Vec::new();
        // Servers renew leases and conditions meanwhile: only what stands still can be compared.
        for _ in 0..5 {
            found.clear();
            let (a, b) = (
                list(&mut ours, resource).await,
                list(&mut theirs, resource).await,
            );
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let of = |map: &BTreeMap<String, Value>| map.get(key).cloned().unwrap_or_default();
                let path = format!("{}/{} {key} ", resource.version, resource.kind);
                differences(&path, &of(&a), &of(&b), &mut found);
            }
            if a.is_empty() && !WITHOUT_SAMPLE.contains(&&*resource.kind) {
                empty.push(resource.kind.to_string());
            }
            if found.is_empty() {
                equal += a.len();
                break;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        found.retain(|line| {
            let known = |(kind, path): &(&str, &str)| {
                resource.kind == *kind && line.contains(&format!(" {path}: "))
            };
            !unequal.iter().any(known)
        });
        differ.append(&mut found);
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    assert!(empty.is_empty(), "nothing was compared of {empty:?}");
    println!("{equal} objects are equal");
}

#[tokio::test]
async fn what_upstream_wrote_is_served_by_ours() {
    let upstream = UpstreamApiserver::start(&[]).unwrap();
    let refused = create_all(&upstream.admin).await;
    assert_eq!(refused, Vec::<String>::new());
    let ours = Ours::start(upstream.directory(), &upstream.etcd.url);
    compare(&ours.admin, &upstream.admin, &[]).await;
}

#[tokio::test]
async fn what_ours_wrote_is_served_by_upstream() {
    let directory = tempfile::tempdir().unwrap();
    let etcd = Etcd::start(directory.path()).unwrap();
    let ours = Ours::start(directory.path(), &etcd.url);
    let refused = create_all(&ours.admin).await;
    assert_eq!(refused, Vec::<String>::new());
    let upstream = UpstreamApiserver::start_on(etcd, directory, &[]).unwrap();
    compare(&ours.admin, &upstream.admin, &UNEQUAL_OF_OURS).await;
}
