//! What was written and not yet seen.
//!
//! A write to one object fails if the picture of that one was old. It does not fail if the picture of *another* was, and what
//! is to be done to one may depend on the others: how many pods a ReplicaSet may have on what its Deployment's others have,
//! which pod of a StatefulSet goes next on its status. So an owner is not looked at before the informer shows what was last
//! written for it. Of a write whose reply was lost, the server is asked.

use std::{collections::BTreeMap, time::Duration};

use parking_lot::Mutex;
use runtime::{Client, Error, Informer, Key, Projection, ResultExt, object::Meta};
use tokio::time::Instant;

/// After this time the server is asked whether what was written is there still.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy)]
struct Mark {
    /// The revision that must be seen; `None` while it is unknown.
    revision: Option<u64>,
    since: Instant,
}

/// Writes by owner and object; of one resource.
#[derive(Debug, Default)]
pub(crate) struct Written(Mutex<BTreeMap<Key, BTreeMap<Key, Mark>>>);

impl Written {
    /// An object of the owner is at this revision now.
    pub(crate) fn at(&self, owner: &Key, object: &Key, resource_version: &str) {
        // Revisions are numbers (KEP-5504); of a server where they are none nothing is waited for.
        if let Ok(revision) = resource_version.parse() {
            self.mark(owner, object, Some(revision));
        }
    }

    /// An object of the owner may have been written: nobody knows.
    pub(crate) fn unknown(&self, owner: &Key, object: &Key) {
        self.mark(owner, object, None);
    }

    /// The owner is gone.
    pub(crate) fn forget(&self, owner: &Key) {
        self.0.lock().remove(owner);
    }

    fn mark(&self, owner: &Key, object: &Key, revision: Option<u64>) {
        let mark = Mark {
            revision,
            since: Instant::now(),
        };
        self.0
            .lock()
            .entry(owner.clone())
            .or_default()
            .insert(object.clone(), mark);
    }

    /// Whether the informer shows all that was written for the owner.
    pub(crate) async fn is_seen<P: Projection>(
        &self,
        client: &Client,
        objects: &Informer<P>,
        owner: &Key,
    ) -> Result<bool, Error> {
        let open = self.0.lock().get(owner).cloned().unwrap_or_default();
        let mut seen = true;
        for (object, mut mark) in open {
            if mark.revision.is_none() || mark.since.elapsed() >= PATIENCE {
                let Some(live) = client.get(objects.resource(), &object).await.optional()? else {
                    self.drop_mark(owner, &object);
                    continue;
                };
                mark = Mark {
                    revision: Meta::of(&live).resource_version.parse().ok(),
                    since: Instant::now(),
                };
                self.mark(owner, &object, mark.revision);
            }
            let shown = objects
                .get(&object)
                .and_then(|s| s.resource_version.parse::<u64>().ok());
            if shown.is_some() && shown >= mark.revision {
                self.drop_mark(owner, &object);
            } else {
                seen = false;
            }
        }
        Ok(seen)
    }

    fn drop_mark(&self, owner: &Key, object: &Key) {
        let mut all = self.0.lock();
        if let Some(marks) = all.get_mut(owner) {
            marks.remove(object);
            if marks.is_empty() {
                all.remove(owner);
            }
        }
    }
}
