//! Patches on real kinds, by the schema's merge keys.

#![allow(clippy::unwrap_used, reason = "a test may")]

use api::codec::json::{self, Strict};
use api::{Schema, Tree, patch};
use serde_json::{Value, json};

fn tree(kind: (&str, &str, &str), object: &Value) -> Tree {
    let schema = Schema::builtin();
    let ty = schema.type_of_kind(kind.0, kind.1, kind.2).unwrap();
    let mut strict = Strict::new();
    let tree = json::decode(schema, ty, object.to_string().into_bytes(), &mut strict).unwrap();
    assert!(strict.is_empty(), "{:?}", strict.errors());
    tree
}

fn pod() -> Tree {
    tree(
        ("", "v1", "Pod"),
        &json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"a": "1", "b": "2"}, "finalizers": ["x/one", "x/two"]},
            "spec": {"containers": [{"name": "a", "image": "a:1", "ports": [{"containerPort": 80}]}, {"name": "b", "image": "b:1"}],
                "volumes": [{"name": "v", "emptyDir": {}}]}}),
    )
}

fn as_json(tree: &Tree) -> Value {
    serde_json::from_slice(&json::to_vec(tree)).unwrap()
}

fn strategic(patch: &Value) -> Result<Value, String> {
    patch::strategic(&pod(), patch.to_string().as_bytes(), &mut Strict::new())
        .map(|tree| as_json(&tree))
        .map_err(|error| error.to_string())
}

#[test]
fn containers_merge_by_name() {
    let merged = strategic(&json!({"spec": {"containers": [{"name": "b", "image": "b:2"}, {"name": "c", "image": "c:1"}]}})).unwrap();
    let containers = &merged["spec"]["containers"];
    let images: Vec<_> = containers
        .as_array()
        .unwrap()
        .iter()
        .map(|container| container["image"].as_str().unwrap())
        .collect();
    assert_eq!(images, ["a:1", "b:2", "c:1"]);
    assert_eq!(containers[0]["ports"][0]["containerPort"], 80);
}

#[test]
fn an_element_is_deleted_by_its_key() {
    let merged =
        strategic(&json!({"spec": {"containers": [{"name": "a", "$patch": "delete"}]}})).unwrap();
    assert_eq!(merged["spec"]["containers"].as_array().unwrap().len(), 1);
    assert_eq!(merged["spec"]["containers"][0]["name"], "b");
}

#[test]
fn lists_and_maps_can_be_replaced_whole() {
    let merged = strategic(
        &json!({"metadata": {"labels": {"$patch": "replace", "c": "3"}},
        "spec": {"containers": [{"$patch": "replace"}, {"name": "z", "image": "z:1"}]}}),
    )
    .unwrap();
    assert_eq!(merged["metadata"]["labels"], json!({"c": "3"}));
    assert_eq!(merged["spec"]["containers"].as_array().unwrap().len(), 1);
}

#[test]
fn an_order_can_be_set() {
    let merged = strategic(
        &json!({"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}}),
    )
    .unwrap();
    assert_eq!(merged["spec"]["containers"][0]["name"], "b");
    let error = strategic(&json!({"spec": {
        "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
        "containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}],
    }}))
    .unwrap_err();
    assert!(
        error.contains("doesn't match $setElementOrder list"),
        "{error}"
    );
}

#[test]
fn lists_of_scalars_merge_and_lose_elements() {
    let merged = strategic(&json!({"metadata": {"finalizers": ["x/three"]}})).unwrap();
    assert_eq!(
        merged["metadata"]["finalizers"],
        json!(["x/three", "x/one", "x/two"])
    );
    let merged =
        strategic(&json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["x/one"]}}))
            .unwrap();
    assert_eq!(merged["metadata"]["finalizers"], json!(["x/two"]));
}

#[test]
fn retained_keys_clear_the_others() {
    let merged =
        strategic(&json!({"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}}))
            .unwrap();
    assert_eq!(
        merged["spec"]["volumes"],
        json!([{"name": "v", "hostPath": {"path": "/x"}}])
    );
}

#[test]
fn a_list_without_merge_strategy_is_replaced() {
    let merged =
        strategic(&json!({"spec": {"containers": [{"name": "a", "args": ["x"]}]}})).unwrap();
    assert_eq!(merged["spec"]["containers"][0]["args"], json!(["x"]));
}

#[test]
fn null_deletes_and_nulls_in_what_is_new_are_left_out() {
    let merged = strategic(
        &json!({"metadata": {"labels": {"a": null}, "annotations": {"x": "y", "z": null}}}),
    )
    .unwrap();
    assert_eq!(merged["metadata"]["labels"], json!({"b": "2"}));
    assert_eq!(merged["metadata"]["annotations"], json!({"x": "y"}));
}

#[test]
fn unknown_fields_are_reported_with_their_path() {
    let mut strict = Strict::new();
    patch::merge(&pod(), br#"{"spec":{"nonsense":1}}"#, &mut strict).unwrap();
    assert_eq!(
        strict.errors()[0].to_string(),
        "unknown field \"spec.nonsense\""
    );
}

#[test]
fn what_is_no_patch_is_malformed() {
    for bad in [&b"{"[..], b"[]", b"7", b"\"x\""] {
        assert!(matches!(
            patch::strategic(&pod(), bad, &mut Strict::new()),
            Err(patch::PatchError::Malformed(_))
        ));
        assert!(matches!(
            patch::merge(&pod(), bad, &mut Strict::new()),
            Err(patch::PatchError::Malformed(_))
        ));
    }
    assert!(matches!(
        patch::json(&pod(), b"{}", &mut Strict::new()),
        Err(patch::PatchError::Malformed(_))
    ));
    let many = json!(vec![
        json!({"op": "test", "path": "", "value": null});
        patch::MAX_OPERATIONS + 1
    ])
    .to_string();
    assert!(matches!(
        patch::json(&pod(), many.as_bytes(), &mut Strict::new()),
        Err(patch::PatchError::TooManyOperations(_))
    ));
}

#[test]
fn a_result_that_is_no_object_of_its_kind_is_refused() {
    let error = patch::json(
        &pod(),
        br#"[{"op":"replace","path":"/spec/containers","value":7}]"#,
        &mut Strict::new(),
    )
    .unwrap_err();
    assert!(matches!(error, patch::PatchError::Decode { .. }), "{error}");
}
