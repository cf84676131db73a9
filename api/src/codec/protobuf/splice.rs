//! Adding to encoded messages without decoding them: decoders merge a message field that comes twice.

use super::wire::{write_delimited, write_varint};

/// The number of `metadata` in every top-level kind.
const METADATA: u8 = 1;
/// The number of `resourceVersion` in `ObjectMeta` and in `ListMeta`.
const OBJECT_RESOURCE_VERSION: u8 = 6;

/// Appends a further `metadata` message with nothing but a resourceVersion to the bytes of a bare top-level object.
pub fn append_resource_version(resource_version: u64, out: &mut Vec<u8>) {
    let mut text = itoa::Buffer::new();
    let text = text.format(resource_version);
    out.push(METADATA << 3 | 2);
    write_varint(text.len() as u64 + 2, out);
    write_delimited(OBJECT_RESOURCE_VERSION, text.as_bytes(), out);
}

/// The envelope around an object's canonical bytes with its resourceVersion spliced in.
pub fn with_resource_version(
    api_version: &str,
    kind: &str,
    canonical: &[u8],
    resource_version: u64,
    out: &mut Vec<u8>,
) {
    let mut raw = Vec::with_capacity(canonical.len() + 32);
    raw.extend_from_slice(canonical);
    append_resource_version(resource_version, &mut raw);
    super::wrap_unknown(api_version, kind, &raw, out);
}
