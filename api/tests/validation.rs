//! Validation seen from outside, without upstream: `tests/tests/validation.rs` compares the two on thousands of objects.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use api::codec::json::{self, Strict};
use api::core::v1::{Binding, Pod, PodMut};
use api::field::ErrorList;
use api::kinds::{Kinds, Resource};
use api::meta::v1::DeleteOptions;
use api::validation::options::{self, WriteOptions};
use api::{Schema, Tree, TypeId, defaults, validation};
use bytes::Bytes;

fn decode(ty: TypeId, text: &str) -> Tree {
    let body = Bytes::copy_from_slice(text.as_bytes());
    let mut tree = json::decode(Schema::builtin(), ty, body, &mut Strict::new()).unwrap();
    defaults::apply(&mut tree);
    tree
}

fn pods() -> &'static Resource {
    Kinds::builtin().by_resource("", "v1", "pods").unwrap()
}

fn texts(errors: &ErrorList) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

const POD: &str = r#"{"metadata":{"name":"p","namespace":"d","resourceVersion":"1"},"spec":{"containers":[{"name":"c","image":"i"}]}}"#;

#[test]
fn a_plain_pod_is_valid() {
    let pod = decode(Pod::TYPE, POD);
    assert_eq!(
        texts(&validation::create(pods(), &pod)),
        Vec::<String>::new()
    );
    let errors = validation::update(pods(), "", &pod, &pod.clone());
    assert_eq!(texts(&errors), Vec::<String>::new());
}

#[test]
fn errors_name_their_place() {
    let text = r#"{"metadata":{"name":"P","namespace":"d"},"spec":{"restartPolicy":"x","containers":[{"name":"c","image":"i"},{"name":"c"}]}}"#;
    let errors = validation::create(pods(), &decode(Pod::TYPE, text));
    let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "metadata.name",
            "spec.containers[1].image",
            "spec.containers[1].name",
            "spec.restartPolicy"
        ]
    );
}

#[test]
fn of_a_pod_the_image_may_change_and_the_command_may_not() {
    let old = decode(Pod::TYPE, POD);
    let mut new = old.clone();
    PodMut::of(&mut new)
        .spec_mut()
        .containers_mut(0)
        .set_image("j");
    assert!(validation::update(pods(), "", &new, &old).is_empty());
    PodMut::of(&mut new)
        .spec_mut()
        .containers_mut(0)
        .push_command("sh");
    let errors = texts(&validation::update(pods(), "", &new, &old));
    assert_eq!(errors.len(), 1);
    assert!(errors[0].starts_with(
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    ));
}

#[test]
fn a_status_is_written_by_rules_of_its_own() {
    let old = decode(Pod::TYPE, POD);
    let mut new = old.clone();
    PodMut::of(&mut new)
        .status_mut()
        .set_qos_class("Guaranteed");
    assert!(validation::update(pods(), "", &new, &old).is_empty());
    let errors = validation::update(pods(), "status", &new, &old);
    assert_eq!(
        texts(&errors),
        ["status.qosClass: Invalid value: \"Guaranteed\": field is immutable"]
    );
}

#[test]
fn bindings_and_options_are_checked_too() {
    let binding = decode(Binding::TYPE, r#"{"target":{"kind":"Pod"}}"#);
    assert_eq!(validation::binding(&binding).len(), 2);
    let delete = decode(
        DeleteOptions::TYPE,
        r#"{"propagationPolicy":"Now","dryRun":["Some"]}"#,
    );
    assert_eq!(
        texts(&options::delete(DeleteOptions::of(&delete))),
        [
            "propagationPolicy: Unsupported value: \"Now\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"",
            "dryRun: Unsupported value: [\"Some\"]: supported values: \"All\""
        ]
    );
    assert_eq!(options::patch(WriteOptions::default(), true, None).len(), 1);
    assert_eq!(
        options::patch(WriteOptions::default(), false, Some(true)).len(),
        1
    );
    assert!(options::write(WriteOptions::default()).is_empty());
}
