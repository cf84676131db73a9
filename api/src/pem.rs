//! PEM (RFC 7468) as Go reads it: text between blocks is skipped, and so is a block that is not well-formed; headers are told.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
const COLUMNS: usize = 64;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

/// One block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What stands behind `BEGIN`: `CERTIFICATE`.
    pub label: String,
    /// Whether headers (`key: value`, RFC 1421) stand before its contents.
    pub headers: bool,
    /// What it holds, decoded.
    pub bytes: Vec<u8>,
}

/// The well-formed blocks of a text, in order.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(begin) = marker(rest, BEGIN) {
        rest = &rest[begin + BEGIN.len()..];
        if let Some((block, after)) = block(rest) {
            out.push(block);
            rest = after;
        }
    }
    out
}

/// A block, from behind its `BEGIN `, and what follows it.
fn block(text: &str) -> Option<(Block, &str)> {
    let (first, mut rest) = line(text);
    let label = first.strip_suffix(DASHES)?;
    let mut headers = false;
    loop {
        let (header, after) = line(rest);
        if rest.is_empty() {
            return None;
        }
        if !header.contains(':') {
            break;
        }
        headers = true;
        rest = after;
    }
    let end = match rest.strip_prefix(END) {
        Some(_) if !headers => 0,
        _ => rest.find(&format!("\n{END}"))? + 1,
    };
    let (trailer, after) = line(&rest[end + END.len()..]);
    if trailer.strip_prefix(label) != Some(DASHES) {
        return None;
    }
    let contents: Vec<u8> = rest[..end]
        .bytes()
        .filter(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
        .collect();
    let block = Block {
        label: label.to_owned(),
        headers,
        bytes: BASE64.decode(contents).ok()?,
    };
    Some((block, after))
}

/// Where a line begins with `what`.
fn marker(text: &str, what: &str) -> Option<usize> {
    if text.starts_with(what) {
        return Some(0);
    }
    text.find(&format!("\n{what}")).map(|at| at + 1)
}

/// The first line, without blanks at its end, and what follows it.
fn line(text: &str) -> (&str, &str) {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    (line.trim_end_matches([' ', '\t', '\r']), rest)
}

/// A block without headers, as text.
pub fn encode(label: &str, bytes: &[u8]) -> String {
    let contents = BASE64.encode(bytes);
    let mut out = format!("{BEGIN}{label}{DASHES}\n");
    let mut rest = contents.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(COLUMNS));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str(&format!("{END}{label}{DASHES}\n"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for len in [0, 1, 47, 48, 49, 1000] {
            let bytes = vec![7_u8; len];
            let text = encode("CERTIFICATE", &bytes);
            let block = Block {
                label: "CERTIFICATE".to_owned(),
                headers: false,
                bytes,
            };
            assert_eq!(blocks(&text), [block], "{len}");
            assert!(text.lines().all(|line| line.len() <= COLUMNS));
        }
    }

    #[test]
    fn what_is_not_a_block_is_skipped() {
        let good = encode("A", b"good");
        let text = format!(
            "before\n-----BEGIN A-----\n???\n-----END A-----\n-----BEGIN A-----\nZ29vZA==\n-----END B-----\nbetween\n{good}after"
        );
        let found = blocks(&text);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].bytes, b"good");
        assert!(blocks("").is_empty());
        assert!(blocks("-----BEGIN A-----").is_empty());
        assert!(blocks("x-----BEGIN A-----\nZ29vZA==\n-----END A-----").is_empty());
    }

    #[test]
    fn headers_are_told() {
        let text = "-----BEGIN A-----\nkey: value\r\n\r\nZ29v\r\nZA==\n-----END A-----";
        let found = blocks(text);
        assert_eq!(found.len(), 1);
        assert!(found[0].headers);
        assert_eq!(found[0].bytes, b"good");
    }
}
