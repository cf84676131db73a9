//! Who owns whom, over all resources. Pure: informers feed it, and it says what a change makes worth a look.

use std::collections::{BTreeMap, BTreeSet};

use api::{Tree, view};
use runtime::{Key, Object, Projection, Resource};

use crate::object::owner::Owner;

/// The finalizer by which an object waits until its dependents are gone.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer by which an object waits until its dependents are its no more.
pub(super) const ORPHAN: &str = "orphan";

/// What the collector keeps of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meta {
    pub owners: Vec<Owner>,
    pub deleting: bool,
    /// It waits until its dependents are gone.
    pub foreground: bool,
    /// It waits until its dependents are its no more.
    pub orphan: bool,
}

impl Projection for Meta {
    fn project(object: &Tree) -> Self {
        let metadata = view::metadata(object);
        let has = |finalizer| metadata.finalizers().contains(finalizer);
        Meta {
            owners: Owner::all(metadata),
            deleting: metadata.deletion_timestamp().is_some(),
            foreground: has(FOREGROUND),
            orphan: has(ORPHAN),
        }
    }
}

impl Meta {
    /// It is being deleted, and its dependents before it.
    pub(super) fn deletes_dependents(&self) -> bool {
        self.deleting && self.foreground
    }
}

/// An object, and where it is found.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub resource: Resource,
    pub key: Key,
    pub meta: Meta,
}

/// All objects by uid.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: BTreeMap<String, Node>,
    /// Owner's uid → uids of what it owns; also of owners that are not there.
    dependents: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    pub(super) fn get(&self, uid: &str) -> Option<&Node> {
        self.nodes.get(uid)
    }

    /// What the object of this uid owns.
    pub(super) fn dependents(&self, uid: &str) -> impl Iterator<Item = (&str, &Node)> {
        let uids = self.dependents.get(uid).into_iter().flatten();
        uids.filter_map(|uid| Some((uid.as_str(), self.nodes.get(uid)?)))
    }

    /// Dependents without which the owner must not go, when it is deleted in the foreground.
    pub(super) fn blocking_dependents<'a>(
        &'a self,
        uid: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a Node)> {
        self.dependents(uid).filter(move |(_, node)| {
            node.meta
                .owners
                .iter()
                .any(|o| o.uid == uid && o.blocks_deletion)
        })
    }

    /// The owner that an object names, if it is here; the same uid under other coordinates is a forged or mistaken reference.
    pub(super) fn owner(&self, dependent: &Key, owner: &Owner) -> Option<&Node> {
        self.nodes.get(&owner.uid).filter(|known| {
            known.key.name() == owner.name
                && known.resource.kind() == owner.kind
                && known.resource.group() == owner.group()
                && (known.key.namespace().is_empty()
                    || known.key.namespace() == dependent.namespace())
        })
    }

    /// Whether something may be to do for an object as it is. Not for one whose owners are all here to stay: it is looked at
    /// when one of them goes.
    fn needs_look(&self, key: &Key, meta: &Meta) -> bool {
        if meta.deleting {
            return meta.foreground || meta.orphan;
        }
        let stays = |owner| {
            self.owner(key, owner)
                .is_some_and(|o| !o.meta.deletes_dependents())
        };
        !meta.owners.iter().all(stays)
    }

    /// Takes a change in, and returns the uids that are worth a look.
    pub(super) fn apply(
        &mut self,
        resource: &Resource,
        old: Option<&Object<Meta>>,
        new: Option<&Object<Meta>>,
    ) -> BTreeSet<String> {
        match (old, new) {
            (_, Some(new)) => self.upsert(resource, new),
            (Some(old), None) => self.remove(&old.uid),
            (None, None) => BTreeSet::new(),
        }
    }

    fn upsert(&mut self, resource: &Resource, object: &Object<Meta>) -> BTreeSet<String> {
        let uid = object.uid.to_string();
        let node = Node {
            resource: resource.clone(),
            key: object.key.clone(),
            meta: object.value.clone(),
        };
        let before = self.nodes.insert(uid.clone(), node).map(|n| n.meta);
        let mut dirty = BTreeSet::new();
        for owner in &object.value.owners {
            self.dependents
                .entry(owner.uid.clone())
                .or_default()
                .insert(uid.clone());
        }
        for owner in before.iter().flat_map(|b| &b.owners) {
            let now = object.value.owners.iter().find(|o| o.uid == owner.uid);
            if now.is_none() {
                self.unlink(&owner.uid, &uid);
            }
            // An owner that waits may wait for one fewer.
            if now.is_none_or(|o| !o.blocks_deletion && owner.blocks_deletion) {
                self.add_if_waiting(&owner.uid, &mut dirty);
            }
        }
        let changed = before.as_ref() != Some(&object.value);
        if changed && self.needs_look(&object.key, &object.value) {
            dirty.insert(uid);
        }
        dirty
    }

    fn remove(&mut self, uid: &str) -> BTreeSet<String> {
        let mut dirty: BTreeSet<String> = self.dependents.get(uid).cloned().unwrap_or_default();
        if let Some(node) = self.nodes.remove(uid) {
            for owner in &node.meta.owners {
                self.unlink(&owner.uid, uid);
                self.add_if_waiting(&owner.uid, &mut dirty);
            }
        }
        dirty
    }

    fn unlink(&mut self, owner: &str, dependent: &str) {
        if let Some(dependents) = self.dependents.get_mut(owner) {
            dependents.remove(dependent);
            if dependents.is_empty() {
                self.dependents.remove(owner);
            }
        }
    }

    fn add_if_waiting(&self, uid: &str, dirty: &mut BTreeSet<String>) {
        if self
            .nodes
            .get(uid)
            .is_some_and(|n| n.meta.deletes_dependents())
        {
            dirty.insert(uid.to_owned());
        }
    }

    /// Forgets all objects of a resource that is no longer served.
    pub(super) fn remove_resource(&mut self, resource: &Resource) {
        let gone: Vec<String> = self
            .nodes
            .iter()
            .filter(|(_, n)| n.resource == *resource)
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in gone {
            self.remove(&uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::resource::Form;

    fn owner(uid: &str, blocks: bool) -> Owner {
        Owner {
            api_version: "v1".into(),
            kind: "Thing".into(),
            name: uid.into(),
            uid: uid.into(),
            controller: false,
            blocks_deletion: blocks,
        }
    }

    fn object(uid: &str, owners: Vec<Owner>, foreground: bool) -> Object<Meta> {
        Object {
            key: Key::new("ns", uid),
            uid: uid.into(),
            resource_version: "1".into(),
            value: Meta {
                owners,
                deleting: foreground,
                foreground,
                orphan: false,
            },
        }
    }

    fn things() -> Resource {
        Resource::new("", "v1", "things", "Thing", true, Form::Metadata)
    }

    fn set(uids: &[&str]) -> BTreeSet<String> {
        uids.iter().map(|u| (*u).to_owned()).collect()
    }

    #[test]
    fn an_owner_that_goes_makes_its_dependents_dirty_even_if_it_came_after_them() {
        let (mut graph, things) = (Graph::default(), things());
        let child = object("child", vec![owner("parent", false)], false);
        assert_eq!(graph.apply(&things, None, Some(&child)), set(&["child"]));
        let parent = object("parent", vec![], false);
        assert_eq!(graph.apply(&things, None, Some(&parent)), set(&[]));
        assert_eq!(graph.apply(&things, Some(&parent), None), set(&["child"]));
        assert_eq!(
            graph.dependents("parent").count(),
            1,
            "the edge stays as long as the dependent has the reference"
        );
    }

    #[test]
    fn an_owner_that_waits_is_looked_at_when_a_dependent_goes_or_lets_go() {
        let (mut graph, things) = (Graph::default(), things());
        let parent = object("parent", vec![], true);
        graph.apply(&things, None, Some(&parent));
        let blocking = object("a", vec![owner("parent", true)], false);
        graph.apply(&things, None, Some(&blocking));
        assert_eq!(graph.blocking_dependents("parent").count(), 1);
        let released = object("a", vec![owner("parent", false)], false);
        assert_eq!(
            graph.apply(&things, Some(&blocking), Some(&released)),
            set(&["a", "parent"])
        );
        assert_eq!(graph.blocking_dependents("parent").count(), 0);
        graph.apply(&things, Some(&released), Some(&blocking));
        assert_eq!(
            graph.apply(&things, Some(&blocking), None),
            set(&["parent"])
        );
        assert_eq!(graph.dependents("parent").count(), 0);
    }

    #[test]
    fn an_object_whose_owners_stay_is_not_looked_at() {
        let (mut graph, things) = (Graph::default(), things());
        graph.apply(&things, None, Some(&object("parent", vec![], false)));
        let child = object("child", vec![owner("parent", false)], false);
        assert_eq!(graph.apply(&things, None, Some(&child)), set(&[]));
        let also = object(
            "also",
            vec![owner("parent", false), owner("gone", false)],
            false,
        );
        assert_eq!(graph.apply(&things, None, Some(&also)), set(&["also"]));
        let mut forged = owner("parent", false);
        forged.name = "other".into();
        let forged = object("forged", vec![forged], false);
        assert_eq!(graph.apply(&things, None, Some(&forged)), set(&["forged"]));
        graph.apply(&things, None, Some(&object("parent", vec![], true)));
        let late = object("late", vec![owner("parent", false)], false);
        assert_eq!(
            graph.apply(&things, None, Some(&late)),
            set(&["late"]),
            "its owner waits for it"
        );
    }

    #[test]
    fn of_objects_that_are_being_deleted_those_are_looked_at_that_the_collector_holds() {
        let (mut graph, things) = (Graph::default(), things());
        let mut going = object("going", vec![owner("gone", false)], false);
        going.value.deleting = true;
        assert_eq!(graph.apply(&things, None, Some(&going)), set(&[]));
        going.value.orphan = true;
        assert_eq!(graph.apply(&things, None, Some(&going)), set(&["going"]));
    }

    #[test]
    fn a_resource_no_longer_served_leaves_nothing_behind() {
        let (mut graph, things) = (Graph::default(), things());
        graph.apply(
            &things,
            None,
            Some(&object("a", vec![owner("p", true)], false)),
        );
        graph.remove_resource(&things);
        assert!(graph.get("a").is_none());
        assert!(graph.dependents.is_empty());
    }
}
