//! Answers: one object in the form that the client accepts.

use std::sync::Arc;

use api::Tree;
use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

use super::commit::Written;
use super::{Api, Kind};
use crate::codec::accept::{Accepted, Convert, Target};
use crate::codec::object::{encode_tree, rendered, rendered_from, shaped};
use crate::codec::pretty::indent;
use crate::codec::rendering::{Media, Shape};
use crate::codec::table::{Include, TableWriter};
use crate::request::{RequestContext, Stage};
use crate::status::{Reason, Status};
use crate::view::Object;

/// An answer with a body of one of the media types.
pub fn body(code: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

fn bytes(code: StatusCode, accepted: Accepted, content: Bytes) -> Response<Body> {
    let content = match accepted {
        Accepted {
            media: Media::Json,
            pretty: true,
            ..
        } => indent(&content).into(),
        _ => content,
    };
    body(code, accepted.media.as_str(), Body::from(content))
}

/// What of an object is to be shown.
pub fn shape(kind: &Kind, accepted: Accepted) -> Result<Shape, Status> {
    match accepted.convert {
        None
        | Some(Convert {
            target: Target::Table,
            ..
        }) => Ok(Shape::Whole),
        Some(Convert {
            target: Target::Metadata,
            beta,
        }) => Ok(Shape::Metadata { beta }),
        Some(Convert {
            target: Target::MetadataList,
            ..
        }) => Err(Status::new(
            406,
            Reason::NotAcceptable,
            format!(
                "you requested PartialObjectMetadataList, but the requested object is not a list ({})",
                kind.go_type("")
            ),
            None,
        )),
    }
}

impl Api {
    /// The table writer, if a table is asked for.
    pub fn table(
        &self,
        cx: &RequestContext,
        kind: &Kind,
        accepted: Accepted,
    ) -> Result<Option<TableWriter>, Status> {
        let Some(Convert {
            target: Target::Table,
            beta,
        }) = accepted.convert
        else {
            return Ok(None);
        };
        TableWriter::new(
            Arc::clone(&kind.table),
            &cx.query,
            beta,
            self.env.now().as_second(),
        )
        .map(Some)
    }

    /// Answers a version of the view.
    pub fn respond_object(
        &self,
        cx: &RequestContext,
        kind: &Kind,
        accepted: Accepted,
        code: StatusCode,
        object: &Arc<Object>,
    ) -> Result<Response<Body>, Status> {
        let content = cx.time(Stage::Encode, || match self.table(cx, kind, accepted)? {
            Some(table) => table_media(
                table.single(&self.cache, &kind.codec, object)?,
                accepted.media,
            ),
            None => rendered(
                &self.cache,
                &kind.codec,
                object,
                accepted.media,
                shape(kind, accepted)?,
            ),
        })?;
        Ok(bytes(code, accepted, content))
    }

    /// Answers what was written.
    pub fn respond_written(
        &self,
        cx: &RequestContext,
        kind: &Kind,
        accepted: Accepted,
        code: StatusCode,
        written: &Written,
    ) -> Result<Response<Body>, Status> {
        if let Some(object) = &written.object
            && self.table(cx, kind, accepted)?.is_none()
        {
            let content = cx.time(Stage::Encode, || {
                rendered_from(
                    &self.cache,
                    &kind.codec,
                    object,
                    &written.tree,
                    accepted.media,
                    shape(kind, accepted)?,
                )
            })?;
            return Ok(bytes(code, accepted, content));
        }
        self.respond_tree(cx, kind, accepted, code, &written.tree)
    }

    /// Answers an object that is in no view.
    pub fn respond_tree(
        &self,
        cx: &RequestContext,
        kind: &Kind,
        accepted: Accepted,
        code: StatusCode,
        tree: &Tree,
    ) -> Result<Response<Body>, Status> {
        let content = cx.time(Stage::Encode, || match self.table(cx, kind, accepted)? {
            None => Ok(encode_tree(
                &shaped(tree.clone(), shape(kind, accepted)?),
                accepted.media,
            )),
            Some(table) => {
                let carried = match table.include() {
                    Include::Object => tree.clone(),
                    _ => shaped(tree.clone(), Shape::Metadata { beta: false }),
                };
                table_media(
                    table.detached(tree, &encode_tree(&carried, Media::Json)),
                    accepted.media,
                )
            }
        })?;
        Ok(bytes(code, accepted, content))
    }
}

fn table_media(json: Vec<u8>, media: Media) -> Result<Bytes, Status> {
    Ok(match media {
        Media::Yaml => crate::codec::yaml::from_json(&json).into(),
        _ => json.into(),
    })
}

/// Answers a Status that says success: what a delete answers that does not answer the object.
pub fn success(accepted: Accepted, status: &serde_json::Value) -> Response<Body> {
    let json = status.to_string();
    match accepted.media {
        Media::Json => bytes(StatusCode::OK, accepted, format!("{json}\n").into()),
        Media::Yaml => body(
            StatusCode::OK,
            Media::Yaml.as_str(),
            crate::codec::yaml::from_json(json.as_bytes()).into(),
        ),
        Media::Protobuf => {
            let schema = api::Schema::builtin();
            let tree = schema.type_of_kind("", "v1", "Status").and_then(|ty| {
                api::codec::json::decode(
                    schema,
                    ty,
                    Bytes::from(json),
                    &mut api::codec::json::Strict::new(),
                )
                .ok()
            });
            let content = tree
                .map(|tree| encode_tree(&tree, Media::Protobuf))
                .unwrap_or_default();
            body(StatusCode::OK, Media::Protobuf.as_str(), content.into())
        }
    }
}
