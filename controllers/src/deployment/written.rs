//! What was written to ReplicaSets and not yet seen.
//!
//! A write to one ReplicaSet fails if the picture of that one was old. It does not fail if the picture of *another* was,
//! and what one may have depends on what the others have. So a Deployment is not looked at before the informer shows
//! what was last written for it. Of a write whose reply was lost, the server is asked.

use std::{collections::BTreeMap, time::Duration};

use parking_lot::Mutex;
use runtime::{Client, Error, Informer, Key, ResultExt, object::Meta};
use tokio::time::Instant;

use crate::object::replica_set::ReplicaSet;

/// After this time the server is asked whether what was written is there still.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy)]
struct Mark {
    /// The revision that must be seen; `None` while it is unknown.
    revision: Option<u64>,
    since: Instant,
}

/// Writes by Deployment and ReplicaSet.
#[derive(Debug, Default)]
pub(super) struct Written(Mutex<BTreeMap<Key, BTreeMap<Key, Mark>>>);

impl Written {
    /// A ReplicaSet of the Deployment is at this revision now.
    pub(super) fn at(&self, deployment: &Key, set: &Key, resource_version: &str) {
        // Revisions are numbers (KEP-5504); of a server where they are none nothing is waited for.
        if let Ok(revision) = resource_version.parse() {
            self.mark(deployment, set, Some(revision));
        }
    }

    /// A ReplicaSet of the Deployment may have been written: nobody knows.
    pub(super) fn unknown(&self, deployment: &Key, set: &Key) {
        self.mark(deployment, set, None);
    }

    /// The Deployment is gone.
    pub(super) fn forget(&self, deployment: &Key) {
        self.0.lock().remove(deployment);
    }

    fn mark(&self, deployment: &Key, set: &Key, revision: Option<u64>) {
        let mark = Mark {
            revision,
            since: Instant::now(),
        };
        self.0
            .lock()
            .entry(deployment.clone())
            .or_default()
            .insert(set.clone(), mark);
    }

    /// Whether the informer shows all that was written for the Deployment.
    pub(super) async fn is_seen(
        &self,
        client: &Client,
        sets: &Informer<ReplicaSet>,
        deployment: &Key,
    ) -> Result<bool, Error> {
        let open = self.0.lock().get(deployment).cloned().unwrap_or_default();
        let mut seen = true;
        for (set, mut mark) in open {
            if mark.revision.is_none() || mark.since.elapsed() >= PATIENCE {
                let Some(live) = client.get(sets.resource(), &set).await.optional()? else {
                    self.drop_mark(deployment, &set);
                    continue;
                };
                mark = Mark {
                    revision: Meta::of(&live).resource_version.parse().ok(),
                    since: Instant::now(),
                };
                self.mark(deployment, &set, mark.revision);
            }
            let shown = sets
                .get(&set)
                .and_then(|s| s.resource_version.parse::<u64>().ok());
            if shown.is_some() && shown >= mark.revision {
                self.drop_mark(deployment, &set);
            } else {
                seen = false;
            }
        }
        Ok(seen)
    }

    fn drop_mark(&self, deployment: &Key, set: &Key) {
        let mut all = self.0.lock();
        if let Some(marks) = all.get_mut(deployment) {
            marks.remove(set);
            if marks.is_empty() {
                all.remove(deployment);
            }
        }
    }
}
