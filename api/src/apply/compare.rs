//! What changed between two typed objects, as sets of paths. Absent fields that JSON shows all the same count as there.

use std::collections::BTreeMap;

use super::field_set::{Atom, Element, FieldSet, Node};
use super::form::{Form, Place, key_default};
use crate::schema::{Field, FieldId, Shape, Type};
use crate::tree::{Kind, Ref, Tree};

/// Paths that differ.
#[derive(Clone, Debug, Default)]
pub(super) struct Comparison {
    pub(super) added: FieldSet,
    pub(super) modified: FieldSet,
    pub(super) removed: FieldSet,
}

/// Compares two objects of one type.
pub(super) fn compare(before: &Tree, after: &Tree) -> Comparison {
    let shape = Shape::Message(after.type_id());
    let place = Place {
        schema: after.schema(),
        shape: &shape,
        field: None,
    };
    let diff = walk(
        place,
        Some(Val::Node(before.root())),
        Some(Val::Node(after.root())),
    );
    Comparison {
        added: diff.added.below,
        modified: diff.modified.below,
        removed: diff.removed.below,
    }
}

/// A value as upstream's reflection over the Go struct sees it.
#[derive(Clone, Copy)]
enum Val<'a> {
    /// It is there.
    Node(Ref<'a>),
    /// A by-value field that is not set: its zero value.
    Zero,
    /// A pointer, list or map that is not set but shown: null.
    Null,
}

#[derive(Default)]
struct Diff {
    added: Node,
    modified: Node,
    removed: Node,
}

impl Diff {
    fn put(&mut self, element: &Element, inner: Diff) {
        for (own, inner) in [
            (&mut self.added, inner.added),
            (&mut self.modified, inner.modified),
            (&mut self.removed, inner.removed),
        ] {
            if !inner.is_empty() {
                own.below.put(element.clone(), inner);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }
}

impl<'a> Val<'a> {
    fn field(self, ty: &'a Type, id: FieldId) -> Option<Val<'a>> {
        let field = ty.field_at(id);
        // An empty list that only rules tell from an absent one is not shown, and so not owned.
        let shown = |value: &Ref<'_>| {
            let list = matches!(field.shape, Shape::List(_) | Shape::Map(_));
            !(list && field.omit_empty && !field.pointer && value.is_empty())
        };
        if let Val::Node(node) = self
            && let Some(value) = node.field(id).filter(shown)
        {
            return Some(if value.kind() == Kind::Null {
                Val::Null
            } else {
                Val::Node(value)
            });
        }
        if field.omit_empty || matches!(self, Val::Null) {
            return None;
        }
        Some(zero(field))
    }

    fn items(self) -> impl Iterator<Item = Ref<'a>> {
        let node = match self {
            Val::Node(node) => Some(node),
            _ => None,
        };
        node.into_iter().flat_map(Ref::items)
    }

    fn entries(self) -> BTreeMap<&'a str, Val<'a>> {
        match self {
            Val::Node(node) => node
                .entries()
                .map(|(key, value)| (key, Val::Node(value)))
                .collect(),
            _ => BTreeMap::new(),
        }
    }

    /// Nothing would be shown inside of it.
    fn is_empty(self, form: &Form<'_>) -> bool {
        match (self, form) {
            (Val::Null, _) => true,
            (Val::Node(node), Form::Message(ty)) => node.is_empty() && ty.always.is_empty(),
            (Val::Zero, Form::Message(ty)) => ty.always.is_empty(),
            (Val::Node(node), _) => node.is_empty(),
            (Val::Zero, _) => true,
        }
    }

    fn same(self, other: Val<'_>) -> bool {
        match (self, other) {
            (Val::Node(left), Val::Node(right)) => left.same(right),
            (Val::Node(node), Val::Zero) | (Val::Zero, Val::Node(node)) => node.is_zero(),
            (Val::Null, Val::Null) | (Val::Zero, Val::Zero) => true,
            _ => false,
        }
    }
}

fn zero<'a>(field: &Field) -> Val<'a> {
    match field.shape {
        _ if field.pointer => Val::Null,
        Shape::List(_) | Shape::Map(_) => Val::Null,
        _ => Val::Zero,
    }
}

fn walk<'a>(place: Place<'a>, before: Option<Val<'a>>, after: Option<Val<'a>>) -> Diff {
    let mut diff = Diff::default();
    if let (Some(Val::Node(before)), Some(Val::Node(after))) = (before, after)
        && identical(before, after)
    {
        // Most of an object, most of the time.
        return diff;
    }
    let form = place.form();
    let nothing = |value: Option<Val<'_>>| value.is_none_or(|value| value.is_empty(&form));
    if matches!(form, Form::Leaf) || (nothing(before) && nothing(after)) {
        match (before, after) {
            (None, Some(_)) => diff.added.member = true,
            (Some(_), None) => diff.removed.member = true,
            (Some(before), Some(after)) if !before.same(after) => diff.modified.member = true,
            _ => {}
        }
        return diff;
    }
    match form {
        Form::Leaf => {}
        Form::Message(ty) => fields(place, ty, before, after, &mut diff),
        Form::Map => {
            let before = before.map(Val::entries).unwrap_or_default();
            let mut after = after.map(Val::entries).unwrap_or_default();
            for (key, value) in before {
                let inner = walk(place.element(), Some(value), after.remove(key));
                diff.put(&Element::Field(key.to_owned()), inner);
            }
            for (key, value) in after {
                let inner = walk(place.element(), None, Some(value));
                diff.put(&Element::Field(key.to_owned()), inner);
            }
        }
        Form::Set => elements(place, before, after, &mut diff, |item| {
            Element::Value(atom(item))
        }),
        Form::Keyed(keys, ty) => elements(place, before, after, &mut diff, |item| {
            key_of(item, keys, ty)
        }),
    }
    if before.is_none() {
        diff.added.member = true;
    } else if after.is_none() {
        diff.removed.member = true;
    }
    diff
}

/// Whether two values hold the same nodes: narrower than [`Ref::same`], to which an empty list may be like none.
fn identical(before: Ref<'_>, after: Ref<'_>) -> bool {
    match (before.kind(), after.kind()) {
        (Kind::Message, Kind::Message) => {
            before.len() == after.len()
                && before
                    .fields()
                    .zip(after.fields())
                    .all(|((a, before), (b, after))| a == b && identical(before, after))
        }
        (Kind::List, Kind::List) => {
            before.len() == after.len()
                && before
                    .items()
                    .zip(after.items())
                    .all(|(before, after)| identical(before, after))
        }
        (Kind::Map, Kind::Map) => {
            before.len() == after.len()
                && before
                    .entries()
                    .zip(after.entries())
                    .all(|((a, before), (b, after))| a == b && identical(before, after))
        }
        (a, b) => a == b && before.same(after),
    }
}

fn fields<'a>(
    place: Place<'a>,
    ty: &'a Type,
    before: Option<Val<'a>>,
    after: Option<Val<'a>>,
    diff: &mut Diff,
) {
    for (index, field) in ty.fields.iter().enumerate() {
        // Types have far fewer fields than a u16 counts.
        #[allow(clippy::cast_possible_truncation)]
        let id = FieldId(index as u16);
        let (before, after) = (
            before.and_then(|value| value.field(ty, id)),
            after.and_then(|value| value.field(ty, id)),
        );
        if before.is_none() && after.is_none() {
            continue;
        }
        let inner = walk(place.field(field), before, after);
        if !inner.is_empty() {
            diff.put(&Element::Field(field.name.clone()), inner);
        }
    }
}

/// Elements are compared by what identifies them; several of one identity count as one value.
fn elements<'a>(
    place: Place<'a>,
    before: Option<Val<'a>>,
    after: Option<Val<'a>>,
    diff: &mut Diff,
    identity: impl Fn(Ref<'a>) -> Element,
) {
    let mut all: BTreeMap<Element, (Vec<Ref<'a>>, Vec<Ref<'a>>)> = BTreeMap::new();
    for item in before.into_iter().flat_map(Val::items) {
        all.entry(identity(item)).or_default().0.push(item);
    }
    for item in after.into_iter().flat_map(Val::items) {
        all.entry(identity(item)).or_default().1.push(item);
    }
    for (element, (before, after)) in all {
        let one = |list: &[Ref<'a>]| list.first().copied().map(Val::Node);
        let inner = match (before.len(), after.len()) {
            (0 | 1, 0 | 1) => walk(place.element(), one(&before), one(&after)),
            (2.., 2..) => {
                let same = before.len() == after.len()
                    && before
                        .iter()
                        .zip(&after)
                        .all(|(before, after)| before.same(*after));
                Diff {
                    modified: Node {
                        member: !same,
                        ..Node::default()
                    },
                    ..Diff::default()
                }
            }
            (2.., _) => {
                let mut inner = if after.is_empty() {
                    Diff::default()
                } else {
                    walk(place.element(), None, one(&after))
                };
                inner.removed.member = true;
                inner
            }
            _ => {
                let mut inner = if before.is_empty() {
                    Diff::default()
                } else {
                    walk(place.element(), one(&before), None)
                };
                inner.added.member = true;
                inner
            }
        };
        diff.put(&element, inner);
    }
}

fn key_of(item: Ref<'_>, keys: &[String], ty: &Type) -> Element {
    let mut found: Vec<(String, Atom)> = keys
        .iter()
        .filter_map(|key| {
            let own = item.get(key).map(atom);
            let value = own.or_else(|| key_default(ty, key).as_ref().and_then(Atom::of_json))?;
            Some((key.clone(), value))
        })
        .collect();
    found.sort();
    Element::Key(found)
}

fn atom(value: Ref<'_>) -> Atom {
    match value.kind() {
        Kind::Null => Atom::Null,
        Kind::Bool => Atom::Bool(value.as_bool().unwrap_or_default()),
        Kind::Int => Atom::Int(value.as_i64().unwrap_or_default()),
        Kind::Float => Atom::Float(value.as_f64().unwrap_or_default().to_string()),
        _ => Atom::Str(value.as_str().unwrap_or_default().to_owned()),
    }
}
