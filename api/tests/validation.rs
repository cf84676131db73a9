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

/// A pod of class Burstable: fields of its container, and what its spec has beside that.
fn running(container: &str, rest: &str) -> Tree {
    with_status(container, rest, "")
}

fn with_status(container: &str, rest: &str, status: &str) -> Tree {
    let text = format!(
        r#"{{"metadata":{{"name":"p","namespace":"n","resourceVersion":"1"}},
        "spec":{{"containers":[{{"name":"c","image":"i",{container}}}]{rest}}},"status":{{"qosClass":"Burstable"{status}}}}}"#
    );
    decode(Pod::TYPE, &text)
}

#[test]
fn a_resize_changes_cpu_and_memory_and_nothing_else() {
    let asks = |cpu: &str| {
        format!(
            r#""resources":{{"requests":{{"cpu":"{cpu}","example.com/x":"1"}},"limits":{{"example.com/x":"1"}}}}"#
        )
    };
    let old = running(&asks("1"), "");
    let errors = |container: &str, rest: &str| {
        texts(&validation::update(
            pods(),
            "resize",
            &running(container, rest),
            &old,
        ))
    };
    assert!(errors(&asks("2"), "").is_empty());
    assert_eq!(
        errors(r#""resources":{"requests":{"cpu":"1"}}"#, ""),
        [
            "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed",
            "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed",
            "spec: Forbidden: only cpu and memory resources are mutable",
        ]
    );
    let policy = format!(
        r#"{},"resizePolicy":[{{"resourceName":"cpu","restartPolicy":"RestartContainer"}}]"#,
        asks("1")
    );
    assert_eq!(
        errors(&policy, ""),
        ["spec: Forbidden: only cpu and memory resources are mutable"]
    );
    let all = r#""resources":{"requests":{"cpu":"1","memory":"1Gi","example.com/x":"1"},"limits":{"cpu":"1","memory":"1Gi","example.com/x":"1"}}"#;
    assert_eq!(
        errors(all, ""),
        [
            "spec: Invalid value: \"Burstable\": Pod QOS Class may not change as a result of resizing"
        ]
    );
    assert_eq!(
        errors(
            &asks("1"),
            r#","initContainers":[{"name":"d","image":"i"}]"#
        ),
        ["spec.initContainers: Forbidden: initContainers may not be added or removed on resize"]
    );
}

#[test]
fn what_can_never_be_resized_is_told_alone() {
    let resources = r#""resources":{"requests":{"cpu":"1"}}"#;
    let mut old = running(resources, "");
    let new = running(r#""resources":{}"#, "");
    PodMut::of(&mut old)
        .metadata_mut()
        .annotations_mut()
        .insert("kubernetes.io/config.mirror", "x");
    let errors = texts(&validation::update(pods(), "resize", &new, &old));
    assert_eq!(errors, ["[]: Forbidden: static pods cannot be resized"]);
    let os = r#","os":{"name":"windows"}"#;
    let (old, new) = (running(resources, os), running(resources, os));
    let errors = texts(&validation::update(pods(), "resize", &new, &old));
    assert_eq!(errors, ["[]: Forbidden: windows pods cannot be resized"]);
}

#[test]
fn an_init_container_is_resized_unless_it_would_be_started_anew() {
    let resources = r#""resources":{"requests":{"cpu":"1"}}"#;
    let init = |cpu: &str, more: &str| {
        let text = format!(
            r#","initContainers":[{{"name":"d","image":"i","resources":{{"requests":{{"cpu":"{cpu}"}}}}{more}}}]"#
        );
        running(resources, &text)
    };
    let errors = |more: &str| {
        texts(&validation::update(
            pods(),
            "resize",
            &init("2", more),
            &init("1", more),
        ))
    };
    assert!(errors("").is_empty());
    let restarts = r#","resizePolicy":[{"resourceName":"cpu","restartPolicy":"RestartContainer"}]"#;
    assert!(errors(&format!(r#","restartPolicy":"Always"{restarts}"#)).is_empty());
    assert!(errors(restarts).contains(
        &"spec.initContainers[0]: Forbidden: non-sidecar init containers with a resize policy of RestartContainer cannot be resized".to_owned()
    ));
}

#[test]
fn a_node_that_tells_no_resources_cannot_resize() {
    let resources = |cpu: &str| format!(r#""resources":{{"requests":{{"cpu":"{cpu}"}}}}"#);
    let running =
        r#","containerStatuses":[{"name":"c","image":"i","imageID":"","state":{"running":{}}}]"#;
    let with = |cpu: &str| with_status(&resources(cpu), "", running);
    let errors = texts(&validation::update(
        pods(),
        "resize",
        &with("2"),
        &with("1"),
    ));
    assert_eq!(
        errors,
        ["spec: Forbidden: Pod running on node without support for resize"]
    );
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
