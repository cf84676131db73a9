//! Claims of persistent volumes.

use super::check::{IMMUTABLE, POSITIVE, each, quoted, required, same, selector, shown};
use super::format;
use super::pod;
use crate::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimMut, PersistentVolumeClaimSpec,
    PersistentVolumeClaimSpecMut,
};
use crate::field::{BadValue, Error, ErrorList, Path};
use crate::view::{List, View};
use crate::{Quantity, Tree};

const SPEC: Path<'static> = Path::new("spec");
const STORAGE: &str = "storage";
const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
const ACCESS_MODES: &[&str] = &[
    "ReadOnlyMany",
    "ReadWriteMany",
    "ReadWriteOnce",
    "ReadWriteOncePod",
];

pub(super) fn create(errors: &mut ErrorList, claim: PersistentVolumeClaim<'_>) {
    spec(errors, &SPEC, claim.spec());
}

/// What is claimed, by a claim or a template of claims.
pub(super) fn spec(errors: &mut ErrorList, path: &Path<'_>, spec: PersistentVolumeClaimSpec<'_>) {
    check(errors, path, spec, true);
}

/// `strict`: the groups of data sources must be names. Those of claims that have one already were not always looked at.
fn check(
    errors: &mut ErrorList,
    path: &Path<'_>,
    spec: PersistentVolumeClaimSpec<'_>,
    strict: bool,
) {
    access_modes(
        errors,
        &path.child("accessModes"),
        spec.access_modes(),
        "at least 1 access mode is required",
    );
    selector(errors, &path.child("selector"), spec.selector());
    let place = path.child("resources");
    let place = place.key(STORAGE);
    match spec.resources().requests().get(STORAGE) {
        None => errors.push(Error::required(&place, "")),
        Some(size) if size.signum() <= 0 => {
            errors.push(Error::invalid(&place, size.to_string(), POSITIVE));
        }
        Some(size) => pod::resource_quantity(errors, &place, STORAGE, size),
    }
    for (field, class) in [
        ("storageClassName", spec.storage_class_name()),
        (
            "volumeAttributesClassName",
            spec.volume_attributes_class_name(),
        ),
    ] {
        if let Some(class) = class.filter(|class| !class.is_empty()) {
            each(
                errors,
                &path.child(field),
                class,
                format::dns_subdomain(class),
            );
        }
    }
    if let Some(mode) = spec.volume_mode()
        && !matches!(mode, "Block" | "Filesystem")
    {
        let place = path.child("volumeMode");
        errors.push(Error::not_supported(&place, mode, &["Block", "Filesystem"]));
    }
    sources(errors, path, spec, strict);
}

/// How a claim wants its volume to be used, or a volume can be. `why`: what is said where nothing is.
pub(super) fn access_modes(
    errors: &mut ErrorList,
    path: &Path<'_>,
    modes: List<'_, str>,
    why: &str,
) {
    if modes.is_empty() {
        errors.push(Error::required(path, why));
    }
    let (mut alone, mut shared) = (false, false);
    for mode in modes {
        if !ACCESS_MODES.contains(&mode) {
            errors.push(Error::not_supported(path, mode, ACCESS_MODES));
        } else if mode == "ReadWriteOncePod" {
            alone = true;
        } else {
            shared = true;
        }
    }
    if alone && shared {
        errors.push(Error::forbidden(
            path,
            "may not use ReadWriteOncePod with other access modes",
        ));
    }
}

fn sources(
    errors: &mut ErrorList,
    path: &Path<'_>,
    spec: PersistentVolumeClaimSpec<'_>,
    strict: bool,
) {
    let (old, new) = (spec.data_source(), spec.data_source_ref());
    if let Some(source) = old {
        let parts = (source.name(), source.kind(), source.api_group());
        reference(errors, &path.child("dataSource"), parts, strict);
    }
    if let Some(source) = new {
        let parts = (source.name(), source.kind(), source.api_group());
        reference(errors, &path.child("dataSourceRef"), parts, strict);
    }
    if let (Some(old), Some(new)) = (old, new)
        && (old.name(), old.kind(), old.api_group()) != (new.name(), new.kind(), new.api_group())
    {
        // Upstream shows the path itself as the value, which prints as an empty object.
        let value = BadValue::Json("{}".to_owned());
        errors.push(Error::invalid(path, value, "must match dataSourceRef"));
    }
}

fn reference(
    errors: &mut ErrorList,
    path: &Path<'_>,
    (name, kind, group): (&str, &str, Option<&str>),
    strict: bool,
) {
    required(errors, &path.child("name"), name);
    required(errors, &path.child("kind"), kind);
    let group = group.unwrap_or_default();
    if !group.is_empty() {
        if strict {
            let messages = format::dns_subdomain(group);
            each(errors, &path.child("apiGroup"), group, messages);
        }
    } else if kind != "PersistentVolumeClaim" {
        errors.push(Error::invalid(
            path,
            kind,
            "must be 'PersistentVolumeClaim' when referencing the default apiGroup",
        ));
    }
}

/// A claim stays what it is, but for its volume when it gets one, its size, and its class of attributes.
pub(super) fn update(errors: &mut ErrorList, new: &Tree, old: &Tree) {
    let (claim, before) = (
        PersistentVolumeClaim::of(new),
        PersistentVolumeClaim::of(old),
    );
    let known = before.spec();
    let has_group = known
        .data_source()
        .is_some_and(|source| source.has_api_group())
        || known
            .data_source_ref()
            .is_some_and(|source| source.has_api_group());
    check(errors, &SPEC, claim.spec(), !has_group);
    let (now, was) = (claim.spec(), before.spec());
    let mut allowed = new.clone();
    let mut munged = PersistentVolumeClaimMut::of(&mut allowed);
    let mut spec = munged.spec_mut();
    if was.volume_name().is_empty() {
        spec.remove_volume_name();
    }
    class(errors, claim, before, &mut spec);
    if claim.status().phase() == "Bound" {
        if now.resources().has_requests()
            && let Some(size) = was.resources().requests().get(STORAGE)
        {
            spec.resources_mut().requests_mut().insert(STORAGE, size);
        }
        match was.volume_attributes_class_name() {
            Some(class) => spec.set_volume_attributes_class_name(class),
            None => {
                spec.remove_volume_attributes_class_name();
            }
        }
    }
    let rest = PersistentVolumeClaim::of(&allowed).spec();
    if !same(rest.node(), was.node()) {
        errors.push(Error::forbidden(
            &SPEC,
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n",
        ));
    }
    sizes(errors, claim, before);
    if now.volume_mode() != was.volume_mode() {
        let value = now.volume_mode().map_or(shown(None), quoted);
        errors.push(Error::invalid(&Path::new("volumeMode"), value, IMMUTABLE));
    }
    attributes(errors, claim, before);
}

/// Once a volume has attributes, they may change, and not go.
fn attributes(
    errors: &mut ErrorList,
    new: PersistentVolumeClaim<'_>,
    old: PersistentVolumeClaim<'_>,
) {
    let (now, was) = (
        new.spec().volume_attributes_class_name(),
        old.spec().volume_attributes_class_name(),
    );
    let current = old.status().current_volume_attributes_class_name();
    let what = match now {
        None => "nil",
        Some("") => "empty string",
        Some(_) => return,
    };
    if current.is_some() && now != was {
        errors.push(Error::forbidden(
            &SPEC.child("volumeAttributesClassName"),
            format!("update to {what} is forbidden when status.currentVolumeAttributesClassName is not nil"),
        ));
    }
}

/// A class that stood in an annotation, or nowhere, may come to stand in the field.
fn class(
    errors: &mut ErrorList,
    new: PersistentVolumeClaim<'_>,
    old: PersistentVolumeClaim<'_>,
    munged: &mut PersistentVolumeClaimSpecMut<'_>,
) {
    let before = old.metadata().annotations().get(BETA_CLASS);
    let now = new.metadata().annotations().get(BETA_CLASS);
    let (old_class, new_class) = (
        old.spec().storage_class_name(),
        new.spec().storage_class_name(),
    );
    let from_annotation = before.is_some()
        && old_class.is_none()
        && new_class == before
        && (now.is_none() || now == before);
    if from_annotation {
        munged.remove_storage_class_name();
        return;
    }
    if now != before {
        errors.push(Error::invalid(
            &Path::new("metadata.annotations").child(BETA_CLASS),
            now.unwrap_or_default(),
            IMMUTABLE,
        ));
    }
    if old_class.is_none() && before.is_none() && new_class.is_some() {
        munged.remove_storage_class_name();
    }
}

fn sizes(errors: &mut ErrorList, new: PersistentVolumeClaim<'_>, old: PersistentVolumeClaim<'_>) {
    let of = |claim: PersistentVolumeClaim<'_>| -> Quantity {
        let requests = claim.spec().resources().requests();
        requests.get(STORAGE).unwrap_or_default()
    };
    let capacity = old.status().capacity().get(STORAGE).unwrap_or_default();
    if of(new) < of(old) && of(new) <= capacity {
        errors.push(Error::forbidden(
            &SPEC.child("resources.requests.storage"),
            "field can not be less than status.capacity",
        ));
    }
}
