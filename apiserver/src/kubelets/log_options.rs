//! The query of `pods/log` (PodLogOptions), read and validated as upstream does.

use api::field::{Error, ErrorList, Path, quote};

use crate::request::Query;
use crate::status::{Qualified, Status};

/// What of a log is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LogOptions {
    pub(super) container: String,
    pub(super) follow: bool,
    pub(super) previous: bool,
    pub(super) timestamps: bool,
    pub(super) since_seconds: Option<i64>,
    pub(super) since_time: Option<String>,
    pub(super) tail_lines: Option<i64>,
    pub(super) limit_bytes: Option<i64>,
    pub(super) stream: Option<String>,
    pub(super) insecure: bool,
}

impl LogOptions {
    /// Reads a query.
    pub(super) fn parse(query: &Query) -> Result<LogOptions, Status> {
        let since_time = match query.get("sinceTime") {
            None | Some("") => None,
            Some(text) => Some(time(text)?),
        };
        Ok(LogOptions {
            container: query.get("container").unwrap_or_default().to_owned(),
            follow: flag(query, "follow"),
            previous: flag(query, "previous"),
            timestamps: flag(query, "timestamps"),
            since_seconds: number(query, "sinceSeconds")?,
            since_time,
            tail_lines: number(query, "tailLines")?,
            limit_bytes: number(query, "limitBytes")?,
            stream: query.get("stream").map(str::to_owned),
            insecure: flag(query, "insecureSkipTLSVerifyBackend"),
        })
    }

    /// Refuses what cannot be meant.
    pub(super) fn validate(&self, pod: &str) -> Result<(), Status> {
        let mut errors = ErrorList::new();
        let path = |name| Path::new(name);
        if let Some(lines) = self.tail_lines.filter(|n| *n < 0) {
            errors.push(Error::invalid(
                &path("tailLines"),
                lines,
                "must be greater than or equal to 0",
            ));
        }
        if let Some(bytes) = self.limit_bytes.filter(|n| *n < 1) {
            errors.push(Error::invalid(
                &path("limitBytes"),
                bytes,
                "must be greater than 0",
            ));
        }
        match (self.since_seconds, &self.since_time) {
            (Some(_), Some(_)) => {
                let why = "at most one of `sinceTime` or `sinceSeconds` may be specified";
                errors.push(Error::forbidden(&Path::root().key(""), why));
            }
            (Some(seconds), None) if seconds < 1 => {
                errors.push(Error::invalid(
                    &path("sinceSeconds"),
                    seconds,
                    "must be greater than 0",
                ));
            }
            _ => {}
        }
        if self.stream.is_some() {
            // Upstream's feature gate PodLogsQuerySplitStreams is off by default.
            errors.push(Error::forbidden(&path("stream"), "may not be specified"));
        }
        match errors.is_empty() {
            true => Ok(()),
            false => Err(Status::invalid(
                Qualified::new("", "PodLogOptions"),
                pod,
                &errors,
            )),
        }
    }

    /// The query for the kubelet.
    pub(super) fn query(&self) -> String {
        let mut terms = Vec::new();
        for (name, set) in [
            ("follow", self.follow),
            ("previous", self.previous),
            ("timestamps", self.timestamps),
        ] {
            if set {
                terms.push(format!("{name}=true"));
            }
        }
        for (name, number) in [
            ("sinceSeconds", self.since_seconds),
            ("tailLines", self.tail_lines),
            ("limitBytes", self.limit_bytes),
        ] {
            terms.extend(number.map(|n| format!("{name}={n}")));
        }
        terms.extend(
            self.since_time
                .as_ref()
                .map(|at| format!("sinceTime={}", at.replace('+', "%2B"))),
        );
        terms.join("&")
    }
}

/// As upstream reads flags: there, and neither "false" nor "0".
pub(super) fn flag(query: &Query, name: &str) -> bool {
    query
        .get(name)
        .is_some_and(|value| !matches!(value.to_ascii_lowercase().as_str(), "false" | "0"))
}

fn number(query: &Query, name: &str) -> Result<Option<i64>, Status> {
    let Some(text) = query.get(name) else {
        return Ok(None);
    };
    let failed = |error: std::num::ParseIntError| {
        let why = match error.kind() {
            std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => {
                "value out of range"
            }
            _ => "invalid syntax",
        };
        Status::bad_request(format!("strconv.ParseInt: parsing {}: {why}", quote(text)))
    };
    text.parse().map(Some).map_err(failed)
}

/// A time as the kubelet takes it: RFC 3339, in whole seconds.
fn time(text: &str) -> Result<String, Status> {
    let at: jiff::Timestamp = text.parse().map_err(|_| {
        let text = quote(text);
        Status::bad_request(format!(
            "parsing time {text} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text} as \"2006\""
        ))
    })?;
    Ok(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(query: &str) -> Result<LogOptions, String> {
        let options =
            LogOptions::parse(&Query::parse(query)).map_err(|s| s.message().to_owned())?;
        options.validate("p").map_err(|s| s.message().to_owned())?;
        Ok(options)
    }

    #[test]
    fn queries_reach_the_kubelet_as_they_are_meant() {
        let all = options(
            "follow=true&previous=0&timestamps&tailLines=5&limitBytes=10&sinceTime=2020-01-01T01:00:00%2B01:00&container=c",
        );
        let all = all.unwrap();
        assert_eq!(
            all.query(),
            "follow=true&timestamps=true&tailLines=5&limitBytes=10&sinceTime=2020-01-01T00:00:00Z"
        );
        assert_eq!((all.container.as_str(), all.insecure), ("c", false));
        assert_eq!(options("").unwrap().query(), "");
        assert!(
            options("insecureSkipTLSVerifyBackend=true&follow=maybe")
                .unwrap()
                .insecure
        );
    }

    #[test]
    fn refusals_are_upstreams() {
        for (query, message) in [
            (
                "tailLines=x",
                "strconv.ParseInt: parsing \"x\": invalid syntax",
            ),
            (
                "sinceTime=x",
                "parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"x\" as \"2006\"",
            ),
            (
                "tailLines=-1&limitBytes=0&sinceSeconds=0",
                "PodLogOptions \"p\" is invalid: [tailLines: Invalid value: -1: must be greater than or equal to 0, limitBytes: \
                 Invalid value: 0: must be greater than 0, sinceSeconds: Invalid value: 0: must be greater than 0]",
            ),
            (
                "sinceSeconds=1&sinceTime=2020-01-01T00:00:00Z",
                "PodLogOptions \"p\" is invalid: []: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",
            ),
            (
                "stream=Stdout",
                "PodLogOptions \"p\" is invalid: stream: Forbidden: may not be specified",
            ),
        ] {
            assert_eq!(options(query).unwrap_err(), message, "{query}");
        }
    }
}
