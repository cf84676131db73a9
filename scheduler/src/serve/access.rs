//! Who asks, by client certificate or bearer token, and whether they may: reviews by the API server, as upstream's components do.

use axum::http::{HeaderMap, StatusCode, header};
use http::Method;
use runtime::Client;
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};

const UNAUTHORIZED: (StatusCode, &str) = (StatusCode::UNAUTHORIZED, "Unauthorized");
const UNKNOWN: (StatusCode, &str) = (
    StatusCode::SERVICE_UNAVAILABLE,
    "the API server could not be asked",
);

/// A user in the form of `UserInfo` (`authentication.k8s.io/v1`).
#[derive(Clone)]
pub(super) struct User(Value);

impl User {
    /// The common name and the organizations of a certificate that was verified.
    pub(super) fn of_certificate(chain: &[CertificateDer<'_>]) -> Option<User> {
        let (_, certificate) = x509_parser::parse_x509_certificate(chain.first()?).ok()?;
        let subject = certificate.subject();
        let name = subject.iter_common_name().next()?.as_str().ok()?;
        let groups: Vec<&str> = subject
            .iter_organization()
            .filter_map(|group| group.as_str().ok())
            .chain(["system:authenticated"])
            .collect();
        Some(User(json!({"username": name, "groups": groups})))
    }
}

/// Whether the user, or else whoever the bearer token is of, may get the path.
pub(super) async fn may_get(
    client: &Client,
    user: Option<User>,
    headers: &HeaderMap,
    path: &str,
) -> Result<(), (StatusCode, &'static str)> {
    let User(user) = match user {
        Some(user) => user,
        None => of_token(client, headers).await?,
    };
    let access = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {
            "user": user["username"], "uid": user["uid"], "groups": user["groups"], "extra": user["extra"],
            "nonResourceAttributes": {"path": path, "verb": "get"},
        },
    });
    let access = client
        .json(
            Method::POST,
            "/apis/authorization.k8s.io/v1/subjectaccessreviews".into(),
            Some(&access),
        )
        .await
        .map_err(|_| UNKNOWN)?;
    if access["status"]["allowed"] == Value::Bool(true) {
        Ok(())
    } else {
        Err((StatusCode::FORBIDDEN, "Forbidden"))
    }
}

async fn of_token(
    client: &Client,
    headers: &HeaderMap,
) -> Result<User, (StatusCode, &'static str)> {
    let authorization = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = authorization
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or(UNAUTHORIZED)?;
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token},
    });
    let review = client
        .json(
            Method::POST,
            "/apis/authentication.k8s.io/v1/tokenreviews".into(),
            Some(&review),
        )
        .await
        .map_err(|_| UNKNOWN)?;
    if review["status"]["authenticated"] == Value::Bool(true) {
        Ok(User(review["status"]["user"].clone()))
    } else {
        Err(UNAUTHORIZED)
    }
}
