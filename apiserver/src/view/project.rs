//! What the view reads out of an object's bytes: labels, and the fields which this kind's selectors may name.
//!
//! Canonical protobuf is scanned once when a change is applied, without building a tree; strings are slices of the bytes. JSON,
//! which upstream keeps some kinds in (and all, if told so), is read as a tree.

use api::codec::json;
use api::{Ref, Tree};
use bytes::Bytes;

/// Labels and selectable fields of one version.
#[derive(Clone, Debug, Default)]
pub struct Projection {
    /// What the spans point into: the object's own bytes, or a buffer made for the purpose.
    text: Bytes,
    labels: Box<[(Span, Span)]>,
    fields: Box<[Span]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    len: u32,
}

impl Projection {
    /// A projection of strings that are no slices of the object's bytes.
    pub fn owned<'a>(
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
        fields: impl IntoIterator<Item = &'a str>,
    ) -> Projection {
        let mut text = Vec::new();
        let mut put = |s: &str| {
            let start = text.len() as u32;
            text.extend_from_slice(s.as_bytes());
            Span {
                start,
                len: s.len() as u32,
            }
        };
        let mut labels: Vec<_> = labels.into_iter().map(|(k, v)| (put(k), put(v))).collect();
        let fields = fields.into_iter().map(&mut put).collect();
        let text = Bytes::from(text);
        sort(&text, &mut labels);
        Projection {
            text,
            labels: labels.into(),
            fields,
        }
    }

    fn str(&self, span: Span) -> &str {
        str_at(&self.text, span)
    }

    /// The labels, ordered by key.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.labels.iter().map(|&(k, v)| (self.str(k), self.str(v)))
    }

    /// The value of the label `key`.
    pub fn label(&self, key: &str) -> Option<&str> {
        let at = self
            .labels
            .binary_search_by(|&(k, _)| self.str(k).cmp(key))
            .ok()?;
        Some(self.str(self.labels[at].1))
    }

    /// The value of the selectable field at `index` of the kind's list; empty when it is not set.
    pub fn field(&self, index: usize) -> &str {
        self.fields.get(index).map_or("", |&span| self.str(span))
    }

    pub(super) fn weight(&self) -> usize {
        std::mem::size_of_val(&*self.labels) + std::mem::size_of_val(&*self.fields)
    }
}

fn str_at(text: &[u8], span: Span) -> &str {
    let (start, end) = (span.start as usize, (span.start + span.len) as usize);
    text.get(start..end)
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .unwrap_or("")
}

fn sort(text: &[u8], labels: &mut [(Span, Span)]) {
    labels.sort_by(|a, b| str_at(text, a.0).cmp(str_at(text, b.0)));
}

/// Reads a [`Projection`] out of a kind's canonical bytes.
pub trait Projector: Send + Sync + 'static {
    /// The projection of `value`; what cannot be read is left empty (the object is then still listed, and still reported
    /// where it is decoded).
    fn project(&self, value: &Bytes) -> Projection;
}

/// How a field's value stands in protobuf, and how a selector sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A string.
    Text,
    /// A bool: `true` or `false`, absent being `false`.
    Bool,
    /// An integer, absent being `0`.
    Integer,
    /// The first element's string: a repeated message's field 1 (`status.podIPs`).
    TextList,
}

/// The way to one selectable field, from the object down.
#[derive(Clone, Debug)]
pub struct FieldPath {
    /// Its names in JSON, with dots.
    pub names: &'static str,
    /// Its numbers in protobuf.
    pub numbers: Vec<u32>,
    /// The form of the last one.
    pub form: Form,
    /// What an absent field selects as.
    pub default: &'static str,
    /// The field that stands in for one that is absent or empty.
    pub or: Option<Box<FieldPath>>,
}

/// Reads upstream's storage forms: `k8s\0` and a `runtime.Unknown`, or JSON.
#[derive(Debug, Default)]
pub struct Stored {
    /// The selectable fields in the kind's order, without `metadata.name` and `metadata.namespace`.
    pub fields: Vec<FieldPath>,
}

const MAGIC: &[u8] = b"k8s\0";
/// `ObjectMeta`'s number of the labels.
const LABELS: u32 = 11;

impl Stored {
    fn of_json(&self, tree: &Tree) -> Projection {
        let labels = tree.root().path("metadata.labels");
        let labels = labels.iter().flat_map(|labels| labels.entries());
        let labels = labels.filter_map(|(key, value)| Some((key, value.as_str()?)));
        let fields: Vec<String> = self.fields.iter().map(|f| f.in_json(tree.root())).collect();
        Projection::owned(labels, fields.iter().map(String::as_str))
    }
}

impl Projector for Stored {
    fn project(&self, value: &Bytes) -> Projection {
        if value.first() == Some(&b'{') {
            let tree = json::decode_untyped(value.clone(), &mut json::Strict::new());
            return tree.map_or_else(|_| Projection::default(), |tree| self.of_json(&tree));
        }
        let Some(raw) = value
            .strip_prefix(MAGIC)
            .and_then(|unknown| find(unknown, 2))
        else {
            return Projection::default();
        };
        let base = value.as_ptr() as usize;
        let span = |s: &[u8]| Span {
            start: (s.as_ptr() as usize - base) as u32,
            len: s.len() as u32,
        };
        let mut labels = Vec::new();
        for (number, field) in Fields(find(raw, 1).unwrap_or_default()) {
            if let (LABELS, Wire::Bytes(entry)) = (number, field) {
                let key = find(entry, 1).unwrap_or_default();
                labels.push((span(key), span(find(entry, 2).unwrap_or_default())));
            }
        }
        // An empty slice's address may lie outside the value; its span is never read.
        sort(value, &mut labels);
        let mut owned: Vec<(usize, String)> = Vec::new();
        let mut fields = vec![Span::default(); self.fields.len()];
        for (index, path) in self.fields.iter().enumerate() {
            match path.read(raw) {
                Found::Slice(s) => fields[index] = span(s),
                Found::Made(s) if s.is_empty() => {}
                Found::Made(s) => owned.push((index, s)),
            }
        }
        if owned.is_empty() {
            return Projection {
                text: value.clone(),
                labels: labels.into(),
                fields: fields.into(),
            };
        }
        // Values that are not written as text: the strings move to a buffer of their own.
        let text = |span: Span| str_at(value, span).to_owned();
        let mut fields: Vec<String> = fields.iter().map(|&s| text(s)).collect();
        for (index, value) in owned {
            fields[index] = value;
        }
        let labels: Vec<_> = labels.iter().map(|&(k, v)| (text(k), text(v))).collect();
        Projection::owned(
            labels.iter().map(|(k, v)| (k.as_str(), v.as_str())),
            fields.iter().map(String::as_str),
        )
    }
}

/// The bytes of one field of an object that is stored in protobuf, such as its spec (2); `None` if it is stored otherwise, or
/// has none.
pub fn part(value: &[u8], number: u32) -> Option<&[u8]> {
    find(find(value.strip_prefix(MAGIC)?, 2)?, number)
}

enum Found<'a> {
    Slice(&'a [u8]),
    Made(String),
}

impl FieldPath {
    fn in_json(&self, object: Ref<'_>) -> String {
        let own = object.path(self.names).and_then(|value| match self.form {
            Form::Text => value.as_str().map(str::to_owned),
            Form::Bool => value.as_bool().map(|b| b.to_string()),
            Form::Integer => value.as_i64().map(|n| n.to_string()),
            Form::TextList => {
                let first = value.item(0)?;
                let text = first.entries().find_map(|(_, value)| value.as_str());
                text.map(str::to_owned)
            }
        });
        match (own.filter(|text| !text.is_empty()), &self.or) {
            (Some(text), _) => text,
            (None, Some(or)) => or.in_json(object),
            (None, None) => self.default.to_owned(),
        }
    }

    fn read<'a>(&self, raw: &'a [u8]) -> Found<'a> {
        match (self.read_own(raw), &self.or) {
            (Found::Made(own), Some(or)) if own.is_empty() => or.read(raw),
            (own, _) => own,
        }
    }

    fn read_own<'a>(&self, raw: &'a [u8]) -> Found<'a> {
        let absent = || Found::Made(self.default.to_owned());
        let Some((&last, way)) = self.numbers.split_last() else {
            return absent();
        };
        let mut message = raw;
        for &number in way {
            match find(message, number) {
                Some(inner) => message = inner,
                None => return absent(),
            }
        }
        // The last occurrence counts, except for lists.
        let mut found = None;
        for (number, field) in Fields(message) {
            if number == last {
                found = Some(field);
                if self.form == Form::TextList {
                    break;
                }
            }
        }
        match (self.form, found) {
            (Form::Text, Some(Wire::Bytes(s))) if !s.is_empty() => Found::Slice(s),
            (Form::TextList, Some(Wire::Bytes(s))) => match find(s, 1) {
                Some(s) if !s.is_empty() => Found::Slice(s),
                _ => absent(),
            },
            (Form::Bool, Some(Wire::Varint(n))) => {
                Found::Made(if n == 0 { "false" } else { "true" }.to_owned())
            }
            (Form::Integer, Some(Wire::Varint(n))) => Found::Made((n as i64).to_string()),
            _ => absent(),
        }
    }
}

enum Wire<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// The fields of a message; ends at the first that is malformed.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u32, Wire<'a>);

    fn next(&mut self) -> Option<(u32, Wire<'a>)> {
        let tag = varint(&mut self.0)?;
        let number = u32::try_from(tag >> 3).ok()?;
        let wire = match tag & 7 {
            0 => Wire::Varint(varint(&mut self.0)?),
            1 => take(&mut self.0, 8).map(|_| Wire::Fixed)?,
            2 => {
                let len = usize::try_from(varint(&mut self.0)?).ok()?;
                Wire::Bytes(take(&mut self.0, len)?)
            }
            5 => take(&mut self.0, 4).map(|_| Wire::Fixed)?,
            _ => return None,
        };
        Some((number, wire))
    }
}

/// The first length-delimited field `number` of a message.
fn find(message: &[u8], number: u32) -> Option<&[u8]> {
    Fields(message).find_map(|(n, wire)| match wire {
        Wire::Bytes(bytes) if n == number => Some(bytes),
        _ => None,
    })
}

fn take<'a>(input: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, rest) = input.split_at_checked(len)?;
    *input = rest;
    Some(head)
}

fn varint(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, content.len() as u8], content].concat()
    }

    fn envelope(message: &[u8]) -> Bytes {
        Bytes::from([MAGIC, &field(1, b""), &field(2, message)].concat())
    }

    fn pod() -> Bytes {
        let label = |k: &[u8], v: &[u8]| field(11, &[field(1, k), field(2, v)].concat());
        let meta = [field(1, b"web"), label(b"b", b"2"), label(b"a", b"1")].concat();
        let spec = [field(10, b"node-1"), vec![11 << 3, 1]].concat();
        envelope(&[field(1, &meta), field(2, &spec)].concat())
    }

    #[test]
    fn labels_and_fields_are_read_without_a_tree() {
        let node = FieldPath {
            names: "spec.nodeName",
            numbers: vec![2, 10],
            form: Form::Text,
            default: "",
            or: None,
        };
        let host = FieldPath {
            names: "spec.hostNetwork",
            numbers: vec![2, 11],
            form: Form::Bool,
            default: "false",
            or: None,
        };
        let p = Stored {
            fields: vec![node.clone()],
        }
        .project(&pod());
        assert_eq!(p.labels().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        assert_eq!(p.label("b"), Some("2"));
        assert_eq!(p.label("c"), None);
        assert_eq!(p.field(0), "node-1");
        let name = FieldPath {
            numbers: vec![1, 1],
            ..node.clone()
        };
        let absent = FieldPath {
            numbers: vec![2, 99],
            or: Some(Box::new(name.clone())),
            ..node.clone()
        };
        let present = FieldPath {
            or: Some(Box::new(name)),
            ..node.clone()
        };
        let p = Stored {
            fields: vec![absent, present],
        }
        .project(&pod());
        assert_eq!((p.field(0), p.field(1)), ("web", "node-1"));
        let p = Stored {
            fields: vec![host, node],
        }
        .project(&pod());
        assert_eq!(
            (p.field(0), p.field(1), p.label("a")),
            ("true", "node-1", Some("1"))
        );
    }

    #[test]
    fn what_is_stored_as_json_has_labels_and_fields_too() {
        let path = |names, form, default| FieldPath {
            names,
            numbers: Vec::new(),
            form,
            default,
            or: None,
        };
        let stored = Stored {
            fields: vec![
                path("spec.nodeName", Form::Text, ""),
                path("spec.hostNetwork", Form::Bool, "false"),
                path("spec.replicas", Form::Integer, "0"),
                path("status.podIPs", Form::TextList, ""),
                path("spec.unschedulable", Form::Bool, "false"),
            ],
        };
        let json = r#"{"kind":"Pod","metadata":{"name":"web","labels":{"b":"2","a":"1"}},
            "spec":{"nodeName":"node-1","hostNetwork":true,"replicas":3},"status":{"podIPs":[{"ip":"10.0.0.1"}]}}"#;
        let p = stored.project(&Bytes::from_static(json.as_bytes()));
        assert_eq!(p.labels().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        let fields: Vec<&str> = (0..5).map(|index| p.field(index)).collect();
        assert_eq!(fields, ["node-1", "true", "3", "10.0.0.1", "false"]);
    }

    #[test]
    fn malformed_bytes_project_to_nothing_and_do_not_panic() {
        let pod = pod();
        for cut in 0..pod.len() {
            let p = Stored::default().project(&pod.slice(..cut));
            assert!(p.labels().len() <= 2);
        }
        assert_eq!(
            Stored::default()
                .project(&Bytes::from_static(b"{}"))
                .labels()
                .len(),
            0
        );
    }
}
