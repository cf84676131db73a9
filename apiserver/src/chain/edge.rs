//! The edge: what every answer carries, and failures as answers.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri, header};

use super::render;
use crate::env::Env;
use crate::flow::Busy;
use crate::request::{InfoError, RequestContext};
use crate::status::{Format, Status, plain_text};

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");
/// An id of more than this many bytes is not taken over.
const MAX_AUDIT_ID: usize = 64;

/// Why a request has no other answer.
#[derive(Debug)]
pub enum Failure {
    /// A failure with a Status.
    Status(Status),
    /// No seat.
    Busy(Busy),
    /// A path that cannot be read; the sentence for the client.
    Path(String),
    /// The handler panicked.
    Panic,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Failure {
        Failure::Status(status)
    }
}

impl Failure {
    pub(super) fn request_info(uri: &Uri, error: &InfoError) -> Failure {
        let uri = api::field::quote(uri.path_and_query().map_or(uri.path(), |p| p.as_str()));
        let text = format!("Internal Server Error: {uri}: failed to create RequestInfo: {error}");
        Failure::Path(
            text.replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;"),
        )
    }

    /// The failure as an answer: a Status in `format`, or text where upstream answers text.
    pub fn answer(self, format: Format) -> Response<Body> {
        match self {
            Failure::Status(status) => render(&status, format),
            Failure::Path(text) => plain_text(StatusCode::INTERNAL_SERVER_ERROR, &text),
            Failure::Panic => plain_text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "This request caused apiserver to panic. Look in the logs for details.",
            ),
            Failure::Busy(busy) => {
                let mut response = plain_text(StatusCode::TOO_MANY_REQUESTS, &busy.to_string());
                response.headers_mut().insert(
                    header::RETRY_AFTER,
                    HeaderValue::from(busy.retry_after_seconds),
                );
                response
            }
        }
    }
}

/// The text of a header; empty if there is none.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers
        .get(name)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
}

/// The client's own id for the request, or a new one.
pub(super) fn audit_id(headers: &HeaderMap, env: &Env) -> Arc<str> {
    match text(headers, &AUDIT_ID) {
        "" => env.uuid().into(),
        // The text of a header is ASCII.
        given => given[..given.len().min(MAX_AUDIT_ID)].into(),
    }
}

pub(super) fn add_headers(response: &mut Response<Body>, audit_id: &str) {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(audit_id) {
        headers.insert(AUDIT_ID, value);
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-cache, private"));
}

pub(super) fn add_warnings(response: &mut Response<Body>, cx: &RequestContext) {
    for value in cx
        .warnings()
        .iter()
        .filter_map(crate::request::Warning::header)
    {
        response.headers_mut().append(header::WARNING, value);
    }
}
