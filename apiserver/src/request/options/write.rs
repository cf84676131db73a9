//! Options of what writes: create, update and patch.

use api::field::{BadValue, Error, ErrorList, Path, is_print};

use super::{checked, optional_flag, text};
use crate::request::Query;
use crate::status::Status;

/// What becomes of unknown and duplicate fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// Dropped in silence.
    Ignore,
    /// Dropped, with a warning: the default.
    #[default]
    Warn,
    /// The request is refused.
    Strict,
}

/// Options of create (metav1.CreateOptions).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateOptions {
    /// Whether everything is done but the storing.
    pub dry_run: bool,
    /// Who owns the fields; empty: told from the user agent.
    pub field_manager: String,
    /// What becomes of unknown and duplicate fields.
    pub field_validation: FieldValidation,
}

/// Options of update (metav1.UpdateOptions): the same.
pub type UpdateOptions = CreateOptions;

impl CreateOptions {
    /// The options of a create.
    pub fn parse(query: &Query) -> Result<CreateOptions, Status> {
        CreateOptions::parse_as(query, "CreateOptions", ErrorList::new())
    }

    /// The options of an update.
    pub fn parse_update(query: &Query) -> Result<UpdateOptions, Status> {
        CreateOptions::parse_as(query, "UpdateOptions", ErrorList::new())
    }

    fn parse_as(query: &Query, kind: &str, mut errors: ErrorList) -> Result<CreateOptions, Status> {
        let field_manager = text(query, "fieldManager");
        validate_field_manager(&field_manager, &mut errors);
        let dry_run: Vec<&str> = query.all("dryRun").collect();
        validate_dry_run(&dry_run, &mut errors);
        let field_validation = match query.get("fieldValidation").unwrap_or_default() {
            "" | "Warn" => FieldValidation::Warn,
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            other => {
                let path = Path::new("fieldValidation");
                errors.push(Error::not_supported(
                    &path,
                    other,
                    &["", "Ignore", "Strict", "Warn"],
                ));
                FieldValidation::Warn
            }
        };
        checked(kind, &errors)?;
        Ok(CreateOptions {
            dry_run: !dry_run.is_empty(),
            field_manager,
            field_validation,
        })
    }
}

fn validate_field_manager(manager: &str, errors: &mut ErrorList) {
    let path = Path::new("fieldManager");
    if manager.len() > 128 {
        errors.push(Error::too_long(&path, 128));
    }
    for (position, c) in manager.char_indices().filter(|(_, c)| !is_print(*c)) {
        let why = format!(
            "invalid character U+{:04X} (at position {position})",
            c as u32
        );
        errors.push(Error::invalid(&path, manager, why));
    }
}

pub(super) fn validate_dry_run(values: &[&str], errors: &mut ErrorList) {
    if values.iter().any(|v| *v != "All") {
        let shown = BadValue::Json(serde_json::to_string(values).unwrap_or_default());
        errors.push(Error::not_supported(&Path::new("dryRun"), shown, &["All"]));
    }
}

/// The kinds of a patch, by the media type of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    /// `application/json-patch+json` (RFC 6902).
    Json,
    /// `application/merge-patch+json` (RFC 7386).
    Merge,
    /// `application/strategic-merge-patch+json`.
    Strategic,
    /// `application/apply-patch+yaml`: server-side apply.
    Apply,
}

impl PatchKind {
    /// The kind that a Content-Type names; parameters are ignored.
    pub fn of_content_type(content_type: &str) -> Option<PatchKind> {
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/json-patch+json" => Some(PatchKind::Json),
            "application/merge-patch+json" => Some(PatchKind::Merge),
            "application/strategic-merge-patch+json" => Some(PatchKind::Strategic),
            "application/apply-patch+yaml" => Some(PatchKind::Apply),
            _ => None,
        }
    }
}

/// Options of patch (metav1.PatchOptions).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatchOptions {
    /// What it has in common with an update.
    pub update: UpdateOptions,
    /// Whether an apply takes fields from their owners.
    pub force: bool,
}

impl PatchOptions {
    /// The options of a patch of `kind`.
    pub fn parse(query: &Query, kind: PatchKind) -> Result<PatchOptions, Status> {
        let force = optional_flag(query, "force");
        let mut errors = ErrorList::new();
        if kind == PatchKind::Apply {
            if query.get("fieldManager").unwrap_or_default().is_empty() {
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
        let update = CreateOptions::parse_as(query, "PatchOptions", errors)?;
        Ok(PatchOptions {
            update,
            force: force.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::refused;
    use super::*;

    #[test]
    fn writes_are_refused_with_upstreams_words() {
        let create = |q: &str| refused(CreateOptions::parse(&Query::parse(q)));
        assert_eq!(
            create("dryRun=Foo&fieldManager=%01x&fieldValidation=Bar"),
            (
                422,
                "CreateOptions.meta.k8s.io \"\" is invalid: [fieldManager: Invalid value: \"\\x01x\": invalid character U+0001 \
                 (at position 0), dryRun: Unsupported value: [\"Foo\"]: supported values: \"All\", fieldValidation: Unsupported \
                 value: \"Bar\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"]"
                    .to_owned()
            )
        );
        let patch = |q: &str, kind| refused(PatchOptions::parse(&Query::parse(q), kind));
        assert_eq!(
            patch("force=true", PatchKind::Merge).1,
            "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch"
        );
        assert_eq!(
            patch("", PatchKind::Apply).1,
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"
        );
    }

    #[test]
    fn correct_options_are_read() {
        let options = CreateOptions::parse(&Query::parse(
            "dryRun=All&fieldManager=me&fieldValidation=Strict",
        ))
        .unwrap();
        assert!(options.dry_run);
        assert_eq!(
            (options.field_manager.as_str(), options.field_validation),
            ("me", FieldValidation::Strict)
        );
    }
}
