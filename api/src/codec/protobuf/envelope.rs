//! `runtime.Unknown`: what the API wraps a message in, so that it says what it is.

use std::ops::Range;

use super::wire::{BYTES, DecodeError, Reader, write_delimited, write_varint};

/// The four bytes before the envelope.
pub const ENVELOPE_PREFIX: [u8; 4] = *b"k8s\0";

/// An opened envelope.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Unknown {
    /// `v1`, `apps/v1`; may be empty.
    pub api_version: String,
    /// `Pod`; may be empty.
    pub kind: String,
    /// Where the message stands in the input.
    pub raw: Range<usize>,
    /// How the message is compressed: empty in all that upstream writes.
    pub content_encoding: String,
    /// The message's media type; empty means protobuf.
    pub content_type: String,
}

/// Wraps a bare message.
pub fn wrap_unknown(api_version: &str, kind: &str, raw: &[u8], out: &mut Vec<u8>) {
    let mut meta = Vec::with_capacity(api_version.len() + kind.len() + 8);
    write_delimited(1, api_version.as_bytes(), &mut meta);
    write_delimited(2, kind.as_bytes(), &mut meta);
    out.reserve(raw.len() + meta.len() + 24);
    out.extend_from_slice(&ENVELOPE_PREFIX);
    write_delimited(1, &meta, out);
    out.push(2 << 3 | BYTES);
    write_varint(raw.len() as u64, out);
    out.extend_from_slice(raw);
    write_delimited(3, b"", out);
    write_delimited(4, b"", out);
}

/// Opens an envelope, prefix included.
///
/// # Errors
/// When the prefix is missing, or what follows is no envelope.
pub fn unwrap_unknown(input: &[u8]) -> Result<Unknown, DecodeError> {
    if input.is_empty() {
        return Err(DecodeError::Empty);
    }
    let body = input
        .strip_prefix(&ENVELOPE_PREFIX)
        .ok_or(DecodeError::NoPrefix)?;
    if body.is_empty() {
        return Err(DecodeError::EmptyBody);
    }
    let mut unknown = Unknown::default();
    let mut reader = Reader::new(body);
    while !reader.is_done() {
        let (number, wire_type) = reader.tag(|| "Unknown".to_owned())?;
        if !(1..=4).contains(&number) {
            reader.skip(wire_type)?;
            continue;
        }
        if wire_type != BYTES {
            let field = ["typeMeta", "raw", "contentEncoding", "contentType"][number as usize - 1];
            return Err(DecodeError::WrongWireType {
                wire_type,
                field: field.to_owned(),
            });
        }
        let bytes = reader.delimited()?;
        let text = || String::from_utf8_lossy(bytes).into_owned();
        match number {
            1 => {
                let mut meta = Reader::new(bytes);
                while !meta.is_done() {
                    let (number, wire_type) = meta.tag(|| "TypeMeta".to_owned())?;
                    match (number, wire_type) {
                        (1, BYTES) => {
                            unknown.api_version =
                                String::from_utf8_lossy(meta.delimited()?).into_owned()
                        }
                        (2, BYTES) => {
                            unknown.kind = String::from_utf8_lossy(meta.delimited()?).into_owned()
                        }
                        _ => meta.skip(wire_type)?,
                    }
                }
            }
            2 => {
                let end = ENVELOPE_PREFIX.len() + reader.at;
                unknown.raw = end - bytes.len()..end;
            }
            3 => unknown.content_encoding = text(),
            _ => unknown.content_type = text(),
        }
    }
    Ok(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrapped_is_unwrapped() {
        let mut out = Vec::new();
        wrap_unknown("apps/v1", "Deployment", b"body", &mut out);
        let unknown = unwrap_unknown(&out).unwrap();
        assert_eq!(
            (unknown.api_version.as_str(), unknown.kind.as_str()),
            ("apps/v1", "Deployment")
        );
        assert_eq!(&out[unknown.raw], b"body");
    }

    #[test]
    fn no_prefix_and_cut_envelopes_are_refused() {
        let mut out = Vec::new();
        wrap_unknown("v1", "Pod", b"body", &mut out);
        assert_eq!(unwrap_unknown(&out[1..]), Err(DecodeError::NoPrefix));
        let cut = 4 + 2 + 9 + 3;
        assert_eq!(unwrap_unknown(&out[..cut]), Err(DecodeError::UnexpectedEof));
    }
}
