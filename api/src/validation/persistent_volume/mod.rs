//! PersistentVolumes, and the volumes that VolumeAttachments describe inline.
//! <https://kubernetes.io/docs/concepts/storage/persistent-volumes/>

mod cloud;
mod network;
mod source;
mod update;

pub(super) use update::update;

use super::check::{POSITIVE, each, quoted, required, shown};
use super::{claim, format, pod};
use crate::Quantity;
use crate::core::v1::{PersistentVolume, PersistentVolumeSpec, VolumeNodeAffinity};
use crate::field::{Error, ErrorList, Path};
use crate::view::MapRef;

const SPEC: Path<'static> = Path::new("spec");
const STORAGE: &str = "storage";
const RETAIN: &str = "Retain";
const RECYCLE: &str = "Recycle";
const POLICIES: &[&str] = &["Delete", RECYCLE, RETAIN];
const FILESYSTEM: &str = "Filesystem";
const MODES: &[&str] = &["Block", FILESYSTEM];
const MOUNT_OPTIONS: &str = "volume.beta.kubernetes.io/mount-options";
const NOT_INLINE: &str = "may not be specified in the context of inline volumes";

/// A new volume, its metadata apart.
pub(super) fn create(errors: &mut ErrorList, volume: PersistentVolume<'_>) {
    check(errors, volume, true);
}

/// `strict`: the values in the node affinity must be labels'. Those of volumes that are there already were not always looked at.
fn check(errors: &mut ErrorList, volume: PersistentVolume<'_>, strict: bool) {
    let spec = volume.spec();
    claim::access_modes(errors, &SPEC.child("accessModes"), spec.access_modes(), "");
    capacity(errors, &SPEC.child("capacity"), spec.capacity());
    let policy = spec.persistent_volume_reclaim_policy();
    if !policy.is_empty() && !POLICIES.contains(&policy) {
        let place = SPEC.child("persistentVolumeReclaimPolicy");
        errors.push(Error::not_supported(&place, quoted(policy), POLICIES));
    }
    if let Some(affinity) = spec.node_affinity() {
        node_affinity(errors, &SPEC.child("nodeAffinity"), affinity, strict);
    }
    let has_nodes = spec.node_affinity().is_some();
    source::check(errors, &SPEC, spec, volume.metadata().name(), has_nodes);
    recycled_root(errors, &SPEC, spec);
    let class = spec.storage_class_name();
    if !class.is_empty() {
        let place = SPEC.child("storageClassName");
        each(errors, &place, class, format::dns_subdomain(class));
    }
    if let Some(mode) = spec.volume_mode()
        && !MODES.contains(&mode)
    {
        let place = SPEC.child("volumeMode");
        errors.push(Error::not_supported(&place, quoted(mode), MODES));
    }
    attributes_class(errors, spec);
    mount_options(errors, volume);
}

fn capacity(errors: &mut ErrorList, path: &Path<'_>, amounts: MapRef<'_, Quantity>) {
    if amounts.is_empty() {
        errors.push(Error::required(path, ""));
    }
    if !amounts.contains_key(STORAGE) || amounts.len() > 1 {
        let value = shown(amounts.node());
        errors.push(Error::not_supported(path, value, &[STORAGE]));
    }
    for (name, amount) in amounts {
        let place = path.key(name);
        if amount.value() < 0 {
            let why = "must be a valid resource quantity";
            errors.push(Error::invalid(&place, amount.value(), why));
        }
        if amount.signum() <= 0 {
            errors.push(Error::invalid(&place, amount.to_string(), POSITIVE));
        }
    }
}

fn node_affinity(
    errors: &mut ErrorList,
    path: &Path<'_>,
    affinity: VolumeNodeAffinity<'_>,
    strict: bool,
) {
    let place = path.child("required");
    match affinity.required() {
        Some(selector) => pod::node_selector(errors, &place, selector, strict),
        None => errors.push(Error::required(
            &place,
            "must specify required node constraints",
        )),
    }
}

/// Recycling deletes all that is below the path.
fn recycled_root(errors: &mut ErrorList, path: &Path<'_>, spec: PersistentVolumeSpec<'_>) {
    let root = spec
        .host_path()
        .is_some_and(|source| is_root(source.path()));
    if root && spec.persistent_volume_reclaim_policy() == RECYCLE {
        errors.push(Error::forbidden(
            &path.child("persistentVolumeReclaimPolicy"),
            "may not be 'recycle' for a hostPath mount of '/'",
        ));
    }
}

/// Whether a path leads to the root, however it is written.
fn is_root(path: &str) -> bool {
    let depth = path.split('/').fold(0_usize, |depth, part| match part {
        "" | "." => depth,
        ".." => depth.saturating_sub(1),
        _ => depth + 1,
    });
    path.starts_with('/') && depth == 0
}

fn attributes_class(errors: &mut ErrorList, spec: PersistentVolumeSpec<'_>) {
    let Some(class) = spec.volume_attributes_class_name() else {
        return;
    };
    let place = SPEC.child("volumeAttributesClassName");
    if class.is_empty() {
        errors.push(Error::required(&place, "an empty string is disallowed"));
    } else {
        each(errors, &place, class, format::dns_subdomain(class));
    }
    if spec.csi().is_none() {
        errors.push(Error::required(
            &SPEC.child("csi"),
            "has to be specified when using volumeAttributesClassName",
        ));
    }
}

/// Not every source is mounted with options.
fn mount_options(errors: &mut ErrorList, volume: PersistentVolume<'_>) {
    let spec = volume.spec();
    let takes_options = spec.has_gce_persistent_disk()
        || spec.has_aws_elastic_block_store()
        || spec.has_glusterfs()
        || spec.has_nfs()
        || spec.has_rbd()
        || spec.has_quobyte()
        || spec.has_iscsi()
        || spec.has_cinder()
        || spec.has_cephfs()
        || spec.has_azure_file()
        || spec.has_vsphere_volume()
        || spec.has_azure_disk()
        || spec.has_photon_persistent_disk();
    if !takes_options && volume.metadata().annotations().contains_key(MOUNT_OPTIONS) {
        errors.push(Error::forbidden(
            &Path::new("metadata.annotations").child(MOUNT_OPTIONS),
            "may not specify mount options for this volume type",
        ));
    }
}

/// A volume that is described where it is attached: a CSI driver's, which nobody claims.
pub(super) fn inline(errors: &mut ErrorList, path: &Path<'_>, spec: PersistentVolumeSpec<'_>) {
    for (field, given) in [
        ("claimRef", spec.has_claim_ref()),
        ("capacity", !spec.capacity().is_empty()),
    ] {
        if given {
            errors.push(Error::forbidden(&path.child(field), NOT_INLINE));
        }
    }
    if spec.csi().is_none() {
        errors.push(Error::required(
            &path.child("csi"),
            "has to be specified in the context of inline volumes",
        ));
    }
    claim::access_modes(errors, &path.child("accessModes"), spec.access_modes(), "");
    if !matches!(spec.persistent_volume_reclaim_policy(), "" | RETAIN) {
        errors.push(Error::forbidden(
            &path.child("persistentVolumeReclaimPolicy"),
            format!("may only be {RETAIN} in the context of inline volumes"),
        ));
    }
    if spec.has_node_affinity() {
        errors.push(Error::forbidden(&path.child("nodeAffinity"), NOT_INLINE));
    }
    source::check(errors, path, spec, "", false);
    recycled_root(errors, path, spec);
    if !spec.storage_class_name().is_empty() {
        errors.push(Error::forbidden(
            &path.child("storageClassName"),
            NOT_INLINE,
        ));
    }
    if spec.volume_mode().is_some_and(|mode| mode != FILESYSTEM) {
        errors.push(Error::forbidden(
            &path.child("volumeMode"),
            format!(
                "may not specify volumeMode other than {FILESYSTEM} in the context of inline volumes"
            ),
        ));
    }
}

/// Texts that must be there, by field.
fn all_required(errors: &mut ErrorList, path: &Path<'_>, fields: &[(&str, &str)]) {
    for (field, value) in fields {
        required(errors, &path.child(field), value);
    }
}

#[cfg(test)]
mod tests {
    use super::is_root;

    #[test]
    fn the_root_is_known_in_every_spelling() {
        for path in ["/", "//", "/.", "/a/..", "/../", "/./a/../.."] {
            assert!(is_root(path), "{path}");
        }
        for path in ["", ".", "a/..", "/a", "/../a", "/..a"] {
            assert!(!is_root(path), "{path}");
        }
    }
}
