//! The apps group.

use api::Tree;
use api::apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet};
use serde_json::Value;

use super::age::Now;
use super::cells;
use super::text::{NONE, containers, format_selector, labels, selector};

pub fn deployment(object: &Tree, now: Now) -> Vec<Value> {
    let deployment = Deployment::of(object);
    let (meta, spec, status) = (
        deployment.metadata(),
        deployment.spec(),
        deployment.status(),
    );
    let [names, images] = containers(spec.template().spec().containers());
    cells![
        meta.name(),
        format!(
            "{}/{}",
            status.ready_replicas(),
            spec.replicas().unwrap_or_default()
        ),
        status.updated_replicas(),
        status.available_replicas(),
        now.since(meta.creation_timestamp()),
        names,
        images,
        selector(spec.selector()).unwrap_or_else(|| "<invalid>".to_owned()),
    ]
}

pub fn replica_set(object: &Tree, now: Now) -> Vec<Value> {
    let set = ReplicaSet::of(object);
    let (meta, spec, status) = (set.metadata(), set.spec(), set.status());
    let [names, images] = containers(spec.template().spec().containers());
    cells![
        meta.name(),
        spec.replicas().unwrap_or_default(),
        status.replicas(),
        status.ready_replicas(),
        now.since(meta.creation_timestamp()),
        names,
        images,
        format_selector(spec.selector()),
    ]
}

pub fn stateful_set(object: &Tree, now: Now) -> Vec<Value> {
    let set = StatefulSet::of(object);
    let (meta, spec) = (set.metadata(), set.spec());
    let [names, images] = containers(spec.template().spec().containers());
    let ready = format!(
        "{}/{}",
        set.status().ready_replicas(),
        spec.replicas().unwrap_or_default()
    );
    cells![
        meta.name(),
        ready,
        now.since(meta.creation_timestamp()),
        names,
        images
    ]
}

pub fn daemon_set(object: &Tree, now: Now) -> Vec<Value> {
    let set = DaemonSet::of(object);
    let (meta, spec, status) = (set.metadata(), set.spec(), set.status());
    let pod = spec.template().spec();
    let [names, images] = containers(pod.containers());
    cells![
        meta.name(),
        status.desired_number_scheduled(),
        status.current_number_scheduled(),
        status.number_ready(),
        status.updated_number_scheduled(),
        status.number_available(),
        labels(pod.node_selector()),
        now.since(meta.creation_timestamp()),
        names,
        images,
        format_selector(spec.selector()),
    ]
}

pub fn controller_revision(object: &Tree, now: Now) -> Vec<Value> {
    let revision = ControllerRevision::of(object);
    let meta = revision.metadata();
    let owner = meta
        .owner_references()
        .iter()
        .find(|owner| owner.controller() == Some(true));
    let controller = owner.map_or_else(
        || NONE.to_owned(),
        |owner| {
            let kind = match owner.api_version().split_once('/') {
                Some((group, _)) => format!("{}.{group}", owner.kind()),
                None => owner.kind().to_owned(),
            };
            format!("{}/{}", kind.to_lowercase(), owner.name())
        },
    );
    cells![
        meta.name(),
        controller,
        revision.revision(),
        now.since(meta.creation_timestamp())
    ]
}
