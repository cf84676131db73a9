//! Follows the log: loads it, applies its tail, and starts over with the differences when history was compacted away.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use store::{ChangeSet, Entry, Revision, TailEvent};

use super::collection::Collection;
use super::object::Object;
use super::{View, split};

/// How many change sets are applied before readers are shown them.
const BATCH: usize = 256;
/// How long to wait before the log is asked again after a failure.
const RETRY: Duration = Duration::from_millis(500);

/// Keeps `view` at the tail of its log until the log is shut down. Never returns on a failure that may pass.
pub(super) async fn follow(view: Arc<View>) {
    loop {
        let mut tail = view.log.tail(view.applied()).ready_chunks(BATCH);
        let mut reloaded = false;
        while let Some(chunk) = tail.next().await {
            let mut failed = None;
            let mut events = Vec::with_capacity(chunk.len());
            for item in chunk {
                match item {
                    Ok(event) => events.push(event),
                    Err(error) => failed = Some(error),
                }
            }
            apply(&view, events);
            match failed {
                None => {}
                Some(store::Error::Compacted { oldest }) => {
                    tracing::warn!(
                        %oldest,
                        at = %view.applied(),
                        "the log's history has moved past the view; loading anew"
                    );
                    reload(&view).await;
                    reloaded = true;
                    break;
                }
                Some(error) => tracing::warn!(%error, "the log's tail ended"),
            }
        }
        if view.is_stopped() {
            return;
        }
        if !reloaded {
            tokio::time::sleep(RETRY).await;
        }
    }
}

async fn reload(view: &Arc<View>) {
    loop {
        match load(view).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "the log cannot be loaded"),
        }
        if view.is_stopped() {
            return;
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Applies change sets in order, then shows them all at once.
fn apply(view: &View, events: Vec<TailEvent>) {
    let Some(last) = events.last().map(TailEvent::revision) else {
        return;
    };
    let _applying = view.applying.lock();
    let routes = view.routes.load();
    let mut touched: Vec<Arc<Collection>> = Vec::new();
    for event in events {
        let TailEvent::Changes(ChangeSet { revision, changes }) = event else {
            continue;
        };
        for change in changes.iter() {
            let Some((collection, key)) = routes.find(&change.key) else {
                view.unclaimed.change(change, revision);
                continue;
            };
            let new = change.value.as_ref().map(|value| {
                make(
                    collection,
                    key,
                    revision,
                    change.create_revision,
                    value.clone(),
                )
            });
            let Some(event) = collection.apply(key, new, revision) else {
                continue;
            };
            view.derived.apply(&collection.resource().prefix, &event);
            if !touched.iter().any(|c| Arc::ptr_eq(c, collection)) {
                touched.push(Arc::clone(collection));
            }
        }
    }
    show(view, &touched, last);
}

fn show(view: &View, touched: &[Arc<Collection>], revision: Revision) {
    let mut grown = 0;
    let watchers: Vec<_> = touched
        .iter()
        .map(|collection| {
            let (watchers, bytes) = collection.publish();
            grown += bytes;
            watchers
        })
        .collect();
    view.derived.publish();
    view.advance(revision);
    for watchers in watchers {
        watchers.wake();
    }
    view.grow_history(grown);
}

fn make(
    collection: &Collection,
    key: &str,
    revision: Revision,
    created: Revision,
    value: Bytes,
) -> Arc<Object> {
    let projection = collection.resource().projector.project(&value);
    Arc::new(Object::new(
        key.into(),
        revision,
        created,
        value,
        projection,
    ))
}

/// Loads everything. Into an empty view it is the start; into one that has fallen behind it makes events of the
/// differences for those who watch, and lets history begin anew.
pub(super) async fn load(view: &View) -> Result<(), store::Error> {
    let first = view.applied() == Revision::ZERO;
    let mut load = view.log.load(b"").await?;
    let routes = view.routes.load_full();
    let mut seen: BTreeMap<Arc<str>, Vec<Entry>> = BTreeMap::new();
    while let Some(chunk) = load.chunks.next().await {
        for entry in chunk? {
            match routes.find(&entry.key) {
                None => view.unclaimed.put(entry),
                Some((collection, key)) if first => {
                    let object = make(
                        collection,
                        key,
                        entry.mod_revision,
                        entry.create_revision,
                        entry.value,
                    );
                    view.derived.load(&collection.resource().prefix, &object);
                    collection.insert(object);
                }
                Some((collection, _)) => {
                    seen.entry(Arc::clone(&collection.resource().prefix))
                        .or_default()
                        .push(entry);
                }
            }
        }
        tokio::task::yield_now().await;
    }
    let collections: Vec<_> = routes.collections().cloned().collect();
    for collection in &collections {
        if !first {
            let entries = seen
                .remove(&collection.resource().prefix)
                .unwrap_or_default();
            differ(view, collection, entries, load.revision);
        }
    }
    show(view, &collections, load.revision);
    for collection in &collections {
        let freed = collection.forget_all(load.revision);
        view.shrink_history(freed);
    }
    Ok(())
}

/// Makes the events that lead from what the collection holds to what was loaded.
fn differ(view: &View, collection: &Arc<Collection>, mut entries: Vec<Entry>, revision: Revision) {
    let prefix = collection.resource().prefix.clone();
    let before = collection.snapshot();
    let apply = |key: &str, new: Option<Arc<Object>>, revision: Revision| {
        if let Some(event) = collection.apply(key, new, revision) {
            view.derived.apply(&prefix, &event);
        }
    };
    entries.sort_by_key(|entry| entry.mod_revision);
    let mut kept = HashSet::with_capacity(entries.len());
    for entry in entries {
        let Some(key) = split(&prefix, &entry.key) else {
            continue;
        };
        kept.insert(key.to_owned());
        match before.get(key) {
            Some(old) if old.revision() == entry.mod_revision => continue,
            // Deleted and made again meanwhile: another object, though of the same name.
            Some(old) if old.created() != entry.create_revision => {
                apply(key, None, entry.create_revision)
            }
            _ => {}
        }
        let new = make(
            collection,
            key,
            entry.mod_revision,
            entry.create_revision,
            entry.value,
        );
        apply(key, Some(new), entry.mod_revision);
    }
    for object in before.from("") {
        if !kept.contains(object.key()) {
            apply(object.key(), None, revision);
        }
    }
}
