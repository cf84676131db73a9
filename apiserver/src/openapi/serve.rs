//! The endpoints of OpenAPI.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::routing::any;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, EXPIRES, HeaderName,
    IF_NONE_MATCH, LOCATION, VARY,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use jiff::ToSpan;
use jiff::tz::TimeZone;

use super::document::Subject;
use super::store::{Documents, Form, Rendered};
use crate::codec::accept;
use crate::env::Env;
use crate::status::{Status, negotiate, render};

const JSON: &str = "application/json";
const V2: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
const V3: &str = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";
/// How clients wrote them before, and many still do.
const V2_OLD: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
const V3_OLD: &str = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf";

/// Answers with documents of OpenAPI.
pub struct OpenApi {
    documents: Documents,
    env: Env,
}

impl OpenApi {
    /// OpenAPI of the built-in kinds.
    pub fn new(env: Env) -> Arc<OpenApi> {
        Arc::new(OpenApi {
            documents: Documents::builtin(),
            env,
        })
    }

    /// The documents.
    pub fn documents(&self) -> &Documents {
        &self.documents
    }

    /// The routes.
    pub fn routes(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/openapi/v2", any(v2))
            .route("/openapi/v3", any(index))
            .route("/openapi/v3/", any(index))
            .route("/openapi/v3/{*name}", any(v3))
            .with_state(Arc::clone(self))
    }

    /// Makes what takes more than a moment away from where requests are waited for.
    async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Documents) -> T + Send + 'static,
    ) -> Result<T, Status> {
        let this = Arc::clone(self);
        tokio::task::spawn_blocking(move || work(&this.documents))
            .await
            .map_err(Status::internal)
    }

    async fn answer(
        self: &Arc<Self>,
        headers: &HeaderMap,
        subject: Subject,
        form: Form,
    ) -> Result<Response<Body>, Status> {
        let gzip = takes_gzip(headers);
        let (rendered, plain) = self
            .work(move |documents| {
                let rendered = documents.get(&subject, form)?;
                let plain = if gzip { None } else { Some(rendered.plain()?) };
                Ok::<_, std::io::Error>((rendered, plain))
            })
            .await?
            .map_err(Status::internal)?;
        Ok(response(headers, &rendered, plain))
    }
}

fn response(headers: &HeaderMap, rendered: &Rendered, plain: Option<Vec<u8>>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let tag = value(&format!("\"{}\"", rendered.hash));
    if headers.get(IF_NONE_MATCH) == Some(&tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else if let Some(plain) = plain {
        *response.body_mut() = plain.into();
    } else {
        *response.body_mut() = rendered.gzip.clone().into();
        response
            .headers_mut()
            .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response.headers_mut().insert(ETAG, tag);
    response
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    response
}

type Open = State<Arc<OpenApi>>;

async fn v2(State(open): Open, RawQuery(query): RawQuery, headers: HeaderMap) -> Response<Body> {
    let Some((form, media)) = form(&headers, V2, V2_OLD) else {
        return not_acceptable();
    };
    match open.answer(&headers, Subject::All, form).await {
        Ok(response) => with(response, CONTENT_TYPE, media),
        Err(status) => render(&status, negotiate(&headers, &query.unwrap_or_default())),
    }
}

async fn index(State(open): Open, RawQuery(query): RawQuery, headers: HeaderMap) -> Response<Body> {
    let made = open.work(|documents| {
        let entry = |(name, hash): (&String, &Arc<str>)| {
            (
                name.clone(),
                serde_json::json!({ "serverRelativeURL": url(name, hash) }),
            )
        };
        let paths: serde_json::Map<_, _> = documents.hashes().iter().map(entry).collect();
        serde_json::json!({ "paths": paths }).to_string()
    });
    match made.await {
        Ok(json) => with(Response::new(Body::from(json)), CONTENT_TYPE, JSON),
        Err(status) => render(&status, negotiate(&headers, &query.unwrap_or_default())),
    }
}

async fn v3(
    State(open): Open,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    let query = query.unwrap_or_default();
    let name = name.trim_end_matches('/');
    let Some(subject) = open.documents.named(name) else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    let Some((form, media)) = form(&headers, V3, V3_OLD) else {
        return not_acceptable();
    };
    let mut response = match open.answer(&headers, subject, form).await {
        Ok(response) => with(response, CONTENT_TYPE, media),
        Err(status) => return render(&status, negotiate(&headers, &query)),
    };
    // An address that names the hash never answers anything else: it may be kept for as long as one likes.
    if let Some(wanted) = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("hash="))
        .filter(|hash| !hash.is_empty())
    {
        let tag = response
            .headers()
            .get(ETAG)
            .and_then(|tag| tag.to_str().ok())
            .unwrap_or_default();
        let hash = tag.trim_matches('"');
        if hash != wanted {
            let mut moved = with(Response::new(Body::empty()), LOCATION, &url(name, hash));
            *moved.status_mut() = StatusCode::MOVED_PERMANENTLY;
            return moved;
        }
        response = with(response, CACHE_CONTROL, "public, immutable");
        response = with(response, EXPIRES, &in_a_year(&open.env));
    }
    response
}

fn in_a_year(env: &Env) -> String {
    let now = env.now().to_zoned(TimeZone::UTC);
    let then = now.checked_add(1.year()).unwrap_or(now);
    then.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn url(name: &str, hash: &str) -> String {
    format!("/openapi/v3/{name}?hash={hash}")
}

/// The form that is best liked, and its media type.
fn form(headers: &HeaderMap, protobuf: &'static str, old: &str) -> Option<(Form, &'static str)> {
    let clauses = accept::clauses(headers);
    if clauses.is_empty() {
        return Some((Form::Json, JSON));
    }
    clauses.iter().find_map(|clause| {
        if clause.matches_type(JSON) {
            return Some((Form::Json, JSON));
        }
        (clause.matches_type(protobuf) || clause.matches_type(old))
            .then_some((Form::Protobuf, protobuf))
    })
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let encodings = headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok());
    encodings
        .flat_map(|value| value.split(','))
        .any(|encoding| {
            let mut parts = encoding.split(';').map(str::trim);
            let refused = |parameter: &str| {
                matches!(
                    parameter.strip_prefix("q="),
                    Some("0" | "0.0" | "0.00" | "0.000")
                )
            };
            parts.next() == Some("gzip") && !parts.any(refused)
        })
}

fn not_acceptable() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_ACCEPTABLE;
    response
}

fn with(mut response: Response<Body>, name: HeaderName, text: &str) -> Response<Body> {
    response.headers_mut().insert(name, value(text));
    response
}

/// A header's value; ours are all printable.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use http::header::ACCEPT;

    use super::*;

    fn accepting(accept: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))])
    }

    #[test]
    fn discovery_clients_get_protobuf_under_either_name() {
        assert_eq!(
            form(&accepting(V2_OLD), V2, V2_OLD),
            Some((Form::Protobuf, V2))
        );
        assert_eq!(form(&accepting(V2), V2, V2_OLD), Some((Form::Protobuf, V2)));
        assert_eq!(
            form(&accepting("*/*"), V2, V2_OLD),
            Some((Form::Json, JSON))
        );
        assert_eq!(
            form(&HeaderMap::new(), V2, V2_OLD),
            Some((Form::Json, JSON))
        );
        assert_eq!(form(&accepting("text/html"), V2, V2_OLD), None);
    }

    #[test]
    fn compression_is_used_where_it_is_understood() {
        let with = |value| {
            takes_gzip(&HeaderMap::from_iter([(
                ACCEPT_ENCODING,
                HeaderValue::from_static(value),
            )]))
        };
        assert!(with("gzip") && with("br, gzip;q=0.5"));
        assert!(!with("gzip;q=0") && !with("br") && !takes_gzip(&HeaderMap::new()));
    }
}
