//! Endpoints that show the whole object and change a part of it: `status`, `finalize`, `ephemeralcontainers`,
//! `resize`.

use api::kinds::Verb;
use axum::body::Body;
use http::Response;

use super::{get_whole, patch_whole, update_whole};
use crate::registry::{Api, Call};
use crate::status::Status;

/// Answers a request.
pub async fn serve(
    api: &Api,
    call: &Call<'_>,
    verb: Verb,
    body: Body,
) -> Result<Response<Body>, Status> {
    match verb {
        Verb::Get => get_whole(api, call).await,
        Verb::Update => update_whole(api, call, body).await,
        Verb::Patch => patch_whole(api, call, body).await,
        _ => Err(Status::method_not_allowed()),
    }
}
