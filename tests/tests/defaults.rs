//! Our defaults against upstream's: what its API server answers for the least of every kind, and what `api::defaults` makes of it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use api::codec::json::{self, Strict};
use api::codec::yaml;
use api::kinds::Kinds;
use api::{Schema, Time, Tree, defaults};
use bytes::Bytes;
use e2e::load::client::{Connection, Target};
use e2e::upstream::UpstreamApiserver;
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::Value;

const OBJECTS: &str = include_str!("defaults/objects.yaml");

/// Fields that upstream's API server sets for other reasons than defaulting, by kind ("" is every kind).
const NOT_DEFAULTS: &[(&str, &str, &str)] = &[
    ("", "metadata.uid", "made for each object"),
    ("", "metadata.creationTimestamp", "the time of the request"),
    ("", "metadata.managedFields", "who sent which field"),
    ("", "metadata.generation", "counted by the registry"),
    ("", "metadata.resourceVersion", "the log's revision"),
    ("APIService", "status", "the registry starts it empty"),
    (
        "CSINode",
        "spec.drivers",
        "what is stored as protobuf tells no empty list from none",
    ),
    (
        "CustomResourceDefinition",
        "status",
        "conditions are kept by controllers",
    ),
    (
        "DaemonSet",
        "metadata.annotations",
        "templateGeneration is counted by the registry",
    ),
    (
        "Job",
        "metadata.labels",
        "the registry derives labels from the uid",
    ),
    ("Job", "spec.selector", "made from the uid"),
    (
        "Job",
        "spec.template.metadata",
        "labels derived from the uid",
    ),
    ("Namespace", "spec", "the finalizer is the registry's"),
    ("Node", "spec.taints", "admission: a new node is not ready"),
    (
        "PersistentVolume",
        "status.lastPhaseTransitionTime",
        "the time of the request",
    ),
    ("Pod", "status", "phase and QoS class are the registry's"),
    (
        "Pod",
        "spec.tolerations",
        "admission tolerates unready nodes",
    ),
    ("Pod", "spec.priority", "admission"),
    ("Pod", "spec.preemptionPolicy", "admission"),
    (
        "PersistentVolume",
        "metadata.finalizers",
        "admission protects objects in use",
    ),
    (
        "PersistentVolumeClaim",
        "metadata.finalizers",
        "admission protects objects in use",
    ),
    (
        "VolumeAttributesClass",
        "metadata.finalizers",
        "admission protects objects in use",
    ),
    (
        "DeviceTaintRule",
        "spec.taint.timeAdded",
        "the time of the request",
    ),
    (
        "ResourceSlice",
        "spec.devices.0.taints.0.timeAdded",
        "the time of the request",
    ),
    ("Service", "spec.clusterIP", "allocated"),
    ("Service", "spec.clusterIPs", "allocated"),
    ("Service", "spec.ipFamilies", "depend on the cluster"),
    ("Service", "spec.ipFamilyPolicy", "depends on the cluster"),
    ("Service", "spec.ports.0.nodePort", "allocated"),
    (
        "StorageVersionMigration",
        "status",
        "the registry starts it",
    ),
];

fn without(mut object: Value, kind: &str) -> Value {
    for (of, path, _) in NOT_DEFAULTS {
        if of.is_empty() || *of == kind {
            remove(&mut object, path);
        }
    }
    object
}

fn remove(object: &mut Value, path: &str) {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    if rest.is_empty() {
        if let Some(map) = object.as_object_mut() {
            map.remove(first);
        }
    } else if let Some(inner) = match first.parse::<usize>() {
        Ok(at) => object.get_mut(at),
        Err(_) => object.get_mut(first),
    } {
        remove(inner, rest);
    }
}

/// What differs, by path.
fn differences(path: &str, ours: &Value, theirs: &Value, out: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let path = format!("{path}.{key}");
                differences(
                    &path,
                    a.get(key).unwrap_or(&Value::Null),
                    b.get(key).unwrap_or(&Value::Null),
                    out,
                );
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

async fn create(connection: &mut Connection, path: &str, body: Vec<u8>) -> (u16, Value) {
    let response = connection
        .send(Method::POST, path, "application/json", Bytes::from(body))
        .await
        .unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

struct Sample {
    kind: String,
    path: String,
    name: String,
    sent: Vec<u8>,
    tree: Tree,
}

/// The objects of the file.
fn samples() -> Vec<Sample> {
    let certificate = rcgen_ca().replace('\n', "\\n");
    let text = OBJECTS.replace("$CERTIFICATE", &certificate);
    yaml::documents(&text)
        .map(|document| {
            let sent = yaml::to_json(document.as_bytes(), &mut Strict::new()).unwrap();
            let head: Value = serde_json::from_slice(&sent).unwrap();
            let version = head["apiVersion"].as_str().unwrap();
            let (group, version) = version.split_once('/').unwrap_or(("", version));
            let kind = head["kind"].as_str().unwrap();
            let resource = Kinds::builtin().by_kind(group, version, kind).unwrap();
            let mut strict = Strict::new();
            let tree = json::decode(
                Schema::builtin(),
                resource.type_id,
                sent.clone(),
                &mut strict,
            )
            .unwrap();
            assert!(strict.is_empty(), "{kind}: {:?}", strict.errors());
            let root = if group.is_empty() {
                "/api".to_owned()
            } else {
                format!("/apis/{group}")
            };
            let namespace = if resource.namespaced {
                "/namespaces/default"
            } else {
                ""
            };
            Sample {
                kind: kind.to_owned(),
                path: format!(
                    "{root}/{version}{namespace}/{}?dryRun=All&fieldValidation=Strict",
                    resource.name
                ),
                name: head["metadata"]["name"].as_str().unwrap().to_owned(),
                sent,
                tree,
            }
        })
        .collect()
}

fn rcgen_ca() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.self_signed(&key).unwrap().pem()
}

#[test]
fn defaulting_twice_changes_nothing() {
    for sample in samples() {
        let mut once = sample.tree.clone();
        defaults::apply(&mut once);
        let mut twice = once.clone();
        defaults::apply(&mut twice);
        assert_eq!(
            json::to_vec(&once),
            json::to_vec(&twice),
            "{} {}",
            sample.kind,
            sample.name
        );
    }
}

#[test]
fn every_stored_kind_is_among_the_samples() {
    // Upstream accepts these only with a signed request inside.
    const ELSEWHERE: [&str; 2] = ["CertificateSigningRequest", "PodCertificateRequest"];
    let sampled: BTreeSet<String> = samples().into_iter().map(|sample| sample.kind).collect();
    let missing: Vec<&str> = Kinds::builtin()
        .resources()
        .iter()
        .filter(|resource| resource.storage.is_some())
        .map(|resource| resource.kind.as_str())
        .filter(|kind| !sampled.contains(*kind) && !ELSEWHERE.contains(kind))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn a_devices_taint_gets_the_time_that_is_given() {
    for sample in samples() {
        let mut tree = sample.tree;
        defaults::stamp(&mut tree, Time::from_seconds(1_700_000_000).unwrap());
        let text = String::from_utf8(json::to_vec(&tree)).unwrap();
        let stamped = text.contains("\"timeAdded\":\"2023-11-14T22:13:20Z\"");
        assert_eq!(
            stamped,
            matches!(sample.kind.as_str(), "DeviceTaintRule" | "ResourceSlice")
        );
    }
}

#[tokio::test]
async fn every_kind_is_defaulted_as_upstream_does() {
    let upstream =
        UpstreamApiserver::start(&["--disable-admission-plugins=ServiceAccount"]).unwrap();
    let target = Target::from_kubeconfig(&upstream.admin).unwrap();
    let mut connection = target.connect().await.unwrap();
    let mut agree: BTreeMap<String, usize> = BTreeMap::new();
    let mut differ = Vec::new();
    for sample in samples() {
        let (status, theirs) = create(&mut connection, &sample.path, sample.sent).await;
        if status != 201 {
            differ.push(format!(
                "{} {}: upstream refuses it: {theirs}",
                sample.kind, sample.name
            ));
            continue;
        }
        let mut tree = sample.tree;
        defaults::apply(&mut tree);
        let ours: Value = serde_json::from_slice(&json::to_vec(&tree)).unwrap();
        let mut found = Vec::new();
        differences(
            "",
            &without(ours, &sample.kind),
            &without(theirs, &sample.kind),
            &mut found,
        );
        if found.is_empty() {
            *agree.entry(sample.kind).or_default() += 1;
        } else {
            differ.extend(
                found
                    .into_iter()
                    .map(|line| format!("{} {} {line}", sample.kind, sample.name)),
            );
        }
    }
    println!("{} kinds agree: {agree:?}", agree.len());
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
