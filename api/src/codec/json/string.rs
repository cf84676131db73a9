//! Strings: finding their end, undoing escapes, writing them as Go does.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Marks (in the high bits) the bytes of `word` that are zero, and perhaps some after the first of them.
#[inline]
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(LOW) & !word & HIGH
}

/// The offset of the first quote, backslash or control character from `at` on, or the end.
#[inline]
pub(super) fn find_special(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes
        .get(at..at + 8)
        .and_then(|chunk| <[u8; 8]>::try_from(chunk).ok())
    {
        let word = u64::from_le_bytes(chunk);
        let quote = zero_bytes(word ^ (LOW * u64::from(b'"')));
        let backslash = zero_bytes(word ^ (LOW * u64::from(b'\\')));
        let control = word.wrapping_sub(LOW * 0x20) & !word & HIGH;
        let special = quote | backslash | control;
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while let Some(byte) = bytes.get(at) {
        if matches!(byte, b'"' | b'\\' | 0..0x20) {
            return at;
        }
        at += 1;
    }
    at
}

/// Appends `text` (the inside of a well-formed JSON string) with its escapes undone; a lone surrogate becomes U+FFFD.
pub(super) fn unescape(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let escape = &rest[at..];
        let used = match escape.as_bytes().get(1) {
            Some(b'u') => {
                let unit = hex4(escape);
                let pair = match unit {
                    0xD800..0xDC00 if escape.get(6..8) == Some("\\u") => match hex4(&escape[6..]) {
                        low @ 0xDC00..0xE000 => {
                            char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
                        }
                        _ => None,
                    },
                    _ => None,
                };
                out.push(
                    pair.or(char::from_u32(unit))
                        .unwrap_or(char::REPLACEMENT_CHARACTER),
                );
                if pair.is_some() { 12 } else { 6 }
            }
            Some(byte) => {
                out.push(match byte {
                    b'b' => '\u{8}',
                    b'f' => '\u{c}',
                    b'n' => '\n',
                    b'r' => '\r',
                    b't' => '\t',
                    other => char::from(*other),
                });
                2
            }
            None => escape.len(),
        };
        rest = escape.get(used..).unwrap_or_default();
    }
    out.push_str(rest);
}

fn hex4(escape: &str) -> u32 {
    escape
        .get(2..6)
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .unwrap_or(0xFFFD)
}

/// Whether Go's encoder would write any of these bytes in another way.
#[inline]
fn any_escaped(chunk: &[u8; 16]) -> bool {
    // Written so that it compiles to vector instructions.
    let mut found = 0_u8;
    for &byte in chunk {
        found |= u8::from(byte < 0x20)
            | u8::from(byte == b'"')
            | u8::from(byte == b'\\')
            | u8::from(byte == b'<')
            | u8::from(byte == b'>')
            | u8::from(byte == b'&')
            | u8::from(byte == 0xE2);
    }
    found != 0
}

/// 1: always escaped; 2: perhaps the first byte of U+2028 or U+2029.
static ESCAPE: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = 1;
        byte += 1;
    }
    table[b'"' as usize] = 1;
    table[b'\\' as usize] = 1;
    table[b'<' as usize] = 1;
    table[b'>' as usize] = 1;
    table[b'&' as usize] = 1;
    table[0xE2] = 2;
    table
};

/// Writes a JSON string, quotes included, byte for byte as Go's encoder: `<`, `>`, `&`, U+2028 and U+2029 are escaped.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    write_escaped(out, text.as_bytes());
    out.push(b'"');
}

/// Writes the inside of a string.
#[inline]
pub(super) fn write_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut at = 0;
    while let Some(chunk) = bytes
        .get(at..at + 16)
        .and_then(|chunk| <&[u8; 16]>::try_from(chunk).ok())
    {
        if any_escaped(chunk) {
            break;
        }
        at += 16;
    }
    if bytes[at..]
        .iter()
        .all(|byte| ESCAPE[usize::from(*byte)] == 0)
    {
        out.extend_from_slice(bytes);
        return;
    }
    write_escaped_slowly(out, bytes, at);
}

#[cold]
fn write_escaped_slowly(out: &mut Vec<u8>, bytes: &[u8], mut at: usize) {
    let mut done = 0;
    while let Some(&byte) = bytes.get(at) {
        let kind = ESCAPE[usize::from(byte)];
        let separator = kind == 2 && matches!(bytes.get(at + 1..at + 3), Some([0x80, 0xA8 | 0xA9]));
        if kind == 0 || (kind == 2 && !separator) {
            at += 1;
            continue;
        }
        out.extend_from_slice(&bytes[done..at]);
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0C => out.extend_from_slice(b"\\f"),
            0xE2 => {
                out.extend_from_slice(if bytes[at + 2] == 0xA8 {
                    b"\\u2028"
                } else {
                    b"\\u2029"
                });
                at += 2;
            }
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        }
        at += 1;
        done = at;
    }
    out.extend_from_slice(&bytes[done..]);
}

/// Replaces every byte that is not part of well-formed UTF-8 by U+FFFD, each by one, as Go does.
pub(crate) fn replace_invalid_utf8(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(std::iter::repeat_n(
            char::REPLACEMENT_CHARACTER,
            chunk.invalid().len(),
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write_string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn writes_what_go_writes() {
        assert_eq!(
            written("plain text that is longer than sixteen"),
            "\"plain text that is longer than sixteen\""
        );
        assert_eq!(
            written("a<b>&\u{2028}\u{2029}\u{2030}"),
            "\"a\\u003cb\\u003e\\u0026\\u2028\\u2029\u{2030}\""
        );
        assert_eq!(
            written("\"\\\n\r\t\u{8}\u{c}\u{1}\u{7f}"),
            "\"\\\"\\\\\\n\\r\\t\\b\\f\\u0001\u{7f}\""
        );
    }

    #[test]
    fn escapes_are_undone() {
        let undone = |text: &str| {
            let mut out = String::new();
            unescape(text, &mut out);
            out
        };
        assert_eq!(
            undone(r#"a\"\\\/\b\f\n\r\t\u00e9z"#),
            "a\"\\/\u{8}\u{c}\n\r\t\u{e9}z"
        );
        assert_eq!(
            undone(r"\ud83d\ude00 \ud83d \ude00 \ud83dA"),
            "\u{1F600} \u{FFFD} \u{FFFD} \u{FFFD}A"
        );
    }

    #[test]
    fn the_end_of_a_string_is_found_wherever_it_is() {
        for length in 0..40 {
            for special in ["\"", "\\", "\n", "\u{0}"] {
                let text = "é".repeat(length) + special + "\"tail tail tail";
                assert_eq!(find_special(text.as_bytes(), 0), length * 2);
            }
        }
    }

    #[test]
    fn each_invalid_byte_becomes_one_replacement() {
        assert_eq!(
            replace_invalid_utf8(b"a\xF0\x9F\x98b\xFF"),
            "a\u{FFFD}\u{FFFD}\u{FFFD}b\u{FFFD}"
        );
    }
}
