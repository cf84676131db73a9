//! Watches: what they tell, when they end, and what they cost.

mod common;

use std::time::Duration;

use axum::body::Body;
use common::Client;
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

async fn put(client: &Client, name: &str, labels: Value, value: &str) -> Value {
    let object = json!({ "metadata": { "name": name, "labels": labels }, "data": { "k": value } });
    let answer = client.put(&format!("{MAPS}/{name}"), &object).await;
    match answer.code {
        404 => client.post(MAPS, &object).await.ok(),
        _ => answer.ok(),
    }
}

fn step(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), name.to_owned())
}

#[tokio::test]
async fn an_object_that_leaves_a_selection_is_deleted_to_its_watcher() {
    let client = common::start().await;
    let mut watch = client
        .watch(&format!("{MAPS}?watch=1&labelSelector=app%3Dx"))
        .await;
    put(&client, "a", json!({ "app": "y" }), "1").await;
    put(&client, "a", json!({ "app": "x" }), "2").await;
    put(&client, "a", json!({ "app": "x" }), "3").await;
    let left = put(&client, "a", json!({ "app": "y" }), "4").await;
    put(&client, "b", json!({ "app": "x" }), "5").await;
    assert_eq!(watch.step().await, step("ADDED", "a"));
    assert_eq!(watch.step().await, step("MODIFIED", "a"));
    let gone = watch.next().await.unwrap();
    assert_eq!(gone["type"], "DELETED");
    // As it was when it was selected, at the revision at which it left.
    assert_eq!(gone["object"]["data"]["k"], "3");
    assert_eq!(
        gone["object"]["metadata"]["resourceVersion"],
        left["metadata"]["resourceVersion"]
    );
    assert_eq!(watch.step().await, step("ADDED", "b"));
}

#[tokio::test]
async fn a_watch_goes_on_where_a_list_ended() {
    let client = common::start().await;
    put(&client, "a", json!({}), "1").await;
    let revision = client.get(MAPS).await.ok()["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned();
    put(&client, "b", json!({}), "1").await;
    client.delete(&format!("{MAPS}/a")).await.ok();
    let mut watch = client
        .watch(&format!("{MAPS}?watch=1&resourceVersion={revision}"))
        .await;
    assert_eq!(watch.step().await, step("ADDED", "b"));
    assert_eq!(watch.step().await, step("DELETED", "a"));
}

#[tokio::test]
async fn a_watch_list_marks_the_end_of_what_was_there() {
    let client = common::start().await;
    put(&client, "a", json!({}), "1").await;
    put(&client, "b", json!({}), "1").await;
    let query =
        "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = client.watch(&format!("{MAPS}?{query}")).await;
    assert_eq!(watch.step().await, step("ADDED", "a"));
    assert_eq!(watch.step().await, step("ADDED", "b"));
    let mark = watch.next().await.unwrap();
    assert_eq!(mark["type"], "BOOKMARK");
    assert_eq!(
        mark["object"]["metadata"]["annotations"],
        json!({ "k8s.io/initial-events-end": "true" })
    );
    let list = client.get(MAPS).await.ok();
    assert_eq!(
        mark["object"]["metadata"]["resourceVersion"],
        list["metadata"]["resourceVersion"]
    );
    put(&client, "c", json!({}), "1").await;
    assert_eq!(watch.step().await, step("ADDED", "c"));
}

#[tokio::test(start_paused = true)]
async fn an_idle_watcher_is_told_how_far_the_server_has_come() {
    let client = common::start().await;
    let mut watch = client
        .watch(&format!(
            "{MAPS}?watch=1&allowWatchBookmarks=true&timeoutSeconds=100"
        ))
        .await;
    // Others' writes do not wake the watcher, but move it on.
    client
        .post(
            "/api/v1/namespaces",
            &json!({ "metadata": { "name": "other" } }),
        )
        .await
        .ok();
    let before = tokio::time::Instant::now();
    let mark = watch.next().await.unwrap();
    assert_eq!(mark["type"], "BOOKMARK");
    assert_eq!(before.elapsed().as_secs(), 60);
    let list = client.get(MAPS).await.ok();
    assert_eq!(
        mark["object"]["metadata"]["resourceVersion"],
        list["metadata"]["resourceVersion"]
    );
    // Once more just before the end.
    assert_eq!(watch.next().await.unwrap()["type"], "BOOKMARK");
    assert_eq!(before.elapsed().as_secs(), 98);
    assert_eq!(watch.next().await, None);
    assert_eq!(before.elapsed().as_secs(), 100);
}

#[tokio::test]
async fn beyond_history_a_watch_is_told_to_list_again() {
    let client = common::start_with(|config| config.history = 100_000).await;
    let revision = put(&client, "a", json!({}), "0").await["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned();
    for i in 0..200 {
        put(&client, "a", json!({}), &format!("{i}{}", "x".repeat(2000))).await;
    }
    let mut watch = client
        .watch(&format!("{MAPS}?watch=1&resourceVersion={revision}"))
        .await;
    let error = watch.next().await.unwrap();
    assert_eq!(error["type"], "ERROR");
    assert_eq!(
        (&error["object"]["code"], &error["object"]["reason"]),
        (&json!(410), &json!("Expired"))
    );
    let message = error["object"]["message"].as_str().unwrap();
    assert!(
        message.starts_with(&format!("too old resource version: {revision} (")),
        "{message}"
    );
    assert_eq!(watch.next().await, None);
}

#[tokio::test]
async fn a_hundred_watchers_cost_one_encoding_a_version_and_media_type() {
    let client = common::start().await;
    let mut watches = Vec::new();
    for _ in 0..100 {
        watches.push(client.watch(&format!("{MAPS}?watch=1")).await);
    }
    let before = client.server.api.cache.encodings();
    for i in 0..20 {
        put(&client, "a", json!({}), &i.to_string()).await;
    }
    for watch in &mut watches {
        for _ in 0..20 {
            assert_eq!(watch.step().await.1, "a");
        }
    }
    // The writer's answer is the same rendering.
    assert_eq!(client.server.api.cache.encodings() - before, 20);
}

#[tokio::test]
async fn a_watcher_that_does_not_read_misses_nothing() {
    let client = common::start().await;
    let mut watch = client.watch(&format!("{MAPS}?watch=1")).await;
    for i in 0..2000 {
        put(&client, "a", json!({}), &i.to_string()).await;
    }
    for i in 0..2000 {
        let event = watch.next().await.unwrap();
        assert_eq!(event["object"]["data"]["k"], i.to_string().as_str());
    }
}

#[tokio::test]
async fn protobuf_events_are_framed_by_their_length() {
    let client = common::start().await;
    put(&client, "a", json!({ "app": "x" }), "1").await;
    let request = Request::get(format!("{MAPS}?watch=1"))
        .header("accept", "application/vnd.kubernetes.protobuf;stream=watch")
        .body(Body::empty())
        .unwrap();
    let response = client.send(request).await;
    assert_eq!(
        response.headers()["content-type"],
        "application/vnd.kubernetes.protobuf;stream=watch"
    );
    let mut body = response.into_body();
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let length = u32::from_be_bytes(frame[..4].try_into().unwrap()) as usize;
    assert_eq!(frame.len(), 4 + length);
    let event = &frame[4..];
    assert_eq!(&event[..7], b"\x0a\x05ADDED");
    // Field 2 is a RawExtension whose field 1 is the enveloped object.
    let start = event.windows(4).position(|w| w == b"k8s\0").unwrap();
    let unknown = api::codec::protobuf::unwrap_unknown(&event[start..]).unwrap();
    assert_eq!(
        (unknown.api_version.as_str(), unknown.kind.as_str()),
        ("v1", "ConfigMap")
    );
    let raw = event[start..][unknown.raw].to_vec();
    let tree =
        api::codec::protobuf::decode(api::Schema::builtin(), api::core::v1::ConfigMap::TYPE, raw)
            .unwrap();
    let map = api::core::v1::ConfigMap::of(&tree);
    assert_eq!(map.data().get("k"), Some("1"));
    let want = client.get(&format!("{MAPS}/a")).await.ok();
    assert_eq!(
        map.metadata().resource_version(),
        want["metadata"]["resourceVersion"].as_str().unwrap()
    );
}

#[tokio::test]
async fn a_watch_may_be_asked_for_longer_than_clocks_run() {
    let client = common::start().await;
    let seconds = i64::MAX;
    let mut watch = client
        .watch(&format!("{MAPS}?watch=1&timeoutSeconds={seconds}"))
        .await;
    put(&client, "m", json!({}), "v").await;
    assert_eq!(watch.step().await, ("ADDED".to_owned(), "m".to_owned()));
}

#[tokio::test]
async fn a_watch_ends_when_the_server_drains() {
    let client = common::start().await;
    let mut watch = client.watch(&format!("{MAPS}?watch=1")).await;
    client.server.draining.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(5), watch.next()).await;
    assert_eq!(ended.expect("it ends"), None);
}

#[tokio::test]
async fn pods_are_watched_by_their_node() {
    let client = common::start().await;
    let pods = "/api/v1/namespaces/default/pods";
    let mut watch = client
        .watch("/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3Dn1")
        .await;
    for (name, node) in [("a", "n2"), ("b", "n1"), ("c", "")] {
        let spec = json!({ "nodeName": node, "containers": [{ "name": "c", "image": "x" }] });
        client
            .post(pods, &json!({ "metadata": { "name": name }, "spec": spec }))
            .await
            .ok();
    }
    let binding =
        json!({ "metadata": { "name": "c" }, "target": { "kind": "Node", "name": "n1" } });
    client
        .post(&format!("{pods}/c/binding"), &binding)
        .await
        .ok();
    client
        .delete(&format!("{pods}/b?gracePeriodSeconds=0"))
        .await
        .ok();
    assert_eq!(watch.step().await, step("ADDED", "b"));
    assert_eq!(watch.step().await, step("ADDED", "c"));
    assert_eq!(watch.step().await, step("MODIFIED", "b"));
    assert_eq!(watch.step().await, step("DELETED", "b"));
}
