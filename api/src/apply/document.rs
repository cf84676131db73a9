//! What apply does to documents: the set of what a configuration says, the merge of it into an object, and taking paths out.
//!
//! These work on JSON, since a configuration says more than a typed object can keep: a zero that is written down is owned.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::field_set::{Atom, Element, FieldSet, Node, show};
use super::form::{Form, Place, key_default};
use crate::go_format;
use crate::schema::{Scalar, Shape, Type};

/// Where a configuration does not fit the schema, as upstream words it.
pub(super) type Problems = Vec<String>;

/// The identity of a list's element.
fn identity(form: &Form<'_>, item: &Value) -> Result<Element, String> {
    match form {
        Form::Keyed(keys, ty) => {
            let Value::Object(map) = item else {
                let what = if item.is_null() {
                    "a null element"
                } else {
                    "non-map elements"
                };
                return Err(format!("associative list with keys may not have {what}"));
            };
            key_of(map, keys, ty)
        }
        _ => match item {
            Value::Null => {
                Err("associative list without keys has an element that's an explicit null".into())
            }
            Value::Object(_) => {
                Err("associative list without keys has an element that's a map type".into())
            }
            Value::Array(_) => Err("not supported: associative list with lists as elements".into()),
            scalar => Ok(Element::Value(Atom::of_json(scalar).unwrap_or(Atom::Null))),
        },
    }
}

fn key_of(map: &Map<String, Value>, keys: &[String], ty: &Type) -> Result<Element, String> {
    let mut found = Vec::new();
    for key in keys {
        let value = map.get(key).cloned().or_else(|| key_default(ty, key));
        if let Some(atom) = value.as_ref().and_then(Atom::of_json) {
            found.push((key.clone(), atom));
        }
    }
    if found.is_empty() {
        let keys = keys
            .iter()
            .map(|key| format!("{key:?}"))
            .collect::<Vec<_>>()
            .join(" ");
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{keys}] (and doesn't have default values for any key fields)"
        ));
    }
    found.sort();
    Ok(Element::Key(found))
}

/// All paths that a document has.
pub(super) fn paths_of(place: Place<'_>, document: &Value) -> FieldSet {
    node_of(place, document).below
}

fn node_of(place: Place<'_>, value: &Value) -> Node {
    let mut node = Node::default();
    let form = place.form();
    match (&form, value) {
        (Form::Leaf, _) => node.member = true,
        (Form::Message(ty), Value::Object(map)) => {
            for (key, value) in map {
                let Some(id) = ty.field(key) else { continue };
                let mut inner = node_of(place.field(ty.field_at(id)), value);
                inner.member |= is_void(value);
                node.below.put(Element::Field(key.clone()), inner);
            }
        }
        (Form::Map, Value::Object(map)) => {
            for (key, value) in map {
                let mut inner = node_of(place.element(), value);
                inner.member = true;
                node.below.put(Element::Field(key.clone()), inner);
            }
        }
        (Form::Set | Form::Keyed(..), Value::Array(items)) => {
            let mut seen: BTreeMap<Element, usize> = BTreeMap::new();
            let elements: Vec<_> = items
                .iter()
                .filter_map(|item| identity(&form, item).ok().map(|element| (element, item)))
                .collect();
            for (element, _) in &elements {
                *seen.entry(element.clone()).or_default() += 1;
            }
            for (element, item) in elements {
                // Several of one identity are owned as one.
                let mut inner = if seen[&element] > 1 {
                    Node::default()
                } else {
                    node_of(place.element(), item)
                };
                inner.member = true;
                node.below.put(element, inner);
            }
        }
        _ => {}
    }
    node
}

fn is_void(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// Where a configuration says what the schema does not know, or lists one element twice.
pub(super) fn problems(place: Place<'_>, document: &Value) -> Problems {
    let mut found = Problems::new();
    look(place, document, &mut Vec::new(), &mut found);
    found
}

fn look(place: Place<'_>, value: &Value, path: &mut Vec<Element>, found: &mut Problems) {
    let form = place.form();
    let report = |path: &[Element], what: &str, found: &mut Problems| {
        found.push(format!("{}: {what}", show(path)))
    };
    match (&form, value) {
        (_, Value::Null) => {}
        (Form::Leaf, value) => {
            if let Some(what) = mistyped(place.shape, value) {
                report(path, &what, found);
            }
        }
        (Form::Message(ty), Value::Object(map)) => {
            for (key, value) in map {
                path.push(Element::Field(key.clone()));
                match ty.field(key) {
                    Some(id) => look(place.field(ty.field_at(id)), value, path, found),
                    None => report(path, "field not declared in schema", found),
                }
                path.pop();
            }
        }
        (Form::Map, Value::Object(map)) => {
            for (key, value) in map {
                path.push(Element::Field(key.clone()));
                look(place.element(), value, path, found);
                path.pop();
            }
        }
        (Form::Set | Form::Keyed(..), Value::Array(items)) => {
            let mut seen = BTreeMap::new();
            for (index, item) in items.iter().enumerate() {
                match identity(&form, item) {
                    Err(what) => report(path, &format!("element {index}: {what}"), found),
                    Ok(element) => {
                        if seen.insert(element.clone(), ()).is_some() {
                            report(path, &format!("duplicate entries for key {element}"), found);
                        }
                        path.push(element);
                        look(place.element(), item, path, found);
                        path.pop();
                    }
                }
            }
        }
        (Form::Message(_) | Form::Map, other) => report(
            path,
            &format!("expected map, got {}", go_format::pointer(other)),
            found,
        ),
        (Form::Set | Form::Keyed(..), other) => report(
            path,
            &format!("expected list, got {}", go_format::pointer(other)),
            found,
        ),
    }
}

/// Why a value is none of a scalar's, in the words of upstream's merging library.
fn mistyped(shape: &Shape, value: &Value) -> Option<String> {
    let Shape::Scalar(scalar) = shape else {
        return None;
    };
    match scalar {
        Scalar::String | Scalar::Bytes | Scalar::Time | Scalar::MicroTime if !value.is_string() => {
            Some(format!(
                "expected string, got {}",
                go_format::wrapped(value)
            ))
        }
        Scalar::Int32 | Scalar::Int64 | Scalar::Double if !value.is_number() => Some(format!(
            "expected numeric (int or float), got {}",
            go_format::type_name(value)
        )),
        Scalar::Bool if !value.is_boolean() => Some(format!(
            "expected boolean, got {}",
            go_format::pointer(value)
        )),
        _ => None,
    }
}

/// Merges a configuration into an object.
pub(super) fn merge(
    place: Place<'_>,
    live: Option<&Value>,
    config: Option<&Value>,
) -> Option<Value> {
    let form = place.form();
    let nothing = |value: Option<&Value>| match value {
        None | Some(Value::Null) => true,
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    };
    if matches!(form, Form::Leaf) || (nothing(live) && nothing(config)) {
        return config.or(live).cloned();
    }
    match form {
        Form::Leaf => None,
        Form::Message(_) | Form::Map => {
            let empty = Map::new();
            let map = |value: Option<&'_ Value>| {
                value
                    .and_then(Value::as_object)
                    .cloned()
                    .unwrap_or_else(|| empty.clone())
            };
            let (live, config) = (map(live), map(config));
            let mut merged = Map::new();
            for key in live
                .keys()
                .chain(config.keys().filter(|key| !live.contains_key(*key)))
            {
                let inner = match &form {
                    Form::Message(ty) => ty.field(key).map(|id| place.field(ty.field_at(id))),
                    _ => Some(place.element()),
                };
                let value = match inner {
                    Some(inner) => merge(inner, live.get(key), config.get(key)),
                    None => config.get(key).or(live.get(key)).cloned(),
                };
                if let Some(value) = value {
                    merged.insert(key.clone(), value);
                }
            }
            (!merged.is_empty()).then_some(Value::Object(merged))
        }
        Form::Set | Form::Keyed(..) => {
            let items = |value: Option<&'_ Value>| {
                value.and_then(Value::as_array).cloned().unwrap_or_default()
            };
            let merged = merge_lists(place, &form, &items(live), &items(config));
            (!merged.is_empty()).then_some(Value::Array(merged))
        }
    }
}

/// Elements of the configuration stand in its order; those of the object alone keep their places among them.
fn merge_lists(place: Place<'_>, form: &Form<'_>, live: &[Value], config: &[Value]) -> Vec<Value> {
    let named = |items: &[Value]| -> Vec<(Element, Value)> {
        items
            .iter()
            .filter_map(|item| {
                identity(form, item)
                    .ok()
                    .map(|element| (element, item.clone()))
            })
            .collect()
    };
    let (live, config) = (named(live), named(config));
    let of_config: BTreeMap<&Element, &Value> = config
        .iter()
        .map(|(element, value)| (element, value))
        .collect();
    let mut of_live: BTreeMap<&Element, Option<&Value>> = BTreeMap::new();
    for (element, value) in &live {
        // An object's doubled elements merge with nothing.
        of_live
            .entry(element)
            .and_modify(|value| *value = None)
            .or_insert(Some(value));
    }
    let mut shared = config
        .iter()
        .map(|(element, _)| element)
        .filter(|element| of_live.contains_key(*element));
    let mut next_shared = shared.next();
    let mut taken: BTreeMap<&Element, ()> = BTreeMap::new();
    let mut merged = Vec::new();
    let (mut left, mut right) = (0, 0);
    while left < live.len() || right < config.len() {
        if let (Some((element, _)), Some((other, _))) = (live.get(left), config.get(right)) {
            if element == other {
                taken.insert(element, ());
                merged.extend(merge(
                    place.element(),
                    of_live[element],
                    of_config.get(element).copied(),
                ));
                (left, right) = (left + 1, right + 1);
                next_shared = shared.next();
                continue;
            }
            if of_config.contains_key(element) && next_shared.is_some_and(|next| next != element) {
                left += 1;
                continue;
            }
        }
        if let Some((element, value)) = live.get(left) {
            if !of_config.contains_key(element) {
                merged.extend(merge(place.element(), Some(value), None));
                left += 1;
                continue;
            }
            if taken.contains_key(element) {
                left += 1;
            }
        }
        if let Some((element, value)) = config.get(right) {
            taken.insert(element, ());
            merged.extend(merge(
                place.element(),
                of_live.get(element).copied().flatten(),
                Some(value),
            ));
            right += 1;
            if next_shared == Some(element) {
                next_shared = shared.next();
            }
        }
    }
    merged
}

/// Takes these paths out of a document.
pub(super) fn without(place: Place<'_>, document: &Value, doomed: &FieldSet) -> Value {
    let form = place.form();
    match (&form, document) {
        (Form::Leaf, _) => match document {
            // What is atomic goes whole when something in it is to go.
            Value::Array(_) | Value::Object(_) => Value::Null,
            scalar => scalar.clone(),
        },
        (Form::Message(_) | Form::Map, Value::Object(map)) => {
            let mut kept = Map::new();
            for (key, value) in map {
                let node = doomed.get(&Element::Field(key.clone()));
                if node.is_some_and(|node| node.member) {
                    continue;
                }
                let inner = match &form {
                    Form::Message(ty) => ty.field(key).map(|id| place.field(ty.field_at(id))),
                    _ => Some(place.element()),
                };
                let value = match (node, inner) {
                    (Some(node), Some(inner)) => without(inner, value, &node.below),
                    _ => value.clone(),
                };
                kept.insert(key.clone(), value);
            }
            if kept.is_empty() {
                Value::Null
            } else {
                Value::Object(kept)
            }
        }
        (Form::Set | Form::Keyed(..), Value::Array(items)) => {
            let mut kept = Vec::new();
            for item in items {
                let node = identity(&form, item)
                    .ok()
                    .and_then(|element| doomed.get(&element));
                match node {
                    Some(node) if node.member => {}
                    Some(node) => kept.push(without(place.element(), item, &node.below)),
                    None => kept.push(item.clone()),
                }
            }
            if kept.is_empty() {
                Value::Null
            } else {
                Value::Array(kept)
            }
        }
        (_, other) => other.clone(),
    }
}

/// The same set, with each field of a message a member if something below it is: for comparing what is left after a removal.
pub(super) fn with_fields_as_members(place: Place<'_>, set: &FieldSet) -> FieldSet {
    let mut out = set.clone();
    let form = place.form();
    for (element, node) in out.iter_mut() {
        let inner = match (&form, element) {
            (Form::Message(ty), Element::Field(name)) => {
                let field = ty.field(name).map(|id| place.field(ty.field_at(id)));
                node.member |= field.is_some() && !node.below.is_empty();
                field
            }
            (Form::Map | Form::Set | Form::Keyed(..), _) => Some(place.element()),
            _ => None,
        };
        if let Some(inner) = inner {
            node.below = with_fields_as_members(inner, &node.below);
        }
    }
    out
}
