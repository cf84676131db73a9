//! Strategic merge patch: lists of messages merge by the key that the schema names.
//!
//! Directives: `$patch` (replace, delete), `$retainKeys`, `$setElementOrder/FIELD`, `$deleteFromPrimitiveList/FIELD`.

use serde_json::{Map, Value};

use super::PatchError;
use crate::go_format::{plain, type_name};
use crate::schema::{Field, Schema, Shape, TypeId};

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const SET_ORDER: &str = "$setElementOrder/";
const DELETE_FROM_LIST: &str = "$deleteFromPrimitiveList/";

type Object = Map<String, Value>;
type Result<T> = std::result::Result<T, PatchError>;

/// Merges `patch` into an object of type `ty`.
pub(super) fn apply(
    schema: &Schema,
    ty: TypeId,
    document: Object,
    patch: Object,
) -> Result<Object> {
    merge_object(
        Place {
            schema,
            shape: Some(&Shape::Message(ty)),
        },
        document,
        patch,
    )
}

/// A directive that is not of its form.
fn misformed(directive: &str) -> PatchError {
    PatchError::Inapplicable(format!("invalid patch format of {directive}"))
}

fn failed(text: impl Into<String>) -> PatchError {
    PatchError::Unmergeable(text.into())
}

/// Where in the schema a value stands; no shape below fields that the schema does not know.
#[derive(Clone, Copy)]
struct Place<'s> {
    schema: &'s Schema,
    shape: Option<&'s Shape>,
}

impl<'s> Place<'s> {
    fn field(self, name: &str) -> Option<&'s Field> {
        match self.shape {
            Some(Shape::Message(ty)) if *ty != TypeId::UNTYPED => {
                let ty = self.schema.ty(*ty);
                ty.field(name).map(|id| ty.field_at(id))
            }
            _ => None,
        }
    }

    /// The place of a field's or entry's value.
    fn below(self, name: &str) -> Self {
        let shape = match self.shape {
            Some(Shape::Map(inner)) => Some(&**inner),
            _ => self.field(name).map(|field| &field.shape),
        };
        Self {
            schema: self.schema,
            shape,
        }
    }

    /// The place of a list's elements.
    fn element(self) -> Self {
        let shape = match self.shape {
            Some(Shape::List(inner)) => Some(&**inner),
            _ => None,
        };
        Self {
            schema: self.schema,
            shape,
        }
    }
}

/// How a list is merged.
#[derive(Clone, Copy)]
struct ListRule<'s> {
    merge: bool,
    key: Option<&'s str>,
}

impl<'s> ListRule<'s> {
    fn of(field: Option<&'s Field>) -> Self {
        Self {
            merge: field.is_some_and(|field| field.patch_merge),
            key: field.and_then(|field| field.patch_key.as_deref()),
        }
    }
}

fn merge_object(place: Place<'_>, mut original: Object, mut patch: Object) -> Result<Object> {
    match patch.get(PATCH).map(Value::as_str) {
        None => {}
        Some(Some("replace")) => {
            patch.shift_remove(PATCH);
            return Ok(patch);
        }
        Some(Some("delete")) => return Ok(Object::new()),
        Some(_) => return Err(unknown_directive(patch)),
    }
    retain_keys(&mut original, &mut patch)?;
    set_element_order(place, &mut original, &mut patch)?;
    for (key, value) in patch {
        if let Some(list) = key.strip_prefix(DELETE_FROM_LIST) {
            delete_from_list(&mut original, list, &value)?;
            continue;
        }
        if value.is_null() {
            original.shift_remove(&key);
            continue;
        }
        let merged = match (original.get_mut(&key).map(Value::take), value) {
            (Some(Value::Object(before)), Value::Object(value)) => Some(Value::Object(
                merge_object(place.below(&key), before, value)?,
            )),
            (Some(Value::Array(before)), Value::Array(value)) => {
                let rule = ListRule::of(place.field(&key));
                Some(Value::Array(merge_list(
                    place.below(&key),
                    rule,
                    before,
                    value,
                )?))
            }
            (_, value) => without_directives(value),
        };
        match merged {
            Some(value) => drop(original.insert(key, value)),
            None => drop(original.shift_remove(&key)),
        }
    }
    Ok(original)
}

/// A `$patch` that names nothing to do.
fn unknown_directive(patch: Object) -> PatchError {
    let directive = match patch.get(PATCH) {
        Some(Value::String(text)) => text.clone(),
        // As Go prints what is no string where one belongs.
        Some(other) => format!("%!s({}={})", type_name(other), plain(other)),
        None => String::new(),
    };
    failed(format!(
        "unknown patch type: {directive} in map: {}",
        plain(&Value::Object(patch))
    ))
}

/// `$retainKeys` clears what it does not name, and must name whatever the patch sets.
fn retain_keys(original: &mut Object, patch: &mut Object) -> Result<()> {
    let Some(retained) = patch.shift_remove(RETAIN_KEYS) else {
        return Ok(());
    };
    let Value::Array(retained) = retained else {
        return Err(misformed("retainKeys"));
    };
    let kept = |key: &str| retained.iter().any(|name| name == key);
    let sets = |key: &str, value: &Value| {
        !value.is_null() && !key.starts_with(DELETE_FROM_LIST) && !key.starts_with(SET_ORDER)
    };
    if patch
        .iter()
        .any(|(key, value)| sets(key, value) && !kept(key))
    {
        return Err(misformed("retainKeys"));
    }
    original.retain(|key, _| kept(key));
    Ok(())
}

/// `$deleteFromPrimitiveList/FIELD` takes values out of a list.
fn delete_from_list(original: &mut Object, list: &str, doomed: &Value) -> Result<()> {
    let Some(items) = original.get_mut(list) else {
        return Ok(());
    };
    let (Value::Array(items), Value::Array(doomed)) = (items, doomed) else {
        return Err(misformed("primitive list"));
    };
    items.retain(|item| !doomed.contains(item));
    Ok(())
}

/// `$setElementOrder/FIELD` puts a list into an order, together with the patch of that list.
fn set_element_order(place: Place<'_>, original: &mut Object, patch: &mut Object) -> Result<()> {
    let directives: Vec<String> = patch
        .keys()
        .filter(|key| key.starts_with(SET_ORDER))
        .cloned()
        .collect();
    for directive in directives {
        let Some(order) = patch.shift_remove(&directive) else {
            continue;
        };
        let Value::Array(order) = order else {
            let found = type_name(&order);
            return Err(failed(format!(
                "expected a []interface {{}}, but received a {found}"
            )));
        };
        let name = &directive[SET_ORDER.len()..];
        let rule = ListRule::of(place.field(name));
        let before = match original.get(name) {
            None => None,
            Some(Value::Array(items)) => Some(items.clone()),
            Some(_) => return Err(misformed("setElementOrder list")),
        };
        let change = match patch.shift_remove(name) {
            None => None,
            Some(Value::Array(items)) => Some(items),
            Some(_) => return Err(misformed("setElementOrder list")),
        };
        check_order(change.as_deref().unwrap_or_default(), &order, rule.key)?;
        let merged = match (&before, change) {
            (None, None) => continue,
            (Some(before), None) => before.clone(),
            (None, Some(change)) => change.into_iter().filter_map(without_directives).collect(),
            (Some(before), Some(change)) => {
                merge_list(place.below(name), rule, before.clone(), change)?
            }
        };
        let ordered = in_order(
            merged,
            &order,
            before.as_deref().unwrap_or_default(),
            rule.key,
        )?;
        original.insert(name.to_owned(), Value::Array(ordered));
    }
    Ok(())
}

/// The patch's own elements must stand in the order that it asks for.
fn check_order(patch: &[Value], order: &[Value], key: Option<&str>) -> Result<()> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    if key.is_some() {
        order
            .iter()
            .try_for_each(|item| identity(item, key).map(drop))?;
    }
    let mut wanted = order.iter();
    for element in patch.iter().filter(|element| element.get(PATCH).is_none()) {
        let identity = identity(element, key)?;
        if !wanted.any(|other| self::identity(other, key).is_ok_and(|other| other == identity)) {
            return Err(failed(format!(
                "The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n",
                plain(&Value::Array(patch.to_vec())),
                plain(&Value::Array(order.to_vec()))
            )));
        }
    }
    Ok(())
}

/// What an element is known by: the value of its key, or itself.
fn identity<'v>(element: &'v Value, key: Option<&str>) -> Result<&'v Value> {
    match (key, element) {
        (None, element) => Ok(element),
        (Some(key), Value::Object(map)) => map.get(key).ok_or_else(|| {
            failed(format!(
                "map: {} does not contain declared merge key: {key}",
                plain(element)
            ))
        }),
        (Some(_), other) => Err(failed(format!(
            "expected a map[string]interface {{}}, but received a {}",
            type_name(other)
        ))),
    }
}

fn merge_list(
    place: Place<'_>,
    rule: ListRule<'_>,
    mut original: Vec<Value>,
    patch: Vec<Value>,
) -> Result<Vec<Value>> {
    if !rule.merge {
        return Ok(patch);
    }
    let Some(first) = original.first().or(patch.first()) else {
        return Ok(original);
    };
    let kind = std::mem::discriminant(first);
    if original
        .iter()
        .chain(&patch)
        .any(|item| std::mem::discriminant(item) != kind)
    {
        return Err(failed(format!(
            "list element types are not identical: [{} {}]",
            plain(&Value::Array(original)),
            plain(&Value::Array(patch))
        )));
    }
    if !first.is_object() {
        let server_order = original.clone();
        for value in &patch {
            if !original.contains(value) {
                original.push(value.clone());
            }
        }
        return in_order(original, &patch, &server_order, None);
    }
    let Some(key) = rule.key else {
        return Err(failed("cannot merge lists without merge key"));
    };
    let (mut changes, mut replace) = (Vec::new(), false);
    for element in patch {
        let Value::Object(element) = element else {
            return Err(failed(format!(
                "expected a map[string]interface {{}}, but received a {}",
                type_name(&element)
            )));
        };
        match element.get(PATCH).map(Value::as_str) {
            None => changes.push(element),
            Some(Some("replace")) => replace = true,
            Some(Some("delete")) => {
                let element = Value::Object(element);
                let doomed = identity(&element, Some(key))?;
                original.retain(|item| item.get(key) != Some(doomed));
            }
            Some(Some("merge")) => {
                return Err(failed("merging lists cannot yet be specified in the patch"));
            }
            Some(_) => {
                return Err(unknown_directive(element));
            }
        }
    }
    let changes: Vec<Value> = changes.into_iter().map(Value::Object).collect();
    if replace {
        return Ok(changes);
    }
    let server_order = original.clone();
    for change in &changes {
        let wanted = identity(change, Some(key))?;
        let found = original
            .iter_mut()
            .find(|item| item.get(key) == Some(wanted));
        match (found, change) {
            (Some(slot), Value::Object(change)) => {
                let Value::Object(before) = slot.take() else {
                    continue;
                };
                *slot = Value::Object(merge_object(place.element(), before, change.clone())?);
            }
            (None, change) => original.extend(without_directives(change.clone())),
            _ => {}
        }
    }
    in_order(original, &changes, &server_order, Some(key))
}

/// Elements that `order` names stand in its order; those that only the server has keep their places among them.
fn in_order(
    merged: Vec<Value>,
    order: &[Value],
    server_order: &[Value],
    key: Option<&str>,
) -> Result<Vec<Value>> {
    let position = |list: &[Value], element: &Value| -> Result<Option<usize>> {
        let wanted = identity(element, key)?;
        Ok(list
            .iter()
            .position(|other| identity(other, key).is_ok_and(|other| other == wanted)))
    };
    let (mut ordered, mut servers) = (Vec::new(), Vec::new());
    for element in merged {
        match position(order, &element)? {
            Some(at) => ordered.push((at, element)),
            None => servers.push((position(server_order, &element)?, element)),
        }
    }
    ordered.sort_by_key(|(at, _)| *at);
    servers.sort_by_key(|(at, _)| at.unwrap_or(usize::MAX));
    let mut result = Vec::with_capacity(ordered.len() + servers.len());
    let mut servers = servers.into_iter().peekable();
    for (_, element) in ordered {
        let at = position(server_order, &element)?;
        while let (Some((Some(server), _)), Some(at)) = (servers.peek(), at) {
            if *server >= at {
                break;
            }
            result.extend(servers.next().map(|(_, element)| element));
        }
        result.push(element);
    }
    result.extend(servers.map(|(_, element)| element));
    Ok(result)
}

/// What a patch adds where there was nothing: itself, without directives and without nulls. None if it only deletes.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) => {
            if map
                .get(PATCH)
                .is_some_and(|directive| directive == "delete")
            {
                return None;
            }
            let kept = map
                .into_iter()
                .filter(|(key, value)| !key.starts_with('$') && !value.is_null())
                .filter_map(|(key, value)| without_directives(value).map(|value| (key, value)))
                .collect();
            Some(Value::Object(kept))
        }
        Value::Array(items) => Some(Value::Array(
            items.into_iter().filter_map(without_directives).collect(),
        )),
        other => Some(other),
    }
}
