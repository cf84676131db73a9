//! Media types: which are asked for, and how what comes is decoded into trees.

use api::{
    Schema, Tree, TypeId,
    codec::{json, protobuf},
    meta::v1::PartialObjectMetadata,
};
use bytes::Bytes;
use http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    error::{DecodeError, Error},
    wire::{self, ListMeta},
};
use crate::{
    key::Key,
    object::Meta,
    resource::{Form, Resource},
};

pub(super) const JSON: &str = "application/json";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// Protobuf if the server can, JSON otherwise.
pub(super) const ACCEPT_PROTOBUF: &str = "application/vnd.kubernetes.protobuf,application/json";
const ACCEPT_WATCH: &str = "application/vnd.kubernetes.protobuf;stream=watch,application/json";
const ACCEPT_METADATA: &str = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,\
     application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const ACCEPT_METADATA_LIST: &str = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,\
     application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// The annotation of the bookmark that ends the initial events of a watch (KEP-3157).
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `application/vnd.kubernetes.protobuf`
    Protobuf,
    /// `application/json`
    Json,
}

impl Encoding {
    /// By the content type of an answer.
    pub fn of_headers(headers: &HeaderMap) -> Result<Encoding, DecodeError> {
        let content_type = headers
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("");
        match content_type.split(';').next().unwrap_or("").trim() {
            PROTOBUF => Ok(Encoding::Protobuf),
            JSON => Ok(Encoding::Json),
            _ => Err(DecodeError::ContentType(content_type.to_owned())),
        }
    }

    /// The media type of a body.
    pub fn media_type(self) -> &'static str {
        match self {
            Encoding::Protobuf => PROTOBUF,
            Encoding::Json => JSON,
        }
    }
}

pub(super) fn accept(resource: &Resource) -> &'static str {
    match resource.form() {
        Form::Whole(_) => ACCEPT_PROTOBUF,
        Form::Metadata => ACCEPT_METADATA,
    }
}

pub(super) fn accept_list(resource: &Resource) -> &'static str {
    match resource.form() {
        Form::Whole(_) => ACCEPT_PROTOBUF,
        Form::Metadata => ACCEPT_METADATA_LIST,
    }
}

pub(super) fn accept_watch(resource: &Resource) -> &'static str {
    match resource.form() {
        Form::Whole(_) => ACCEPT_WATCH,
        Form::Metadata => ACCEPT_METADATA,
    }
}

/// One object out of a body.
pub(super) fn decode(
    resource: &Resource,
    encoding: Encoding,
    body: Bytes,
) -> Result<Tree, DecodeError> {
    match encoding {
        Encoding::Protobuf => decode_message(resource, wire::open(body)?.raw),
        Encoding::Json => decode_json(resource, body),
    }
}

/// A list out of a body. Each item is a tree of its own, so that none keeps the whole page in memory.
pub(super) fn decode_list(
    resource: &Resource,
    encoding: Encoding,
    body: Bytes,
) -> Result<(ListMeta, Vec<Tree>), DecodeError> {
    match encoding {
        Encoding::Protobuf => {
            let (meta, items) = wire::split_list(wire::open(body)?.raw)?;
            let items = items
                .into_iter()
                .map(|item| decode_message(resource, item))
                .collect::<Result<_, _>>()?;
            Ok((meta, items))
        }
        Encoding::Json => {
            #[derive(Deserialize)]
            #[serde(rename_all = "camelCase")]
            struct Meta {
                #[serde(default)]
                resource_version: String,
                #[serde(default)]
                r#continue: String,
                remaining_item_count: Option<i64>,
            }
            #[derive(Deserialize)]
            struct Body<'a> {
                metadata: Meta,
                #[serde(borrow)]
                items: Option<Vec<&'a RawValue>>,
            }
            let list: Body<'_> = serde_json::from_slice(&body)?;
            let items = list.items.unwrap_or_default().into_iter();
            let items = items
                .map(|item| decode_json(resource, body.slice_ref(item.get().as_bytes())))
                .collect::<Result<_, _>>()?;
            let meta = ListMeta {
                resource_version: list.metadata.resource_version,
                continue_token: list.metadata.r#continue,
                remaining: list.metadata.remaining_item_count,
            };
            Ok((meta, items))
        }
    }
}

/// The built-in type that a resource's objects are decoded by.
fn type_of(resource: &Resource) -> TypeId {
    match resource.form() {
        Form::Whole(ty) => ty,
        Form::Metadata => PartialObjectMetadata::TYPE,
    }
}

fn decode_message(resource: &Resource, message: Bytes) -> Result<Tree, DecodeError> {
    protobuf::decode(Schema::builtin(), type_of(resource), message)
        .map_err(|e| unreadable(resource, &e))
}

fn decode_json(resource: &Resource, body: Bytes) -> Result<Tree, DecodeError> {
    // A server may be newer than we: fields that we do not know are nothing to complain of.
    json::decode(
        Schema::builtin(),
        type_of(resource),
        body,
        &mut json::Strict::default(),
    )
    .map_err(|e| unreadable(resource, &e))
}

fn unreadable(resource: &Resource, error: &dyn std::error::Error) -> DecodeError {
    DecodeError::Object {
        kind: resource.kind().to_owned(),
        what: error.to_string(),
    }
}

/// An object as a request body. Its `apiVersion` and `kind` are those of its type, whatever it says itself.
pub(super) fn encode(object: &Tree, encoding: Encoding) -> Result<Bytes, Error> {
    let Some(kind) = object.root().ty().and_then(|ty| ty.kind.as_ref()) else {
        return Err(Error::Request(
            "the object is of no kind that can be sent".to_owned(),
        ));
    };
    let api_version = if kind.group.is_empty() {
        kind.version.clone()
    } else {
        format!("{}/{}", kind.group, kind.version)
    };
    match encoding {
        Encoding::Protobuf => {
            Ok(wire::envelope(&api_version, &kind.kind, &protobuf::to_vec(object)).into())
        }
        Encoding::Json => {
            let mut object = object.clone();
            let mut root = object.root_mut();
            for (name, value) in [
                ("apiVersion", api_version.as_str()),
                ("kind", kind.kind.as_str()),
            ] {
                if let Some(id) = root.as_ref().ty().and_then(|ty| ty.field(name)) {
                    root.set(id, value);
                }
            }
            Ok(json::to_vec(&object).into())
        }
    }
}

/// Namespace and name of any object.
pub(super) fn key_of(object: &Tree) -> Key {
    Meta::of(object).key()
}

/// A bookmark's revision, and whether it ends the initial events.
pub(super) fn bookmark(object: &Tree) -> (String, bool) {
    let metadata = api::view::metadata(object);
    let end = metadata.annotations().get(INITIAL_EVENTS_END) == Some("true");
    (metadata.resource_version().to_owned(), end)
}
