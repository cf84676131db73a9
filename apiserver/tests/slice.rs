//! One object's way through every verb, over the in-process server.
#![allow(clippy::unwrap_used)] // Tests may.

mod common;

use api::codec;
use api::kinds::Resource;
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const OBJECTS: &str = include_str!("../../tests/tests/defaults/objects.yaml");

#[tokio::test]
async fn an_object_is_created_read_listed_watched_updated_and_deleted() {
    let client = common::start().await;
    let mut watch = client.watch(&format!("{MAPS}?watch=1")).await;

    let map =
        json!({ "metadata": { "name": "a", "labels": { "app": "x" } }, "data": { "k": "v" } });
    let made = client.post(MAPS, &map).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let made = made.json();
    assert_eq!(made["kind"], "ConfigMap");
    assert_eq!(made["apiVersion"], "v1");
    assert_eq!(made["metadata"]["namespace"], "default");
    assert_eq!(made["metadata"]["uid"].as_str().unwrap().len(), 36);
    assert!(made["metadata"]["creationTimestamp"].is_string());
    assert_eq!(watch.step().await, ("ADDED".into(), "a".into()));

    let (code, reason, message) = client.post(MAPS, &map).await.refused();
    assert_eq!(
        (code, reason.as_str(), message.as_str()),
        (409, "AlreadyExists", "configmaps \"a\" already exists")
    );

    let read = client.get(&format!("{MAPS}/a")).await.ok();
    assert_eq!(read, made);

    let list = client
        .get(&format!("{MAPS}?labelSelector=app%3Dx"))
        .await
        .ok();
    assert_eq!(list["kind"], "ConfigMapList");
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["data"]["k"], "v");
    assert!(list["items"][0].get("kind").is_none());
    let none = client
        .get(&format!("{MAPS}?labelSelector=app%3Dy"))
        .await
        .ok();
    assert_eq!(none["items"], json!([]));

    let mut changed = read.clone();
    changed["data"]["k"] = "w".into();
    let updated = client.put(&format!("{MAPS}/a"), &changed).await.ok();
    assert_eq!(updated["data"]["k"], "w");
    assert_ne!(
        updated["metadata"]["resourceVersion"],
        made["metadata"]["resourceVersion"]
    );
    assert_eq!(updated["metadata"]["uid"], made["metadata"]["uid"]);
    assert_eq!(watch.step().await, ("MODIFIED".into(), "a".into()));

    // The version that was read is not the latest any more.
    let (code, _, message) = client.put(&format!("{MAPS}/a"), &changed).await.refused();
    assert_eq!(code, 409);
    assert_eq!(
        message,
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the \
         latest version and try again"
    );
    // What changes nothing is not written.
    let again = client.put(&format!("{MAPS}/a"), &updated).await.ok();
    assert_eq!(again, updated);

    let gone = client.delete(&format!("{MAPS}/a")).await.ok();
    assert_eq!(gone["status"], "Success");
    assert_eq!(
        gone["details"],
        json!({ "name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"] })
    );
    let event = watch.next().await.unwrap();
    assert_eq!(
        (&event["type"], &event["object"]["data"]["k"]),
        (&json!("DELETED"), &json!("w"))
    );
    assert_ne!(
        event["object"]["metadata"]["resourceVersion"],
        updated["metadata"]["resourceVersion"]
    );
    let (code, _, message) = client.get(&format!("{MAPS}/a")).await.refused();
    assert_eq!(
        (code, message.as_str()),
        (404, "configmaps \"a\" not found")
    );
}

/// Of these the least needs keys: `certificates.rs`, `trust_bundles.rs` and `pod_certificates.rs` make them.
const KEYED: &[&str] = &[
    "certificatesigningrequests",
    "clustertrustbundles",
    "podcertificaterequests",
];

/// The least that is accepted of a kind, as the test of defaults has it for every kind; of others a name.
fn least(resource: &Resource) -> Value {
    let api_version = resource.api_version();
    let given = OBJECTS
        .split("\n---\n")
        .map(|text| codec::yaml::to_json(text.as_bytes(), &mut codec::json::Strict::new()).unwrap())
        .map(|json| serde_json::from_slice::<Value>(&json).unwrap())
        .find(|object| object["kind"] == *resource.kind && object["apiVersion"] == *api_version);
    given.unwrap_or_else(
        || json!({ "kind": resource.kind, "apiVersion": api_version, "metadata": { "name": "minimal" } }),
    )
}

#[tokio::test]
async fn every_built_in_kind_can_be_made_and_read_as_json_and_protobuf() {
    let client = common::start().await;
    let mut refused = Vec::new();
    for resource in api::kinds::Kinds::builtin().resources() {
        if resource.storage.is_none() || KEYED.contains(&resource.name.as_str()) {
            continue;
        }
        let base = match resource.group.as_str() {
            "" => format!("/api/{}", resource.version),
            group => format!("/apis/{group}/{}", resource.version),
        };
        let namespace = if resource.namespaced {
            "/namespaces/default"
        } else {
            ""
        };
        let path = format!("{base}{namespace}/{}", resource.name);
        let mut object = least(resource);
        if object["metadata"]["name"] == "minimal" {
            let group = resource.group.replace('.', "-");
            let name = format!("x-{group}-{}", resource.version).replace("--", "-");
            object["metadata"]["name"] = name.into();
        }
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let created = client.post(&path, &object).await;
        if created.code != 201 {
            refused.push(format!("{path}: {}", created.text()));
            continue;
        }
        assert_eq!(created.json()["kind"], resource.kind.as_str());
        let read = client
            .accept(
                &format!("{path}/{name}"),
                "application/vnd.kubernetes.protobuf",
            )
            .await;
        assert!(read.bytes.starts_with(b"k8s\0"), "{path}");
        let listed = client.get(&path).await.ok();
        let names: Vec<_> = listed["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| i["metadata"]["name"].clone())
            .collect();
        assert!(names.contains(&json!(name)), "{path}: {names:?}");
    }
    assert_eq!(refused, [""; 0]);
}
