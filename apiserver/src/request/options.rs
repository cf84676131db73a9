//! The options of a request, from its query: typed, with upstream's errors.
//!
//! Decoding fails with 400 and Go's words for a number that is none; validation fails with 422. Selectors stay text:
//! parsing them is `api::selector`'s.

use api::field::{BadValue, Error, ErrorList, Path, is_print, quote};

use super::info::flag;
use super::query::Query;
use crate::status::{Qualified, Reason, Status};

const META: &str = "meta.k8s.io";

/// How a list's resource version is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceVersionMatch {
    /// Exactly that version.
    Exact,
    /// That version or any later one.
    NotOlderThan,
}

/// Options of list, watch and deletecollection (metav1.ListOptions).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// The unparsed label selector.
    pub label_selector: String,
    /// The unparsed field selector.
    pub field_selector: String,
    /// Whether to watch.
    pub watch: bool,
    /// Whether the watcher understands bookmarks.
    pub allow_watch_bookmarks: bool,
    /// The resource version as given; see [`ListOptions::revision`].
    pub resource_version: String,
    /// How it is meant.
    pub resource_version_match: Option<ResourceVersionMatch>,
    /// For how long to serve, in seconds.
    pub timeout_seconds: Option<i64>,
    /// At most how many objects to return; 0: all.
    pub limit: i64,
    /// Where to continue: opaque.
    pub continue_token: String,
    /// Whether a watch begins with the present objects (WatchList).
    pub send_initial_events: Option<bool>,
}

/// The parameter as a 64-bit number; 400 with Go's words if it is none.
fn number(query: &Query, key: &str) -> Result<Option<i64>, Status> {
    let Some(text) = query.get(key) else {
        return Ok(None);
    };
    text.parse::<i64>()
        .map(Some)
        .map_err(|e| Status::bad_request(parse_error("ParseInt", text, e.kind())))
}

fn parse_error(function: &str, text: &str, kind: &std::num::IntErrorKind) -> String {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    let why = if matches!(kind, PosOverflow | NegOverflow) {
        "value out of range"
    } else {
        "invalid syntax"
    };
    format!("strconv.{function}: parsing {}: {why}", quote(text))
}

fn text(query: &Query, key: &str) -> String {
    query.get(key).unwrap_or_default().to_owned()
}

fn optional_flag(query: &Query, key: &str) -> Option<bool> {
    query.get(key).map(|v| flag(Some(v)))
}

fn checked(kind: &str, errors: &ErrorList) -> Result<(), Status> {
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Status::invalid(Qualified::new(META, kind), "", errors)),
    }
}

impl ListOptions {
    /// The options of a list or watch; `watch` of the query decides which rules hold, or the deprecated path prefix
    /// (`watch` is then true).
    pub fn parse(query: &Query, watch: bool) -> Result<ListOptions, Status> {
        if query.get("shardSelector").is_some_and(|s| !s.is_empty()) {
            return Err(Status::bad_request(
                "shardSelector is not supported: the ShardedListAndWatch feature is disabled",
            ));
        }
        let mut options = ListOptions {
            label_selector: text(query, "labelSelector"),
            field_selector: text(query, "fieldSelector"),
            watch: watch || flag(query.get("watch")),
            allow_watch_bookmarks: flag(query.get("allowWatchBookmarks")),
            resource_version: text(query, "resourceVersion"),
            resource_version_match: None,
            timeout_seconds: number(query, "timeoutSeconds")?,
            limit: number(query, "limit")?.unwrap_or_default(),
            continue_token: text(query, "continue"),
            send_initial_events: optional_flag(query, "sendInitialEvents"),
        };
        let matching = query.get("resourceVersionMatch").unwrap_or_default();
        checked(
            "ListOptions",
            &if options.watch {
                options.validate_watch(matching)
            } else {
                options.validate_list(matching)
            },
        )?;
        options.resource_version_match = match matching {
            "Exact" => Some(ResourceVersionMatch::Exact),
            "NotOlderThan" => Some(ResourceVersionMatch::NotOlderThan),
            _ => None,
        };
        Ok(options)
    }

    fn validate_list(&self, matching: &str) -> ErrorList {
        let (path, mut errors) = (Path::new("resourceVersionMatch"), ErrorList::new());
        if !matching.is_empty() {
            if self.resource_version.is_empty() {
                errors.push(Error::forbidden(
                    &path,
                    "resourceVersionMatch is forbidden unless resourceVersion is provided",
                ));
            }
            if !self.continue_token.is_empty() {
                errors.push(Error::forbidden(
                    &path,
                    "resourceVersionMatch is forbidden when continue is provided",
                ));
            }
            if !matches!(matching, "Exact" | "NotOlderThan") {
                errors.push(Error::not_supported(
                    &path,
                    matching,
                    &["Exact", "NotOlderThan", ""],
                ));
            }
            if matching == "Exact" && self.resource_version == "0" {
                errors.push(Error::forbidden(
                    &path,
                    "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
                ));
            }
        }
        if self.send_initial_events.is_some() {
            let path = Path::new("sendInitialEvents");
            errors.push(Error::forbidden(
                &path,
                "sendInitialEvents is forbidden for list",
            ));
        }
        errors
    }

    fn validate_watch(&self, matching: &str) -> ErrorList {
        let (path, mut errors) = (Path::new("resourceVersionMatch"), ErrorList::new());
        if self.send_initial_events.is_some() && matching != "NotOlderThan" {
            errors.push(Error::forbidden(
                &path,
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            ));
        }
        if !matching.is_empty() {
            if self.send_initial_events.is_none() {
                let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
                errors.push(Error::forbidden(&path, why));
            }
            if matching != "NotOlderThan" {
                errors.push(Error::not_supported(&path, matching, &["NotOlderThan"]));
            }
            if !self.continue_token.is_empty() {
                errors.push(Error::forbidden(
                    &path,
                    "resourceVersionMatch is forbidden when continue is provided",
                ));
            }
        }
        errors
    }

    /// The resource version as a revision: 0 if none is given or `0` is; 400 if it is no number.
    pub fn revision(&self) -> Result<u64, Status> {
        parse_revision(&self.resource_version).map_err(|why| {
            // Upstream's watch does not call it the client's fault.
            if self.watch {
                Status::new(500, Reason::Unknown, why, None)
            } else {
                Status::bad_request(format!("invalid resource version: {why}"))
            }
        })
    }
}

fn parse_revision(text: &str) -> Result<u64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let digits = !text.starts_with('+');
    match text.parse::<u64>() {
        Ok(revision) if digits => Ok(revision),
        Ok(_) => Err(format!(
            "strconv.ParseUint: parsing {}: invalid syntax",
            quote(text)
        )),
        Err(e) => Err(parse_error("ParseUint", text, e.kind())),
    }
    .map_err(|why| Error::invalid(&Path::new("resourceVersion"), text, why).to_string())
}

/// Options of get (metav1.GetOptions).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetOptions {
    /// The resource version: the answer is not older; 0: whatever is at hand; `None`: the latest.
    pub resource_version: Option<u64>,
}

impl GetOptions {
    /// The options of a get.
    pub fn parse(query: &Query) -> Result<GetOptions, Status> {
        let resource_version = match query.get("resourceVersion").unwrap_or_default() {
            "" => None,
            // Upstream answers 500 without a reason here, where list and watch answer 400.
            text => Some(
                parse_revision(text).map_err(|why| Status::new(500, Reason::Unknown, why, None))?,
            ),
        };
        Ok(GetOptions { resource_version })
    }
}

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

fn validate_dry_run(values: &[&str], errors: &mut ErrorList) {
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
pub const UNREADABLE_ONLY: &str = "ignoreStoreReadErrorWithClusterBreakingPotential";

/// Options of delete and deletecollection (metav1.DeleteOptions), from the query or, later, the body.
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
        let options = DeleteOptions::checked(
            number(query, "gracePeriodSeconds")?,
            optional_flag(query, "orphanDependents"),
            query.get("propagationPolicy"),
            &dry_run,
        )?;
        Ok(DeleteOptions {
            unreadable_only: flag(query.get(UNREADABLE_ONLY)),
            ..options
        })
    }

    /// Options whose parts come from a body; preconditions are set by the caller.
    pub fn checked(
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
        validate_dry_run(dry_run, &mut errors);
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
    use super::*;

    fn list(query: &str) -> Result<ListOptions, Status> {
        ListOptions::parse(&Query::parse(query), false)
    }

    fn refused<T: std::fmt::Debug>(result: Result<T, Status>) -> (u16, String) {
        let status = result.unwrap_err();
        (status.code(), status.message().to_owned())
    }

    /// The answers of kube-apiserver v1.37.1 to these queries.
    #[test]
    fn lists_are_refused_with_upstreams_words() {
        for (query, code, message) in [
            (
                "limit=abc",
                400,
                "strconv.ParseInt: parsing \"abc\": invalid syntax",
            ),
            (
                "watch=1&timeoutSeconds=x",
                400,
                "strconv.ParseInt: parsing \"x\": invalid syntax",
            ),
            (
                "limit=99999999999999999999",
                400,
                "strconv.ParseInt: parsing \"99999999999999999999\": value out of range",
            ),
            (
                "resourceVersionMatch=Foo",
                422,
                "ListOptions.meta.k8s.io \"\" is invalid: [resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden \
                 unless resourceVersion is provided, resourceVersionMatch: Unsupported value: \"Foo\": supported values: \
                 \"Exact\", \"NotOlderThan\", \"\"]",
            ),
            (
                "sendInitialEvents=true",
                422,
                "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
            ),
            (
                "watch=true&sendInitialEvents=true",
                422,
                "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting \
                 resourceVersionMatch to NotOlderThan",
            ),
        ] {
            assert_eq!(refused(list(query)), (code, message.to_owned()), "{query}");
        }
    }

    #[test]
    fn a_resource_version_is_a_number() {
        let message = "resourceVersion: Invalid value: \"abc\": strconv.ParseUint: parsing \"abc\": invalid syntax";
        let of = |query| refused(list(query).unwrap().revision());
        assert_eq!(
            of("resourceVersion=abc"),
            (400, format!("invalid resource version: {message}"))
        );
        assert_eq!(of("watch=1&resourceVersion=abc"), (500, message.to_owned()));
        assert_eq!(list("resourceVersion=12").unwrap().revision(), Ok(12));
        assert_eq!(list("").unwrap().revision(), Ok(0));
    }

    #[test]
    fn watch_lists_are_understood() {
        let options =
            list("watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=30")
                .unwrap();
        assert!(options.watch && options.allow_watch_bookmarks);
        assert_eq!(options.send_initial_events, Some(true));
        assert_eq!(
            options.resource_version_match,
            Some(ResourceVersionMatch::NotOlderThan)
        );
        assert_eq!(options.timeout_seconds, Some(30));
    }

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
        let options = CreateOptions::parse(&Query::parse(
            "dryRun=All&fieldManager=me&fieldValidation=Strict",
        ))
        .unwrap();
        assert!(options.dry_run);
        assert_eq!(
            (options.field_manager.as_str(), options.field_validation),
            ("me", FieldValidation::Strict)
        );
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
