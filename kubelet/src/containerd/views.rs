//! Read-only snapshots that stay until they are removed, whatever else becomes of their image. A label says whose they are.

use std::collections::HashMap;

use containerd_client::services::v1::snapshots::{ListSnapshotsRequest, ViewSnapshotRequest};
use futures::TryStreamExt;

use super::{Containerd, Error, Mount};

/// containerd collects what nothing refers to, unless it has this label: the time since when.
const KEPT: &str = "containerd.io/gc.root";

impl Containerd {
    /// A read-only snapshot of `parent` with the label `name` = `owner`; what it is mounted with if it exists already.
    ///
    /// # Errors
    /// When the parent does not exist or containerd refuses.
    pub async fn keep_view(
        &self,
        key: &str,
        parent: &str,
        (name, owner): (&str, &str),
        now: jiff::Timestamp,
    ) -> Result<Vec<Mount>, Error> {
        let request = ViewSnapshotRequest {
            snapshotter: self.snapshotter().to_owned(),
            key: key.to_owned(),
            parent: parent.to_owned(),
            labels: HashMap::from([
                (KEPT.to_owned(), now.to_string()),
                (name.to_owned(), owner.to_owned()),
            ]),
        };
        let viewed = self.snapshots_service().view(request).await;
        match viewed.map_err(Error::call("view a snapshot")) {
            Err(error) if error.is_already_exists() => self.snapshot_mounts(key).await,
            viewed => Ok(viewed?.into_inner().mounts),
        }
    }

    /// Owner and name of each snapshot that has the label `name`.
    ///
    /// # Errors
    /// When containerd refuses.
    pub async fn kept_views(&self, name: &str) -> Result<Vec<(String, String)>, Error> {
        let request = ListSnapshotsRequest {
            snapshotter: self.snapshotter().to_owned(),
            filters: vec![format!("labels.{name:?}")],
        };
        let listed = self.snapshots_service().list(request).await;
        let pages = listed.map_err(Error::call("list snapshots"))?.into_inner();
        let pages: Vec<_> = pages
            .map_err(Error::call("list snapshots"))
            .try_collect()
            .await?;
        let snapshots = pages.into_iter().flat_map(|page| page.info);
        let kept = snapshots.filter_map(|mut info| Some((info.labels.remove(name)?, info.name)));
        Ok(kept.collect())
    }

    /// Removes those of one owner. Fine if there is none.
    ///
    /// # Errors
    /// When containerd refuses.
    pub async fn remove_views(&self, name: &str, owner: &str) -> Result<(), Error> {
        for (found, view) in self.kept_views(name).await? {
            if found == owner {
                self.remove_snapshot(&view).await?;
            }
        }
        Ok(())
    }
}
