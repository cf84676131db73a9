//! StorageVersionMigrations (upstream: `pkg/apis/storagemigration/validation`).

use super::budget::conditions;
use super::check::{IMMUTABLE, quoted, same, shown};
use super::format;
use crate::field::{BadValue, Error, ErrorList, Path};
use crate::storagemigration::v1::{StorageVersionMigration, StorageVersionMigrationSpec};
use crate::view::View;

const SPEC: Path<'static> = Path::new("spec");
const STATUS: Path<'static> = Path::new("status");
/// How a migration ends, and what is said when it ends in both ways or begins again.
const SUCCEEDED: (&str, &str) = ("Succeeded", "Success");
const FAILED: (&str, &str) = ("Failed", "Failed");

pub(super) fn create(errors: &mut ErrorList, migration: StorageVersionMigration<'_>) {
    let given = migration.spec().resource();
    let (path, resource) = (SPEC.child("resource.resource"), given.resource());
    if resource.is_empty() {
        errors.push(Error::required(&path, "resource is required to be set"));
    } else {
        together(errors, &path, resource, format::dns_1035_label(resource));
    }
    let (path, group) = (SPEC.child("resource.group"), given.group());
    if !group.is_empty() {
        together(errors, &path, group, format::dns_subdomain(group));
    }
}

/// An error for all messages.
fn together(errors: &mut ErrorList, path: &Path<'_>, value: &str, messages: format::Messages) {
    if !messages.is_empty() {
        errors.push(Error::invalid(path, value, messages.join(",")));
    }
}

pub(super) fn update(
    errors: &mut ErrorList,
    new: StorageVersionMigration<'_>,
    old: StorageVersionMigration<'_>,
) {
    create(errors, new);
    if !same(new.spec().node(), old.spec().node()) {
        errors.push(Error::invalid(&SPEC, internal(new.spec()), IMMUTABLE));
    }
}

/// The spec as upstream's internal struct shows it: what it is about has names in JSON there, too.
fn internal(spec: StorageVersionMigrationSpec<'_>) -> BadValue {
    let text = |text: &str| match quoted(text) {
        BadValue::Json(text) => text,
        _ => String::new(),
    };
    let resource = spec.resource();
    BadValue::Json(format!(
        "{{\"Resource\":{{\"group\":{},\"resource\":{}}}}}",
        text(resource.group()),
        text(resource.resource())
    ))
}

pub(super) fn status(
    errors: &mut ErrorList,
    new: StorageVersionMigration<'_>,
    old: StorageVersionMigration<'_>,
) {
    let (path, version) = (
        STATUS.child("resourceVersion"),
        new.status().resource_version(),
    );
    let digits = version.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || version.starts_with('0') {
        let why = format!("resource version is not well formed: {version}");
        errors.push(Error::invalid(&path, version, why));
    }
    let (list, now) = (STATUS.child("conditions"), new.status().conditions());
    conditions(errors, &list, now);
    let before = old.status().resource_version();
    if !before.is_empty() && before != version {
        errors.push(Error::invalid(&path, version, IMMUTABLE));
    }
    let mut refuse = |why: String| errors.push(Error::invalid(&list, shown(now.node()), why));
    if ended(new, SUCCEEDED.0) && ended(new, FAILED.0) {
        refuse("Both success and failed conditions cannot be true at the same time".to_owned());
    }
    for (ty, what) in [SUCCEEDED, FAILED] {
        if ended(old, ty) && !ended(new, ty) {
            refuse(format!(
                "{what} condition cannot be set to false once it is true"
            ));
        }
    }
}

/// Whether a migration has ended so.
fn ended(migration: StorageVersionMigration<'_>, ty: &str) -> bool {
    let mut conditions = migration.status().conditions().iter();
    conditions
        .find(|condition| condition.type_() == ty)
        .is_some_and(|condition| condition.status() == "True")
}
