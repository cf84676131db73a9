//! Volumes and claims.

use api::Tree;
use api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use api::meta::v1::ObjectMeta;
use api::view::List;
use serde_json::Value;

use super::age::Now;
use super::cells;
use super::text::{UNSET, joined};

pub fn volume(object: &Tree, now: Now) -> Vec<Value> {
    let volume = PersistentVolume::of(object);
    let (meta, spec, status) = (volume.metadata(), volume.spec(), volume.status());
    let claim = spec.claim_ref().map_or_else(String::new, |claim| {
        format!("{}/{}", claim.namespace(), claim.name())
    });
    cells![
        meta.name(),
        spec.capacity()
            .get("storage")
            .map_or_else(|| "0".to_owned(), |size| size.to_string()),
        access_modes(spec.access_modes()),
        spec.persistent_volume_reclaim_policy(),
        phase(meta, status.phase()),
        claim,
        class(meta, Some(spec.storage_class_name())),
        spec.volume_attributes_class_name().unwrap_or(UNSET),
        status.reason(),
        now.since(meta.creation_timestamp()),
        spec.volume_mode().unwrap_or(UNSET),
    ]
}

pub fn claim(object: &Tree, now: Now) -> Vec<Value> {
    let claim = PersistentVolumeClaim::of(object);
    let (meta, spec, status) = (claim.metadata(), claim.spec(), claim.status());
    // What the volume gives, once there is one.
    let (mut capacity, mut modes) = (String::new(), String::new());
    if !spec.volume_name().is_empty() {
        capacity = status
            .capacity()
            .get("storage")
            .map_or_else(|| "0".to_owned(), |size| size.to_string());
        modes = access_modes(status.access_modes());
    }
    cells![
        meta.name(),
        phase(meta, status.phase()),
        spec.volume_name(),
        capacity,
        modes,
        class(meta, spec.storage_class_name()),
        spec.volume_attributes_class_name().unwrap_or(UNSET),
        now.since(meta.creation_timestamp()),
        spec.volume_mode().unwrap_or(UNSET),
    ]
}

fn phase<'a>(meta: ObjectMeta<'a>, phase: &'a str) -> &'a str {
    if meta.deletion_timestamp().is_some() {
        "Terminating"
    } else {
        phase
    }
}

/// The class, from the annotation that was there before the field.
fn class<'a>(meta: ObjectMeta<'a>, field: Option<&'a str>) -> &'a str {
    meta.annotations()
        .get("volume.beta.kubernetes.io/storage-class")
        .or(field)
        .unwrap_or_default()
}

fn access_modes(modes: List<'_, str>) -> String {
    let short = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    joined(
        short
            .iter()
            .filter(|(mode, _)| modes.contains(mode))
            .map(|(_, short)| short),
    )
}
