//! Who may ask: a client certificate of the cluster's CA, and the right to the node's `proxy` subresource, by a
//! SubjectAccessReview; the verb is the method's, as upstream. `system:masters` and the API server's own identity need no review.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{Identity, ServerState};

/// The names that API servers use towards kubelets: upstream's kubeadm, and ours.
const API_SERVERS: [&str; 2] = ["kube-apiserver-kubelet-client", "system:kube-apiserver"];

pub(super) async fn require(
    State(state): State<ServerState>,
    Extension(identity): Extension<Option<Identity>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(identity) = identity else {
        return (StatusCode::UNAUTHORIZED, "Unauthorized").into_response();
    };
    let trusted = identity
        .groups
        .iter()
        .any(|group| group == "system:masters")
        || API_SERVERS.contains(&identity.user.as_str());
    if trusted {
        return next.run(request).await;
    }
    let verb = match *request.method() {
        Method::POST => "create",
        _ => "get",
    };
    match review(&state, &identity, verb).await {
        Ok(true) => next.run(request).await,
        Ok(false) => {
            let message = format!(
                "Forbidden (user={}, verb={verb}, resource=nodes, subresource(s)=[proxy])",
                identity.user
            );
            (StatusCode::FORBIDDEN, message).into_response()
        }
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("Authorization error: {error}"),
        )
            .into_response(),
    }
}

async fn review(
    state: &ServerState,
    identity: &Identity,
    verb: &str,
) -> Result<bool, runtime::Error> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": identity.user,
            "groups": identity.groups,
            "resourceAttributes": {
                "verb": verb, "version": "v1", "resource": "nodes", "subresource": "proxy",
                "name": state.shared.config.node_name,
            },
        },
    });
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews".to_owned();
    let answer = state
        .shared
        .client
        .json(http::Method::POST, path, Some(&review))
        .await?;
    Ok(answer["status"]["allowed"] == true)
}
