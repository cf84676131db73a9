//! The envelopes of protobuf bodies: what stands around an object, and nothing of the object itself.
//!
//! An object or list travels as `k8s\0` and a `runtime.Unknown` whose field 2 holds the message. A list's items are field 2
//! of every list message, so a list is cut into its items here and each is decoded on its own. A watch is a sequence of frames, each with
//! its length in four bytes, most significant first, around a `meta/v1.WatchEvent`.

use bytes::{Buf, Bytes};

use super::{
    error::DecodeError,
    status::{Cause, Details, Status},
};

/// What every protobuf body of the API begins with.
pub const MAGIC: &[u8; 4] = b"k8s\0";

/// A list's own metadata.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ListMeta {
    /// The revision that the list shows.
    pub resource_version: String,
    /// Where the next page begins; empty on the last one.
    pub continue_token: String,
    /// How many items follow after this page, where the server says so.
    pub remaining: Option<i64>,
}

/// One field of a protobuf message.
enum Value {
    Varint(u64),
    Bytes(Bytes),
    Fixed,
}

/// Reads a message's fields one after the other, without copying.
struct Fields(Bytes);

impl Fields {
    fn next(&mut self) -> Result<Option<(u32, Value)>, DecodeError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number =
            u32::try_from(tag >> 3).map_err(|_| DecodeError::Wire("field number out of range"))?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.skip(8)?,
            2 => {
                let len = usize::try_from(self.varint()?)
                    .map_err(|_| DecodeError::Wire("length out of range"))?;
                if len > self.0.len() {
                    return Err(DecodeError::Wire("truncated message"));
                }
                Value::Bytes(self.0.split_to(len))
            }
            5 => self.skip(4)?,
            _ => return Err(DecodeError::Wire("unknown wire type")),
        };
        Ok(Some((number, value)))
    }

    fn skip(&mut self, len: usize) -> Result<Value, DecodeError> {
        if len > self.0.len() {
            return Err(DecodeError::Wire("truncated message"));
        }
        self.0.advance(len);
        Ok(Value::Fixed)
    }

    fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            if self.0.is_empty() {
                return Err(DecodeError::Wire("truncated number"));
            }
            let byte = self.0.get_u8();
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Wire("number too long"))
    }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A `runtime.Unknown` without its magic prefix's meaning: what kind the body is of, and its message.
#[derive(Debug, Default)]
pub struct Unknown {
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// `Pod`, `PodList`, `Status`.
    pub kind: String,
    /// The message.
    pub raw: Bytes,
}

/// Opens the envelope of one body.
pub fn open(mut body: Bytes) -> Result<Unknown, DecodeError> {
    if !body.starts_with(MAGIC) {
        return Err(DecodeError::Wire("not a Kubernetes protobuf body"));
    }
    body.advance(MAGIC.len());
    let mut unknown = Unknown::default();
    let mut fields = Fields(body);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Bytes(meta)) => {
                let mut meta = Fields(meta);
                while let Some(field) = meta.next()? {
                    match field {
                        (1, Value::Bytes(b)) => unknown.api_version = text(&b),
                        (2, Value::Bytes(b)) => unknown.kind = text(&b),
                        _ => {}
                    }
                }
            }
            (2, Value::Bytes(raw)) => unknown.raw = raw,
            (3, Value::Bytes(encoding)) if !encoding.is_empty() => {
                return Err(DecodeError::Wire("content encodings are not supported"));
            }
            _ => {}
        }
    }
    Ok(unknown)
}

/// Puts a message into its envelope.
pub fn envelope(api_version: &str, kind: &str, message: &[u8]) -> Vec<u8> {
    fn put(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
        out.push(number << 3 | 2);
        let mut len = bytes.len();
        while len >= 0x80 {
            out.push((len & 0x7f) as u8 | 0x80);
            len >>= 7;
        }
        out.push(len as u8);
        out.extend_from_slice(bytes);
    }
    let mut meta = Vec::with_capacity(api_version.len() + kind.len() + 4);
    put(&mut meta, 1, api_version.as_bytes());
    put(&mut meta, 2, kind.as_bytes());
    let mut out = Vec::with_capacity(message.len() + meta.len() + 16);
    out.extend_from_slice(MAGIC);
    put(&mut out, 1, &meta);
    put(&mut out, 2, message);
    out
}

/// Cuts a list message into its metadata and its items' messages.
pub fn split_list(message: Bytes) -> Result<(ListMeta, Vec<Bytes>), DecodeError> {
    let mut meta = ListMeta::default();
    let mut items = Vec::new();
    let mut fields = Fields(message);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Bytes(bytes)) => {
                let mut fields = Fields(bytes);
                while let Some(field) = fields.next()? {
                    match field {
                        (2, Value::Bytes(b)) => meta.resource_version = text(&b),
                        (3, Value::Bytes(b)) => meta.continue_token = text(&b),
                        (4, Value::Varint(n)) => meta.remaining = Some(n.cast_signed()),
                        _ => {}
                    }
                }
            }
            (2, Value::Bytes(item)) => items.push(item),
            _ => {}
        }
    }
    Ok((meta, items))
}

/// A `meta/v1.Status` message.
pub fn status(message: Bytes) -> Result<Status, DecodeError> {
    let mut status = Status::default();
    let mut fields = Fields(message);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (2, Value::Bytes(b)) => status.status = text(&b),
            (3, Value::Bytes(b)) => status.message = text(&b),
            (4, Value::Bytes(b)) => status.reason = text(&b),
            (5, Value::Bytes(b)) => status.details = Some(details(b)?),
            (6, Value::Varint(code)) => status.code = u16::try_from(code).unwrap_or(0),
            _ => {}
        }
    }
    Ok(status)
}

fn details(message: Bytes) -> Result<Details, DecodeError> {
    let mut details = Details::default();
    let mut fields = Fields(message);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Bytes(b)) => details.name = text(&b),
            (2, Value::Bytes(b)) => details.group = text(&b),
            (3, Value::Bytes(b)) => details.kind = text(&b),
            (4, Value::Bytes(b)) => {
                let mut cause = Cause::default();
                let mut fields = Fields(b);
                while let Some(field) = fields.next()? {
                    match field {
                        (1, Value::Bytes(b)) => cause.reason = text(&b),
                        (2, Value::Bytes(b)) => cause.message = text(&b),
                        (3, Value::Bytes(b)) => cause.field = text(&b),
                        _ => {}
                    }
                }
                details.causes.push(cause);
            }
            (5, Value::Varint(n)) => details.retry_after_seconds = u32::try_from(n).unwrap_or(0),
            (6, Value::Bytes(b)) => details.uid = text(&b),
            _ => {}
        }
    }
    Ok(details)
}

/// A `meta/v1.WatchEvent` message: its type, and the body of its object in an envelope of its own.
pub fn watch_event(frame: Bytes) -> Result<(String, Bytes), DecodeError> {
    let (mut kind, mut object) = (String::new(), Bytes::new());
    let mut fields = Fields(frame);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Bytes(b)) => kind = text(&b),
            (2, Value::Bytes(b)) => {
                let mut raw = Fields(b);
                while let Some(field) = raw.next()? {
                    if let (1, Value::Bytes(b)) = field {
                        object = b;
                    }
                }
            }
            _ => {}
        }
    }
    Ok((kind, object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_opens_to_what_was_put_in() {
        let message = vec![7u8; 300];
        let opened = open(envelope("apps/v1", "Deployment", &message).into()).expect("opens");
        assert_eq!(
            (opened.api_version.as_str(), opened.kind.as_str()),
            ("apps/v1", "Deployment")
        );
        assert_eq!(opened.raw, message);
    }

    #[test]
    fn cut_off_and_overlong_input_is_refused() {
        let whole = envelope("v1", "Pod", &[1, 2, 3]);
        for len in 4..whole.len() {
            let cut = Bytes::copy_from_slice(&whole[..len]);
            // Ending between two fields is a valid, shorter message; anything else must be an error, never a panic.
            if let Ok(opened) = open(cut) {
                assert!(opened.raw.is_empty());
            }
        }
        assert!(open(Bytes::from_static(b"{}")).is_err());
        assert!(watch_event(Bytes::from_static(&[0x12, 0xff, 0xff, 0xff, 0xff, 0x0f])).is_err());
        assert!(status(Bytes::from_static(&[0xff; 20])).is_err());
    }

    #[test]
    fn a_list_is_cut_into_items_and_metadata() {
        // metadata {resourceVersion: "42", continue: "c", remainingItemCount: 7}, two items.
        let message = Bytes::from_static(b"\x0a\x09\x12\x0242\x1a\x01c\x20\x07\x12\x02ab\x12\x00");
        let (meta, items) = split_list(message).expect("well-formed");
        assert_eq!(
            meta,
            ListMeta {
                resource_version: "42".into(),
                continue_token: "c".into(),
                remaining: Some(7)
            }
        );
        assert_eq!(items, [Bytes::from_static(b"ab"), Bytes::new()]);
    }
}
