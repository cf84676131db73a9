//! A pod's status on its way to the API server: always the newest, in a task of its own, so that a server that does not answer
//! holds up no container.

use std::sync::Arc;
use std::time::Duration;

use runtime::client::{DeleteOptions, Patch};
use runtime::{Key, Resource};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::context::Shared;

const RETRY: Duration = Duration::from_secs(1);

pub(super) struct Publisher {
    shared: Arc<Shared>,
    resource: Resource,
    key: Key,
    uid: String,
    newest: watch::Sender<Option<Value>>,
    /// What the server has.
    written: watch::Receiver<Option<Value>>,
}

impl Publisher {
    pub(super) fn start(shared: Arc<Shared>, resource: Resource, key: Key, uid: String) -> Self {
        let (newest, receiver) = watch::channel(None);
        let (done, written) = watch::channel(None);
        let task = (shared.clone(), resource.clone(), key.clone(), uid.clone());
        tokio::spawn(write(task.0, task.1, task.2, task.3, receiver, done));
        Self {
            shared,
            resource,
            key,
            uid,
            newest,
            written,
        }
    }

    /// Has it written, unless it is what was written last.
    pub(super) fn put(&self, status: Value) {
        self.newest.send_if_modified(|newest| {
            let changed = newest.as_ref() != Some(&status);
            if changed {
                *newest = Some(status);
            }
            changed
        });
    }

    /// Waits until what was put last is written.
    pub(super) async fn flush(&mut self) {
        let newest = self.newest.borrow().clone();
        let _ = self.written.wait_for(|written| *written == newest).await;
    }

    /// Removes the pod's object, which was marked as deleted: nothing of it is left here.
    pub(super) async fn remove(&self) {
        let options = DeleteOptions {
            grace_period_seconds: Some(0),
            ..DeleteOptions::of_uid(&self.uid)
        };
        loop {
            match self
                .shared
                .client
                .delete(&self.resource, &self.key, &options)
                .await
            {
                Ok(()) => return,
                // Gone already, or a successor of the same name.
                Err(error) if error.is_not_found() || error.is_conflict() => return,
                Err(error) => {
                    tracing::warn!(pod = %self.key, %error, "cannot remove the object of a pod that has ended");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }
}

async fn write(
    shared: Arc<Shared>,
    resource: Resource,
    key: Key,
    uid: String,
    mut newest: watch::Receiver<Option<Value>>,
    written: watch::Sender<Option<Value>>,
) {
    while newest.changed().await.is_ok() {
        loop {
            let status = newest.borrow_and_update().clone();
            let Some(value) = &status else { break };
            let patch = Patch::Strategic(json!({"metadata": {"uid": uid}, "status": value}));
            match shared.client.patch_status(&resource, &key, &patch).await {
                Ok(_) => {
                    written.send_replace(status);
                    break;
                }
                // Gone, or a successor of the same name has another uid: nothing to tell any more.
                Err(error) if error.is_not_found() || error.is_conflict() => {
                    written.send_replace(status);
                    break;
                }
                Err(error) => {
                    tracing::warn!(pod = %key, %error, "cannot write a pod's status");
                    tokio::select! {
                        biased;
                        changed = newest.changed() => if changed.is_err() { return },
                        () = tokio::time::sleep(RETRY) => {}
                    }
                }
            }
        }
    }
}
