//! Adding to encoded messages without decoding them: decoders merge a message field that comes twice.

use super::wire::{Reader, write_delimited, write_varint};

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

/// The first field of a bare top-level object with its tag and length, which is its metadata; `None` if it begins with anything
/// else.
pub fn metadata_alone(raw: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(raw);
    let (number, wire_type) = reader.tag(String::new).ok()?;
    if number != u32::from(METADATA) || wire_type != 2 {
        return None;
    }
    reader.delimited().ok()?;
    raw.get(..reader.at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_stands_first_and_alone() {
        let mut raw = Vec::new();
        write_delimited(METADATA, b"\x0a\x01n", &mut raw);
        let end = raw.len();
        write_delimited(2, b"spec", &mut raw);
        assert_eq!(metadata_alone(&raw), raw.get(..end));
        assert_eq!(metadata_alone(&raw[end..]), None);
        assert_eq!(metadata_alone(&raw[..end - 1]), None);
        assert_eq!(metadata_alone(b""), None);
    }
}
