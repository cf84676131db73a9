//! get: one object.

use axum::body::Body;
use http::{Response, StatusCode};
use store::Revision;

use super::commit::read_error;
use super::{Api, Call};
use crate::codec::accept::accepted;
use crate::request::{GetOptions, Stage};
use crate::status::Status;

/// Answers the object as it is, not older than the options ask.
pub async fn get(api: &Api, call: &Call<'_>) -> Result<Response<Body>, Status> {
    let accepted = accepted(call.headers, call.raw_query)?;
    let kind = call.kind;
    if call
        .cx
        .query
        .get("export")
        .is_some_and(|export| !matches!(export, "" | "0" | "false"))
    {
        return Err(Status::bad_request(
            "the export parameter, deprecated since v1.14, is no longer supported",
        ));
    }
    let options = GetOptions::parse(&call.cx.query)?;
    let reach = async {
        match options.resource_version {
            None => api.view.fresh().await,
            Some(0) => Ok(api.view.applied()),
            Some(revision) => {
                api.view
                    .reach(Revision(i64::try_from(revision).unwrap_or(i64::MAX)))
                    .await
            }
        }
    };
    call.cx
        .time_async(Stage::View, reach)
        .await
        .map_err(|e| read_error(&e, kind.qualified(), "get"))?;
    let object = api
        .current(kind, &call.key())
        .ok_or_else(|| Status::not_found(kind.qualified(), call.name()))?;
    api.respond_object(call.cx, kind, accepted, StatusCode::OK, &object)
}
