//! Defaults on objects of every shape: what `tests/tests/defaults.rs` compares with upstream, here without it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use api::apps::v1::Deployment;
use api::codec::json::{self, Strict};
use api::core::v1::{Container, Namespace, Node, Pod, Secret, Service};
use api::{IntOrString, Schema, SchemaRef, Time, Tree, TypeId, defaults};
use bytes::Bytes;
use proptest::prelude::*;

fn decode(ty: TypeId, text: &str) -> Tree {
    let body = Bytes::copy_from_slice(text.as_bytes());
    json::decode(Schema::builtin(), ty, body, &mut Strict::new()).unwrap()
}

fn defaulted(ty: TypeId, text: &str) -> Tree {
    let mut tree = decode(ty, text);
    defaults::apply(&mut tree);
    tree
}

#[test]
fn a_template_gets_the_defaults_of_containers_and_not_those_of_pods() {
    let body = r#"{"spec":{"template":{"spec":{"containers":[{"image":"a","resources":{"limits":{"cpu":"1"}}}]}}}}"#;
    let tree = defaulted(Deployment::TYPE, body);
    let spec = Deployment::of(&tree).spec();
    assert_eq!(spec.replicas(), Some(1));
    let pods = spec.template().spec();
    let container: Container<'_> = pods.containers().get(0).unwrap();
    assert_eq!(container.image_pull_policy(), "Always");
    assert!(container.resources().requests().is_empty());
    assert_eq!(pods.enable_service_links(), None);
    assert_eq!(pods.termination_grace_period_seconds(), Some(30));
}

#[test]
fn what_is_said_stays() {
    let body = r#"{"spec":{"ports":[{"port":80,"targetPort":"web"}],"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":7}}}}"#;
    let tree = defaulted(Service::TYPE, body);
    let spec = Service::of(&tree).spec();
    let target = spec.ports().get(0).unwrap().target_port();
    assert_eq!(target, IntOrString::String("web".into()));
    let config = spec.session_affinity_config().unwrap();
    assert_eq!(config.client_ip().unwrap().timeout_seconds(), Some(7));
}

#[test]
fn a_secrets_strings_become_data() {
    let tree = defaulted(
        Secret::TYPE,
        r#"{"data":{"a":"eA=="},"stringData":{"a":"b"}}"#,
    );
    let secret = Secret::of(&tree);
    assert_eq!(secret.data().get("a"), Some(&b"b"[..]));
    assert!(!secret.has_string_data());
}

#[test]
fn parts_that_nobody_sent_are_made_only_where_something_stands_in_them() {
    let tree = defaulted(Namespace::TYPE, "{}");
    assert_eq!(Namespace::of(&tree).status().phase(), "Active");
    let tree = defaulted(Node::TYPE, "{}");
    assert!(tree.root().is_empty());
}

#[test]
fn resources_are_rounded_up_to_thousandths() {
    let body =
        r#"{"spec":{"containers":[{"resources":{"requests":{"cpu":"1500u","memory":"1Gi"}}}]}}"#;
    let tree = defaulted(Pod::TYPE, body);
    let path = "spec.containers.0.resources.requests";
    let requests = tree.root().path(path).unwrap();
    assert_eq!(requests.get("cpu").unwrap().as_str(), Some("2m"));
    assert_eq!(requests.get("memory").unwrap().as_str(), Some("1Gi"));
}

#[test]
fn custom_resources_are_left_alone() {
    let schema = SchemaRef::from(std::sync::Arc::new(Schema::new(Vec::new()).unwrap()));
    let mut tree = Tree::with_schema(&schema, TypeId::UNTYPED);
    let before = tree.clone();
    defaults::apply(&mut tree);
    defaults::drop_disabled(&mut tree, None);
    defaults::stamp(&mut tree, Time::from_seconds(1).unwrap());
    assert_eq!(tree, before);
}

#[test]
fn fields_of_features_that_are_off_go() {
    let body = r#"{"spec":{"containers":[{"lifecycle":{"stopSignal":"SIGTERM"}}],"volumes":[{"emptyDir":{"mode":1}}]}}"#;
    let mut tree = decode(Pod::TYPE, body);
    let sent = tree.clone();
    defaults::drop_disabled(&mut tree, None);
    assert_eq!(
        tree,
        decode(
            Pod::TYPE,
            r#"{"spec":{"containers":[{}],"volumes":[{"emptyDir":{}}]}}"#
        )
    );
    // A pod that uses one of the features keeps all of its fields, and no other's.
    let old = decode(
        Pod::TYPE,
        r#"{"spec":{"initContainers":[{"lifecycle":{"stopSignal":"SIGINT"}}]}}"#,
    );
    let mut tree = sent;
    defaults::drop_disabled(&mut tree, Some(&old));
    assert_eq!(
        tree,
        decode(
            Pod::TYPE,
            r#"{"spec":{"containers":[{"lifecycle":{"stopSignal":"SIGTERM"}}],"volumes":[{"emptyDir":{}}]}}"#
        )
    );
}

/// JSON of a pod with these parts, in any combination.
fn pods() -> impl Strategy<Value = String> {
    let container = (
        prop::sample::select(vec!["", "nginx", "nginx:1", "a@b"]),
        any::<bool>(),
        prop::option::of(-1i32..3),
    )
        .prop_map(|(image, limits, port)| {
            let limits = if limits { r#","resources":{"limits":{"cpu":"1500u"}}"# } else { "" };
            let port = port.map_or(String::new(), |port| {
                format!(r#","ports":[{{"containerPort":{port}}}],"livenessProbe":{{"httpGet":{{"port":{port}}}}}"#)
            });
            format!(r#"{{"name":"c","image":"{image}"{limits}{port}}}"#)
        });
    let volume = prop::sample::select(vec![
        r#"{"name":"v"}"#,
        r#"{"name":"v","secret":{}}"#,
        r#"{"name":"v","projected":{"sources":[{"serviceAccountToken":{}}]}}"#,
        r#"{"name":"v","rbd":{"monitors":["a"]}}"#,
    ]);
    (
        prop::collection::vec(container, 0..3),
        prop::collection::vec(volume, 0..3),
        any::<bool>(),
        prop::option::of(-3i64..40),
    )
        .prop_map(|(containers, volumes, host, grace)| {
            let grace = grace.map_or("null".to_owned(), |seconds| seconds.to_string());
            format!(
                r#"{{"spec":{{"containers":[{}],"volumes":[{}],"hostNetwork":{host},"terminationGracePeriodSeconds":{grace}}}}}"#,
                containers.join(","),
                volumes.join(",")
            )
        })
}

proptest! {
    #[test]
    fn defaulting_again_changes_nothing(text in pods()) {
        let once = defaulted(Pod::TYPE, &text);
        let mut twice = once.clone();
        defaults::apply(&mut twice);
        prop_assert_eq!(json::to_vec(&once), json::to_vec(&twice));
    }
}
