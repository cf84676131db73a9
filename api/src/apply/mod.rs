//! Who owns which field: server-side apply, and the tracking of every other write.
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/>
//!
//! [`update`] follows a write whose result is known; [`apply`] merges a configuration into an object, and says who is in the
//! way. Both keep `metadata.managedFields`. A manager's fields in another version of the kind are taken by their names: the
//! built-in kinds that have two versions name their fields alike where both have them.

use std::sync::LazyLock;

use serde_json::Value;

use crate::codec::json::{self, DecodeError, Strict};
use crate::schema::Shape;
use crate::time::Time;
use crate::tree::{Ref, Tree};
use crate::view;

mod atomic;
mod compare;
mod document;
mod field_set;
mod form;
mod managers;

pub use atomic::{MergeError, merge_configuration};
pub use field_set::{Atom, Element, FieldSet};
pub use managers::{Manager, Operation};

use compare::Comparison;
use form::Place;
use managers::{Entry, Managers};

/// Owner of what was there before anybody's fields were tracked.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";
/// Under which annotation kubectl keeps what it applied on the client.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The manager for whom that annotation counts.
const KUBECTL: &str = "kubectl";
/// What an object's annotations may take in all, in bytes.
const MAX_ANNOTATIONS: usize = 256 << 10;

/// Who writes, and how.
#[derive(Clone, Debug)]
pub struct Writer<'a> {
    /// The field manager; `unknown` where the client names none.
    pub manager: &'a str,
    /// The version of the request, such as `apps/v1`.
    pub api_version: &'a str,
    /// The subresource of the request; empty for the object itself.
    pub subresource: &'a str,
    /// Fields that this request cannot write, so that it cannot come to own them (`status`, or all but `status`).
    pub ignored: &'a FieldSet,
    /// The present.
    pub now: Time,
}

impl Writer<'_> {
    /// When an entry was written. Those of `scale` have no time: upstream keeps it on the Scale, which is not stored.
    fn time(&self) -> Option<Time> {
        (self.subresource != "scale").then_some(self.now)
    }

    fn identity(&self, operation: Operation) -> Manager {
        let name = if self.manager.is_empty() {
            "unknown"
        } else {
            self.manager
        };
        Manager {
            name: name.to_owned(),
            operation,
            api_version: self.api_version.to_owned(),
            subresource: self.subresource.to_owned(),
        }
    }
}

/// A field that another manager owns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conflict {
    /// Its owner.
    pub manager: Manager,
    /// The field, as messages show it.
    pub field: String,
    path: Vec<Element>,
}

impl Conflict {
    /// The message of this conflict's cause.
    pub fn message(&self) -> String {
        format!("conflict with {}", self.manager.show())
    }
}

/// Why a configuration was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Others own fields that it would change (409, with a cause for each).
    #[error("{}", conflict_message(.0))]
    Conflicts(Vec<Conflict>),
    /// The request is wrong (400).
    #[error("{0}")]
    BadRequest(String),
    /// The configuration does not fit the schema (500, as upstream answers).
    #[error("{0}")]
    Config(String),
    /// What came out is no object of its kind.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// The message of all conflicts together.
fn conflict_message(conflicts: &[Conflict]) -> String {
    if let [only] = conflicts {
        return format!(
            "Apply failed with 1 conflict: conflict with {}: {}",
            only.manager.show(),
            only.field
        );
    }
    let mut lines = Vec::new();
    let mut managers: Vec<&Manager> = conflicts.iter().map(|conflict| &conflict.manager).collect();
    managers.sort();
    managers.dedup();
    for manager in managers {
        lines.push(format!("conflicts with {}:", manager.show()));
        lines.extend(
            conflicts
                .iter()
                .filter(|conflict| conflict.manager == *manager)
                .map(|conflict| format!("- {}", conflict.field)),
        );
    }
    format!(
        "Apply failed with {} conflicts: {}",
        conflicts.len(),
        lines.join("\n")
    )
}

/// Paths of metadata that nobody owns.
static NOBODYS: LazyLock<FieldSet> = LazyLock::new(|| {
    FieldSet::of_paths(&[
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "clusterName"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ])
});

/// Tracks a create, update or patch: sets `metadata.managedFields` of `new`, whose other content is final.
///
/// `live` is the object as it was, in the same version; `None` for a create.
pub fn update(live: Option<&Tree>, new: &mut Tree, writer: &Writer<'_>) {
    let kept = managers_of_request(live, new, writer);
    forget_managers(new);
    if kept.is_empty() && live.is_some() {
        // Somebody chose that this object is not tracked.
        return;
    }
    let managers = track(live, new, kept, writer);
    managers.encode(new);
}

/// The managers that a write starts from: those that the request itself gives, where it may and does.
fn managers_of_request(live: Option<&Tree>, new: &Tree, writer: &Writer<'_>) -> Managers {
    let of_live = || {
        live.and_then(|live| Managers::decode(view::metadata(live)))
            .unwrap_or_default()
    };
    if !writer.subresource.is_empty() {
        return of_live();
    }
    let given = view::metadata(new).managed_fields();
    // A list that is there and holds nothing, or one empty entry, starts the tracking anew.
    let is_there = new.root().path("metadata.managedFields").is_some();
    let reset = is_there
        && given.len() <= 1
        && given.iter().all(|entry| {
            entry.manager().is_empty()
                && entry.operation().is_empty()
                && entry.api_version().is_empty()
                && entry.time().is_none()
                && entry.fields_type().is_empty()
                && entry.fields_v1().is_none()
                && entry.subresource().is_empty()
        });
    if reset {
        return Managers::default();
    }
    match Managers::decode(view::metadata(new)) {
        Some(managers) if !managers.is_empty() => managers,
        _ => of_live(),
    }
}

fn forget_managers(object: &mut Tree) {
    if let Some(mut metadata) = view::metadata_mut(object) {
        metadata.remove_managed_fields();
    }
}

fn without_managers(object: &Tree) -> Tree {
    let mut object = object.clone();
    if !view::metadata(&object).managed_fields().is_empty() {
        forget_managers(&mut object);
    }
    object
}

fn track(live: Option<&Tree>, new: &Tree, mut managers: Managers, writer: &Writer<'_>) -> Managers {
    // That `live` may have managers, and `new` has none, tells nothing of anybody's fields: nobody owns them.
    let nothing;
    let before = match live {
        Some(live) => live,
        None => {
            nothing = Tree::with_schema(new.schema(), new.type_id());
            &nothing
        }
    };
    let changes = filtered(compare::compare(before, new), writer);
    let mut own = changes.modified;
    own.extend(&changes.added);
    for entry in managers.iter_mut() {
        entry.fields.subtract(&own);
        entry.fields.subtract(&changes.removed);
    }
    own.subtract(&NOBODYS);
    let identity = writer.identity(Operation::Update);
    if !own.is_empty() {
        if let Some(previous) = managers.get(&identity) {
            own.extend(&previous.fields);
        }
        managers.put(Entry {
            manager: identity,
            time: writer.time(),
            fields: own,
        });
    }
    managers.drop_empty();
    managers.cap_updaters();
    managers
}

fn filtered(mut changes: Comparison, writer: &Writer<'_>) -> Comparison {
    for set in [
        &mut changes.added,
        &mut changes.modified,
        &mut changes.removed,
    ] {
        set.subtract_recursively(writer.ignored);
    }
    changes
}

/// Applies a configuration (JSON) to `live`, an object of the request's version (an empty one of its type for a create).
///
/// Gives the merged object with its `managedFields`; defaulting and admission are the caller's.
///
/// # Errors
/// [`ApplyError::Conflicts`] unless `force`; the others where the configuration is wrong.
pub fn apply(
    live: &Tree,
    config: &[u8],
    writer: &Writer<'_>,
    force: bool,
) -> Result<Tree, ApplyError> {
    let config: Value = serde_json::from_slice(config)
        .map_err(|error| ApplyError::BadRequest(format!("error decoding YAML: {error}")))?;
    let version = config["apiVersion"].as_str().unwrap_or_default();
    let kind = config["kind"].as_str().unwrap_or_default();
    let (group, name) = version.split_once('/').unwrap_or(("", version));
    let own_kind = live.root().get("kind").and_then(Ref::as_str);
    if version != writer.api_version || own_kind.is_some_and(|own| own != kind) {
        return Err(ApplyError::BadRequest(format!(
            "invalid object type: {group}/{name}, Kind={kind}"
        )));
    }
    if config["metadata"]
        .get("managedFields")
        .is_some_and(|given| !given.is_null())
    {
        return Err(ApplyError::BadRequest(
            "metadata.managedFields must be nil".to_owned(),
        ));
    }
    let Some(mut managers) = Managers::decode(view::metadata(live)) else {
        return Err(ApplyError::Config(
            "failed to decode managed fields".to_owned(),
        ));
    };
    let live = without_managers(live);
    if managers.is_empty() {
        let first = Writer {
            manager: BEFORE_FIRST_APPLY,
            ..writer.clone()
        };
        managers = track(None, &live, Managers::default(), &first);
    }
    let applied = match merge(&live, &config, managers.clone(), writer, force) {
        Err(ApplyError::Conflicts(conflicts)) if writer.manager == KUBECTL => {
            // What kubectl applied on the client before, it may take over on the server.
            match allowed_by_last_applied(&live, writer) {
                None => return Err(ApplyError::Conflicts(conflicts)),
                Some(allowed) => {
                    let left: Vec<Conflict> = conflicts
                        .into_iter()
                        .filter(|conflict| !allowed.has(&conflict.path))
                        .collect();
                    if !left.is_empty() {
                        return Err(ApplyError::Conflicts(left));
                    }
                    merge(&live, &config, managers, writer, true)
                }
            }
        }
        applied => applied,
    };
    let mut object = applied?;
    if writer.manager == KUBECTL {
        refresh_last_applied(&mut object, config);
    }
    Ok(object)
}

fn merge(
    live: &Tree,
    config: &Value,
    mut managers: Managers,
    writer: &Writer<'_>,
    force: bool,
) -> Result<Tree, ApplyError> {
    let shape = Shape::Message(live.type_id());
    let place = Place {
        schema: live.schema(),
        shape: &shape,
        field: None,
    };
    let problems = document::problems(place, config);
    if !problems.is_empty() {
        return Err(ApplyError::Config(typed_patch_error(config, &problems)));
    }
    let identity = writer.identity(Operation::Apply);
    let last = managers
        .get(&identity)
        .map(|entry| entry.fields.clone())
        .unwrap_or_default();
    let mut owned = document::paths_of(place, config);
    owned.subtract_recursively(writer.ignored);

    let live_json: Value = serde_json::from_slice(&json::to_vec(live))
        .map_err(|error| ApplyError::Config(error.to_string()))?;
    let merged = document::merge(place, Some(&live_json), Some(config)).unwrap_or(Value::Null);
    let previous_time = managers.get(&identity).and_then(|entry| entry.time);
    managers.put(Entry {
        manager: identity.clone(),
        time: previous_time,
        fields: owned,
    });
    let merged = prune(place, merged, &last, &managers);
    let object = json::decode(
        live.schema(),
        live.type_id(),
        merged.to_string().into_bytes(),
        &mut Strict::new(),
    )?;

    let changes = filtered(compare::compare(live, &object), writer);
    let mut touched = changes.modified.clone();
    touched.extend(&changes.added);
    let mut conflicts = Vec::new();
    for entry in managers.others(&identity) {
        let taken = entry.fields.intersection(&touched);
        conflicts.extend(taken.paths().into_iter().map(|path| Conflict {
            manager: entry.manager.clone(),
            field: field_set::show(&path),
            path,
        }));
        entry.fields.subtract(&taken);
        entry.fields.subtract(&changes.removed);
    }
    if !force && !conflicts.is_empty() {
        return Err(ApplyError::Conflicts(conflicts));
    }
    let changed = !touched.is_empty() || !changes.removed.is_empty();
    for entry in managers
        .iter_mut()
        .filter(|entry| entry.manager == identity)
    {
        entry.fields.subtract(&NOBODYS);
        // Who applies what is there already wrote at no time, if it never wrote: so upstream.
        if changed {
            entry.time = writer.time();
        }
    }
    managers.drop_empty();
    let mut object = if changed { object } else { live.clone() };
    managers.encode(&mut object);
    Ok(object)
}

/// Takes out what this manager applied last time and does not apply any more, unless somebody else owns it.
fn prune(place: Place<'_>, merged: Value, last: &FieldSet, managers: &Managers) -> Value {
    if last.is_empty() {
        return merged;
    }
    let members = |set: &FieldSet| document::with_fields_as_members(place, set);
    let all = members(&document::paths_of(place, &merged));
    let last = members(last);
    let pruned = document::without(place, &merged, &last);
    // What others own comes back,
    let mut doomed = all.clone();
    doomed.subtract(&members(&document::paths_of(place, &pruned)));
    doomed.subtract(&members(&managers.union()));
    let pruned = document::without(place, &merged, &doomed);
    // and so does what only hung below something that was taken out.
    let mut doomed = all;
    doomed.subtract(&members(&document::paths_of(place, &pruned)));
    document::without(place, &merged, &doomed.intersection(&last))
}

fn typed_patch_error(config: &Value, problems: &[String]) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let version = match text(&config["apiVersion"]) {
        // The core group has no name, and keeps its slash.
        core if !core.contains('/') => format!("/{core}"),
        version => version,
    };
    let metadata = &config["metadata"];
    let what = match problems {
        [only] => only.clone(),
        all => format!(
            "errors:\n{}",
            all.iter()
                .map(|problem| format!("  {problem}"))
                .collect::<Vec<_>>()
                .join("\n")
        ),
    };
    format!(
        "failed to create typed patch object ({}/{}; {}, Kind={}): {what}",
        text(&metadata["namespace"]),
        text(&metadata["name"]),
        version,
        text(&config["kind"])
    )
}

/// What the annotation says that kubectl applied, where the object still is so.
fn allowed_by_last_applied(live: &Tree, writer: &Writer<'_>) -> Option<FieldSet> {
    let last = view::metadata(live).annotations().get(LAST_APPLIED)?;
    let last: Value = serde_json::from_str(last).ok()?;
    if last["apiVersion"] != writer.api_version {
        return None;
    }
    let shape = Shape::Message(live.type_id());
    let place = Place {
        schema: live.schema(),
        shape: &shape,
        field: None,
    };
    let mut allowed = document::paths_of(place, &last);
    let last = json::decode(
        live.schema(),
        live.type_id(),
        last.to_string().into_bytes(),
        &mut Strict::new(),
    )
    .ok()?;
    let changes = compare::compare(&last, live);
    for set in [&changes.modified, &changes.added, &changes.removed] {
        allowed.subtract(set);
    }
    Some(allowed)
}

/// Keeps kubectl's annotation true, where there is one.
fn refresh_last_applied(object: &mut Tree, mut config: Value) {
    if view::metadata(object)
        .annotations()
        .get(LAST_APPLIED)
        .is_none_or(str::is_empty)
    {
        return;
    }
    if let Some(annotations) = config["metadata"]["annotations"].as_object_mut() {
        annotations.shift_remove(LAST_APPLIED);
    }
    let mut sorted = sort_keys(config).to_string();
    sorted.push('\n');
    let others: usize = view::metadata(object)
        .annotations()
        .iter()
        .filter(|(key, _)| *key != LAST_APPLIED)
        .map(|(key, value)| key.len() + value.len())
        .sum();
    let Some(mut metadata) = view::metadata_mut(object) else {
        return;
    };
    let mut annotations = metadata.annotations_mut();
    if others + LAST_APPLIED.len() + sorted.len() > MAX_ANNOTATIONS {
        annotations.remove(LAST_APPLIED);
    } else {
        annotations.insert(LAST_APPLIED, &sorted);
    }
}

fn sort_keys(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map
                .into_iter()
                .map(|(key, value)| (key, sort_keys(value)))
                .collect();
            entries.sort_by(|left, right| left.0.cmp(&right.0));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sort_keys).collect()),
        other => other,
    }
}
