//! Whose pods are whose: orphans that match are adopted, pods that match no more released.

use std::sync::Arc;

use api::{tree::Tree, view};
use runtime::{Error, Key, Object, Patch, ResultExt, client::WriteOptions};
use serde_json::json;

use super::PodControl;
use crate::object::{
    owner::Owner,
    pod::{self, ORPHANS, Pod},
};

/// Where a strategic merge patch names finalizers that are to go.
const DELETE_FINALIZERS: &str = "$deleteFromPrimitiveList/finalizers";

impl PodControl<'_> {
    /// The pods that the owner has, and those of its namespace that nobody has.
    pub fn candidates(&self) -> Vec<Arc<Object<Pod>>> {
        let orphans = format!("{ORPHANS}{}", self.key.namespace());
        let mut pods = self.pods.by_index(pod::BY_OWNER, self.uid);
        let orphans = self.pods.by_index(pod::BY_OWNER, &orphans).into_iter();
        pods.extend(orphans.filter(|p| p.value.deletion.is_none()));
        pods
    }

    /// Adopts orphans that are selected, releases pods that are no more, and returns those that are the owner's. One that is
    /// `deleting` keeps what it has.
    pub async fn claim(
        &self,
        deleting: bool,
        selects: impl Fn(&Object<Pod>) -> bool,
        pods: Vec<Arc<Object<Pod>>>,
    ) -> Result<Vec<Arc<Object<Pod>>>, Error> {
        let mut claimed = Vec::with_capacity(pods.len());
        let mut checked = false;
        for pod in pods {
            match &pod.value.controller {
                Some(owner) if *owner.uid != *self.uid => {}
                Some(_) if selects(&pod) => claimed.push(pod),
                Some(_) if !deleting => {
                    let mut release = Owner::release(self.uid, &pod.uid);
                    if let Some(finalizer) = self.finalizer {
                        release["metadata"][DELETE_FINALIZERS] = json!([finalizer]);
                    }
                    let released = self.patch(&pod.key, Patch::Strategic(release)).await;
                    // Gone, or another of that name: nothing to release.
                    released.map(drop).or_else(|e| {
                        if e.is_not_found() || e.is_invalid() {
                            Ok(())
                        } else {
                            Err(e)
                        }
                    })?;
                }
                None if !deleting && selects(&pod) => {
                    // Once before the first adoption: an owner that is about to go must not adopt.
                    if !checked {
                        let live = self.cx.client.get(self.resource, self.key).await;
                        if !live.optional()?.is_some_and(|l| may_adopt(&l, self.uid)) {
                            return Ok(claimed);
                        }
                        checked = true;
                    }
                    let mut adoption = self.owner.adoption(&pod.uid);
                    if let Some(finalizer) = self.finalizer {
                        adoption["metadata"]["finalizers"] = json!([finalizer]);
                    }
                    match self.patch(&pod.key, Patch::Strategic(adoption)).await {
                        Ok(adopted) => claimed.push(Arc::new(Object::read(&adopted))),
                        Err(error) if error.is_not_found() => {}
                        Err(error) => return Err(error),
                    }
                }
                _ => {}
            }
        }
        Ok(claimed)
    }

    /// Changes a pod.
    pub async fn patch(&self, key: &Key, patch: Patch) -> Result<Tree, Error> {
        self.cx
            .client
            .patch(self.pods.resource(), key, &patch, &WriteOptions::default())
            .await
    }
}

/// Whether this is still the same owner, and not about to go.
pub(crate) fn may_adopt(live: &Tree, uid: &str) -> bool {
    let metadata = view::metadata(live);
    metadata.uid() == uid && metadata.deletion_timestamp().is_none()
}
