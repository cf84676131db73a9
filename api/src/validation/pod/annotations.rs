//! Annotations that upstream gives a meaning to.

use super::security::{APP_ARMOR_CONTAINER, SECCOMP_CONTAINER};
use super::volume::descending;
use super::{ANNOTATIONS, MIRROR};
use crate::core::v1::{Pod, PodSpec};
use crate::field::{Error, ErrorList, Path, quote};
use crate::view::MapRef;

const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";

/// The annotations of a pod or template.
pub(super) fn check(
    errors: &mut ErrorList,
    path: &Path<'_>,
    annotations: MapRef<'_, str>,
    spec: PodSpec<'_>,
) {
    for (key, value) in annotations {
        match key {
            MIRROR if spec.node_name().is_empty() => errors.push(Error::invalid(
                &path.key(key),
                value,
                "must set spec.nodeName if mirror pod annotation is set",
            )),
            DELETION_COST if !is_cost(value) => errors.push(Error::invalid(
                &path.key(key),
                value,
                "must be a 32bit integer",
            )),
            SECCOMP_POD => seccomp(errors, &path.child(key), value),
            _ if key.starts_with(SECCOMP_CONTAINER) => seccomp(errors, &path.child(key), value),
            _ => {
                if let Some(container) = key.strip_prefix(APP_ARMOR_CONTAINER) {
                    app_armor(errors, &path.key(key), container, value, spec);
                }
            }
        }
    }
}

/// An integer without plus or leading zeros.
fn is_cost(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = digits == "0" && text == "0" || !digits.starts_with('0');
    canonical && !text.starts_with('+') && text.parse::<i32>().is_ok()
}

fn seccomp(errors: &mut ErrorList, path: &Path<'_>, value: &str) {
    if matches!(value, "runtime/default" | "docker/default" | "unconfined") {
        return;
    }
    match value.strip_prefix("localhost/") {
        Some(file) => descending(errors, path, file),
        None => errors.push(Error::invalid(
            path,
            value,
            "must be a valid seccomp profile",
        )),
    }
}

fn app_armor(
    errors: &mut ErrorList,
    path: &Path<'_>,
    container: &str,
    value: &str,
    spec: PodSpec<'_>,
) {
    let known = spec
        .containers()
        .iter()
        .chain(spec.init_containers())
        .any(|other| other.name() == container)
        || spec
            .ephemeral_containers()
            .iter()
            .any(|other| other.name() == container);
    if !known {
        errors.push(Error::invalid(path, container, "container not found"));
    }
    let plain = matches!(value, "" | "runtime/default" | "unconfined");
    if !plain && !value.starts_with("localhost/") {
        errors.push(Error::invalid(
            path,
            value,
            format!("invalid AppArmor profile name: {}", quote(value)),
        ));
    }
}

/// Annotations that may not change.
pub(super) fn update(errors: &mut ErrorList, new: Pod<'_>, old: Pod<'_>) {
    let path = Path::new("metadata");
    let path = path.child(ANNOTATIONS);
    let (now, before) = (new.metadata().annotations(), old.metadata().annotations());
    for (key, value) in before {
        if now.get(key) == Some(value) {
            continue;
        }
        if key.starts_with(APP_ARMOR_CONTAINER) {
            let why = "may not remove or update AppArmor annotations";
            errors.push(Error::forbidden(&path.key(key), why));
        }
        if key == MIRROR {
            let why = "may not remove or update mirror pod annotation";
            errors.push(Error::forbidden(&path.key(key), why));
        }
    }
    for key in now.keys().filter(|key| !before.contains_key(key)) {
        if key.starts_with(APP_ARMOR_CONTAINER) {
            errors.push(Error::forbidden(
                &path.key(key),
                "may not add AppArmor annotations",
            ));
        }
        if key == MIRROR {
            errors.push(Error::forbidden(
                &path.key(key),
                "may not add mirror pod annotation",
            ));
        }
    }
    check(errors, &path, now, new.spec());
}
