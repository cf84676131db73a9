//! Disks and shares of a cloud's.
//! <https://kubernetes.io/docs/concepts/storage/volumes/#azuredisk>

use super::super::check::{quoted, required};
use super::super::format;
use super::all_required;
use crate::core::v1::{
    AzureDiskVolumeSource, AzureFilePersistentVolumeSource, CinderPersistentVolumeSource,
};
use crate::field::{Error, ErrorList, Path};

const CACHING_MODES: &[&str] = &["None", "ReadOnly", "ReadWrite"];
const MANAGED: &str = "Managed";
const DISK_KINDS: &[&str] = &["Dedicated", MANAGED, "Shared"];
const MANAGED_DISK: &str = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
const BLOB_DISK: &str =
    "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd";

/// A disk of a cloud. Partition 0 is the whole disk, whatever the message says.
pub(super) fn disk(
    errors: &mut ErrorList,
    path: &Path<'_>,
    (field, id): (&str, &str),
    partition: i32,
) {
    required(errors, &path.child(field), id);
    if !(0..=255).contains(&partition) {
        let why = format::range(1, 255);
        errors.push(Error::invalid(&path.child("partition"), partition, why));
    }
}

pub(super) fn cinder(
    errors: &mut ErrorList,
    path: &Path<'_>,
    source: CinderPersistentVolumeSource<'_>,
) {
    required(errors, &path.child("volumeID"), source.volume_id());
    if let Some(secret) = source.secret_ref() {
        let fields = [("name", secret.name()), ("namespace", secret.namespace())];
        all_required(errors, &path.child("secretRef"), &fields);
    }
}

pub(super) fn azure_file(
    errors: &mut ErrorList,
    path: &Path<'_>,
    source: AzureFilePersistentVolumeSource<'_>,
) {
    let fields = [
        ("secretName", source.secret_name()),
        ("shareName", source.share_name()),
    ];
    all_required(errors, path, &fields);
    if let Some(namespace) = source.secret_namespace() {
        required(errors, &path.child("secretNamespace"), namespace);
    }
}

pub(super) fn azure_disk(
    errors: &mut ErrorList,
    path: &Path<'_>,
    source: AzureDiskVolumeSource<'_>,
) {
    let uri = source.disk_uri();
    let fields = [("diskName", source.disk_name()), ("diskURI", uri)];
    all_required(errors, path, &fields);
    for (field, value, known) in [
        ("cachingMode", source.caching_mode(), CACHING_MODES),
        ("kind", source.kind(), DISK_KINDS),
    ] {
        if let Some(value) = value.filter(|value| !known.contains(value)) {
            let place = path.child(field);
            errors.push(Error::not_supported(&place, quoted(value), known));
        }
    }
    let (start, form) = match source.kind() {
        None => return,
        Some(MANAGED) => ("/subscriptions/", MANAGED_DISK),
        Some(_) => ("https://", BLOB_DISK),
    };
    if !uri.starts_with(start) {
        let place = path.child("diskURI");
        errors.push(Error::not_supported(&place, uri, &[form]));
    }
}
