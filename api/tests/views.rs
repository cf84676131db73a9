//! The typed views: what the generated accessors read, write and leave out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use api::apps::v1::{Deployment, DeploymentMut};
use api::core::v1::{Container, Pod, PodMut, PodSpec};
use api::meta::v1::ObjectMeta;
use api::{IntOrString, Quantity, Tree};

fn quantity(text: &str) -> Quantity {
    text.parse().unwrap()
}

#[test]
fn absent_fields_read_as_zero_absent_or_empty() {
    let tree = Tree::new(Pod::TYPE);
    let pod = Pod::of(&tree);
    assert_eq!(pod.metadata().name(), "");
    assert!(!pod.has_metadata() && !pod.has_spec());
    assert!(!pod.spec().host_network());
    assert_eq!(pod.spec().priority(), None);
    assert!(pod.spec().security_context().is_none());
    assert!(pod.spec().containers().is_empty() && pod.spec().containers().first().is_none());
    assert!(pod.metadata().labels().get("a").is_none());
    assert!(pod.metadata().deletion_timestamp().is_none());
}

#[test]
fn what_is_written_is_read() {
    let mut tree = Tree::new(Pod::TYPE);
    let mut pod = PodMut::of(&mut tree);
    let mut metadata = pod.metadata_mut();
    metadata.set_name("web");
    metadata.labels_mut().insert("a", "b");
    metadata.push_finalizers("example.com/hold");
    metadata.set_deletion_grace_period_seconds(30);
    let mut spec = pod.spec_mut();
    spec.set_node_name("n1");
    spec.set_host_network(true);
    spec.set_priority(0);
    let mut container = spec.push_containers();
    container.set_name("c");
    container.push_ports().set_container_port(80);
    container
        .resources_mut()
        .requests_mut()
        .insert("cpu", quantity("1500m"));
    container
        .liveness_probe_mut()
        .http_get_mut()
        .set_port(IntOrString::String("http".into()));

    let pod = Pod::of(&tree);
    assert_eq!(
        (pod.metadata().name(), pod.spec().node_name()),
        ("web", "n1")
    );
    assert_eq!(
        pod.metadata().labels().iter().collect::<Vec<_>>(),
        [("a", "b")]
    );
    assert!(pod.metadata().finalizers().contains("example.com/hold"));
    assert_eq!(pod.metadata().deletion_grace_period_seconds(), Some(30));
    assert_eq!(
        pod.spec().priority(),
        Some(0),
        "zero behind a pointer is not absence"
    );
    let container: Container<'_> = pod.spec().containers().get(0).unwrap();
    assert_eq!(
        container
            .ports()
            .iter()
            .map(|port| port.container_port())
            .collect::<Vec<_>>(),
        [80]
    );
    assert_eq!(
        container.resources().requests().get("cpu"),
        Some(quantity("1500m"))
    );
    let port = container
        .liveness_probe()
        .unwrap()
        .http_get()
        .unwrap()
        .port();
    assert_eq!(port, IntOrString::String("http".into()));
}

#[test]
fn defaults_fill_what_is_absent_alone() {
    let mut tree = Tree::new(Pod::TYPE);
    let mut pod = PodMut::of(&mut tree);
    let mut spec = pod.spec_mut();
    assert!(spec.default_restart_policy("Always"));
    assert!(!spec.default_restart_policy("Never"));
    assert!(spec.default_enable_service_links(false));
    assert!(!spec.default_enable_service_links(true));
    spec.push_containers().set_image_pull_policy("Never");
    spec.push_containers();
    for at in 0..spec.view().containers().len() {
        spec.containers_mut(at)
            .default_image_pull_policy("IfNotPresent");
    }
    let spec = Pod::of(&tree).spec();
    assert_eq!(
        (spec.restart_policy(), spec.enable_service_links()),
        ("Always", Some(false))
    );
    let policies: Vec<_> = spec
        .containers()
        .iter()
        .map(Container::image_pull_policy)
        .collect();
    assert_eq!(policies, ["Never", "IfNotPresent"]);
}

#[test]
fn a_template_is_copied_whole_into_another_tree() {
    let mut source = Tree::new(Deployment::TYPE);
    let mut deployment = DeploymentMut::of(&mut source);
    deployment.spec_mut().set_replicas(3);
    let mut template = deployment.spec_mut();
    let mut template = template.template_mut();
    template.metadata_mut().labels_mut().insert("app", "web");
    template.spec_mut().push_containers().set_image("image:1");

    let template = Deployment::of(&source).spec().template();
    let mut target = Tree::new(Pod::TYPE);
    let mut pod = PodMut::of(&mut target);
    pod.set_spec(template.spec());
    pod.metadata_mut().set_labels(template.metadata().labels());
    drop(source);
    let pod = Pod::of(&target);
    assert_eq!(pod.spec().containers().first().unwrap().image(), "image:1");
    assert_eq!(pod.metadata().labels().get("app"), Some("web"));
}

#[test]
fn removing_and_retaining_leave_no_trace() {
    let mut tree = Tree::new(Pod::TYPE);
    let mut pod = PodMut::of(&mut tree);
    let mut spec = pod.spec_mut();
    for name in ["a", "b"] {
        spec.push_containers().set_name(name);
    }
    spec.retain_containers(|container| container.name() == "b");
    assert_eq!(
        spec.view()
            .containers()
            .iter()
            .map(Container::name)
            .collect::<Vec<_>>(),
        ["b"]
    );
    spec.retain_containers(|_| false);
    assert!(!spec.view().has_containers());
    spec.set_hostname("h");
    assert!(spec.remove_hostname());
    assert!(!spec.remove_hostname());
    spec.set_subdomain("s");
    spec.set_subdomain("");
    assert!(
        !spec.view().has_subdomain(),
        "an empty text by value is absence"
    );
}

#[test]
fn metadata_is_reached_without_knowing_the_kind() {
    let mut tree = Tree::new(Deployment::TYPE);
    api::view::metadata_mut(&mut tree).unwrap().set_name("any");
    assert_eq!(api::view::metadata(&tree).name(), "any");
    let mut options = Tree::new(api::meta::v1::DeleteOptions::TYPE);
    assert!(api::view::metadata_mut(&mut options).is_none());
}

#[test]
fn constants_name_the_schemas_types_and_fields() {
    let schema = api::schema::Schema::builtin();
    assert_eq!(schema.type_of_kind("", "v1", "Pod"), Some(Pod::TYPE));
    assert_eq!(schema.ty(Pod::TYPE).field("spec"), Some(Pod::SPEC));
    assert_eq!(
        schema.ty(PodSpec::TYPE).field("nodeName"),
        Some(PodSpec::NODE_NAME)
    );
    assert_eq!(schema.ty(ObjectMeta::TYPE).name, "meta/v1.ObjectMeta");
    assert_eq!(
        schema.ty(api::core::v1::PodCondition::TYPE).field("type"),
        Some(api::core::v1::PodCondition::TYPE_)
    );
}

#[test]
fn lists_and_maps_are_iterated_in_order() {
    let mut tree = Tree::new(Pod::TYPE);
    let mut pod = PodMut::of(&mut tree);
    for (key, value) in [("b", "2"), ("a", "1"), ("c", "3")] {
        pod.metadata_mut().annotations_mut().insert(key, value);
    }
    pod.metadata_mut()
        .annotations_mut()
        .retain(|key, _| key != "c");
    assert!(
        !pod.metadata_mut()
            .annotations_mut()
            .insert_default("a", "9")
    );
    for name in ["x", "y", "z"] {
        pod.spec_mut().push_volumes().set_name(name);
    }
    let pod = Pod::of(&tree);
    let mut seen = Vec::new();
    for (key, value) in pod.metadata().annotations() {
        seen.push(format!("{key}={value}"));
    }
    assert_eq!(seen, ["a=1", "b=2"]);
    let volumes = pod.spec().volumes();
    let names: Vec<&str> = volumes.iter().rev().map(|volume| volume.name()).collect();
    assert_eq!(
        (names, volumes.last().unwrap().name()),
        (vec!["z", "y", "x"], "z")
    );
}
