//! Lists: written piece by piece as the client takes them, never built whole.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use api::codec::json;
use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;

use super::accept::Accepted;
use super::bounded::Bounded;
use super::kind::KindCodec;
use super::object::{bare, put_length, put_varint, rendered, varint_len};
use super::pretty::Indenter;
use super::rendering::{Cache, Media, Shape};
use super::table::TableWriter;
use super::yaml;
use crate::status::Status;
use crate::view::{Object, Snapshot};

/// How large a piece is, in bytes: what fills a few TLS records.
const PIECE: usize = 64 << 10;

/// The list's own metadata.
#[derive(Clone, Debug, Default)]
pub struct ListMeta {
    /// The revision that it shows.
    pub resource_version: String,
    /// Where the next page begins; empty on the last.
    pub continue_token: String,
    /// How many objects come after this page, if that is known.
    pub remaining: Option<i64>,
}

impl ListMeta {
    fn json(&self) -> String {
        let mut out = format!("{{\"resourceVersion\":\"{}\"", self.resource_version);
        if !self.continue_token.is_empty() {
            // The token is base64: nothing to escape.
            out += &format!(",\"continue\":\"{}\"", self.continue_token);
        }
        if let Some(remaining) = self.remaining {
            out += &format!(",\"remainingItemCount\":{remaining}");
        }
        out + "}"
    }

    fn protobuf(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_length(&mut out, 1, 0);
        put_length(&mut out, 2, self.resource_version.len());
        out.extend_from_slice(self.resource_version.as_bytes());
        put_length(&mut out, 3, self.continue_token.len());
        out.extend_from_slice(self.continue_token.as_bytes());
        if let Some(remaining) = self.remaining {
            out.push(4 << 3);
            put_varint(&mut out, remaining as u64);
        }
        out
    }
}

/// The objects of a list.
pub enum Items {
    /// Those of a snapshot whose keys begin with a prefix: walked as they are written.
    Range {
        /// The snapshot.
        snapshot: Arc<Snapshot>,
        /// The prefix: empty, or `namespace/`.
        prefix: String,
        /// The key from which on to go on.
        next: String,
        /// Nothing is left.
        done: bool,
    },
    /// These.
    Picked(std::vec::IntoIter<Arc<Object>>),
}

impl Items {
    /// All objects of a snapshot with keys that begin with `prefix`.
    pub fn range(snapshot: Arc<Snapshot>, prefix: &str) -> Items {
        Items::Range {
            snapshot,
            prefix: prefix.to_owned(),
            next: prefix.to_owned(),
            done: false,
        }
    }

    /// Gives each object in turn to `write` until it has had enough; whether some are left.
    pub(super) fn write(
        &mut self,
        mut write: impl FnMut(&Arc<Object>) -> Result<bool, Status>,
    ) -> Result<bool, Status> {
        match self {
            Items::Picked(items) => {
                for object in items.by_ref() {
                    if write(&object)? {
                        return Ok(items.len() > 0);
                    }
                }
                Ok(false)
            }
            Items::Range {
                snapshot,
                prefix,
                next,
                done,
            } => {
                if *done {
                    return Ok(false);
                }
                for object in snapshot.from(next) {
                    if !object.key().starts_with(prefix.as_str()) {
                        break;
                    }
                    if write(object)? {
                        next.clear();
                        next.push_str(object.key());
                        // The least key after this one.
                        next.push('\0');
                        return Ok(true);
                    }
                }
                *done = true;
                Ok(false)
            }
        }
    }

    /// All of them.
    pub fn collect(mut self) -> Vec<Arc<Object>> {
        let mut all = Vec::new();
        // Collecting does not fail.
        let _ = self.write(|object| {
            all.push(Arc::clone(object));
            Ok(false)
        });
        all
    }
}

/// Everything that writing a list needs.
pub struct ListWriter {
    /// Where renderings are kept.
    pub cache: Arc<Cache>,
    /// The kind of the objects.
    pub kind: Arc<KindCodec>,
    /// The objects.
    pub items: Items,
    /// The list's metadata.
    pub meta: ListMeta,
    /// The answer's form.
    pub accepted: Accepted,
    /// What of each object is shown.
    pub shape: Shape,
    /// The list is written as a table.
    pub table: Option<TableWriter>,
}

impl ListWriter {
    /// The list as a body.
    ///
    /// # Errors
    /// If what is stored cannot be read; in a stream that comes later, and breaks it off.
    pub fn into_body(self) -> Result<Body, Status> {
        match self.accepted.media {
            Media::Json => Ok(Body::new(Bounded::new(Stream {
                open: self.open(),
                close: if self.table.is_some() || !self.accepted.pretty {
                    b"]}\n"
                } else {
                    b"]}"
                },
                writer: self,
                started: false,
                finished: false,
                first: true,
                indenter: Indenter::default(),
            }))),
            Media::Yaml => {
                let mut out = self.open();
                let mut this = self;
                let mut first = true;
                while this.piece(&mut out, usize::MAX, &mut first)? {}
                out.extend_from_slice(b"]}");
                Ok(yaml::from_json(&out).into())
            }
            Media::Protobuf => self.protobuf(),
        }
    }

    fn names(&self) -> (String, String) {
        match self.shape {
            Shape::Whole => (
                format!("{}List", self.kind.kind),
                self.kind.api_version.clone(),
            ),
            Shape::Metadata { beta } => (
                "PartialObjectMetadataList".to_owned(),
                format!("meta.k8s.io/{}", if beta { "v1beta1" } else { "v1" }),
            ),
        }
    }

    fn open(&self) -> Vec<u8> {
        if let Some(table) = &self.table {
            return table.open(&self.meta.json());
        }
        let (kind, api_version) = self.names();
        format!(
            "{{\"kind\":\"{kind}\",\"apiVersion\":\"{api_version}\",\"metadata\":{},\"items\":[",
            self.meta.json()
        )
        .into_bytes()
    }

    /// Writes objects until `out` has `enough` bytes; whether some are left.
    fn piece(
        &mut self,
        out: &mut Vec<u8>,
        enough: usize,
        first: &mut bool,
    ) -> Result<bool, Status> {
        let ListWriter {
            cache,
            kind,
            items,
            shape,
            table,
            ..
        } = self;
        items.write(|object| {
            if !std::mem::replace(first, false) {
                out.push(b',');
            }
            match table {
                Some(table) => table.row(cache, kind, object, out)?,
                None => {
                    let json = rendered(cache, kind, object, Media::Json, *shape)?;
                    match shape {
                        Shape::Whole => {
                            let (head, rest) = kind.list_item(&json);
                            out.extend_from_slice(head);
                            out.extend_from_slice(rest);
                        }
                        // Metadata-only objects keep their names in a list.
                        Shape::Metadata { .. } => {
                            out.extend_from_slice(json.strip_suffix(b"\n").unwrap_or(&json))
                        }
                    }
                }
            }
            Ok(out.len() >= enough)
        })
    }

    /// Protobuf says lengths before contents, so that the objects are picked first; they are still written as they are taken.
    fn protobuf(self) -> Result<Body, Status> {
        let (kind_name, api_version) = self.names();
        let ListWriter {
            cache,
            kind,
            items,
            meta,
            shape,
            ..
        } = self;
        let meta = meta.protobuf();
        let objects = items.collect();
        let mut total = 1 + varint_len(meta.len() as u64) + meta.len();
        for object in &objects {
            let len = bare(&rendered(&cache, &kind, object, Media::Protobuf, shape)?).len();
            total += 1 + varint_len(len as u64) + len;
        }
        let mut head = b"k8s\0".to_vec();
        let mut type_meta = Vec::new();
        put_length(&mut type_meta, 1, api_version.len());
        type_meta.extend_from_slice(api_version.as_bytes());
        put_length(&mut type_meta, 2, kind_name.len());
        type_meta.extend_from_slice(kind_name.as_bytes());
        put_length(&mut head, 1, type_meta.len());
        head.extend_from_slice(&type_meta);
        put_length(&mut head, 2, total);
        put_length(&mut head, 1, meta.len());
        head.extend_from_slice(&meta);
        Ok(Body::new(Bounded::new(ProtobufStream {
            cache,
            kind,
            shape,
            head: Some(head),
            objects: objects.into_iter(),
            finished: false,
        })))
    }
}

struct Stream {
    writer: ListWriter,
    open: Vec<u8>,
    close: &'static [u8],
    started: bool,
    finished: bool,
    first: bool,
    indenter: Indenter,
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if this.finished {
            return Poll::Ready(None);
        }
        let mut out = Vec::with_capacity(if this.started { PIECE + 4096 } else { 4096 });
        if !std::mem::replace(&mut this.started, true) {
            out.append(&mut this.open);
        }
        match this.writer.piece(&mut out, PIECE, &mut this.first) {
            Ok(true) => {}
            Ok(false) => {
                out.extend_from_slice(this.close);
                this.finished = true;
            }
            Err(status) => {
                this.finished = true;
                return Poll::Ready(Some(Err(status)));
            }
        }
        if this.writer.accepted.pretty && this.writer.table.is_none() {
            let mut indented = Vec::with_capacity(2 * out.len());
            this.indenter.push(&out, &mut indented);
            out = indented;
        }
        Poll::Ready(Some(Ok(Frame::data(out.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.finished
    }
}

struct ProtobufStream {
    cache: Arc<Cache>,
    kind: Arc<KindCodec>,
    shape: Shape,
    head: Option<Vec<u8>>,
    objects: std::vec::IntoIter<Arc<Object>>,
    finished: bool,
}

impl http_body::Body for ProtobufStream {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if this.finished {
            return Poll::Ready(None);
        }
        let mut out = this.head.take().unwrap_or_default();
        while out.len() < PIECE {
            let Some(object) = this.objects.next() else {
                // contentEncoding and contentType, empty.
                put_length(&mut out, 3, 0);
                put_length(&mut out, 4, 0);
                this.finished = true;
                break;
            };
            match rendered(
                &this.cache,
                &this.kind,
                &object,
                Media::Protobuf,
                this.shape,
            ) {
                Ok(message) => {
                    let message = bare(&message);
                    put_length(&mut out, 2, message.len());
                    out.extend_from_slice(&message);
                }
                Err(status) => {
                    this.finished = true;
                    return Poll::Ready(Some(Err(status)));
                }
            }
        }
        Poll::Ready(Some(Ok(Frame::data(out.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.finished
    }
}

/// A JSON string.
pub fn quoted(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut tree = api::Tree::new(api::TypeId::UNTYPED);
    tree.root_mut().insert("v", text);
    json::encode_value(tree.root().get("v").unwrap_or(tree.root()), &mut out);
    out
}
