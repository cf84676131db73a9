//! The storage group.

use api::Tree;
use api::storage::v1::{CSIDriver, CSINode, StorageClass, VolumeAttachment, VolumeAttributesClass};
use serde_json::Value;

use super::age::Now;
use super::cells;
use super::text::{NONE, UNSET, joined, or};

pub fn driver(object: &Tree, now: Now) -> Vec<Value> {
    let driver = CSIDriver::of(object);
    let (meta, spec) = (driver.metadata(), driver.spec());
    let modes = joined(spec.volume_lifecycle_modes().iter());
    let tokens = match spec.token_requests().node() {
        None => UNSET.to_owned(),
        Some(_) => joined(
            spec.token_requests()
                .iter()
                .map(|request| request.audience()),
        ),
    };
    cells![
        meta.name(),
        spec.attach_required().unwrap_or(true),
        spec.pod_info_on_mount().unwrap_or(false),
        spec.storage_capacity().unwrap_or(false),
        tokens,
        spec.requires_republish().unwrap_or(false),
        or(&modes, NONE),
        now.since(meta.creation_timestamp()),
    ]
}

pub fn node(object: &Tree, now: Now) -> Vec<Value> {
    let node = CSINode::of(object);
    let meta = node.metadata();
    cells![
        meta.name(),
        node.spec().drivers().len(),
        now.since(meta.creation_timestamp())
    ]
}

pub fn class(object: &Tree, now: Now) -> Vec<Value> {
    let class = StorageClass::of(object);
    let meta = class.metadata();
    cells![
        meta.name(),
        class.provisioner(),
        class.reclaim_policy().unwrap_or("Delete"),
        class.volume_binding_mode().unwrap_or("Immediate"),
        class.allow_volume_expansion().unwrap_or(false),
        now.since(meta.creation_timestamp()),
    ]
}

pub fn attachment(object: &Tree, now: Now) -> Vec<Value> {
    let attachment = VolumeAttachment::of(object);
    let (meta, spec) = (attachment.metadata(), attachment.spec());
    cells![
        meta.name(),
        spec.attacher(),
        spec.source().persistent_volume_name().unwrap_or_default(),
        spec.node_name(),
        attachment.status().attached(),
        now.since(meta.creation_timestamp()),
    ]
}

pub fn attributes_class(object: &Tree, now: Now) -> Vec<Value> {
    let class = VolumeAttributesClass::of(object);
    let meta = class.metadata();
    cells![
        meta.name(),
        class.driver_name(),
        now.since(meta.creation_timestamp())
    ]
}
