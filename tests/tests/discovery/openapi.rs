//! OpenAPI: every type and every operation as upstream publishes them.
//!
//! Deliberate differences, which [`normal`] and [`without_shared_parameters`] take away before comparing:
//! - descriptions: upstream's sentences are not copied; where nothing stands beside a reference, it needs no `allOf` around it
//! - OpenAPI 2.0 names shared parameters by a hash over their descriptions too: ours are others

use api::Schema;
use api::kinds::Kinds;
use apiserver::openapi::{Source, Subject, to_json, to_protobuf};
use serde_json::{Map, Value, json};

use super::diff::{assert_none, differences};
use super::gnostic;

const V2: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
const V3: &str = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";

/// Without descriptions, and without wrappers that stand there for their sake.
pub fn normal(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let kept = object
                .iter()
                .filter(|(key, value)| *key != "description" || !value.is_string());
            let object: Map<String, Value> = kept
                .map(|(key, value)| (key.clone(), normal(value)))
                .collect();
            match object.get("allOf").and_then(Value::as_array) {
                Some(list) if object.len() == 1 && list.len() == 1 => list[0].clone(),
                _ => Value::Object(object),
            }
        }
        Value::Array(list) => list.iter().map(normal).collect(),
        _ => value.clone(),
    }
}

/// Puts shared parameters where they are referred to.
fn without_shared_parameters(mut document: Value) -> Value {
    let shared = document
        .as_object_mut()
        .unwrap()
        .remove("parameters")
        .unwrap();
    fn resolve(value: &Value, shared: &Value) -> Value {
        if let Some(key) = value["$ref"]
            .as_str()
            .and_then(|r| r.strip_prefix("#/parameters/"))
        {
            assert!(shared[key].is_object(), "{key}");
            return shared[key].clone();
        }
        match value {
            Value::Object(object) => object
                .iter()
                .map(|(k, v)| (k.clone(), resolve(v, shared)))
                .collect(),
            Value::Array(list) => list.iter().map(|v| resolve(v, shared)).collect(),
            _ => value.clone(),
        }
    }
    resolve(&document, &shared)
}

#[tokio::test]
async fn every_type_and_operation_of_openapi_3_is_upstreams() {
    let (_upstream, mut connection) = super::upstream().await;
    let source = Source::new(Kinds::builtin(), Schema::builtin());
    let index = connection.get("/openapi/v3", "*/*").await.unwrap();
    let index: Value = serde_json::from_slice(index.body()).unwrap();
    let theirs: Vec<&String> = index["paths"].as_object().unwrap().keys().collect();
    let listed = Subject::listed(source.kinds);
    assert_eq!(
        theirs,
        listed.iter().map(|(name, _)| name).collect::<Vec<_>>()
    );
    let proto = gnostic::Proto::load("openapiv3/OpenAPIv3.proto");
    for (name, subject) in &listed {
        let document = source.document(subject);
        let path = format!("/openapi/v3/{name}");
        let theirs = connection.get(&path, "application/json").await.unwrap();
        let theirs: Value = serde_json::from_slice(theirs.body()).unwrap();
        let ours: Value = serde_json::from_slice(&to_json(&document, &source.names)).unwrap();
        assert_none(name, &differences(&normal(&theirs), &normal(&ours)));

        let theirs = connection.get(&path, V3).await.unwrap();
        let theirs = proto.decode("Document", theirs.body());
        let ours = proto.decode("Document", &to_protobuf(&document, &source.names));
        assert_none(
            name,
            &differences(&gnostic::normal(&theirs), &gnostic::normal(&ours)),
        );
    }
}

#[tokio::test]
async fn every_type_and_operation_of_openapi_2_is_upstreams() {
    let (_upstream, mut connection) = super::upstream().await;
    let source = Source::new(Kinds::builtin(), Schema::builtin());
    let document = source.document(&Subject::All);
    let theirs = connection
        .get("/openapi/v2", "application/json")
        .await
        .unwrap();
    let theirs: Value = serde_json::from_slice(theirs.body()).unwrap();
    let ours: Value = serde_json::from_slice(&to_json(&document, &source.names)).unwrap();
    let ours_resolved = normal(&without_shared_parameters(ours));
    assert_none(
        "v2",
        &differences(&normal(&without_shared_parameters(theirs)), &ours_resolved),
    );

    let proto = gnostic::Proto::load("openapiv2/OpenAPIv2.proto");
    let theirs = connection.get("/openapi/v2", V2).await.unwrap();
    let theirs = gnostic::normal(&proto.decode("Document", theirs.body()));
    let ours = gnostic::normal(&proto.decode("Document", &to_protobuf(&document, &source.names)));
    assert_none(
        "v2",
        &differences(
            &gnostic::without_shared(theirs),
            &gnostic::without_shared(ours),
        ),
    );
}

#[test]
fn descriptions_are_taken_away_but_not_fields_of_that_name() {
    let value =
        json!({ "description": "x", "properties": { "description": { "type": "string" } } });
    assert_eq!(
        normal(&value),
        json!({ "properties": { "description": { "type": "string" } } })
    );
}
