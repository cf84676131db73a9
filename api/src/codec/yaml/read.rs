//! YAML → JSON → tree.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError};

use super::resolve::{Scalar, resolve};
use crate::codec::json::{self, Strict, StrictKind, write_string};
use crate::codec::quote;
use crate::schema::{SchemaRef, TypeId};
use crate::tree::{MAX_DEPTH, Tree};

/// Why YAML could not be decoded.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// No YAML, or YAML that JSON cannot express.
    #[error("yaml: {0}")]
    Yaml(String),
    /// The JSON that it stands for could not be decoded.
    #[error(transparent)]
    Json(#[from] json::DecodeError),
}

impl From<ScanError> for DecodeError {
    fn from(error: ScanError) -> DecodeError {
        let mark = error.marker();
        DecodeError::Yaml(format!("line {}: {}", mark.line(), error.info()))
    }
}

/// Decodes the first document of `input` as a message of type `ty`.
///
/// # Errors
/// When it is no YAML, or the JSON that it stands for could not be decoded.
pub fn decode(
    schema: impl Into<SchemaRef>,
    ty: TypeId,
    input: &[u8],
    strict: &mut Strict,
) -> Result<Tree, DecodeError> {
    let json = to_json(input, strict)?;
    Ok(json::decode(schema, ty, json, strict)?)
}

/// What aliases may add to a document, in bytes: each stands for a copy of what it names.
const MAX_ALIASED: usize = 4 << 20;

/// The JSON that the first document of `input` stands for; of duplicate keys the last wins, and `strict` is told.
///
/// # Errors
/// When it is no YAML, or there is no JSON for it.
pub fn to_json(input: &[u8], strict: &mut Strict) -> Result<Vec<u8>, DecodeError> {
    let text = match std::str::from_utf8(input) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(_) => return Err(DecodeError::Yaml("invalid leading UTF-8 octet".to_owned())),
    };
    let mut builder = Builder {
        open: Vec::new(),
        anchors: HashMap::new(),
        root: None,
        duplicates: Vec::new(),
    };
    for event in Parser::new_from_str(text) {
        let (event, span) = event?;
        if builder.event(event, span.start.line())? {
            break;
        }
    }
    if !builder.duplicates.is_empty() {
        let lines: Vec<String> = builder
            .duplicates
            .iter()
            .map(|(line, key)| format!("\n  line {line}: key {} already set in map", quote(key)))
            .collect();
        strict.add(
            StrictKind::Yaml,
            format!("yaml: unmarshal errors:{}", lines.concat()),
        );
    }
    let mut out = Vec::with_capacity(input.len() + input.len() / 2);
    let limit = input.len().saturating_mul(2).saturating_add(MAX_ALIASED);
    match &builder.root {
        Some(root) => write(root, &mut out, limit, 0)?,
        None => out.extend_from_slice(b"null"),
    }
    Ok(out)
}

/// The documents of a stream, each without its separator.
pub fn documents(input: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(input);
    std::iter::from_fn(move || {
        loop {
            let text = rest?;
            let mut end = text.len();
            rest = None;
            let mut at = 0;
            for line in text.split_inclusive('\n') {
                let after = line
                    .strip_prefix("---")
                    .filter(|after| after.starts_with([' ', '\t', '\r', '\n']) || after.is_empty());
                if let Some(after) = after {
                    end = at;
                    // What follows on the separator's line belongs to the next document, but for a comment.
                    let keep =
                        !after.trim_start().is_empty() && !after.trim_start().starts_with('#');
                    rest = Some(&text[if keep { at + 3 } else { at + line.len() }..]);
                    break;
                }
                at += line.len();
            }
            if !text[..end].trim().is_empty() {
                return Some(&text[..end]);
            }
        }
    })
}

#[derive(Debug)]
enum Node {
    /// JSON text.
    Scalar(String),
    Sequence(Vec<Rc<Node>>),
    Mapping(Vec<(String, Rc<Node>)>),
}

enum Open {
    Sequence(Vec<Rc<Node>>, usize),
    Mapping {
        entries: Vec<(String, Rc<Node>)>,
        seen: HashSet<String>,
        merges: Vec<Rc<Node>>,
        key: Option<Key>,
        anchor: usize,
    },
}

enum Key {
    Name(String),
    Merge,
}

struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    duplicates: Vec<(usize, String)>,
}

impl Builder {
    /// Takes an event; whether the first document is complete.
    fn event(&mut self, event: Event<'_>, line: usize) -> Result<bool, DecodeError> {
        match event {
            Event::DocumentEnd => return Ok(true),
            Event::Scalar(text, style, anchor, tag) => {
                let value = match tag.as_deref() {
                    None if style == ScalarStyle::Plain => resolve(&text),
                    None => Scalar::Text,
                    Some(tag) => match tag.core_suffix() {
                        Some("null" | "bool" | "int" | "float") => resolve(&text),
                        _ => Scalar::Text,
                    },
                };
                if self.wants_key() {
                    self.key(&text, &value, line)?;
                } else {
                    self.place(Rc::new(Node::Scalar(scalar_json(&text, &value)?)), anchor)?;
                }
            }
            Event::SequenceStart(_, anchor, _) => self.begin(Open::Sequence(Vec::new(), anchor))?,
            Event::MappingStart(_, anchor, _) => self.begin(Open::Mapping {
                entries: Vec::new(),
                seen: HashSet::new(),
                merges: Vec::new(),
                key: None,
                anchor,
            })?,
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::Sequence(items, anchor)) => {
                    self.place(Rc::new(Node::Sequence(items)), anchor)?
                }
                Some(Open::Mapping {
                    mut entries,
                    mut seen,
                    merges,
                    anchor,
                    ..
                }) => {
                    for merge in merges {
                        merge_into(&merge, &mut entries, &mut seen)?;
                    }
                    self.place(Rc::new(Node::Mapping(entries)), anchor)?;
                }
                None => {}
            },
            Event::Alias(id) => {
                if self.wants_key() {
                    return Err(DecodeError::Yaml(format!(
                        "line {line}: an alias as a key is not supported"
                    )));
                }
                let Some(node) = self.anchors.get(&id).cloned() else {
                    return Err(DecodeError::Yaml(format!(
                        "line {line}: anchor contains itself"
                    )));
                };
                self.place(node, 0)?;
            }
            _ => {}
        }
        Ok(false)
    }

    fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Mapping { key: None, .. }))
    }

    fn begin(&mut self, open: Open) -> Result<(), DecodeError> {
        if self.wants_key() {
            return Err(DecodeError::Yaml(
                "invalid map key: only scalars are keys in JSON".to_owned(),
            ));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(DecodeError::Yaml(format!(
                "exceeded max depth of {MAX_DEPTH}"
            )));
        }
        self.open.push(open);
        Ok(())
    }

    fn key(&mut self, text: &str, value: &Scalar, line: usize) -> Result<(), DecodeError> {
        let new = match value {
            Scalar::Text => Key::Name(text.to_owned()),
            Scalar::Merge => Key::Merge,
            Scalar::Bool(value) => Key::Name(value.to_string()),
            Scalar::Int(value) => Key::Name(value.to_string()),
            Scalar::Uint(value) => Key::Name(value.to_string()),
            Scalar::Float(_) => Key::Name(text.to_owned()),
            Scalar::Null => {
                return Err(DecodeError::Yaml(format!(
                    "line {line}: null is no key in JSON"
                )));
            }
        };
        if let Some(Open::Mapping { key, seen, .. }) = self.open.last_mut() {
            if let Key::Name(name) = &new
                && seen.contains(name)
            {
                self.duplicates.push((line, name.clone()));
            }
            *key = Some(new);
        }
        Ok(())
    }

    fn place(&mut self, node: Rc<Node>, anchor: usize) -> Result<(), DecodeError> {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::Sequence(items, _)) => items.push(node),
            Some(Open::Mapping {
                entries,
                seen,
                merges,
                key,
                ..
            }) => match key.take() {
                Some(Key::Merge) => merges.push(node),
                Some(Key::Name(name)) if seen.insert(name.clone()) => entries.push((name, node)),
                Some(Key::Name(name)) => {
                    if let Some(entry) = entries.iter_mut().find(|(known, _)| *known == name) {
                        entry.1 = node;
                    }
                }
                None => {
                    return Err(DecodeError::Yaml(
                        "invalid map key: only scalars are keys in JSON".to_owned(),
                    ));
                }
            },
        }
        Ok(())
    }
}

/// `<<`: entries of another mapping (or of several) where this one has none.
fn merge_into(
    merge: &Node,
    entries: &mut Vec<(String, Rc<Node>)>,
    seen: &mut HashSet<String>,
) -> Result<(), DecodeError> {
    match merge {
        Node::Mapping(other) => {
            for (key, value) in other {
                if seen.insert(key.clone()) {
                    entries.push((key.clone(), value.clone()));
                }
            }
            Ok(())
        }
        Node::Sequence(items) if items.iter().all(|item| matches!(**item, Node::Mapping(_))) => {
            items
                .iter()
                .try_for_each(|item| merge_into(item, entries, seen))
        }
        _ => Err(DecodeError::Yaml(
            "map merge requires map or sequence of maps as the value".to_owned(),
        )),
    }
}

fn scalar_json(text: &str, value: &Scalar) -> Result<String, DecodeError> {
    Ok(match value {
        Scalar::Null => "null".to_owned(),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Int(value) => value.to_string(),
        Scalar::Uint(value) => value.to_string(),
        Scalar::Float(value) if !value.is_finite() => {
            return Err(DecodeError::Yaml(format!(
                "json: unsupported value: {text}"
            )));
        }
        Scalar::Float(value) => {
            let mut out = Vec::new();
            json::write_float(*value, &mut out);
            String::from_utf8_lossy(&out).into_owned()
        }
        Scalar::Text | Scalar::Merge => {
            let mut out = Vec::with_capacity(text.len() + 2);
            write_string(&mut out, text);
            String::from_utf8_lossy(&out).into_owned()
        }
    })
}

/// Writes JSON; aliases are written out, up to a limit.
fn write(node: &Node, out: &mut Vec<u8>, limit: usize, depth: usize) -> Result<(), DecodeError> {
    if out.len() > limit {
        return Err(DecodeError::Yaml(
            "document contains excessive aliasing".to_owned(),
        ));
    }
    if depth > MAX_DEPTH {
        return Err(DecodeError::Yaml(format!(
            "exceeded max depth of {MAX_DEPTH}"
        )));
    }
    match node {
        Node::Scalar(json) => out.extend_from_slice(json.as_bytes()),
        Node::Sequence(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(item, out, limit, depth + 1)?;
            }
            out.push(b']');
        }
        Node::Mapping(entries) => {
            out.push(b'{');
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_string(out, key);
                out.push(b':');
                write(value, out, limit, depth + 1)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(yaml: &str) -> String {
        String::from_utf8(to_json(yaml.as_bytes(), &mut Strict::new()).unwrap()).unwrap()
    }

    #[test]
    fn yaml_becomes_the_json_that_upstream_makes_of_it() {
        assert_eq!(
            json(
                "a: yes\nb: 'yes'\nc: [1, 0x10, 1.50, ~]\nd: |\n  x\n  y\n1: one\ntrue: t\nt: 2026-01-02\n"
            ),
            r#"{"a":true,"b":"yes","c":[1,16,1.5,null],"d":"x\ny\n","1":"one","true":"t","t":"2026-01-02"}"#
        );
        assert_eq!(json("{\"a\": {\"b\": [\"c\"]}}"), r#"{"a":{"b":["c"]}}"#);
        assert_eq!(json(""), "null");
        assert_eq!(json("a: 1\n---\nb: 2\n"), r#"{"a":1}"#);
        assert_eq!(json("a: !!str 5\n"), r#"{"a":"5"}"#);
    }

    #[test]
    fn anchors_and_merges_are_written_out() {
        assert_eq!(
            json("x: &x {a: 1, b: 2}\nw: *x\nz:\n  <<: *x\n  b: 3\n"),
            r#"{"x":{"a":1,"b":2},"w":{"a":1,"b":2},"z":{"b":3,"a":1}}"#
        );
    }

    #[test]
    fn alias_bombs_are_refused() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        let error = to_json(bomb.as_bytes(), &mut Strict::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "yaml: document contains excessive aliasing"
        );
    }

    #[test]
    fn hostile_depth_is_refused() {
        for text in [
            "[".repeat(100_000),
            "- ".repeat(100_000),
            "{a: ".repeat(100_000),
        ] {
            assert!(to_json(text.as_bytes(), &mut Strict::new()).is_err());
        }
    }

    #[test]
    fn of_duplicate_keys_the_last_wins_and_strict_is_told() {
        let mut strict = Strict::new();
        let json = to_json(b"a: 1\nb: 2\na: 3\n", &mut strict).unwrap();
        assert_eq!(json, br#"{"a":3,"b":2}"#);
        assert_eq!(
            strict.errors()[0].to_string(),
            "yaml: unmarshal errors:\n  line 3: key \"a\" already set in map"
        );
    }

    #[test]
    fn streams_are_split_into_documents() {
        let split: Vec<&str> =
            documents("# c\n---\na: 1\n--- # x\n\n---\nb: |\n  ---\n--- {c: 1}\n---").collect();
        assert_eq!(split, ["# c\n", "a: 1\n", "b: |\n  ---\n", " {c: 1}\n"]);
    }
}
