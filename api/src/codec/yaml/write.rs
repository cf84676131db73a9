//! Tree → YAML, as go-yaml v2 writes the JSON of an object: block style, sorted keys, lines folded beyond 80 columns.

use std::cmp::Ordering;

use super::resolve::{Scalar, is_date, resolve};
use crate::codec::json::{self, Strict};
use crate::tree::{Kind, Ref, Tree};

/// Appends a tree as one YAML document, without a separator.
pub fn encode(tree: &Tree, out: &mut String) {
    // By way of JSON, so that what JSON shows and what it hides is decided in one place.
    let json = json::to_vec(tree);
    if let Ok(plain) = json::decode_untyped(json, &mut Strict::new()) {
        let mut writer = Writer {
            out,
            column: 0,
            owed: false,
        };
        writer.value(plain.root(), Place::Root, 0);
    }
}

/// A tree as one YAML document.
pub fn to_string(tree: &Tree) -> String {
    let mut out = String::new();
    encode(tree, &mut out);
    out
}

const WIDTH: usize = 80;

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Root,
    /// After `key:`.
    Entry,
    /// After `-`.
    Item,
}

struct Writer<'a> {
    out: &'a mut String,
    column: usize,
    /// The text before ends with a line break that is still to be written.
    owed: bool,
}

impl Writer<'_> {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn line(&mut self, indent: usize) {
        self.owed = false;
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.column = indent;
    }

    /// A value; `indent` is that of the collection around it, the root's is 0.
    fn value(&mut self, value: Ref<'_>, place: Place, indent: usize) {
        match value.kind() {
            Kind::Map if value.is_empty() => self.flow("{}", place),
            Kind::List if value.is_empty() => self.flow("[]", place),
            Kind::Map => {
                let inner = if place == Place::Root { 0 } else { indent + 2 };
                let mut entries: Vec<_> = value.entries().collect();
                entries.sort_by(|a, b| natural(a.0, b.0));
                for (index, (key, value)) in entries.into_iter().enumerate() {
                    match (index, place) {
                        (0, Place::Root) => {}
                        (0, Place::Item) => self.put(" "),
                        _ => self.line(inner),
                    }
                    self.scalar(key, true, inner);
                    self.put(":");
                    self.value(value, Place::Entry, inner);
                }
                self.end(place);
            }
            Kind::List => {
                // In a mapping the dashes stand below the key's first letter.
                let inner = match place {
                    Place::Root => 0,
                    Place::Entry => indent,
                    Place::Item => indent + 2,
                };
                for (index, item) in value.items().enumerate() {
                    match (index, place) {
                        (0, Place::Root) => {}
                        (0, Place::Item) => self.put(" "),
                        _ => self.line(inner),
                    }
                    self.put("-");
                    self.value(item, Place::Item, inner);
                }
                self.end(place);
            }
            Kind::Str => {
                if place != Place::Root {
                    self.put(" ");
                }
                self.scalar(value.as_str().unwrap_or_default(), false, indent);
                self.end(place);
            }
            _ => {
                let mut json = Vec::new();
                json::encode_value(value, &mut json);
                let text = match value.kind() {
                    Kind::Float => go_float(value.as_f64().unwrap_or(0.0)),
                    _ => String::from_utf8_lossy(&json).into_owned(),
                };
                self.flow(&text, place);
            }
        }
    }

    fn flow(&mut self, text: &str, place: Place) {
        if place != Place::Root {
            self.put(" ");
        }
        self.put(text);
        self.end(place);
    }

    fn end(&mut self, place: Place) {
        if place == Place::Root && (self.owed || !self.out.ends_with('\n')) {
            self.out.push('\n');
        }
    }

    fn scalar(&mut self, text: &str, key: bool, indent: usize) {
        let look = Look::at(text);
        let plain_means_text =
            matches!(resolve(text), Scalar::Text) && !is_date(text) && !is_base60(text);
        let multiline = text.contains('\n');
        let continued = indent + 2;
        if multiline && !key && look.block {
            return self.literal(text, continued);
        }
        if !multiline && plain_means_text {
            if look.plain {
                return self.plain(text, key, continued);
            }
            if look.single {
                return self.single(text, key, continued);
            }
        }
        self.double(text, key, continued);
    }

    /// Whether a line ends here: at a lone space beyond the width.
    fn folds(&self, key: bool, previous_space: bool, next: Option<char>) -> bool {
        !key && !previous_space && self.column > WIDTH && next.is_some_and(|next| next != ' ')
    }

    fn plain(&mut self, text: &str, key: bool, indent: usize) {
        self.folded(text, key, indent, |_, _| false);
    }

    fn folded(
        &mut self,
        text: &str,
        key: bool,
        indent: usize,
        mut special: impl FnMut(&mut Self, char) -> bool,
    ) {
        let mut chars = text.chars().peekable();
        let mut space = false;
        while let Some(c) = chars.next() {
            if c == ' ' && self.folds(key, space, chars.peek().copied()) {
                self.line(indent);
            } else if !special(self, c) {
                self.out.push(c);
                self.column += 1;
            }
            space = c == ' ';
        }
    }

    fn single(&mut self, text: &str, key: bool, indent: usize) {
        self.put("'");
        self.folded(text, key, indent, |writer, c| {
            if c == '\'' {
                writer.put("''");
            }
            c == '\''
        });
        self.put("'");
    }

    fn double(&mut self, text: &str, key: bool, indent: usize) {
        self.put("\"");
        let mut chars = text.char_indices().peekable();
        let mut space = false;
        while let Some((at, c)) = chars.next() {
            if c == ' ' {
                if !key && !space && self.column > WIDTH && at > 0 && at + 1 < text.len() {
                    self.line(indent);
                    if chars.peek().is_some_and(|(_, next)| *next == ' ') {
                        self.put("\\");
                    }
                } else {
                    self.put(" ");
                }
                space = true;
                continue;
            }
            space = false;
            match c {
                '"' | '\\' => self.put(&format!("\\{c}")),
                '\0' => self.put("\\0"),
                '\u{7}' => self.put("\\a"),
                '\u{8}' => self.put("\\b"),
                '\t' => self.put("\\t"),
                '\n' => self.put("\\n"),
                '\u{b}' => self.put("\\v"),
                '\u{c}' => self.put("\\f"),
                '\r' => self.put("\\r"),
                '\u{1b}' => self.put("\\e"),
                '\u{85}' => self.put("\\N"),
                '\u{2028}' => self.put("\\L"),
                '\u{2029}' => self.put("\\P"),
                c if is_printable(c) => {
                    self.out.push(c);
                    self.column += 1;
                }
                c if u32::from(c) <= 0xff => self.put(&format!("\\x{:02X}", u32::from(c))),
                c if u32::from(c) <= 0xffff => self.put(&format!("\\u{:04X}", u32::from(c))),
                c => self.put(&format!("\\U{:08X}", u32::from(c))),
            }
        }
        self.put("\"");
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.put("|");
        if text.starts_with([' ', '\n']) {
            self.put("2");
        }
        if !text.ends_with('\n') {
            self.put("-");
        } else if text == "\n" || text.ends_with("\n\n") {
            self.put("+");
        }
        self.out.push('\n');
        for line in text
            .strip_suffix('\n')
            .unwrap_or(text)
            .split('\n')
            .enumerate()
        {
            if line.0 > 0 {
                self.out.push('\n');
            }
            if !line.1.is_empty() {
                self.out.extend(std::iter::repeat_n(' ', indent));
                self.out.push_str(line.1);
            }
        }
        self.owed = text.ends_with('\n');
        self.column = 0;
    }
}

/// Which styles a text allows.
struct Look {
    plain: bool,
    single: bool,
    block: bool,
}

impl Look {
    fn at(text: &str) -> Look {
        let chars: Vec<char> = text.chars().collect();
        let is_break = |c: char| matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
        let blank = |c: Option<&char>| c.is_none_or(|c| matches!(c, ' ' | '\t') || is_break(*c));
        let mut indicator = text.starts_with("---") || text.starts_with("...");
        let (mut special, mut breaks, mut break_space, mut space_break) =
            (false, false, false, false);
        for (index, &c) in chars.iter().enumerate() {
            let next_blank = blank(chars.get(index + 1));
            let previous = index.checked_sub(1).and_then(|index| chars.get(index));
            indicator |= match c {
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"'
                | '%' | '@' | '`'
                    if index == 0 =>
                {
                    true
                }
                '?' | '-' if index == 0 => next_blank,
                ':' => next_blank,
                '#' => blank(previous),
                _ => false,
            };
            special |= !is_printable(c);
            breaks |= is_break(c);
            break_space |= c == ' ' && previous.is_some_and(|c| is_break(*c));
            space_break |= is_break(c) && previous == Some(&' ');
        }
        let ends = |c: Option<&char>| c.is_some_and(|c| *c == ' ' || is_break(*c));
        let padded = ends(chars.first()) || ends(chars.last());
        let trailing_space = chars.last() == Some(&' ');
        Look {
            plain: !(indicator
                || special
                || breaks
                || break_space
                || space_break
                || padded
                || text.is_empty()),
            single: !(special || break_space || space_break),
            block: !(special || space_break || trailing_space || text.is_empty()),
        }
    }
}

fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

/// `1:30` and the like, which YAML 1.1 takes for numbers to the base of 60.
fn is_base60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut parts = whole.split(':');
    let first = parts.next().unwrap_or_default();
    let digits = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'_')
    };
    let sixty = |part: &str| match part.as_bytes() {
        [digit] => digit.is_ascii_digit(),
        [tens, ones] => matches!(tens, b'0'..=b'5') && ones.is_ascii_digit(),
        _ => false,
    };
    first.starts_with(|c: char| c.is_ascii_digit())
        && digits(first)
        && digits(fraction)
        && whole.contains(':')
        && parts.all(sixty)
}

/// As `strconv.FormatFloat(v, 'g', -1, 64)`: an exponent below 1e-4 and from 1e21 on.
fn go_float(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-4..1e21).contains(&magnitude) {
        return format!("{value}");
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) = exponent
                .strip_prefix('-')
                .map_or(('+', exponent), |exponent| ('-', exponent));
            format!("{digits}e{sign}{exponent:0>2}")
        }
        None => text,
    }
}

/// go-yaml's order of keys: letters after everything else, runs of digits by their number.
fn natural(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(x, y)| x != y) else {
        return a.len().cmp(&b.len());
    };
    let (x, y) = (a[at], b[at]);
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x.cmp(&y),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let mut start = 0_u64;
    if x == '0' || y == '0' {
        let digits = a[..at].iter().rev().take_while(|c| c.is_ascii_digit());
        start = u64::from(digits.into_iter().any(|digit| *digit != '0'));
    }
    let number = |chars: &[char]| {
        let digits = chars[at..].iter().take_while(|c| c.is_ascii_digit());
        digits.fold((start, 0), |(sum, count): (u64, usize), digit| {
            (
                sum.wrapping_mul(10)
                    .wrapping_add(u64::from(digit.to_digit(10).unwrap_or(0))),
                count + 1,
            )
        })
    };
    number(&a).cmp(&number(&b)).then(x.cmp(&y))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yaml(json: &str) -> String {
        to_string(&json::decode_untyped(json.as_bytes().to_vec(), &mut Strict::new()).unwrap())
    }

    #[test]
    fn objects_are_written_as_upstream_writes_them() {
        let json = r#"{"b":[{"x":1,"y":[]},["p",{}]],"a":{"t":"yes","n":null,"f":1.5,"s":"it's: fine","q":"- x","e":"","m":"l1\nl2\n"}}"#;
        assert_eq!(
            yaml(json),
            "a:\n  e: \"\"\n  f: 1.5\n  m: |\n    l1\n    l2\n  \"n\": null\n  q: '- x'\n  s: 'it''s: fine'\n  t: \"yes\"\n\
             b:\n- x: 1\n  \"y\": []\n- - p\n  - {}\n"
        );
    }

    #[test]
    fn keys_are_sorted_as_people_sort_them() {
        assert_eq!(
            yaml(r#"{"a10":1,"a9":1,"a-b":1,"ab":1}"#),
            "a-b: 1\na9: 1\na10: 1\nab: 1\n"
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            "",
            " x",
            "x ",
            "a\nb",
            "a\n",
            "a\n\n",
            "\n",
            " a\nb",
            "a \nb",
            "a\n b",
            "#",
            "a #b",
            "a: b",
            "a:",
            "---",
            "1",
            "1e3",
            "0x1",
            "null",
            "~",
            "2026-01-02",
            "1:30",
            "\t",
            "\u{1}",
            "é",
            "\u{2028}",
            "{",
            "*a",
            "!x",
            "%",
            "@",
            "`",
            "\"",
            "'",
            "\\",
            "no",
            "on",
            "-",
            "?",
            "? x",
            "-1",
            ".5",
            "<<",
            "=",
            "\u{1F600}",
            "a long text that goes on and on beyond the eightieth column of the line, so that it has to be folded somewhere about here",
        ] {
            let mut json = Vec::new();
            json::write_string(&mut json, text);
            let value = format!(
                "{{\"k\":{0},\"l\":[{0},{{\"m\":{0}}}]}}",
                String::from_utf8(json).unwrap()
            );
            let written = yaml(&value);
            let read = super::super::to_json(written.as_bytes(), &mut Strict::new())
                .unwrap_or_else(|error| panic!("{error}\n{written}"));
            assert_eq!(String::from_utf8(read).unwrap(), value, "{written}");
        }
    }
}
