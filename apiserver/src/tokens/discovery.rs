//! How others verify this cluster's tokens: OpenID Connect discovery (KEP-1393).

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{HeaderValue, Response, header};
use serde_json::{Value, json};

use crate::authn::keys::VerifyingKey;

/// The path of the keys.
const KEYS: &str = "/openid/v1/jwks";

/// The two documents, for tokens of `issuer` that one of `keys` verifies. `external` is host and port by which clients reach
/// this server. An issuer that is no HTTPS address cannot be discovered: upstream then serves neither document.
pub fn routes(issuer: &str, external: &str, keys: &[VerifyingKey]) -> Router {
    if !issuer.starts_with("https://") || issuer.contains(['?', '#']) || keys.is_empty() {
        return Router::new();
    }
    let mut all: Vec<Value> = Vec::new();
    for jwk in keys.iter().map(VerifyingKey::to_jwk) {
        if !all.iter().any(|known| known["kid"] == jwk["kid"]) {
            all.push(jwk);
        }
    }
    let mut algorithms: Vec<&str> = all.iter().filter_map(|jwk| jwk["alg"].as_str()).collect();
    algorithms.sort_unstable();
    algorithms.dedup();
    let configuration = json!({
        "issuer": issuer,
        "jwks_uri": format!("https://{external}{KEYS}"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithms,
    });
    let keys = json!({ "keys": all });
    Router::new()
        .route(
            "/.well-known/openid-configuration",
            get(move || async move { document("application/json", &configuration) }),
        )
        .route(
            KEYS,
            get(move || async move { document("application/jwk-set+json", &keys) }),
        )
}

fn document(content_type: &'static str, document: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(document.to_string()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=3600"),
    );
    response
}
