//! One resource's objects at one revision: a persistent ordered map and the postings of labels and fields, shared between
//! versions, so that a reader keeps a consistent one for nothing.

use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use store::Revision;

use super::object::{Object, Slot};

/// One resource's objects at one revision.
#[derive(Clone, Default)]
pub struct Snapshot {
    revision: Revision,
    objects: OrdSet<Slot>,
    postings: OrdMap<Arc<str>, Posting>,
    /// Made by undoing history: the postings are not those of the objects.
    rewound: bool,
}

/// The keys of the objects that have a term. Most terms have a few objects, so the first ones stand in a slice.
#[derive(Clone)]
enum Posting {
    Few(Arc<[Arc<str>]>),
    Many(OrdSet<Arc<str>>),
}

const FEW: usize = 8;

/// The term of a label, for the postings.
pub fn label_term(key: &str, value: &str) -> String {
    format!("l{key}={value}")
}

/// The term of the selectable field at `index`.
pub fn field_term(index: usize, value: &str) -> String {
    format!("f{index}={value}")
}

impl Snapshot {
    /// The last revision that changed this resource.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The object at `key` (`namespace/name`, or `name`).
    pub fn get(&self, key: &str) -> Option<&Arc<Object>> {
        self.objects.get(key).map(|slot| &slot.0)
    }

    /// The objects from `start` on (inclusive), in the order of their keys.
    pub fn from<'a>(&'a self, start: &str) -> impl Iterator<Item = &'a Arc<Object>> + use<'a> {
        self.objects
            .range::<_, str>(starting(start))
            .map(|slot| &slot.0)
    }

    /// How many objects have keys that begin with `prefix`, from `start` on. Walks them.
    pub fn count_from(&self, start: &str, prefix: &str) -> usize {
        match prefix {
            "" if start.is_empty() => self.len(),
            _ => self
                .from(start)
                .take_while(|o| o.key().starts_with(prefix))
                .count(),
        }
    }

    /// The keys, from `start` on, of the objects that have `term`, in order; none if the term is unknown.
    pub fn with_term(&self, term: &str, start: &str) -> Vec<Arc<str>> {
        match self.postings.get(term) {
            None => Vec::new(),
            Some(Posting::Few(keys)) => keys.iter().filter(|k| ***k >= *start).cloned().collect(),
            Some(Posting::Many(keys)) => keys.range::<_, str>(starting(start)).cloned().collect(),
        }
    }

    /// How many objects have `term`.
    pub fn count_term(&self, term: &str) -> usize {
        match self.postings.get(term) {
            None => 0,
            Some(Posting::Few(keys)) => keys.len(),
            Some(Posting::Many(keys)) => keys.len(),
        }
    }

    /// Puts a version in, or with `None` takes the object out; returns the one before. `indexed` names the fields that
    /// have postings.
    pub(super) fn apply(
        &mut self,
        key: &str,
        new: Option<&Arc<Object>>,
        revision: Revision,
        indexed: &[usize],
    ) -> Option<Arc<Object>> {
        let old = match new {
            Some(object) => self.objects.insert(Slot(Arc::clone(object))),
            None => self.objects.remove(key),
        };
        let old = old.map(|slot| slot.0);
        self.repost(old.as_ref(), new, indexed);
        self.revision = self.revision.max(revision);
        old
    }

    fn repost(&mut self, old: Option<&Arc<Object>>, new: Option<&Arc<Object>>, indexed: &[usize]) {
        if let (Some(old), Some(new)) = (old, new)
            && old.projection().labels().eq(new.projection().labels())
            && indexed
                .iter()
                .all(|&i| old.projection().field(i) == new.projection().field(i))
        {
            return;
        }
        if let Some(old) = old {
            terms(old, indexed, |term| self.withdraw(&term, old.shared_key()));
        }
        if let Some(new) = new {
            terms(new, indexed, |term| self.post(term, new.shared_key()));
        }
    }

    fn post(&mut self, term: String, key: &Arc<str>) {
        let Some(posting) = self.postings.get_mut(term.as_str()) else {
            self.postings
                .insert(term.into(), Posting::Few([Arc::clone(key)].into()));
            return;
        };
        match posting {
            Posting::Many(keys) => {
                keys.insert(Arc::clone(key));
            }
            Posting::Few(keys) => {
                let Err(at) = keys.binary_search(key) else {
                    return;
                };
                let mut all = keys.to_vec();
                all.insert(at, Arc::clone(key));
                *posting = match all.len() > FEW {
                    true => Posting::Many(all.into_iter().collect()),
                    false => Posting::Few(all.into()),
                };
            }
        }
    }

    fn withdraw(&mut self, term: &str, key: &Arc<str>) {
        let empty = match self.postings.get_mut(term) {
            None => return,
            Some(Posting::Many(keys)) => {
                keys.remove::<str>(key);
                keys.is_empty()
            }
            Some(Posting::Few(keys)) => {
                *keys = keys.iter().filter(|k| *k != key).cloned().collect();
                keys.is_empty()
            }
        };
        if empty {
            self.postings.remove(term);
        }
    }

    /// The objects as they were before an event: for lists at an older revision. Postings are not kept in such a snapshot.
    pub(super) fn undo(&mut self, key: &str, before: Option<&Arc<Object>>, revision: Revision) {
        match before {
            Some(object) => {
                self.objects.insert(Slot(Arc::clone(object)));
            }
            None => {
                self.objects.remove(key);
            }
        }
        self.rewound = true;
        self.revision = revision;
    }

    /// Whether the postings may be asked: not so in a snapshot of the past.
    pub fn is_indexed(&self) -> bool {
        !self.rewound
    }
}

fn starting(start: &str) -> (Bound<&str>, Bound<&str>) {
    (Bound::Included(start), Bound::Unbounded)
}

fn terms(object: &Object, indexed: &[usize], mut each: impl FnMut(String)) {
    for (key, value) in object.projection().labels() {
        each(label_term(key, value));
    }
    for &index in indexed {
        each(field_term(index, object.projection().field(index)));
    }
}
