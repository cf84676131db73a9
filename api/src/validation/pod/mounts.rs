//! What containers mount: volumes as folders and as block devices.

use super::super::check::{required, supported};
use super::volume::{descending, has_backsteps};
use crate::core::v1::{Volume, VolumeDevice, VolumeMount};
use crate::field::{Error, ErrorList, Path};
use crate::view::List;

/// Folders.
pub(super) fn mounts(
    errors: &mut ErrorList,
    path: &Path<'_>,
    mounts: List<'_, VolumeMount<'_>>,
    devices: List<'_, VolumeDevice<'_>>,
    volumes: &[Volume<'_>],
    privileged: bool,
) {
    for (at, mount) in mounts.iter().enumerate() {
        let place = path.index(at);
        let (name, target) = (mount.name(), mount.mount_path());
        required(errors, &place.child("name"), name);
        if !volumes.iter().any(|volume| volume.name() == name) {
            errors.push(Error::not_found(&place.child("name"), name));
        }
        required(errors, &place.child("mountPath"), target);
        if mounts
            .iter()
            .take(at)
            .any(|earlier| earlier.mount_path() == target)
        {
            errors.push(Error::invalid(
                &place.child("mountPath"),
                target,
                "must be unique",
            ));
        }
        if devices.iter().any(|device| device.name() == name) {
            errors.push(Error::invalid(
                &place.child("name"),
                name,
                "must not already exist in volumeDevices",
            ));
        }
        if devices.iter().any(|device| device.device_path() == target) {
            errors.push(Error::invalid(
                &place.child("mountPath"),
                target,
                "must not already exist as a path in volumeDevices",
            ));
        }
        sub_paths(errors, path, &place, mount);
        propagation(errors, path, mount, privileged);
    }
}

/// Upstream names the list, not the element, in these errors.
fn sub_paths(errors: &mut ErrorList, list: &Path<'_>, place: &Path<'_>, mount: VolumeMount<'_>) {
    let (fixed, expression) = (mount.sub_path(), mount.sub_path_expr());
    if !fixed.is_empty() {
        descending(errors, &list.child("subPath"), fixed);
    }
    if !expression.is_empty() {
        if !fixed.is_empty() {
            errors.push(Error::invalid(
                &place.child("subPathExpr"),
                expression,
                "subPathExpr and subPath are mutually exclusive",
            ));
        }
        descending(errors, &list.child("subPathExpr"), expression);
    }
}

fn propagation(errors: &mut ErrorList, path: &Path<'_>, mount: VolumeMount<'_>, privileged: bool) {
    let place = path.child("mountPropagation");
    if let Some(mode) = mount.mount_propagation() {
        supported(
            errors,
            &place,
            mode,
            &["Bidirectional", "HostToContainer", "None"],
        );
        if mode == "Bidirectional" && !privileged {
            errors.push(Error::forbidden(
                &place,
                "Bidirectional mount propagation is available only to privileged containers",
            ));
        }
    }
    let place = path.child("recursiveReadOnly");
    match mount.recursive_read_only() {
        None | Some("Disabled") => {}
        Some("Enabled" | "IfPossible") => {
            if !mount.read_only() {
                errors.push(Error::forbidden(
                    &place,
                    "may only be specified when readOnly is true",
                ));
            }
            if mount.mount_propagation().is_some_and(|mode| mode != "None") {
                errors.push(Error::forbidden(
                    &place,
                    "may only be specified when mountPropagation is None or not specified",
                ));
            }
        }
        Some(other) => errors.push(Error::not_supported(
            &place,
            other,
            &["Disabled", "Enabled", "IfPossible"],
        )),
    }
}

/// Block devices.
pub(super) fn devices(
    errors: &mut ErrorList,
    path: &Path<'_>,
    devices: List<'_, VolumeDevice<'_>>,
    mounts: List<'_, VolumeMount<'_>>,
    volumes: &[Volume<'_>],
) {
    for (at, device) in devices.iter().enumerate() {
        let place = path.index(at);
        let (name, target) = (device.name(), device.device_path());
        let earlier = || devices.iter().take(at);
        required(errors, &place.child("name"), name);
        if !name.is_empty() && earlier().any(|earlier| earlier.name() == name) {
            errors.push(Error::invalid(&place.child("name"), name, "must be unique"));
        }
        match volumes.iter().find(|volume| volume.name() == name) {
            Some(volume)
                if volume.persistent_volume_claim().is_none() && volume.ephemeral().is_none() =>
            {
                errors.push(Error::invalid(
                    &place.child("name"),
                    name,
                    "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode",
                ));
            }
            Some(_) => {}
            None => errors.push(Error::not_found(&place.child("name"), name)),
        }
        required(errors, &place.child("devicePath"), target);
        if !has_backsteps(target) && earlier().any(|earlier| earlier.device_path() == target) {
            errors.push(Error::invalid(
                &place.child("devicePath"),
                target,
                "must be unique",
            ));
        }
        if has_backsteps(target) {
            errors.push(Error::invalid(
                &place.child("devicePath"),
                target,
                "can not contain backsteps ('..')",
            ));
        }
        if mounts.iter().any(|mount| mount.name() == name) {
            errors.push(Error::invalid(
                &place.child("name"),
                name,
                "must not already exist in volumeMounts",
            ));
        }
        if mounts.iter().any(|mount| mount.mount_path() == target) {
            errors.push(Error::invalid(
                &place.child("devicePath"),
                target,
                "must not already exist as a path in volumeMounts",
            ));
        }
    }
}
