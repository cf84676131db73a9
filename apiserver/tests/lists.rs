//! Lists: pages of one revision, selectors, older revisions, media types.

mod common;

use std::time::Duration;

use common::{Answer, Client};
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

async fn fill(client: &Client, count: usize) {
    for i in 0..count {
        let labels = json!({ "third": (i % 3).to_string() });
        let object = json!({ "metadata": { "name": format!("m{i:03}"), "labels": labels }, "data": { "k": "v" } });
        client.post(MAPS, &object).await.ok();
    }
}

#[allow(clippy::unwrap_used)] // A test fails by it.
fn names(list: &Value) -> Vec<String> {
    list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn pages_are_of_one_revision_however_much_is_written_between_them() {
    let client = common::start().await;
    fill(&client, 25).await;
    let first = client.get(&format!("{MAPS}?limit=10")).await.ok();
    assert_eq!(first["metadata"]["remainingItemCount"], 15);
    let mut seen = names(&first);
    let mut token = first["metadata"]["continue"].as_str().unwrap().to_owned();
    let mut page = 0;
    while !token.is_empty() {
        // What is deleted stays on its page, what is new does not come onto one.
        client
            .delete(&format!("{MAPS}/m{:03}", 20 + page))
            .await
            .ok();
        client
            .post(
                MAPS,
                &json!({ "metadata": { "name": format!("m{:03}x", 15 + page) } }),
            )
            .await
            .ok();
        let next = client
            .get(&format!("{MAPS}?limit=10&continue={token}"))
            .await
            .ok();
        assert_eq!(
            next["metadata"]["resourceVersion"],
            first["metadata"]["resourceVersion"]
        );
        seen.extend(names(&next));
        token = next["metadata"]["continue"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        page += 1;
    }
    assert_eq!(
        seen,
        (0..25).map(|i| format!("m{i:03}")).collect::<Vec<_>>()
    );
}

/// What the token leads to that comes with a refusal.
#[allow(clippy::unwrap_used)] // A test fails by it.
async fn rest(client: &Client, refused: &Answer) -> Vec<String> {
    let refusal = refused.json();
    let go_on = refusal["metadata"]["continue"].as_str().unwrap();
    let page = format!("{MAPS}?limit=9&continue={go_on}");
    names(&client.get(&page).await.ok())
}

#[tokio::test]
async fn a_token_from_before_the_last_compaction_is_expired_though_nothing_has_changed() {
    let client = common::start_with(|config| config.compaction = Duration::from_millis(20)).await;
    fill(&client, 4).await;
    let first = client.get(&format!("{MAPS}?limit=2")).await.ok();
    let revision = first["metadata"]["resourceVersion"].as_str().unwrap();
    let token = first["metadata"]["continue"].as_str().unwrap();
    let limit = tokio::time::Instant::now() + Duration::from_secs(20);
    let expired = loop {
        // The log moves on, elsewhere.
        let secret = json!({ "metadata": { "generateName": "s" } });
        client
            .post("/api/v1/namespaces/default/secrets", &secret)
            .await
            .ok();
        let answer = client
            .get(&format!("{MAPS}?limit=1&continue={token}"))
            .await;
        if answer.code == 410 {
            break answer;
        }
        assert_eq!(names(&answer.ok()), ["m002"]);
        assert!(tokio::time::Instant::now() < limit, "it does not expire");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(rest(&client, &expired).await, ["m002", "m003"]);
    let exact = format!("{MAPS}?resourceVersion={revision}&resourceVersionMatch=Exact&limit=9");
    assert_eq!(client.get(&exact).await.refused().0, 410);
}

#[tokio::test]
async fn an_expired_token_says_how_to_go_on() {
    let client = common::start_with(|config| config.history = 100_000).await;
    fill(&client, 5).await;
    let first = client.get(&format!("{MAPS}?limit=2")).await.ok();
    let token = first["metadata"]["continue"].as_str().unwrap();
    for i in 0..200 {
        let data = json!({ "k": format!("{i}{}", "x".repeat(2000)) });
        client
            .put(
                &format!("{MAPS}/m000"),
                &json!({ "metadata": { "name": "m000" }, "data": data }),
            )
            .await
            .ok();
    }
    let answer = client
        .get(&format!("{MAPS}?limit=2&continue={token}"))
        .await;
    // The rest, as it is now.
    assert_eq!(rest(&client, &answer).await, ["m002", "m003", "m004"]);
    let (code, reason, message) = answer.refused();
    assert_eq!((code, reason.as_str()), (410, "Expired"));
    assert!(message.starts_with(
        "The provided continue parameter is too old to display a consistent list result."
    ));
}

#[tokio::test]
async fn a_list_can_be_of_an_older_revision() {
    let client = common::start().await;
    fill(&client, 3).await;
    let then = client.get(MAPS).await.ok();
    let revision = then["metadata"]["resourceVersion"].as_str().unwrap();
    client.delete(&format!("{MAPS}/m001")).await.ok();
    client
        .put(
            &format!("{MAPS}/m000"),
            &json!({ "metadata": { "name": "m000" }, "data": { "k": "new" } }),
        )
        .await
        .ok();
    let exact = client
        .get(&format!(
            "{MAPS}?resourceVersion={revision}&resourceVersionMatch=Exact"
        ))
        .await
        .ok();
    assert_eq!(exact, then);
    let newer = client
        .get(&format!("{MAPS}?resourceVersion={revision}"))
        .await
        .ok();
    assert_eq!(names(&newer), ["m000", "m002"]);
}

#[tokio::test]
async fn selectors_select() {
    let client = common::start().await;
    fill(&client, 9).await;
    client
        .post(
            "/api/v1/namespaces",
            &json!({ "metadata": { "name": "other" } }),
        )
        .await
        .ok();
    client
        .post(
            "/api/v1/namespaces/other/configmaps",
            &json!({ "metadata": { "name": "m000" } }),
        )
        .await
        .ok();
    for (query, want) in [
        ("?labelSelector=third%3D1", vec!["m001", "m004", "m007"]),
        ("?labelSelector=third%3D1&limit=2", vec!["m001", "m004"]),
        (
            "?labelSelector=third+in+(0,2)",
            vec!["m000", "m002", "m003", "m005", "m006", "m008"],
        ),
        (
            "?labelSelector=third+notin+(0,2)",
            vec!["m001", "m004", "m007"],
        ),
        ("?labelSelector=!third", vec![]),
        ("?labelSelector=third%3D1,nothing%3Dx", vec![]),
        ("?fieldSelector=metadata.name%3Dm004", vec!["m004"]),
        (
            "?fieldSelector=metadata.name%3Dm004,metadata.namespace%3Dother",
            vec![],
        ),
        (
            "?fieldSelector=metadata.name%21%3Dm004&labelSelector=third%3D1",
            vec!["m001", "m007"],
        ),
    ] {
        let list = client.get(&format!("{MAPS}{query}")).await.ok();
        assert_eq!(names(&list), want, "{query}");
    }
    let all = client
        .get("/api/v1/configmaps?fieldSelector=metadata.name%3Dm000")
        .await
        .ok();
    let spaces: Vec<_> = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["metadata"]["namespace"].clone())
        .collect();
    assert_eq!(spaces, ["default", "other"]);
}

#[tokio::test]
async fn every_media_type_shows_the_same() {
    let client = common::start().await;
    fill(&client, 300).await;
    let json = client.get(MAPS).await.ok();
    assert_eq!(names(&json).len(), 300);
    let protobuf = client
        .accept(MAPS, "application/vnd.kubernetes.protobuf")
        .await;
    let unknown = api::codec::protobuf::unwrap_unknown(&protobuf.bytes).unwrap();
    assert_eq!(
        (unknown.api_version.as_str(), unknown.kind.as_str()),
        ("v1", "ConfigMapList")
    );
    let schema = api::Schema::builtin();
    let ty = schema.type_of_kind("", "v1", "ConfigMapList").unwrap();
    let mut tree =
        api::codec::protobuf::decode(schema, ty, protobuf.bytes[unknown.raw].to_vec()).unwrap();
    apiserver::registry::meta::set(&mut tree.root_mut(), "kind", "ConfigMapList");
    apiserver::registry::meta::set(&mut tree.root_mut(), "apiVersion", "v1");
    let back: Value = serde_json::from_slice(&api::codec::json::to_vec(&tree)).unwrap();
    assert_eq!(back, json);
    let yaml = client
        .accept(&format!("{MAPS}?limit=3"), "application/yaml")
        .await;
    let parsed =
        api::codec::yaml::to_json(&yaml.bytes, &mut api::codec::json::Strict::new()).unwrap();
    let parsed: Value = serde_json::from_slice(&parsed).unwrap();
    assert_eq!(names(&parsed), ["m000", "m001", "m002"]);
    let pretty = client.get(&format!("{MAPS}?pretty=true")).await;
    assert_eq!(pretty.json(), json);
    assert!(
        pretty
            .text()
            .starts_with("{\n  \"kind\": \"ConfigMapList\",\n")
    );
}

#[tokio::test]
async fn metadata_alone_can_be_listed() {
    let client = common::start().await;
    fill(&client, 2).await;
    let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let list = client.accept(MAPS, accept).await.ok();
    assert_eq!(
        (list["kind"].as_str(), list["apiVersion"].as_str()),
        (Some("PartialObjectMetadataList"), Some("meta.k8s.io/v1"))
    );
    assert_eq!(list["items"][0]["kind"], "PartialObjectMetadata");
    assert_eq!(list["items"][0]["metadata"]["labels"]["third"], "0");
    assert!(list["items"][0].get("data").is_none());
    let accept =
        "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let protobuf = client.accept(MAPS, accept).await;
    let unknown = api::codec::protobuf::unwrap_unknown(&protobuf.bytes).unwrap();
    assert_eq!(unknown.kind, "PartialObjectMetadataList");
}

#[tokio::test]
async fn a_table_has_columns_and_a_row_an_object() {
    let client = common::start().await;
    fill(&client, 2).await;
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let table = client.accept(MAPS, accept).await.ok();
    assert_eq!(table["kind"], "Table");
    assert_eq!(table["columnDefinitions"][0]["name"], "Name");
    assert_eq!(table["rows"][1]["cells"][0], "m001");
    assert_eq!(table["rows"][1]["object"]["kind"], "PartialObjectMetadata");
    let none = client
        .accept(&format!("{MAPS}?includeObject=None"), accept)
        .await
        .ok();
    assert_eq!(none["rows"][0]["object"], Value::Null);
    let whole = client
        .accept(&format!("{MAPS}/m000?includeObject=Object"), accept)
        .await
        .ok();
    assert_eq!(whole["rows"][0]["object"]["data"]["k"], "v");
}

#[tokio::test]
async fn readers_of_the_same_versions_share_their_encodings() {
    let client = common::start().await;
    fill(&client, 50).await;
    client.get(MAPS).await.ok();
    let before = client.server.api.cache.encodings();
    for _ in 0..10 {
        client.get(MAPS).await.ok();
        client.get(&format!("{MAPS}/m007")).await.ok();
    }
    assert_eq!(client.server.api.cache.encodings(), before);
}
