//! A Status as an HTTP answer, in the media type that the client accepts.

use axum::body::Body;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::Status;

const NOSNIFF: HeaderName = HeaderName::from_static("x-content-type-options");

/// The media types in which a Status can be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `application/json` on one line.
    Json,
    /// `application/json`, indented.
    PrettyJson,
    /// `application/yaml`.
    Yaml,
    /// `application/vnd.kubernetes.protobuf`.
    Protobuf,
}

/// The first acceptable of the media types in which errors are answered; JSON if there is none, since an error must be said.
pub fn negotiate(headers: &HeaderMap, query: &str) -> Format {
    let json = if wants_pretty(headers, query) {
        Format::PrettyJson
    } else {
        Format::Json
    };
    let accept = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|v| v.to_str().ok());
    for range in accept.flat_map(|v| v.split(',')) {
        match range.split(';').next().unwrap_or_default().trim() {
            "application/json" | "application/*" | "*/*" => return json,
            "application/yaml" => return Format::Yaml,
            "application/vnd.kubernetes.protobuf" => return Format::Protobuf,
            _ => {}
        }
    }
    json
}

/// Whether JSON is to be indented: asked for by `?pretty`, else for people's tools.
pub fn wants_pretty(headers: &HeaderMap, query: &str) -> bool {
    for pair in query.split('&') {
        if let Some(value) = pair.strip_prefix("pretty=").filter(|v| !v.is_empty()) {
            return matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True");
        }
    }
    let agent = headers
        .get(USER_AGENT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    ["curl", "Wget", "Mozilla/5.0"]
        .iter()
        .any(|tool| agent.starts_with(tool))
}

/// The answer that says `status`.
pub fn render(status: &Status, format: Format) -> Response<Body> {
    let (content_type, body) = match format {
        Format::Json => ("application/json", status.to_json(false)),
        Format::PrettyJson => ("application/json", status.to_json(true)),
        // JSON is YAML: an error reads the same to every YAML parser.
        Format::Yaml => ("application/yaml", status.to_json(true)),
        Format::Protobuf => ("application/vnd.kubernetes.protobuf", status.to_protobuf()),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(status.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if matches!(status.code(), 403 | 400) {
        headers.insert(NOSNIFF, HeaderValue::from_static("nosniff"));
    }
    if let Some(seconds) = status.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// An answer in plain text, as upstream gives where no API object is concerned; ends with a line feed.
pub fn plain_text(code: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{text}\n")));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(NOSNIFF, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_acceptable_type_is_taken() {
        let accepting = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            negotiate(&headers, "")
        };
        assert_eq!(
            accepting("application/vnd.kubernetes.protobuf, application/json"),
            Format::Protobuf
        );
        assert_eq!(
            accepting("application/json;as=Table;v=v1;g=meta.k8s.io, application/json"),
            Format::Json
        );
        assert_eq!(accepting("text/html, application/yaml"), Format::Yaml);
        assert_eq!(accepting("text/html"), Format::Json);
        assert_eq!(
            negotiate(&HeaderMap::new(), "pretty=true"),
            Format::PrettyJson
        );
    }

    #[test]
    fn people_get_indented_json_unless_they_say_otherwise() {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static("curl/7.88"));
        assert!(wants_pretty(&headers, ""));
        assert!(!wants_pretty(&headers, "a=b&pretty=false"));
    }
}
