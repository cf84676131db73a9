//! Namespaces.

use super::check::{each, quoted};
use super::format;
use super::meta::kube_finalizer;
use crate::core::v1::Namespace;
use crate::field::{Error, ErrorList, Path};

const FINALIZERS: Path<'static> = Path::new("spec.finalizers");

/// Upstream names the list, not the element, in these errors.
pub(super) fn namespace(errors: &mut ErrorList, namespace: Namespace<'_>) {
    for name in namespace.spec().finalizers() {
        finalizer(errors, &FINALIZERS, name);
    }
}

fn finalizer(errors: &mut ErrorList, path: &Path<'_>, name: &str) {
    each(errors, path, name, format::label_key(name));
    kube_finalizer(errors, path, name);
}

pub(super) fn finalize(errors: &mut ErrorList, namespace: Namespace<'_>) {
    for (at, name) in namespace.spec().finalizers().iter().enumerate() {
        finalizer(errors, &FINALIZERS.index(at), name);
    }
}

/// The phase says whether the namespace is on its way out.
pub(super) fn status(errors: &mut ErrorList, namespace: Namespace<'_>) {
    let phase = namespace.status().phase();
    let deleted = namespace.metadata().deletion_timestamp().is_some();
    let (right, why) = if deleted {
        (
            "Terminating",
            "may only be 'Terminating' if `deletionTimestamp` is not empty",
        )
    } else {
        (
            "Active",
            "may only be 'Active' if `deletionTimestamp` is empty",
        )
    };
    if phase != right {
        errors.push(Error::invalid(
            &Path::new("status.Phase"),
            quoted(phase),
            why,
        ));
    }
}
