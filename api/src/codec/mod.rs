//! Media types: JSON, protobuf and YAML into the tree and out of it.
//!
//! A codec knows the schema and the tree, and nothing of particular kinds, defaults or HTTP.

pub mod json;
mod merge;
pub mod protobuf;
mod seen;
pub mod yaml;

/// Text in double quotes as Go's `strconv.Quote` writes it.
pub(crate) fn quote(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            // Writing to a String cannot fail.
            '\0'..' ' | '\u{7f}' => _ = write!(out, "\\x{:02x}", u32::from(c)),
            '\u{80}'..'\u{a1}' | '\u{ad}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => {
                _ = write!(out, "\\u{:04x}", u32::from(c))
            }
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}
