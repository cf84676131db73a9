//! patch: an object is changed in part; by an apply it may also be made.

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};

use super::change::{Change, run};
use super::prepare::Prepare;
use super::update::match_name;
use super::{Api, Call, body, patching};
use crate::codec::accept::accepted;
use crate::registry::create::match_namespace;
use crate::registry::meta;
use crate::request::{PatchKind, PatchOptions};
use crate::status::Status;

/// Applies a patch to the current object.
pub async fn patch(api: &Api, call: &Call<'_>, raw: Body) -> Result<Response<Body>, Status> {
    let kind = patch_kind(call)?;
    let accepted = accepted(call.headers, call.raw_query)?;
    let content = body::read(call.cx, raw).await?;
    let options = PatchOptions::parse(&call.cx.query, kind)?;
    let manager = call.field_manager(&options.update.field_manager);
    let patch = patching::Patch::parse(call, kind, &content, &options, &manager)?;
    let change = Change {
        options: &options.update,
        uid: None,
        force_create: kind == PatchKind::Apply,
        make: &|live| {
            let mut new = patch.apply(call, live, api.env.now())?;
            let uid = meta::of(&new).uid();
            if live.is_none() && !uid.is_empty() {
                let why = format!(
                    "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                );
                return Err(Status::conflict(call.kind.qualified(), call.name(), why));
            }
            match_namespace(call.namespace(), &mut new)?;
            match_name(call, &new)?;
            Ok(new)
        },
        prepare: Prepare::of(call.subresource()),
    };
    let written = run(api, call, &change).await?;
    let code = if written.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    api.respond_written(call.cx, call.kind, accepted, code, &written)
}

/// The kind of the patch, by its media type.
pub fn patch_kind(call: &Call<'_>) -> Result<PatchKind, Status> {
    let value = call
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    PatchKind::of_content_type(value).ok_or_else(Status::unsupported_patch_type)
}
