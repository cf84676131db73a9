//! Field ownership on real kinds. The expected sets and messages are those that upstream's v1.37.1 answers.

#![allow(clippy::unwrap_used, reason = "a test may")]

use api::apply::{self, ApplyError, FieldSet, Writer};
use api::codec::json::{self, Strict};
use api::{Schema, Time, Tree, view};
use serde_json::{Value, json};

fn status() -> FieldSet {
    FieldSet::of_paths(&[&["status"]])
}

fn writer<'a>(manager: &'a str, ignored: &'a FieldSet, second: i64) -> Writer<'a> {
    Writer {
        manager,
        api_version: "apps/v1",
        subresource: "",
        ignored,
        now: Time::from_seconds(1_000_000 + second).unwrap(),
    }
}

fn deployment(value: &Value) -> Tree {
    let schema = Schema::builtin();
    let ty = schema.type_of_kind("apps", "v1", "Deployment").unwrap();
    json::decode(
        schema,
        ty,
        value.to_string().into_bytes(),
        &mut Strict::new(),
    )
    .unwrap()
}

fn empty() -> Tree {
    deployment(
        &json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "a"}}),
    )
}

fn config(replicas: Option<i64>, image: &str) -> Value {
    let mut config = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "a", "labels": {"app": "web"}},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": image, "ports": [{"containerPort": 80}]}]}}}});
    if let Some(replicas) = replicas {
        config["spec"]["replicas"] = replicas.into();
    }
    config
}

fn apply(
    live: &Tree,
    config: &Value,
    manager: &str,
    second: i64,
    force: bool,
) -> Result<Tree, ApplyError> {
    apply::apply(
        live,
        config.to_string().as_bytes(),
        &writer(manager, &status(), second),
        force,
    )
}

fn as_json(tree: &Tree) -> Value {
    serde_json::from_slice(&json::to_vec(tree)).unwrap()
}

fn owned(tree: &Tree, manager: &str) -> Value {
    let object = as_json(tree);
    let entries = object["metadata"]["managedFields"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    entries
        .into_iter()
        .find(|entry| entry["manager"] == manager)
        .map(|entry| entry["fieldsV1"].clone())
        .unwrap_or_default()
}

#[test]
fn an_applier_owns_what_its_configuration_says() {
    let object = apply(&empty(), &config(Some(3), "x:1"), "ctl", 0, false).unwrap();
    assert_eq!(
        owned(&object, "ctl"),
        json!({"f:metadata": {"f:labels": {"f:app": {}}}, "f:spec": {"f:replicas": {}, "f:selector": {},
            "f:template": {"f:metadata": {"f:labels": {"f:app": {}}}, "f:spec": {"f:containers": {"k:{\"name\":\"c\"}":
                {".": {}, "f:image": {}, "f:name": {}, "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}}}}}})
    );
    let entry = &as_json(&object)["metadata"]["managedFields"][0];
    assert_eq!(entry["operation"], "Apply");
    assert_eq!(entry["time"], "1970-01-12T13:46:40Z");
}

#[test]
fn an_updater_owns_what_it_changed() {
    let object = apply(&empty(), &config(Some(3), "x:1"), "ctl", 0, false).unwrap();
    let mut changed = as_json(&object);
    changed["spec"]["replicas"] = 5.into();
    changed["metadata"]["annotations"] = json!({"k": "v"});
    let mut changed = deployment(&changed);
    apply::update(Some(&object), &mut changed, &writer("edit", &status(), 1));
    assert_eq!(
        owned(&changed, "edit"),
        json!({"f:metadata": {"f:annotations": {".": {}, "f:k": {}}}, "f:spec": {"f:replicas": {}}})
    );
    assert!(owned(&changed, "ctl")["f:spec"].get("f:replicas").is_none());
}

#[test]
fn a_field_of_another_manager_is_a_conflict_unless_forced() {
    let object = apply(&empty(), &config(Some(3), "x:1"), "ctl", 0, false).unwrap();
    let mut changed = as_json(&object);
    changed["spec"]["replicas"] = 5.into();
    let mut changed = deployment(&changed);
    apply::update(Some(&object), &mut changed, &writer("edit", &status(), 1));
    let error = apply(&changed, &config(Some(3), "x:1"), "ctl", 2, false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 1 conflict: conflict with \"edit\" using apps/v1: .spec.replicas"
    );
    let forced = apply(&changed, &config(Some(3), "x:1"), "ctl", 2, true).unwrap();
    assert_eq!(as_json(&forced)["spec"]["replicas"], 3);
    assert_eq!(owned(&forced, "edit"), Value::Null);
}

#[test]
fn the_same_value_is_shared_without_conflict() {
    let object = apply(&empty(), &config(Some(3), "x:1"), "ctl", 0, false).unwrap();
    let shared = apply(&object, &config(Some(3), "x:1"), "other", 1, false).unwrap();
    assert_eq!(owned(&shared, "ctl"), owned(&shared, "other"));
}

#[test]
fn what_is_applied_no_more_is_removed_unless_another_owns_it() {
    let object = apply(&empty(), &config(Some(3), "x:1"), "ctl", 0, false).unwrap();
    let fewer = apply(&object, &config(None, "x:1"), "ctl", 1, false).unwrap();
    assert!(as_json(&fewer)["spec"].get("replicas").is_none());
    let shared = apply(&object, &config(Some(3), "x:1"), "other", 1, false).unwrap();
    let kept = apply(&shared, &config(None, "x:1"), "ctl", 2, false).unwrap();
    assert_eq!(as_json(&kept)["spec"]["replicas"], 3);
}

#[test]
fn list_elements_of_two_appliers_stand_side_by_side() {
    let object = apply(&empty(), &config(Some(3), "x:1"), "ctl", 0, false).unwrap();
    let sidecar = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"template": {"spec": {"containers": [{"name": "side", "image": "s:1"}]}}}});
    let both = apply(&object, &sidecar, "mesh", 1, false).unwrap();
    let names = |tree: &Tree| -> Vec<String> {
        let object = as_json(tree);
        let containers = object["spec"]["template"]["spec"]["containers"]
            .as_array()
            .unwrap()
            .clone();
        containers
            .iter()
            .map(|container| container["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&both), ["c", "side"]);
    let without =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}});
    assert_eq!(
        names(&apply(&both, &without, "mesh", 2, false).unwrap()),
        ["c"]
    );
}

#[test]
fn what_is_not_tracked_yet_belongs_to_before_first_apply() {
    let live = deployment(&config(Some(3), "x:1"));
    let error = apply(&live, &config(Some(4), "x:1"), "ctl", 0, false).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("conflict with \"before-first-apply\" using apps/v1: .spec.replicas"),
        "{error}"
    );
}

#[test]
fn kubectls_client_side_apply_is_taken_over_by_its_server_side_apply() {
    let mut live = config(Some(3), "x:1");
    live["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": config(Some(3), "x:1").to_string()});
    let mut live = deployment(&live);
    apply::update(
        None,
        &mut live,
        &writer("kubectl-client-side-apply", &status(), 0),
    );
    let object = apply(&live, &config(Some(4), "x:2"), "kubectl", 1, false).unwrap();
    assert_eq!(as_json(&object)["spec"]["replicas"], 4);
    let annotation = as_json(&object)["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"].clone();
    assert!(annotation.as_str().unwrap().contains("\"replicas\":4"));
    assert!(matches!(
        apply(&live, &config(Some(4), "x:2"), "other", 1, false),
        Err(ApplyError::Conflicts(_))
    ));
}

#[test]
fn a_write_that_changes_nothing_changes_no_owner() {
    let object = apply(&empty(), &config(Some(3), "x:1"), "ctl", 0, false).unwrap();
    let mut same = object.clone();
    apply::update(Some(&object), &mut same, &writer("edit", &status(), 9));
    assert_eq!(as_json(&same), as_json(&object));
    assert_eq!(
        as_json(&apply(&object, &config(Some(3), "x:1"), "ctl", 9, false).unwrap()),
        as_json(&object)
    );
}

#[test]
fn tracking_can_be_switched_off_by_an_empty_entry() {
    let object = apply(&empty(), &config(Some(3), "x:1"), "ctl", 0, false).unwrap();
    let mut reset = as_json(&object);
    reset["metadata"]["managedFields"] = json!([{}]);
    let mut none = deployment(&reset);
    apply::update(Some(&object), &mut none, &writer("edit", &status(), 1));
    assert!(view::metadata(&none).managed_fields().is_empty());
    // A client that does not know of them keeps them.
    reset["metadata"]["managedFields"] = json!(null);
    let mut kept = deployment(&reset);
    apply::update(Some(&object), &mut kept, &writer("edit", &status(), 1));
    assert!(!view::metadata(&kept).managed_fields().is_empty());
}

#[test]
fn more_than_ten_updaters_are_merged_into_one() {
    let mut object = deployment(&config(Some(0), "x:1"));
    apply::update(None, &mut object, &writer("first", &status(), 0));
    for turn in 1..=12_i64 {
        let mut next = as_json(&object);
        next["metadata"]["labels"][format!("l{turn}")] = "v".into();
        let mut next = deployment(&next);
        apply::update(
            Some(&object),
            &mut next,
            &writer(&format!("m{turn}"), &status(), turn),
        );
        object = next;
    }
    let managers = as_json(&object)["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(managers.len(), 10);
    assert_eq!(
        owned(&object, "ancient-changes")["f:metadata"]["f:labels"]["f:l1"],
        json!({})
    );
}

#[test]
fn a_configuration_that_does_not_fit_is_refused() {
    let with = |pointer: &str, value: Value| {
        let mut config = config(None, "x:1");
        *config.pointer_mut(pointer).unwrap() = value;
        apply(&empty(), &config, "ctl", 0, false)
            .unwrap_err()
            .to_string()
    };
    let spec = json!({"nonsense": 1});
    assert_eq!(
        with("/spec", spec),
        "failed to create typed patch object (a/web; apps/v1, Kind=Deployment): .spec.nonsense: field not declared in schema"
    );
    assert!(with("/apiVersion", "apps/v2".into()).starts_with("invalid object type: "));
    let twice = json!([{"name": "c"}, {"name": "c"}]);
    assert!(
        with("/spec/template/spec/containers", twice)
            .contains("duplicate entries for key [name=\"c\"]")
    );
    let mut managed = config(None, "x:1");
    managed["metadata"]["managedFields"] = json!([]);
    assert!(matches!(
        apply(&empty(), &managed, "ctl", 0, false),
        Err(ApplyError::BadRequest(_))
    ));
}
