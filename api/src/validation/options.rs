//! Options of requests: what stands in the query or in the body of a deletion.

use super::check::quoted;
use super::meta;
use crate::field::{BadValue, Error, ErrorList, Path};
use crate::meta::v1::DeleteOptions;

/// The options of a creation, update or patch.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteOptions<'a> {
    /// Who writes.
    pub field_manager: &'a str,
    /// What is not to be stored.
    pub dry_run: &'a [&'a str],
    /// What happens on unknown fields.
    pub field_validation: &'a str,
}

/// What is wrong with the options of a creation or update.
pub fn write(options: WriteOptions<'_>) -> ErrorList {
    let mut errors = ErrorList::new();
    common(&mut errors, options);
    errors
}

fn common(errors: &mut ErrorList, options: WriteOptions<'_>) {
    meta::field_manager(errors, &Path::new("fieldManager"), options.field_manager);
    dry_run(errors, options.dry_run);
    if !matches!(options.field_validation, "" | "Ignore" | "Warn" | "Strict") {
        errors.push(Error::not_supported(
            &Path::new("fieldValidation"),
            options.field_validation,
            &["", "Ignore", "Strict", "Warn"],
        ));
    }
}

/// What is wrong with the options of a patch. `force` is the query's, if it is there.
pub fn patch(options: WriteOptions<'_>, is_apply: bool, force: Option<bool>) -> ErrorList {
    let mut errors = ErrorList::new();
    if is_apply {
        if options.field_manager.is_empty() {
            errors.push(Error::required(
                &Path::new("fieldManager"),
                "is required for apply patch",
            ));
        }
    } else if force.is_some() {
        errors.push(Error::forbidden(
            &Path::new("force"),
            "may not be specified for non-apply patch",
        ));
    }
    common(&mut errors, options);
    errors
}

/// What is wrong with the options of a deletion.
pub fn delete(options: DeleteOptions<'_>) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("propagationPolicy");
    if let Some(policy) = options.propagation_policy() {
        if options.orphan_dependents().is_some() {
            errors.push(Error::invalid(
                &path,
                quoted(policy),
                "orphanDependents and deletionPropagation cannot be both set",
            ));
        }
        if !matches!(policy, "Foreground" | "Background" | "Orphan") {
            errors.push(Error::not_supported(
                &path,
                quoted(policy),
                &["Foreground", "Background", "Orphan", "nil"],
            ));
        }
    }
    let values: Vec<&str> = options.dry_run().iter().collect();
    dry_run(&mut errors, &values);
    if options.ignore_store_read_error_with_cluster_breaking_potential() == Some(true) {
        let path = Path::new("ignoreStoreReadErrorWithClusterBreakingPotential");
        for (field, set) in [
            ("propagationPolicy", options.has_propagation_policy()),
            ("orphanDependents", options.has_orphan_dependents()),
            ("gracePeriodSeconds", options.has_grace_period_seconds()),
            ("preconditions", options.has_preconditions()),
        ] {
            if set {
                let why = format!("cannot be set together with .{field}");
                errors.push(Error::invalid(&path, true, why));
            }
        }
    }
    errors
}

/// What is wrong with what is not to be stored.
pub fn dry_run(errors: &mut ErrorList, values: &[&str]) {
    if values.iter().any(|value| *value != "All") {
        let shown = BadValue::Json(serde_json::to_string(values).unwrap_or_default());
        errors.push(Error::not_supported(&Path::new("dryRun"), shown, &["All"]));
    }
}
