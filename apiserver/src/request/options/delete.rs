//! Options of what deletes: from the query, or from a `DeleteOptions` in a body.

use api::Ref;
use api::field::{Error, ErrorList, Path};
use api::validation::options;

use super::{checked, flag, number, optional_flag};
use crate::request::Query;
use crate::status::Status;

/// What becomes of what an object owns when it is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// It is left, without its owner.
    Orphan,
    /// It is deleted afterwards.
    Background,
    /// It is deleted before.
    Foreground,
}

/// The option that deletes an object which cannot be decoded or decrypted
/// ([KEP-3926](https://github.com/kubernetes/enhancements/issues/3926)).
const UNREADABLE_ONLY: &str = "ignoreStoreReadErrorWithClusterBreakingPotential";

/// Options of delete and deletecollection (metav1.DeleteOptions).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Seconds of grace; 0: at once.
    pub grace_period_seconds: Option<i64>,
    /// The deprecated form of `propagation`.
    pub orphan_dependents: Option<bool>,
    /// What becomes of what the object owns.
    pub propagation: Option<Propagation>,
    /// Whether everything is done but the storing.
    pub dry_run: bool,
    /// Delete only what cannot be read: [`UNREADABLE_ONLY`]. All that is served here can be.
    pub unreadable_only: bool,
    /// Delete only the object of this UID: from a body alone.
    pub precondition_uid: Option<String>,
    /// Delete only the object at this resource version: from a body alone.
    pub precondition_resource_version: Option<String>,
}

impl DeleteOptions {
    /// Refuses what a collection cannot be deleted with.
    pub fn check_collection(&self) -> Result<(), Status> {
        let mut errors = ErrorList::new();
        if self.unreadable_only {
            errors.push(Error::invalid(
                &Path::new(UNREADABLE_ONLY),
                true,
                "is not allowed with DELETECOLLECTION, try again after removing the option",
            ));
        }
        checked("DeleteOptions", &errors)
    }

    /// The options of a delete without a body.
    pub fn parse(query: &Query) -> Result<DeleteOptions, Status> {
        let dry_run: Vec<&str> = query.all("dryRun").collect();
        let checked = DeleteOptions::checked(
            number(query, "gracePeriodSeconds")?,
            optional_flag(query, "orphanDependents"),
            query.get("propagationPolicy"),
            &dry_run,
        )?;
        Ok(DeleteOptions {
            unreadable_only: flag(query.get(UNREADABLE_ONLY)),
            ..checked
        })
    }

    /// The options that came in a body.
    pub fn read(given: Ref<'_>) -> Result<DeleteOptions, Status> {
        let dry_run: Vec<&str> = given
            .get("dryRun")
            .into_iter()
            .flat_map(Ref::items)
            .filter_map(Ref::as_str)
            .collect();
        let options = DeleteOptions::checked(
            given.get("gracePeriodSeconds").and_then(Ref::as_i64),
            given.get("orphanDependents").and_then(Ref::as_bool),
            given.get("propagationPolicy").and_then(Ref::as_str),
            &dry_run,
        )?;
        let precondition = |field| {
            given
                .path("preconditions")
                .and_then(|p| p.get(field))
                .and_then(Ref::as_str)
                .map(str::to_owned)
        };
        Ok(DeleteOptions {
            unreadable_only: given
                .get(UNREADABLE_ONLY)
                .and_then(Ref::as_bool)
                .unwrap_or_default(),
            precondition_uid: precondition("uid"),
            precondition_resource_version: precondition("resourceVersion"),
            ..options
        })
    }

    fn checked(
        grace_period_seconds: Option<i64>,
        orphan_dependents: Option<bool>,
        propagation_policy: Option<&str>,
        dry_run: &[&str],
    ) -> Result<DeleteOptions, Status> {
        let (path, mut errors) = (Path::new("propagationPolicy"), ErrorList::new());
        if let (Some(policy), Some(_)) = (propagation_policy, orphan_dependents) {
            errors.push(Error::invalid(
                &path,
                policy,
                "orphanDependents and deletionPropagation cannot be both set",
            ));
        }
        let propagation = match propagation_policy {
            None => None,
            Some("Foreground") => Some(Propagation::Foreground),
            Some("Background") => Some(Propagation::Background),
            Some("Orphan") => Some(Propagation::Orphan),
            Some(other) => {
                errors.push(Error::not_supported(
                    &path,
                    other,
                    &["Foreground", "Background", "Orphan", "nil"],
                ));
                None
            }
        };
        options::dry_run(&mut errors, dry_run);
        checked("DeleteOptions", &errors)?;
        Ok(DeleteOptions {
            grace_period_seconds,
            orphan_dependents,
            propagation,
            dry_run: !dry_run.is_empty(),
            ..DeleteOptions::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::refused;
    use super::*;

    #[test]
    fn deletes_are_refused_with_upstreams_words() {
        let delete = |q: &str| refused(DeleteOptions::parse(&Query::parse(q)));
        assert_eq!(
            delete("gracePeriodSeconds=z"),
            (
                400,
                "strconv.ParseInt: parsing \"z\": invalid syntax".to_owned()
            )
        );
        assert_eq!(
            delete("propagationPolicy=z&dryRun=Q"),
            (
                422,
                "DeleteOptions.meta.k8s.io \"\" is invalid: [propagationPolicy: Unsupported value: \"z\": supported values: \
                 \"Foreground\", \"Background\", \"Orphan\", \"nil\", dryRun: Unsupported value: [\"Q\"]: supported values: \"All\"]"
                    .to_owned()
            )
        );
    }

    #[test]
    fn correct_options_are_read() {
        let options = DeleteOptions::parse(&Query::parse(
            "propagationPolicy=Orphan&gracePeriodSeconds=0",
        ))
        .unwrap();
        assert_eq!(
            (options.propagation, options.grace_period_seconds),
            (Some(Propagation::Orphan), Some(0))
        );
    }
}
