//! Persistent volumes, their claims, and the storage group.

use super::{Rule, rules};
use crate::core::v1::{
    PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimMut, PersistentVolumeClaimSpec,
    PersistentVolumeClaimSpecMut, PersistentVolumeMut,
};
use crate::storage::v1::{CSIDriver, CSIDriverMut, StorageClass, StorageClassMut};

pub(super) const RULES: &[Rule] = rules![
    CSIDriver => driver,
    PersistentVolume => volume,
    PersistentVolumeClaim => |mut claim: PersistentVolumeClaimMut<'_>| claim.status_mut().default_phase("Pending"),
    PersistentVolumeClaimSpec => |mut spec: PersistentVolumeClaimSpecMut<'_>| spec.default_volume_mode("Filesystem"),
    StorageClass => class,
];

fn volume(mut volume: PersistentVolumeMut<'_>) {
    volume.status_mut().default_phase("Pending");
    let mut spec = volume.spec_mut();
    spec.default_persistent_volume_reclaim_policy("Retain");
    spec.default_volume_mode("Filesystem");
}

fn class(mut class: StorageClassMut<'_>) {
    class.default_reclaim_policy("Delete");
    class.default_volume_binding_mode("Immediate");
}

fn driver(mut driver: CSIDriverMut<'_>) {
    let mut spec = driver.spec_mut();
    spec.default_attach_required(true);
    spec.default_pod_info_on_mount(false);
    spec.default_storage_capacity(false);
    spec.default_fs_group_policy("ReadWriteOnceWithFSType");
    if spec.view().volume_lifecycle_modes().is_empty() {
        spec.push_volume_lifecycle_modes("Persistent");
    }
    spec.default_requires_republish(false);
    spec.default_se_linux_mount(false);
    spec.default_prevent_pod_scheduling_if_missing(false);
}
