//! One object: canonical bytes to tree and back, and the renderings that clients get.

use std::sync::Arc;

use api::codec::{json, protobuf, yaml};
use api::convert::{ConvertError, convert};
use api::{Tree, TypeId};
use bytes::{BufMut, Bytes};

use super::definition;
use super::kind::{KindCodec, Storage};
use super::rendering::{Cache, Form, Media, Shape};
use crate::registry::meta;
use crate::status::Status;
use crate::view::Object;

/// What is stored cannot be read: reported by name, since it needs a person.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// The bytes are in no form that upstream or we write.
    #[error("unable to decode the stored object {0:?}: unknown storage format")]
    Format(String),
    /// JSON that is not this kind.
    #[error("unable to decode the stored object {0:?}: {1}")]
    Json(String, json::DecodeError),
    /// Protobuf that is not this kind.
    #[error("unable to decode the stored object {0:?}: {1}")]
    Protobuf(String, protobuf::DecodeError),
    /// A version that cannot be served.
    #[error(transparent)]
    Convert(#[from] ConvertError),
}

impl From<StoredError> for Status {
    fn from(error: StoredError) -> Status {
        Status::internal(error.to_string())
    }
}

/// The stored object as a tree of the served kind, with kind and apiVersion, without a resourceVersion.
///
/// # Errors
/// If the bytes are not of this kind.
pub fn decode(kind: &KindCodec, object: &Object) -> Result<Tree, StoredError> {
    decode_value(kind, object.key(), object.value())
}

/// As [`decode`], of what is (or would be) stored at `key`.
///
/// # Errors
/// If the bytes are not of this kind.
pub fn decode_value(kind: &KindCodec, key: &str, value: &Bytes) -> Result<Tree, StoredError> {
    let key = || key.to_owned();
    if value.first() == Some(&b'{') {
        return json::decode(
            kind.schema.clone(),
            kind.type_id,
            definition::modern(value).unwrap_or_else(|| value.clone()),
            &mut json::Strict::new(),
        )
        .map_err(|e| StoredError::Json(key(), e));
    }
    let unknown = protobuf::unwrap_unknown(value).map_err(|_| StoredError::Format(key()))?;
    let stored = stored_type(kind, &unknown.api_version, &unknown.kind);
    let mut tree = protobuf::decode(kind.schema.clone(), stored, value.slice(unknown.raw))
        .map_err(|e| StoredError::Protobuf(key(), e))?;
    if kind.defaults_on_read {
        api::defaults::apply(&mut tree);
    }
    if stored != kind.type_id {
        tree = convert(&tree, &kind.schema, kind.type_id, &kind.api_version)?;
    }
    set_kind(&mut tree, kind);
    Ok(tree)
}

/// What is stored as `value`, as a built-in type of the version that it is stored in, for who needs a part of it only; `None` if
/// it cannot be read.
pub fn decode_as(value: &Bytes, ty: TypeId) -> Option<Tree> {
    let schema = api::Schema::builtin();
    if value.first() == Some(&b'{') {
        return json::decode(schema, ty, value.clone(), &mut json::Strict::new()).ok();
    }
    let unknown = protobuf::unwrap_unknown(value).ok()?;
    protobuf::decode(schema, ty, value.slice(unknown.raw)).ok()
}

/// The message type of what is stored: of the version that its envelope names.
fn stored_type(kind: &KindCodec, api_version: &str, name: &str) -> TypeId {
    if api_version == kind.stored_api_version {
        return kind.stored_type_id;
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    kind.schema
        .type_of_kind(group, version, name)
        .unwrap_or(kind.stored_type_id)
}

/// The canonical bytes of a tree of the served kind: deterministic, without a resourceVersion.
///
/// # Errors
/// If the kind is stored in a version that cannot be made of this one.
pub fn encode(kind: &KindCodec, tree: &Tree) -> Result<Bytes, StoredError> {
    let mut tree = tree.clone();
    if !meta::of(&tree).resource_version().is_empty() {
        meta::of_mut(&mut tree).remove("resourceVersion");
    }
    match kind.storage {
        Storage::Json => Ok(json::to_vec(&tree).into()),
        Storage::Protobuf => {
            if kind.converts() {
                tree = convert(
                    &tree,
                    &kind.schema,
                    kind.stored_type_id,
                    &kind.stored_api_version,
                )?;
            }
            let mut raw = Vec::with_capacity(1024);
            protobuf::encode(&tree, &mut raw);
            Ok(wrap(&kind.stored_api_version, &kind.kind, &raw))
        }
    }
}

/// Sets `kind` and `apiVersion`.
pub fn set_kind(tree: &mut Tree, kind: &KindCodec) {
    set_kind_named(tree, &kind.api_version, &kind.kind);
}

/// Sets `kind` and `apiVersion` of an object that is not of the resource's own kind.
pub fn set_kind_named(tree: &mut Tree, api_version: &str, kind: &str) {
    let mut root = tree.root_mut();
    meta::set(&mut root, "kind", kind);
    meta::set(&mut root, "apiVersion", api_version);
}

/// The version in a form, from the cache or rendered into it.
///
/// # Errors
/// If what is stored cannot be read.
pub fn rendered(
    cache: &Cache,
    kind: &KindCodec,
    object: &Arc<Object>,
    media: Media,
    shape: Shape,
) -> Result<Bytes, Status> {
    let form = Form {
        kind: kind.id,
        media,
        shape,
    };
    cache
        .get(object, form, || render(kind, object, media, shape, None))
        .map_err(Status::from)
}

/// As [`rendered`], by a writer who holds the tree already.
///
/// # Errors
/// If a media type cannot carry the object.
pub fn rendered_from(
    cache: &Cache,
    kind: &KindCodec,
    object: &Arc<Object>,
    tree: &Tree,
    media: Media,
    shape: Shape,
) -> Result<Bytes, Status> {
    let form = Form {
        kind: kind.id,
        media,
        shape,
    };
    cache
        .get(object, form, || {
            render(kind, object, media, shape, Some(tree))
        })
        .map_err(Status::from)
}

fn render(
    kind: &KindCodec,
    object: &Object,
    media: Media,
    shape: Shape,
    tree: Option<&Tree>,
) -> Result<Bytes, StoredError> {
    if media == Media::Protobuf
        && let Some(bytes) = splice(kind, object, shape)
    {
        return Ok(bytes);
    }
    let mut tree = match tree {
        Some(tree) => tree.clone(),
        None => decode(kind, object)?,
    };
    meta::of_mut(&mut tree).set("resourceVersion", object.revision().to_string().as_str());
    Ok(encode_tree(&shaped(tree, shape), media))
}

/// The tree in a media type: with kind and apiVersion; JSON ends with a line feed.
pub fn encode_tree(tree: &Tree, media: Media) -> Bytes {
    match media {
        Media::Json => {
            let mut out = Vec::with_capacity(1024);
            json::encode(tree, &mut out);
            out.push(b'\n');
            out.into()
        }
        Media::Yaml => yaml::to_string(tree).into(),
        Media::Protobuf => {
            let text = |field| {
                tree.root()
                    .get(field)
                    .and_then(api::Ref::as_str)
                    .unwrap_or_default()
            };
            let mut raw = Vec::with_capacity(1024);
            protobuf::encode(tree, &mut raw);
            wrap(text("apiVersion"), text("kind"), &raw)
        }
    }
}

/// The whole tree, or its metadata as a kind of its own.
pub fn shaped(tree: Tree, shape: Shape) -> Tree {
    let Shape::Metadata { beta } = shape else {
        return tree;
    };
    let version = if beta { "v1beta1" } else { "v1" };
    let schema = api::Schema::builtin();
    let Some(ty) = schema.type_of_kind("meta.k8s.io", version, "PartialObjectMetadata") else {
        return tree;
    };
    let mut partial = Tree::new(ty);
    let mut root = partial.root_mut();
    meta::set(&mut root, "kind", "PartialObjectMetadata");
    meta::set(&mut root, "apiVersion", metadata_api_version(beta));
    meta::copy(&mut root, "metadata", tree.root().get("metadata"));
    partial
}

const fn metadata_api_version(beta: bool) -> &'static str {
    if beta {
        "meta.k8s.io/v1beta1"
    } else {
        "meta.k8s.io/v1"
    }
}

pub(crate) fn wrap(api_version: &str, kind: &str, raw: &[u8]) -> Bytes {
    let mut out = Vec::new();
    protobuf::wrap_unknown(api_version, kind, raw, &mut out);
    out.into()
}

/// Protobuf out of canonical protobuf: the bytes as they are (or those of the metadata), and the revision after them.
fn splice(kind: &KindCodec, object: &Object, shape: Shape) -> Option<Bytes> {
    if kind.storage != Storage::Protobuf || kind.defaults_on_read {
        return None;
    }
    let unknown = protobuf::unwrap_unknown(object.value()).ok()?;
    if unknown.api_version != kind.api_version {
        return None;
    }
    let raw = object.value().get(unknown.raw)?;
    let (api_version, name, raw) = match shape {
        Shape::Whole => (&*kind.api_version, &*kind.kind, raw),
        // A PartialObjectMetadata is the metadata under the same number.
        Shape::Metadata { beta } => (
            metadata_api_version(beta),
            "PartialObjectMetadata",
            protobuf::metadata_alone(raw)?,
        ),
    };
    let mut out = Vec::new();
    let revision = u64::try_from(object.revision().0).unwrap_or_default();
    protobuf::with_resource_version(api_version, name, raw, revision, &mut out);
    Some(out.into())
}

/// The bare message inside of a rendered protobuf object: what stands in a list.
pub fn bare(rendered: &Bytes) -> Bytes {
    protobuf::unwrap_unknown(rendered)
        .map_or_else(|_| Bytes::new(), |unknown| rendered.slice(unknown.raw))
}

/// Appends a length-delimited field's tag and length.
pub fn put_length(out: &mut Vec<u8>, number: u8, len: usize) {
    out.put_u8(number << 3 | 2);
    put_varint(out, len as u64);
}

/// Appends a varint.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// How many bytes a varint takes.
pub fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}
