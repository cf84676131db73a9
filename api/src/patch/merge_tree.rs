//! JSON merge patch of an object that the schema knows, without a detour over plain JSON: what the patch does not name is neither
//! written out nor read again. Most patches are of this kind, and most of an object is not in them.

use serde_json::{Map, Value};

use crate::codec::json::{self, Strict};
use crate::tree::{Kind, Ref, RefMut, Tree};

/// The object with the patch merged in. None if the patch is anything but a plain one, or has something wrong with it:
/// [`super::merge`] then finds out on plain JSON what is to be said.
pub(super) fn apply(object: &Tree, patch: &[u8]) -> Option<Tree> {
    let Ok(Value::Object(names)) = serde_json::from_slice(patch) else {
        return None;
    };
    // What the object is must not change.
    if names.contains_key("apiVersion") || names.contains_key("kind") {
        return None;
    }
    let mut strict = Strict::new();
    let (schema, ty) = (object.schema(), object.type_id());
    let values = json::decode(schema, ty, patch.to_vec(), &mut strict).ok()?;
    if !strict.is_empty() {
        return None;
    }
    let mut merged = object.clone();
    merge(merged.root_mut(), &names, values.root())?;
    Some(merged)
}

/// Merges into a message or a map: `names` tells what the patch names and what it removes, `values` has the rest by type.
fn merge(mut target: RefMut<'_>, names: &Map<String, Value>, values: Ref<'_>) -> Option<()> {
    for (name, value) in names {
        let new = values.get(name);
        match target.as_ref().kind() {
            Kind::Message => {
                let id = target.as_ref().ty()?.field(name)?;
                match (new, target.field(id)) {
                    _ if value.is_null() => drop(target.remove(id)),
                    // The zero value of a field that then is as if absent.
                    (None, None) => {}
                    (None, Some(_)) if !value.is_object() => drop(target.remove(id)),
                    (Some(new), Some(old)) if value.is_object() => descend(old, value, new)?,
                    (Some(_), _) if removes(value) => return None,
                    (Some(new), _) => target.set_copy(id, new),
                    (None, Some(_)) => return None,
                }
            }
            Kind::Map => match (new, target.get(name)) {
                _ if value.is_null() => drop(target.remove_key(name)),
                (Some(new), Some(old)) if value.is_object() => descend(old, value, new)?,
                (Some(_), _) if removes(value) => return None,
                (Some(new), _) => target.insert_copy(name, new),
                (None, _) => return None,
            },
            _ => return None,
        }
    }
    Some(())
}

/// Whether a value that is set anew names something to remove, which then is not there; read by type it would be a zero value.
fn removes(value: &Value) -> bool {
    let object = value.as_object();
    object.is_some_and(|fields| {
        fields
            .values()
            .any(|field| field.is_null() || removes(field))
    })
}

/// Merges an object of the patch into what is there.
fn descend(old: RefMut<'_>, value: &Value, new: Ref<'_>) -> Option<()> {
    let typed =
        |value: Ref<'_>| matches!(value.kind(), Kind::Message | Kind::Map) && !value.is_untyped();
    if !typed(old.as_ref()) || !typed(new) {
        return None;
    }
    merge(old, value.as_object()?, new)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::Schema;

    fn merged(patch: &Value) -> Option<Value> {
        let config_map = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "m", "labels": {"a": "1", "b": "2"}}, "data": {"k": "v"}, "immutable": true});
        let schema = Schema::builtin();
        let ty = schema.type_of_kind("", "v1", "ConfigMap")?;
        let object = config_map.to_string().into_bytes();
        let object = json::decode(schema, ty, object, &mut Strict::new()).ok()?;
        let merged = apply(&object, patch.to_string().as_bytes())?;
        serde_json::from_slice(&json::to_vec(&merged)).ok()
    }

    #[test]
    fn what_the_patch_names_is_replaced_removed_or_merged() {
        let patch = json!({"metadata": {"labels": {"a": null, "c": "3"}}, "data": null, "immutable": false});
        let result = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "m", "labels": {"b": "2", "c": "3"}}, "immutable": false});
        assert_eq!(merged(&patch), Some(result));
    }

    #[test]
    fn what_needs_words_is_left_to_plain_json() {
        for patch in [
            json!([]),
            json!({"kind": "Secret"}),
            json!({"datum": {}}),
            json!({"data": {"k": 1}}),
            json!({"metadata": "m"}),
            json!({"metadata": {"annotations": {"a": null}}}),
        ] {
            assert_eq!(merged(&patch), None, "{patch}");
        }
    }
}
