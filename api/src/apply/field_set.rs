//! Sets of field paths, and their JSON (`FieldsV1`): who owns what is written down as such sets.
//! <https://github.com/kubernetes-sigs/structured-merge-diff>

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// A scalar in a path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Atom {
    /// null
    Null,
    /// true or false
    Bool(bool),
    /// An integer.
    Int(i64),
    /// Any other number, as JSON writes it.
    Float(String),
    /// Text.
    Str(String),
}

/// One step of a path. The order is the one in which a set is written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Element {
    /// A field, or an entry of a map.
    Field(String),
    /// A list's element with these keys, sorted by name.
    Key(Vec<(String, Atom)>),
    /// A set's element.
    Value(Atom),
    /// A list's element by its place; read from old objects, never written anew.
    Index(i64),
}

/// A set of paths.
///
/// Each step once, in order: these sets are read, taken apart and written at every write, and hardly ever searched.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FieldSet(Vec<(Element, Node)>);

/// What a set says of one path: whether it is in the set, and what is below it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Node {
    pub(super) member: bool,
    pub(super) below: FieldSet,
}

impl Node {
    pub(super) fn is_empty(&self) -> bool {
        !self.member && self.below.is_empty()
    }
}

impl FieldSet {
    /// The set of these paths of fields.
    pub fn of_paths(paths: &[&[&str]]) -> Self {
        let mut set = Self::default();
        for path in paths {
            set.insert(
                &path
                    .iter()
                    .map(|name| Element::Field((*name).to_owned()))
                    .collect::<Vec<_>>(),
            );
        }
        set
    }

    /// True if there is no path in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a path; the empty path is the whole object, which nobody owns.
    pub fn insert(&mut self, path: &[Element]) {
        let [first, rest @ ..] = path else { return };
        let at = self.find(first).unwrap_or_else(|at| {
            self.0.insert(at, (first.clone(), Node::default()));
            at
        });
        let node = &mut self.0[at].1;
        if rest.is_empty() {
            node.member = true;
        } else {
            node.below.insert(rest);
        }
    }

    /// Where a step is, or would be.
    fn find(&self, element: &Element) -> Result<usize, usize> {
        match self.0.last() {
            // What is made in order.
            Some((last, _)) if last < element => Err(self.0.len()),
            _ => self.0.binary_search_by(|(own, _)| own.cmp(element)),
        }
    }

    /// Puts in what is known of one step, unless that is nothing.
    pub(super) fn put(&mut self, element: Element, node: Node) {
        if node.is_empty() {
            return;
        }
        match self.find(&element) {
            Ok(at) => self.0[at].1 = node,
            Err(at) => self.0.insert(at, (element, node)),
        }
    }

    /// Whether this path is in the set.
    pub fn has(&self, path: &[Element]) -> bool {
        match path {
            [] => false,
            [last] => self.get(last).is_some_and(|node| node.member),
            [first, rest @ ..] => self.get(first).is_some_and(|node| node.below.has(rest)),
        }
    }

    /// What the set says of one step.
    pub(super) fn get(&self, element: &Element) -> Option<&Node> {
        self.find(element).ok().map(|at| &self.0[at].1)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&Element, &mut Node)> {
        self.0.iter_mut().map(|(element, node)| (&*element, node))
    }

    /// Adds all paths of another set.
    pub fn extend(&mut self, other: &Self) {
        let mut new = Vec::new();
        // Both are in order.
        let mut at = 0;
        for (element, node) in &other.0 {
            while self.0.get(at).is_some_and(|(own, _)| own < element) {
                at += 1;
            }
            match self.0.get_mut(at) {
                Some((own, known)) if own == element => {
                    known.member |= node.member;
                    known.below.extend(&node.below);
                }
                _ => new.push((element.clone(), node.clone())),
            }
        }
        if !new.is_empty() {
            self.0.append(&mut new);
            // Two runs, which a stable sort merges.
            self.0.sort_by(|(left, _), (right, _)| left.cmp(right));
        }
    }

    /// Takes the paths of another set out; what is below them stays.
    pub fn subtract(&mut self, other: &Self) {
        self.0.retain_mut(|(element, node)| {
            if let Some(taken) = other.get(element) {
                node.member &= !taken.member;
                node.below.subtract(&taken.below);
            }
            !node.is_empty()
        });
    }

    /// Takes the paths of another set out, with all that is below them.
    pub fn subtract_recursively(&mut self, other: &Self) {
        self.0.retain_mut(|(element, node)| {
            if let Some(taken) = other.get(element) {
                if taken.member {
                    return false;
                }
                node.below.subtract_recursively(&taken.below);
            }
            !node.is_empty()
        });
    }

    /// The paths that are in both.
    pub fn intersection(&self, other: &Self) -> Self {
        let mut both = Self::default();
        for (element, node) in &self.0 {
            if let Some(theirs) = other.get(element) {
                let node = Node {
                    member: node.member && theirs.member,
                    below: node.below.intersection(&theirs.below),
                };
                both.put(element.clone(), node);
            }
        }
        both
    }

    /// All paths; those of one level before those below.
    pub fn paths(&self) -> Vec<Vec<Element>> {
        fn walk(set: &FieldSet, prefix: &mut Vec<Element>, out: &mut Vec<Vec<Element>>) {
            for (element, _) in set.0.iter().filter(|(_, node)| node.member) {
                prefix.push(element.clone());
                out.push(prefix.clone());
                prefix.pop();
            }
            for (element, node) in &set.0 {
                prefix.push(element.clone());
                walk(&node.below, prefix, out);
                prefix.pop();
            }
        }
        let mut out = Vec::new();
        walk(self, &mut Vec::new(), &mut out);
        out
    }

    /// Writes it as `FieldsV1`.
    pub fn encode(&self, out: &mut String) {
        self.encode_node(false, out);
    }

    fn encode_node(&self, member: bool, out: &mut String) {
        out.push('{');
        let mut first = true;
        if member && !self.is_empty() {
            out.push_str("\".\":{}");
            first = false;
        }
        for (element, node) in &self.0 {
            if !std::mem::take(&mut first) {
                out.push(',');
            }
            match element {
                // Nearly all are fields, and few names have to be escaped.
                Element::Field(name) if is_plain(name) => {
                    out.push_str("\"f:");
                    out.push_str(name);
                    out.push('"');
                }
                _ => push_json_string(&element.encode(), out),
            }
            out.push(':');
            node.below.encode_node(node.member, out);
        }
        out.push('}');
    }

    /// Reads `FieldsV1`.
    ///
    /// # Errors
    /// Where the JSON is no such set.
    pub fn decode(json: &[u8]) -> Result<Self, serde_json::Error> {
        Ok(serde_json::from_slice::<Encoded>(json)?.0.below)
    }
}

/// A node as it stands in JSON: a leaf without more is a member; with more below, `.` says so.
struct Encoded(Node);

impl<'de> Deserialize<'de> for Encoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Encoded;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of path elements")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Encoded, A::Error> {
                let mut node = Node::default();
                while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    let inner: Encoded = map.next_value()?;
                    if key == "." {
                        node.member = true;
                        continue;
                    }
                    let element = Element::decode(&key).ok_or_else(|| {
                        serde::de::Error::custom(format!("no path element: {key}"))
                    })?;
                    node.below.0.push((element, inner.0));
                }
                let steps = &mut node.below.0;
                if !steps.is_sorted_by(|(left, _), (right, _)| left < right) {
                    // Not as it is written: of a step that comes twice the last one counts.
                    let ordered: BTreeMap<_, _> = std::mem::take(steps).into_iter().collect();
                    steps.extend(ordered);
                }
                if node.below.is_empty() {
                    node.member = true;
                }
                Ok(Encoded(node))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl Atom {
    /// A JSON scalar; none for objects and lists.
    pub(super) fn of_json(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => match number.as_i64() {
                Some(number) => Self::Int(number),
                None => Self::Float(number.to_string()),
            },
            Value::String(text) => Self::Str(text.clone()),
            Value::Array(_) | Value::Object(_) => return None,
        })
    }

    fn encode(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(value) => out.push_str(itoa::Buffer::new().format(*value)),
            Self::Float(text) => out.push_str(text),
            Self::Str(text) => push_json_string(text, out),
        }
    }
}

impl Element {
    fn encode(&self) -> String {
        let mut text = String::new();
        match self {
            Self::Field(name) => {
                text.push_str("f:");
                text.push_str(name);
            }
            Self::Key(keys) => {
                text.push_str("k:{");
                for (index, (name, value)) in keys.iter().enumerate() {
                    if index > 0 {
                        text.push(',');
                    }
                    push_json_string(name, &mut text);
                    text.push(':');
                    value.encode(&mut text);
                }
                text.push('}');
            }
            Self::Value(value) => {
                text.push_str("v:");
                value.encode(&mut text);
            }
            Self::Index(index) => {
                text.push_str("i:");
                text.push_str(itoa::Buffer::new().format(*index));
            }
        }
        text
    }

    fn decode(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_at_checked(2)?;
        match kind {
            "f:" => Some(Self::Field(rest.to_owned())),
            "v:" => Atom::of_json(&serde_json::from_str(rest).ok()?).map(Self::Value),
            "i:" => rest.parse().ok().map(Self::Index),
            "k:" => {
                let map: BTreeMap<String, Value> = serde_json::from_str(rest).ok()?;
                map.into_iter()
                    .map(|(name, value)| Some((name, Atom::of_json(&value)?)))
                    .collect::<Option<_>>()
                    .map(Self::Key)
            }
            _ => None,
        }
    }
}

/// As messages show it: `.spec`, `[name="a"]`, `[="x"]`.
impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |atom: &Atom| {
            let mut text = String::new();
            atom.encode(&mut text);
            text
        };
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(keys) => {
                let keys: Vec<String> = keys
                    .iter()
                    .map(|(name, value)| format!("{name}={}", shown(value)))
                    .collect();
                write!(f, "[{}]", keys.join(","))
            }
            Self::Value(value) => write!(f, "[={}]", shown(value)),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// A path as messages show it.
pub(super) fn show(path: &[Element]) -> String {
    path.iter().map(ToString::to_string).collect()
}

/// Whether JSON writes it as it is.
fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
}

fn push_json_string(text: &str, out: &mut String) {
    // serde_json writes strings as upstream's library does here: without escaping <, > and &.
    out.push_str(&Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNED: &str = r#"{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:name":{}}},"f:set":{"v:\"x\"":{}}}}"#;

    fn set(json: &str) -> FieldSet {
        FieldSet::decode(json.as_bytes()).unwrap()
    }

    fn text(set: &FieldSet) -> String {
        let mut out = String::new();
        set.encode(&mut out);
        out
    }

    #[test]
    fn sets_survive_being_written_and_read() {
        assert_eq!(text(&set(OWNED)), OWNED);
    }

    #[test]
    fn numbers_in_keys_are_ordered_by_value() {
        let both = set(r#"{"k:{\"port\":443}":{},"k:{\"port\":80}":{}}"#);
        assert_eq!(
            text(&both),
            r#"{"k:{\"port\":80}":{},"k:{\"port\":443}":{}}"#
        );
    }

    #[test]
    fn what_comes_in_disorder_is_put_in_order() {
        let other = set(r#"{"f:b":{},"f:c":{"f:x":{}},"f:a":{},"f:c":{"f:y":{}}}"#);
        assert_eq!(text(&other), r#"{"f:a":{},"f:b":{},"f:c":{"f:y":{}}}"#);
        let mut all = set(r#"{"f:aa":{},"f:c":{"f:z":{}},"f:d":{}}"#);
        all.extend(&other);
        let both = r#"{"f:a":{},"f:aa":{},"f:b":{},"f:c":{"f:y":{},"f:z":{}},"f:d":{}}"#;
        assert_eq!(text(&all), both);
        assert_eq!(all.intersection(&other), other);
    }

    #[test]
    fn names_that_json_escapes_are_written_as_its_library_writes_them() {
        for name in [
            "plain",
            "a\"b",
            "a\\b",
            "a\tb",
            "a\u{1}b",
            "<&>",
            "é\u{7f}\u{2028}",
        ] {
            let mut set = FieldSet::default();
            set.insert(&[Element::Field(name.to_owned())]);
            let wanted = serde_json::json!({ format!("f:{name}"): {} }).to_string();
            assert_eq!(text(&set), wanted);
        }
    }

    #[test]
    fn subtracting_takes_paths_and_leaves_what_is_below() {
        let mut owned = set(r#"{"f:a":{".":{},"f:b":{}}}"#);
        owned.subtract(&FieldSet::of_paths(&[&["a"]]));
        assert_eq!(text(&owned), r#"{"f:a":{"f:b":{}}}"#);
        owned.subtract(&FieldSet::of_paths(&[&["a", "b"]]));
        assert!(owned.is_empty());
        let mut owned = set(OWNED);
        owned.subtract_recursively(&FieldSet::of_paths(&[&["spec"]]));
        assert_eq!(
            text(&owned),
            r#"{"f:metadata":{"f:labels":{".":{},"f:app":{}}}}"#
        );
    }

    #[test]
    fn paths_are_shown_as_messages_show_them() {
        let shown: Vec<String> = set(OWNED).paths().iter().map(|path| show(path)).collect();
        assert!(
            shown.contains(&".spec.ports[containerPort=80,protocol=\"TCP\"].name".to_owned()),
            "{shown:?}"
        );
        assert!(shown.contains(&".spec.set[=\"x\"]".to_owned()), "{shown:?}");
        assert!(set(OWNED).has(&[
            Element::Field("metadata".into()),
            Element::Field("labels".into())
        ]));
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for bad in [
            "[]",
            "{\"x\":{}}",
            "{\"f:a\":1}",
            "{",
            &"{\"f:a\":".repeat(300),
        ] {
            assert!(FieldSet::decode(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
