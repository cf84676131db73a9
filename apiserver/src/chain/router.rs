//! The fixed paths that every server has: health, version, metrics. Whatever is neither these nor a resource is 404.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Path};
use axum::routing::{any, get};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::Wiring;
use crate::health::Endpoint;
use crate::request::RequestContext;
use crate::status::{Status, negotiate, plain_text, render};

type Cx = Extension<Arc<RequestContext>>;

pub(super) fn fixed_paths(wiring: &Wiring) -> Router {
    let mut router = wiring.routes.clone();
    for endpoint in [Endpoint::Livez, Endpoint::Readyz, Endpoint::Healthz] {
        let path = format!("/{}", endpoint.as_str());
        let (all, one) = (Arc::clone(&wiring.health), Arc::clone(&wiring.health));
        router = router
            .route(
                &path,
                any(move |Extension(cx): Cx| async move { all.answer(endpoint, "", &cx.query) }),
            )
            .route(
                &format!("{path}/{{*check}}"),
                any(
                    move |Path(check): Path<String>, Extension(cx): Cx| async move {
                        one.answer(endpoint, &check, &cx.query)
                    },
                ),
            );
    }
    let draining = wiring.draining.clone();
    wiring
        .health
        .add_ready("shutdown", move || match draining.is_cancelled() {
            true => Err("process is shutting down".to_owned()),
            false => Ok(()),
        });
    let metrics = Arc::clone(&wiring.metrics);
    router
        .route(
            "/version",
            get(|| async { with_type("application/json", crate::version::json()) }).fallback(
                |headers: HeaderMap| async move { refuse(Status::method_not_allowed(), &headers) },
            ),
        )
        .route(
            "/version/{*rest}",
            any(|headers: HeaderMap| async move { refuse(Status::unknown_resource(), &headers) }),
        )
        .route(
            "/metrics",
            get(move || async move { with_type("text/plain; version=0.0.4", metrics.render()) }),
        )
        .fallback(|| async { plain_text(StatusCode::NOT_FOUND, "404 page not found") })
}

fn refuse(status: Status, headers: &HeaderMap) -> Response<Body> {
    render(&status, negotiate(headers, ""))
}

fn with_type(content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
