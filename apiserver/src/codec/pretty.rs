//! JSON for people: indented as Go's `json.MarshalIndent` does it, piece by piece as it streams by.

/// Indents compact JSON by two spaces a level. Pieces may break anywhere.
#[derive(Debug, Default)]
pub struct Indenter {
    depth: usize,
    text: bool,
    escape: bool,
    /// A bracket was opened, and nothing has followed yet: `{}` and `[]` stay together.
    opened: bool,
}

impl Indenter {
    /// Appends `json` to `out`, indented.
    pub fn push(&mut self, json: &[u8], out: &mut Vec<u8>) {
        for &byte in json {
            if self.text {
                out.push(byte);
                match byte {
                    _ if self.escape => self.escape = false,
                    b'\\' => self.escape = true,
                    b'"' => self.text = false,
                    _ => {}
                }
                continue;
            }
            if byte.is_ascii_whitespace() {
                continue;
            }
            let closing = matches!(byte, b'}' | b']');
            if self.opened && !closing {
                self.depth += 1;
                self.line(out);
            }
            if closing && !self.opened {
                self.depth = self.depth.saturating_sub(1);
                self.line(out);
            }
            self.opened = false;
            out.push(byte);
            match byte {
                b'{' | b'[' => self.opened = true,
                b',' => self.line(out),
                b':' => out.push(b' '),
                b'"' => self.text = true,
                _ => {}
            }
        }
    }

    fn line(&self, out: &mut Vec<u8>) {
        out.push(b'\n');
        out.resize(out.len() + 2 * self.depth, b' ');
    }
}

/// Compact JSON, indented.
pub fn indent(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    Indenter::default().push(json, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPACT: &str = r#"{"a":{},"b":[],"c":[1,{"d":"x,{\"}"}],"e":null}"#;

    #[test]
    fn the_output_is_gos() {
        let want = "{\n  \"a\": {},\n  \"b\": [],\n  \"c\": [\n    1,\n    {\n      \"d\": \"x,{\\\"}\"\n    }\n  ],\n  \"e\": null\n}";
        assert_eq!(String::from_utf8(indent(COMPACT.as_bytes())).unwrap(), want);
    }

    #[test]
    fn pieces_may_break_anywhere() {
        let whole = indent(COMPACT.as_bytes());
        for cut in 0..COMPACT.len() {
            let (mut indenter, mut out) = (Indenter::default(), Vec::new());
            indenter.push(&COMPACT.as_bytes()[..cut], &mut out);
            indenter.push(&COMPACT.as_bytes()[cut..], &mut out);
            assert_eq!(out, whole);
        }
    }
}
