//! Metadata: names, labels, annotations, owners, finalizers, managed fields.

use super::check::{IMMUTABLE, each, labels, not_negative, quoted, shown};
use super::format;
use super::names::Rule;
use crate::field::{BadValue, Error, ErrorList, Path, quote};
use crate::meta::v1::{ManagedFieldsEntry, ObjectMeta, OwnerReference};
use crate::view::{List, MapRef};

/// All annotations of an object together, in bytes.
pub const ANNOTATIONS_MAX: usize = 256 * 1024;
const MANAGER_MAX: usize = 128;
const SUBRESOURCE_MAX: usize = 256;
const METADATA: Path<'static> = Path::new("metadata");

/// How an object's kind lives.
#[derive(Clone, Copy)]
pub(super) struct Scope {
    /// In a namespace.
    pub namespaced: bool,
    /// How it may be called.
    pub name: Rule,
    /// Finalizers without a domain must be upstream's own.
    pub kube_finalizers: bool,
}

/// The metadata of a new object.
pub(super) fn create(errors: &mut ErrorList, meta: ObjectMeta<'_>, scope: Scope) {
    let generate_name = meta.generate_name();
    if !generate_name.is_empty() {
        let messages = scope.name.check(generate_name, true);
        each(
            errors,
            &METADATA.child("generateName"),
            generate_name,
            messages,
        );
    }
    let path = METADATA.child("name");
    if meta.name().is_empty() {
        errors.push(Error::required(&path, "name or generateName is required"));
    } else {
        each(
            errors,
            &path,
            meta.name(),
            scope.name.check(meta.name(), false),
        );
    }
    let path = METADATA.child("namespace");
    match (scope.namespaced, meta.namespace()) {
        (true, "") => errors.push(Error::required(&path, "")),
        (true, namespace) => each(errors, &path, namespace, format::dns_label(namespace)),
        (false, "") => {}
        (false, _) => errors.push(Error::forbidden(&path, "not allowed on this type")),
    }
    not_negative(errors, &METADATA.child("generation"), meta.generation());
    common(errors, meta, scope);
    finalizers(errors, meta.finalizers());
}

fn common(errors: &mut ErrorList, meta: ObjectMeta<'_>, scope: Scope) {
    labels(errors, &METADATA.child("labels"), meta.labels());
    annotations(errors, &METADATA.child("annotations"), meta.annotations());
    owners(
        errors,
        &METADATA.child("ownerReferences"),
        meta.owner_references(),
    );
    let path = METADATA.child("managedFields");
    for (at, entry) in meta.managed_fields().iter().enumerate() {
        managed_fields(errors, &path.index(at), entry);
    }
    if scope.kube_finalizers {
        let path = METADATA.child("finalizers");
        for (at, finalizer) in meta.finalizers().iter().enumerate() {
            kube_finalizer(errors, &path.index(at), finalizer);
        }
    }
}

/// The metadata of an object that changes.
pub(super) fn update(
    errors: &mut ErrorList,
    new: ObjectMeta<'_>,
    old: ObjectMeta<'_>,
    scope: Scope,
) {
    if old.deletion_timestamp().is_some() {
        no_new_finalizers(errors, new.finalizers(), old.finalizers());
    }
    if new.resource_version().is_empty() {
        errors.push(Error::invalid(
            &METADATA.child("resourceVersion"),
            "",
            "must be specified for an update",
        ));
    }
    let path = METADATA.child("generation");
    not_negative(errors, &path, new.generation());
    if new.generation() < old.generation() {
        errors.push(Error::invalid(
            &path,
            new.generation(),
            "must not be decremented",
        ));
    }
    for (field, new, old) in [
        ("name", new.name(), old.name()),
        ("namespace", new.namespace(), old.namespace()),
    ] {
        if new != old {
            errors.push(Error::invalid(&METADATA.child(field), new, IMMUTABLE));
        }
    }
    if new.uid() != old.uid() {
        errors.push(Error::invalid(
            &METADATA.child("uid"),
            quoted(new.uid()),
            IMMUTABLE,
        ));
    }
    for (field, new, old) in [
        (
            "creationTimestamp",
            new.creation_timestamp(),
            old.creation_timestamp(),
        ),
        (
            "deletionTimestamp",
            new.deletion_timestamp(),
            old.deletion_timestamp(),
        ),
    ] {
        if new != old {
            let value = new.map_or(BadValue::Json("null".into()), |time| {
                quoted(&time.to_string())
            });
            errors.push(Error::invalid(&METADATA.child(field), value, IMMUTABLE));
        }
    }
    let (seconds, before) = (
        new.deletion_grace_period_seconds(),
        old.deletion_grace_period_seconds(),
    );
    if seconds != before {
        let value = seconds.map_or("null".to_owned(), |seconds| seconds.to_string());
        errors.push(Error::invalid(
            &METADATA.child("deletionGracePeriodSeconds"),
            BadValue::Json(value),
            IMMUTABLE,
        ));
    }
    common(errors, new, scope);
    finalizers(errors, new.finalizers());
}

fn no_new_finalizers(errors: &mut ErrorList, new: List<'_, str>, old: List<'_, str>) {
    let mut extra: Vec<&str> = new.iter().filter(|name| !old.contains(name)).collect();
    if extra.is_empty() {
        return;
    }
    extra.sort_unstable();
    extra.dedup();
    let list: Vec<String> = extra.into_iter().map(quote).collect();
    errors.push(Error::forbidden(
        &METADATA.child("finalizers"),
        format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            list.join(", ")
        ),
    ));
}

/// The keys and the size of annotations.
pub(super) fn annotations(errors: &mut ErrorList, path: &Path<'_>, map: MapRef<'_, str>) {
    let mut size = 0;
    for (key, value) in map {
        size += key.len() + value.len();
        if key.bytes().any(|byte| byte.is_ascii_uppercase()) {
            each(errors, path, key, format::label_key(&key.to_lowercase()));
        } else {
            each(errors, path, key, format::label_key(key));
        }
    }
    if size > ANNOTATIONS_MAX {
        errors.push(Error::too_long(path, ANNOTATIONS_MAX));
    }
}

fn owners(errors: &mut ErrorList, path: &Path<'_>, owners: List<'_, OwnerReference<'_>>) {
    let mut controller: Option<(&str, &str)> = None;
    for (at, owner) in owners.iter().enumerate() {
        let place = path.index(at);
        let version = owner.api_version();
        if version.is_empty() {
            errors.push(Error::required(
                &place.child("apiVersion"),
                "must not be empty",
            ));
        } else if version.matches('/').count() > 1 || version.ends_with('/') {
            errors.push(Error::invalid(
                &place.child("apiVersion"),
                version,
                "must be <group>/<version> or <version>",
            ));
        }
        for (field, value) in [
            ("kind", owner.kind()),
            ("name", owner.name()),
            ("uid", owner.uid()),
        ] {
            if value.is_empty() {
                errors.push(Error::required(&place.child(field), "must not be empty"));
            }
        }
        if (version, owner.kind()) == ("v1", "Event") {
            errors.push(Error::invalid(
                &place,
                shown(owners.node().and_then(|list| list.item(at))),
                "/v1, Kind=Event is disallowed from being an owner",
            ));
        }
        if owner.controller() == Some(true) {
            match controller {
                None => controller = Some((owner.kind(), owner.name())),
                Some((kind, name)) => errors.push(Error::invalid(
                    path,
                    shown(owners.node()),
                    format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {kind}/{name} and {}/{}",
                        owner.kind(),
                        owner.name()
                    ),
                )),
            }
        }
    }
}

fn finalizers(errors: &mut ErrorList, list: List<'_, str>) {
    let path = METADATA.child("finalizers");
    for name in list {
        each(errors, &path, name, format::label_key(name));
    }
    if list.contains("orphan") && list.contains("foregroundDeletion") {
        errors.push(Error::invalid(
            &path,
            shown(list.node()),
            "finalizer orphan and foregroundDeletion cannot be both set",
        ));
    }
}

/// A finalizer without a domain must be a known one.
pub(super) fn kube_finalizer(errors: &mut ErrorList, path: &Path<'_>, name: &str) {
    if !name.contains('/') && !matches!(name, "kubernetes" | "orphan" | "foregroundDeletion") {
        errors.push(Error::invalid(
            path,
            name,
            "name is neither a standard finalizer name nor is it fully qualified",
        ));
    }
}

fn managed_fields(errors: &mut ErrorList, path: &Path<'_>, entry: ManagedFieldsEntry<'_>) {
    let operation = path.child("operation");
    match entry.operation() {
        "" => errors.push(Error::required(&operation, "must not be empty")),
        "Apply" | "Update" => {}
        other => errors.push(Error::not_supported(
            &operation,
            quoted(other),
            &["Apply", "Update"],
        )),
    }
    if !matches!(entry.fields_type(), "" | "FieldsV1") {
        errors.push(Error::invalid(
            &path.child("fieldsType"),
            entry.fields_type(),
            "must be `FieldsV1`",
        ));
    }
    field_manager(errors, &path.child("manager"), entry.manager());
    if entry.subresource().len() > SUBRESOURCE_MAX {
        errors.push(Error::too_long(&path.child("subresource"), SUBRESOURCE_MAX));
    }
}

/// The name of a field manager.
pub(super) fn field_manager(errors: &mut ErrorList, path: &Path<'_>, manager: &str) {
    if manager.len() > MANAGER_MAX {
        errors.push(Error::too_long(path, MANAGER_MAX));
    }
    for (at, c) in manager.char_indices() {
        if !crate::field::is_print(c) {
            errors.push(Error::invalid(
                path,
                manager,
                format!("invalid character U+{:04X} (at position {at})", c as u32),
            ));
        }
    }
}

/// The metadata of a template inside of an object: labels and annotations alone.
pub(super) fn template(errors: &mut ErrorList, path: &Path<'_>, meta: ObjectMeta<'_>) {
    annotations(errors, &path.child("annotations"), meta.annotations());
    labels(errors, &path.child("labels"), meta.labels());
    for (field, set) in [
        ("name", !meta.name().is_empty()),
        ("generateName", !meta.generate_name().is_empty()),
        ("namespace", !meta.namespace().is_empty()),
        ("selfLink", !meta.self_link().is_empty()),
        ("uID", !meta.uid().is_empty()),
        ("resourceVersion", !meta.resource_version().is_empty()),
        ("generation", meta.generation() != 0),
        ("creationTimestamp", meta.creation_timestamp().is_some()),
        ("deletionTimestamp", meta.deletion_timestamp().is_some()),
        ("ownerReferences", !meta.owner_references().is_empty()),
        ("finalizers", !meta.finalizers().is_empty()),
        ("managedFields", !meta.managed_fields().is_empty()),
    ] {
        if set {
            errors.push(Error::forbidden(&path.child(field), "cannot be set"));
        }
    }
}
