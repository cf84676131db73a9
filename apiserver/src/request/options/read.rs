//! Options of what reads: get, list and watch.

use api::field::{Error, ErrorList, Path, quote};

use super::{checked, flag, number, optional_flag, parse_error, text};
use crate::request::Query;
use crate::status::{Reason, Status};

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

#[cfg(test)]
mod tests {
    use super::super::refused;
    use super::*;

    fn list(query: &str) -> Result<ListOptions, Status> {
        ListOptions::parse(&Query::parse(query), false)
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
}
