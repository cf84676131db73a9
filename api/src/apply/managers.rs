//! The entries of `metadata.managedFields`: read, changed, and written in upstream's order.

use super::field_set::FieldSet;
use crate::meta::v1::{ManagedFieldsEntryMut, ObjectMeta};
use crate::time::Time;
use crate::tree::Tree;
use crate::view;

/// At most so many managers of updates; the oldest are merged into one entry.
const MAX_UPDATERS: usize = 10;
/// Who owns what the oldest updaters owned.
const ANCIENT: &str = "ancient-changes";

/// How a manager wrote.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Operation {
    /// By server-side apply.
    Apply,
    /// By any other write.
    Update,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// Who owns fields.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Manager {
    /// Its name.
    pub name: String,
    /// How it wrote.
    pub operation: Operation,
    /// The version that it wrote in. Appliers are one manager in all versions.
    pub api_version: String,
    /// The subresource through which it wrote; empty for the object itself.
    pub subresource: String,
}

impl Manager {
    fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }

    /// As conflicts name it.
    pub(super) fn show(&self) -> String {
        let mut text = format!("{:?}", self.name);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if self.operation == Operation::Update {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }
}

/// What one manager owns.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Entry {
    pub(super) manager: Manager,
    pub(super) time: Option<Time>,
    pub(super) fields: FieldSet,
}

/// All managers of an object.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Managers(Vec<Entry>);

impl Managers {
    /// Reads them; `None` where they are not well formed.
    pub(super) fn decode(metadata: ObjectMeta<'_>) -> Option<Self> {
        let mut all = Vec::new();
        for entry in metadata.managed_fields().iter() {
            let operation = match entry.operation() {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return None,
            };
            if entry.api_version().is_empty() || entry.fields_type() != "FieldsV1" {
                return None;
            }
            let manager = Manager {
                name: entry.manager().to_owned(),
                operation,
                api_version: entry.api_version().to_owned(),
                subresource: entry.subresource().to_owned(),
            };
            let fields = FieldSet::decode(entry.fields_v1().unwrap_or(b"{}")).ok()?;
            all.push(Entry {
                manager,
                time: entry.time(),
                fields,
            });
        }
        Some(Self(all))
    }

    /// Writes them in upstream's order.
    pub(super) fn encode(mut self, object: &mut Tree) {
        let seconds = |entry: &Entry| entry.time.map_or(0, Time::seconds);
        self.0.sort_by(|left, right| {
            let key = |entry: &Entry| (entry.manager.operation, seconds(entry));
            let rest = |entry: &Entry| {
                (
                    entry.manager.name.clone(),
                    entry.manager.api_version.clone(),
                    entry.manager.subresource.clone(),
                )
            };
            key(left)
                .cmp(&key(right))
                .then_with(|| rest(left).cmp(&rest(right)))
        });
        let Some(mut metadata) = view::metadata_mut(object) else {
            return;
        };
        metadata.remove_managed_fields();
        let mut json = String::new();
        for entry in &self.0 {
            json.clear();
            entry.fields.encode(&mut json);
            let mut slot: ManagedFieldsEntryMut<'_> = metadata.push_managed_fields();
            slot.set_manager(&entry.manager.name);
            slot.set_operation(entry.manager.operation.name());
            slot.set_api_version(&entry.manager.api_version);
            if let Some(time) = entry.time {
                slot.set_time(time);
            }
            slot.set_fields_type("FieldsV1");
            slot.set_fields_v1(json.as_bytes());
            if !entry.manager.subresource.is_empty() {
                slot.set_subresource(&entry.manager.subresource);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, manager: &Manager) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.manager.is_same(manager))
    }

    /// All but one.
    pub(super) fn others(&mut self, manager: &Manager) -> impl Iterator<Item = &mut Entry> {
        self.0
            .iter_mut()
            .filter(move |entry| !entry.manager.is_same(manager))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.0.iter_mut()
    }

    /// What anybody owns.
    pub(super) fn union(&self) -> FieldSet {
        let mut all = FieldSet::default();
        self.0.iter().for_each(|entry| all.extend(&entry.fields));
        all
    }

    /// Replaces a manager's entry, or adds it.
    pub(super) fn put(&mut self, entry: Entry) {
        self.0
            .retain(|other| !other.manager.is_same(&entry.manager));
        self.0.push(entry);
    }

    pub(super) fn drop_empty(&mut self) {
        self.0.retain(|entry| !entry.fields.is_empty());
    }

    /// Merges the oldest updaters of each version until there are few enough.
    pub(super) fn cap_updaters(&mut self) {
        let mut updaters: Vec<Manager> = self
            .0
            .iter()
            .filter(|entry| entry.manager.operation == Operation::Update)
            .map(|entry| entry.manager.clone())
            .collect();
        if updaters.len() <= MAX_UPDATERS {
            return;
        }
        let seconds = |all: &Self, manager: &Manager| {
            all.get(manager)
                .and_then(|entry| entry.time)
                .map_or(0, Time::seconds)
        };
        updaters.sort_by(|left, right| {
            seconds(self, left)
                .cmp(&seconds(self, right))
                .then_with(|| left.cmp(right))
        });
        let mut left = updaters.len();
        let mut first_of_version: Vec<Manager> = Vec::new();
        for manager in updaters {
            if left <= MAX_UPDATERS {
                break;
            }
            let Some(first) = first_of_version
                .iter()
                .find(|first| first.api_version == manager.api_version)
                .cloned()
            else {
                first_of_version.push(manager);
                continue;
            };
            let bucket = Manager {
                name: ANCIENT.to_owned(),
                operation: Operation::Update,
                api_version: manager.api_version.clone(),
                subresource: String::new(),
            };
            let Some(merged) = self.get(&manager).cloned() else {
                continue;
            };
            let mut fields = self
                .get(&bucket)
                .or(self.get(&first))
                .map(|entry| entry.fields.clone())
                .unwrap_or_default();
            fields.extend(&merged.fields);
            if self.get(&bucket).is_none() {
                self.0.retain(|entry| !entry.manager.is_same(&first));
            }
            self.0.retain(|entry| !entry.manager.is_same(&manager));
            self.put(Entry {
                manager: bucket,
                time: merged.time,
                fields,
            });
            left -= 1;
        }
    }
}
