//! Options of what writes: create, update and patch.

use api::field::ErrorList;
use api::validation::options::{self, WriteOptions};

use super::{checked, optional_flag};
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
        CreateOptions::parse_as(query, "CreateOptions", options::write)
    }

    /// The options of an update.
    pub fn parse_update(query: &Query) -> Result<UpdateOptions, Status> {
        CreateOptions::parse_as(query, "UpdateOptions", options::write)
    }

    fn parse_as(
        query: &Query,
        kind: &str,
        validate: impl FnOnce(WriteOptions<'_>) -> ErrorList,
    ) -> Result<CreateOptions, Status> {
        let dry_run: Vec<&str> = query.all("dryRun").collect();
        let given = WriteOptions {
            field_manager: query.get("fieldManager").unwrap_or_default(),
            dry_run: &dry_run,
            field_validation: query.get("fieldValidation").unwrap_or_default(),
        };
        checked(kind, &validate(given))?;
        Ok(CreateOptions {
            dry_run: !dry_run.is_empty(),
            field_manager: given.field_manager.to_owned(),
            field_validation: match given.field_validation {
                "Ignore" => FieldValidation::Ignore,
                "Strict" => FieldValidation::Strict,
                _ => FieldValidation::Warn,
            },
        })
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
        let is_apply = kind == PatchKind::Apply;
        let validate = |given: WriteOptions<'_>| options::patch(given, is_apply, force);
        let update = CreateOptions::parse_as(query, "PatchOptions", validate)?;
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
