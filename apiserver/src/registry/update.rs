//! update: an object is replaced.

use api::Tree;
use axum::body::Body;
use http::{Response, StatusCode};

use super::change::{Change, run};
use super::create::{dedup_owners, match_namespace};
use super::managed::{Writer, track};
use super::prepare::Prepare;
use super::{Api, Call, body, meta, rules};
use crate::codec::accept::{accepted, sent};
use crate::request::{Stage, UpdateOptions};
use crate::status::Status;

/// Decodes an object, and puts it in place of the one that is there.
pub async fn update(api: &Api, call: &Call<'_>, raw: Body) -> Result<Response<Body>, Status> {
    let accepted = accepted(call.headers, call.raw_query)?;
    let content = body::read(call.cx, raw).await?;
    let options = UpdateOptions::parse_update(&call.cx.query)?;
    let media = sent(call.headers)?;
    let mut new = body::object(call.cx, call.kind, media, content, options.field_validation)?;
    call.cx.time(Stage::Defaulting, || rules::default(&mut new));
    match_namespace(call.namespace(), &mut new)?;
    match_name(call, &new)?;
    dedup_owners(call, &mut new, false);
    let manager = call.field_manager(&options.field_manager);
    let uid = meta::of(&new).uid().to_owned();
    let change = Change {
        options: &options,
        uid: Some(uid.as_str()).filter(|uid| !uid.is_empty()),
        force_create: false,
        make: &|live| {
            let mut new = new.clone();
            let writer = Writer {
                manager: &manager,
                subresource: call.subresource(),
                now: api.env.now(),
            };
            track(call.kind, live, &mut new, writer);
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

/// Refuses an object whose name is not that of the path.
pub fn match_name(call: &Call<'_>, new: &Tree) -> Result<(), Status> {
    let (given, name) = (meta::of(new).name(), call.name());
    if given != name {
        let message = match given.is_empty() {
            true => format!(
                "the name of the object ({name} based on URL) was undeterminable: name must be provided"
            ),
            false => format!(
                "the name of the object ({given}) does not match the name on the URL ({name})"
            ),
        };
        return Err(Status::bad_request(message));
    }
    Ok(())
}
