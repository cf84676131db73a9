//! VolumeAttachments: a volume, a node, and who is to bring them together.
//! <https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/volume-attachment-v1/>

use super::super::check::{each, in_range, required, same};
use super::super::{format, persistent_volume, pod};
use super::{SPEC, immutable};
use crate::field::{Error, ErrorList, Path};
use crate::storage::v1::{VolumeAttachment, VolumeAttachmentSource, VolumeError};
use crate::view::View;

const ATTACHER: Path<'static> = Path::new("spec.attacher");
const STATUS: Path<'static> = Path::new("status");
const METADATA_MAX: usize = 256 * 1024;
const MESSAGE_MAX: usize = 1024;

/// Upstream says of a new attachment's attacher what its newer rules say, behind all else; what only the older ones find, where
/// they stand.
pub(crate) fn create(errors: &mut ErrorList, attachment: VolumeAttachment<'_>) {
    let name = attachment.spec().attacher();
    let (mut newer, mut older) = (ErrorList::new(), ErrorList::new());
    attacher(&mut newer, name);
    pod::driver_name(&mut older, &ATTACHER, name);
    let found = |error: &Error| newer.iter().any(|newer| newer.kind == error.kind);
    errors.extend(older.into_iter().filter(|error| !found(error)));
    check(errors, attachment);
    errors.extend(newer);
}

fn attacher(errors: &mut ErrorList, name: &str) {
    if !required(errors, &ATTACHER, name) {
        return;
    }
    each(errors, &ATTACHER, name, format::long_name_caseless(name));
    if name.chars().nth(format::LABEL_MAX).is_some() {
        errors.push(Error::too_long_characters(&ATTACHER, format::LABEL_MAX));
    }
}

/// An attachment is of one volume and one node as long as it lives. Changes of its status are looked at in the same way.
pub(crate) fn update(errors: &mut ErrorList, new: VolumeAttachment<'_>, old: VolumeAttachment<'_>) {
    pod::driver_name(errors, &ATTACHER, new.spec().attacher());
    check(errors, new);
    if !same(new.spec().node(), old.spec().node()) {
        errors.push(immutable(&SPEC));
    }
}

/// All but the attacher.
fn check(errors: &mut ErrorList, attachment: VolumeAttachment<'_>) {
    let (spec, status) = (attachment.spec(), attachment.status());
    source(errors, &SPEC.child("source"), spec.source());
    let node = spec.node_name();
    let messages = format::dns_subdomain(node);
    each(errors, &SPEC.child("nodeName"), node, messages);
    let metadata = status.attachment_metadata().iter();
    let size: usize = metadata.map(|(key, value)| key.len() + value.len()).sum();
    if size > METADATA_MAX {
        let place = STATUS.child("attachmentMetadata");
        errors.push(Error::too_long(&place, METADATA_MAX));
    }
    for (field, error) in [
        ("attachError", status.attach_error()),
        ("detachError", status.detach_error()),
    ] {
        if let Some(error) = error {
            failure(errors, &STATUS.child(field), error);
        }
    }
    if let Some(volume) = spec.source().persistent_volume_name() {
        let place = SPEC.child("source.persistentVolumeName");
        each(errors, &place, volume, format::dns_subdomain(volume));
    }
}

fn source(errors: &mut ErrorList, path: &Path<'_>, source: VolumeAttachmentSource<'_>) {
    const ONE: &str = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    match (source.inline_volume_spec(), source.persistent_volume_name()) {
        (None, None) => errors.push(Error::required(path, ONE)),
        (Some(_), Some(_)) => errors.push(Error::forbidden(path, ONE)),
        (None, Some("")) => errors.push(Error::required(
            &path.child("persistentVolumeName"),
            "must specify non empty persistentVolumeName",
        )),
        (None, Some(_)) => {}
        (Some(spec), None) => {
            persistent_volume::inline(errors, &path.child("inlineVolumeSpec"), spec);
        }
    }
}

/// Why a volume could not be attached, or detached.
fn failure(errors: &mut ErrorList, path: &Path<'_>, error: VolumeError<'_>) {
    if error.message().len() > MESSAGE_MAX {
        errors.push(Error::too_long(&path.child("message"), MESSAGE_MAX));
    }
    if let Some(code) = error.error_code() {
        let place = path.child("errorCode");
        in_range(errors, &place, code, 0, i64::from(i32::MAX));
    }
}
