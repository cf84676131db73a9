//! `/containerLogs/NAMESPACE/POD/CONTAINER`, with the query of upstream's `PodLogOptions`.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use tokio_stream::wrappers::ReceiverStream;

use super::ServerState;
use crate::logs::{LogOptions, cri, stream};

pub(super) async fn container_logs(
    State(state): State<ServerState>,
    Path((namespace, pod, container)): Path<(String, String, String)>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let (options, previous) = match read(&query, state.shared.clock.now()) {
        Ok(options) => options,
        Err(message) => return (StatusCode::UNPROCESSABLE_ENTITY, message).into_response(),
    };
    let log = match state.lookup.log(&namespace, &pod, &container, previous) {
        Ok(log) => log,
        Err(message) => {
            let code = if message.contains("waiting to start") || message.contains("previous") {
                StatusCode::BAD_REQUEST
            } else {
                StatusCode::NOT_FOUND
            };
            return (code, message).into_response();
        }
    };
    let lookup = state.lookup.clone();
    let path = log.path.clone();
    let running = move || {
        lookup
            .log(&namespace, &pod, &container, previous)
            .is_ok_and(|now| now.running && now.path == path)
    };
    let chunks = stream(log.path, options, running);
    let body = Body::from_stream(ReceiverStream::new(chunks));
    ([(header::CONTENT_TYPE, "text/plain")], body).into_response()
}

/// The options, and whether the attempt before is meant.
fn read(query: &BTreeMap<String, String>, now: Timestamp) -> Result<(LogOptions, bool), String> {
    let flag = |name: &str| {
        query
            .get(name)
            .is_some_and(|value| !["false", "0"].contains(&value.as_str()))
    };
    let number = |name: &str| -> Result<Option<u64>, String> {
        let value = query.get(name).filter(|value| !value.is_empty());
        value
            .map(|value| {
                value
                    .parse()
                    .map_err(|_| format!("{name}: {value:?} is no number"))
            })
            .transpose()
    };
    let since_time = query.get("sinceTime").filter(|value| !value.is_empty());
    let since_time = since_time
        .map(|value| {
            value
                .parse::<Timestamp>()
                .map_err(|_| format!("sinceTime: {value:?} is no time"))
        })
        .transpose()?;
    let since_seconds = number("sinceSeconds")?.map(|seconds| {
        let age = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        // Before all times there is nothing.
        now.checked_sub(age).unwrap_or(Timestamp::MIN)
    });
    let stream = match query.get("stream").map(String::as_str) {
        None | Some("" | "All") => None,
        Some("Stdout") => Some(cri::Stream::Stdout),
        Some("Stderr") => Some(cri::Stream::Stderr),
        Some(other) => return Err(format!("stream: {other:?} is none of All, Stdout, Stderr")),
    };
    let options = LogOptions {
        follow: flag("follow"),
        tail_lines: number("tailLines")?.map(|lines| usize::try_from(lines).unwrap_or(usize::MAX)),
        since: since_time.or(since_seconds),
        timestamps: flag("timestamps"),
        limit_bytes: number("limitBytes")?,
        stream,
    };
    Ok((options, flag("previous")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_becomes_options_or_an_error_by_name() {
        let query = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect()
        };
        let now = Timestamp::from_second(1000).unwrap();
        let (options, previous) = read(
            &query(&[
                ("follow", "true"),
                ("tailLines", "5"),
                ("sinceSeconds", "10"),
                ("previous", "true"),
            ]),
            now,
        )
        .unwrap();
        assert!(previous && options.follow && !options.timestamps);
        assert_eq!(
            (options.tail_lines, options.since),
            (Some(5), Some(Timestamp::from_second(990).unwrap()))
        );
        assert!(
            read(&query(&[("tailLines", "x")]), now)
                .unwrap_err()
                .starts_with("tailLines")
        );
        for seconds in [
            "999999999999",
            "9223372036854775807",
            "18446744073709551615",
        ] {
            let (options, _) = read(&query(&[("sinceSeconds", seconds)]), now).unwrap();
            assert_eq!(options.since, Some(Timestamp::MIN));
        }
    }
}
