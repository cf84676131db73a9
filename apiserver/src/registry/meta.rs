//! Object metadata, read and written on trees of any kind: what the pipeline itself must know of an object.

use std::collections::BTreeSet;

use api::schema::FieldId;
use api::time::{MAX_SECONDS, ZERO_SECONDS};
use api::tree::Value;
use api::{Ref, RefMut, Tree};
use jiff::Timestamp;

/// The metadata of an object, for reading. Absent strings are empty.
#[derive(Clone, Copy)]
pub struct Meta<'a>(Option<Ref<'a>>);

/// The metadata of `tree`.
pub fn of(tree: &Tree) -> Meta<'_> {
    Meta(tree.root().get("metadata"))
}

impl<'a> Meta<'a> {
    fn text(self, field: &str) -> &'a str {
        self.0
            .and_then(|meta| meta.get(field))
            .and_then(Ref::as_str)
            .unwrap_or_default()
    }

    /// A field by its name in JSON.
    pub fn get(self, field: &str) -> Option<Ref<'a>> {
        self.0?.get(field)
    }

    /// The name.
    pub fn name(self) -> &'a str {
        self.text("name")
    }

    /// The prefix for a generated name.
    pub fn generate_name(self) -> &'a str {
        self.text("generateName")
    }

    /// The namespace.
    pub fn namespace(self) -> &'a str {
        self.text("namespace")
    }

    /// The UID.
    pub fn uid(self) -> &'a str {
        self.text("uid")
    }

    /// The resource version, as a client gave it.
    pub fn resource_version(self) -> &'a str {
        self.text("resourceVersion")
    }

    /// The generation; 0 if the kind has none.
    pub fn generation(self) -> i64 {
        self.get("generation")
            .and_then(Ref::as_i64)
            .unwrap_or_default()
    }

    /// When the object was created, in seconds since 1970.
    pub fn created(self) -> Option<i64> {
        self.get("creationTimestamp").and_then(Ref::as_i64)
    }

    /// When the object is to be gone, in seconds since 1970; `None` if it is not being deleted.
    pub fn deletion(self) -> Option<i64> {
        self.get("deletionTimestamp").and_then(Ref::as_i64)
    }

    /// How many seconds of grace its deletion was given.
    pub fn grace(self) -> Option<i64> {
        self.get("deletionGracePeriodSeconds").and_then(Ref::as_i64)
    }

    /// The finalizers.
    pub fn finalizers(self) -> impl Iterator<Item = &'a str> {
        self.get("finalizers")
            .into_iter()
            .flat_map(Ref::items)
            .filter_map(Ref::as_str)
    }

    /// An annotation.
    pub fn annotation(self, key: &str) -> Option<&'a str> {
        self.get("annotations")?.get(key)?.as_str()
    }

    /// A label.
    pub fn label(self, key: &str) -> Option<&'a str> {
        self.get("labels")?.get(key)?.as_str()
    }
}

fn id(node: &RefMut<'_>, field: &str) -> Option<FieldId> {
    node.as_ref().ty()?.field(field)
}

/// Sets a leaf by name; nothing happens where the message has no such field.
pub fn set<'v>(node: &mut RefMut<'_>, field: &str, value: impl Into<Value<'v>>) {
    if let Some(id) = id(node, field) {
        node.set(id, value);
    }
}

/// Removes a field by name; whether it was there.
pub fn remove(node: &mut RefMut<'_>, field: &str) -> bool {
    id(node, field).is_some_and(|id| node.remove(id))
}

/// Sets a field to what another tree of the same type holds there, or removes it if it holds nothing.
pub fn copy(node: &mut RefMut<'_>, field: &str, from: Option<Ref<'_>>) {
    let Some(id) = id(node, field) else { return };
    match from {
        Some(value) => node.set_copy(id, value),
        None => {
            node.remove(id);
        }
    }
}

/// Writes to a field that is a message, list or map, made if it is absent; nothing happens where there is no such field.
pub fn ensure(node: &mut RefMut<'_>, field: &str, write: impl FnOnce(&mut RefMut<'_>)) {
    if let Some(id) = id(node, field) {
        write(&mut node.ensure(id));
    }
}

/// The metadata of an object, for writing.
pub struct MetaMut<'a>(Option<RefMut<'a>>);

/// The metadata of `tree`, made if it is absent.
pub fn of_mut(tree: &mut Tree) -> MetaMut<'_> {
    let Some(id) = tree.root().ty().and_then(|ty| ty.field("metadata")) else {
        return MetaMut(None);
    };
    MetaMut(Some(tree.root_mut().into_ensured(id)))
}

impl MetaMut<'_> {
    /// Sets a leaf by its name in JSON.
    pub fn set<'v>(&mut self, field: &str, value: impl Into<Value<'v>>) {
        if let Some(meta) = &mut self.0 {
            set(meta, field, value);
        }
    }

    /// Removes a field by its name in JSON.
    pub fn remove(&mut self, field: &str) {
        if let Some(meta) = &mut self.0 {
            remove(meta, field);
        }
    }

    /// Takes a field over from another object's metadata.
    pub fn copy(&mut self, field: &str, from: Meta<'_>) {
        if let Some(meta) = &mut self.0 {
            copy(meta, field, from.get(field));
        }
    }

    /// Sets a time, in whole seconds: the nearest one that a timestamp can say.
    pub fn set_time(&mut self, field: &str, at: i64) {
        let at = at.clamp(ZERO_SECONDS + 1, MAX_SECONDS);
        self.set(field, Value::Time(at));
    }

    /// Replaces the finalizers.
    pub fn set_finalizers(&mut self, finalizers: &[&str]) {
        let Some(meta) = &mut self.0 else { return };
        remove(meta, "finalizers");
        if let Some(id) = id(meta, "finalizers").filter(|_| !finalizers.is_empty()) {
            let mut list = meta.ensure(id);
            for finalizer in finalizers {
                list.push(*finalizer);
            }
        }
    }

    /// Sets an entry of `labels` or `annotations`.
    pub fn insert(&mut self, map: &str, key: &str, value: &str) {
        let Some(meta) = &mut self.0 else { return };
        if let Some(id) = id(meta, map) {
            meta.ensure(id).insert(key, value);
        }
    }

    /// The list of this name, made if it is absent.
    pub fn list(&mut self, field: &str) -> Option<RefMut<'_>> {
        let meta = self.0.as_mut()?;
        let id = id(meta, field)?;
        Some(meta.ensure(id))
    }
}

/// Takes away what only the server sets.
pub fn wipe_system_fields(tree: &mut Tree) {
    let mut meta = of_mut(tree);
    for field in [
        "creationTimestamp",
        "uid",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
    ] {
        meta.remove(field);
    }
}

/// Sets what only the server sets on a new object.
pub fn fill_system_fields(tree: &mut Tree, uid: &str, now: Timestamp) {
    let mut meta = of_mut(tree);
    meta.set("uid", uid);
    meta.set_time("creationTimestamp", now.as_second());
}

/// Removes owner references that repeat another; returns the UIDs of those removed.
pub fn dedup_owner_references(tree: &mut Tree) -> Vec<String> {
    let Some(owners) = of(tree).get("ownerReferences") else {
        return Vec::new();
    };
    if owners.len() < 2 {
        return Vec::new();
    }
    // By their bytes, since a client may send very many.
    let mut seen = BTreeSet::new();
    let repeated: Vec<bool> = owners
        .items()
        .map(|owner| !seen.insert(api::codec::json::to_vec(&Tree::copy_of(owner))))
        .collect();
    if !repeated.contains(&true) {
        return Vec::new();
    }
    let uid = |o: Ref<'_>| {
        o.get("uid")
            .and_then(Ref::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let duplicates = owners
        .items()
        .zip(&repeated)
        .filter(|(_, repeated)| **repeated)
        .map(|(o, _)| uid(o))
        .collect();
    let mut index = 0;
    if let Some(mut list) = of_mut(tree).list("ownerReferences") {
        list.retain(|_| {
            index += 1;
            !repeated[index - 1]
        });
    }
    duplicates
}
