//! deletecollection: every selected object goes, one after another.

use std::sync::Arc;

use axum::body::Body;
use http::{Response, StatusCode};

use super::delete::delete_object;
use super::delete_options;
use super::list::find;
use super::respond::body;
use super::selection::Selection;
use super::{Api, Call, body as request_body};
use crate::codec::accept::accepted;
use crate::codec::list::{Items, ListWriter};
use crate::codec::rendering::Shape;
use crate::request::ListOptions;
use crate::status::Status;

/// Deletes what is selected, and answers the objects as they were.
pub async fn delete_collection(
    api: &Api,
    call: &Call<'_>,
    raw: Body,
) -> Result<Response<Body>, Status> {
    let accepted = accepted(call.headers, call.raw_query)?;
    let list = ListOptions::parse(&call.cx.query, false)?;
    let selection = Selection::parse(call.kind, &list.label_selector, &list.field_selector, "")?;
    let content = request_body::read(call.cx, raw).await?;
    let options = delete_options::read(call, content)?;
    options.check_collection()?;
    let page = find(api, call, &list, &selection).await?;
    let objects = page.items.collect();
    for object in &objects {
        match delete_object(api, call, object.name(), &options).await {
            Ok(_) => {}
            // Somebody else was faster.
            Err(status) if status.code() == 404 => {}
            Err(status) => return Err(status),
        }
        tokio::task::coop::consume_budget().await;
    }
    let writer = ListWriter {
        cache: Arc::clone(&api.cache),
        kind: Arc::clone(&call.kind.codec),
        items: Items::Picked(objects.into_iter()),
        meta: page.meta,
        accepted,
        shape: Shape::Whole,
        table: api.table(call.cx, call.kind, accepted)?,
    };
    Ok(body(
        StatusCode::OK,
        accepted.media.as_str(),
        writer.into_body()?,
    ))
}
