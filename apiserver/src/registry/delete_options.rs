//! The options of a delete: in its body, in any media type, or else in its query.

use api::codec::{json, protobuf, yaml};
use api::field::quote;
use api::{Tree, TypeId};
use bytes::Bytes;

use super::Call;
use crate::codec::accept::sent;
use crate::codec::rendering::Media;
use crate::request::DeleteOptions;
use crate::status::Status;

/// The options of a delete, from its body if it has one, else from the query.
pub fn read(call: &Call<'_>, content: Bytes) -> Result<DeleteOptions, Status> {
    if content.is_empty() {
        return DeleteOptions::parse(&call.cx.query);
    }
    let schema = api::Schema::builtin();
    let type_id = schema
        .type_of_kind("meta.k8s.io", "v1", "DeleteOptions")
        .ok_or_else(|| Status::internal("no DeleteOptions"))?;
    let media = sent(call.headers)?;
    let tree = decode_options(media, content, type_id)?;
    DeleteOptions::read(tree.root())
}

/// Refuses options that say they are something else.
fn check_kind(version: &str, kind: &str) -> Result<(), Status> {
    if version.matches('/').count() > 1 {
        let message = format!("unexpected GroupVersion string: {version}");
        return Err(Status::bad_request(message));
    }
    if matches!(kind, "" | "DeleteOptions") {
        return Ok(());
    }
    Err(Status::bad_request(format!(
        "no kind {} is registered for version {} in scheme \"pkg/runtime/scheme.go:111\"",
        quote(kind),
        quote(version)
    )))
}

/// DeleteOptions may come in any group and version.
fn decode_options(media: Media, content: Bytes, type_id: TypeId) -> Result<Tree, Status> {
    let schema = api::Schema::builtin();
    let bad = |why: String| Status::bad_request(why);
    let from_json = |content: Bytes| {
        let meta = json::type_meta(&content)
            .map_err(|e| bad(format!("couldn't get version/kind; json parse error: {e}")))?;
        check_kind(&meta.api_version, &meta.kind)?;
        json::decode(schema, type_id, content, &mut json::Strict::new())
            .map_err(|e| bad(e.to_string()))
    };
    match media {
        Media::Json => from_json(content),
        Media::Yaml => {
            let content = yaml::to_json(&content, &mut json::Strict::new())
                .map_err(|e| bad(e.to_string()))?;
            from_json(content.into())
        }
        Media::Protobuf => {
            let unknown = protobuf::unwrap_unknown(&content).map_err(|e| bad(e.to_string()))?;
            check_kind(&unknown.api_version, &unknown.kind)?;
            protobuf::decode(schema, type_id, content.slice(unknown.raw))
                .map_err(|e| bad(e.to_string()))
        }
    }
}
