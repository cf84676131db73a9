use std::collections::HashMap;

use containerd_client::services::v1::ApplyRequest;
use containerd_client::services::v1::snapshots::{
    CommitSnapshotRequest, ListSnapshotsRequest, MountsRequest, PrepareSnapshotRequest,
    RemoveSnapshotRequest, StatSnapshotRequest, UsageRequest, ViewSnapshotRequest,
};
use futures::TryStreamExt;

use super::error::{gone, optional};
use super::{Containerd, Descriptor, Error};

/// How a snapshot is mounted.
pub type Mount = containerd_client::types::Mount;

impl Containerd {
    /// Whether there is a snapshot of this name.
    ///
    /// # Errors
    /// When containerd refuses.
    pub async fn has_snapshot(&self, key: &str) -> Result<bool, Error> {
        let request = StatSnapshotRequest {
            snapshotter: self.snapshotter().to_owned(),
            key: key.to_owned(),
        };
        let stat = self
            .snapshots_service()
            .stat(request)
            .await
            .map_err(Error::call("look up a snapshot"));
        Ok(optional(stat)?.is_some())
    }

    /// A writable snapshot on top of `parent` (none if empty); what it is mounted with if it exists already.
    ///
    /// # Errors
    /// When the parent does not exist or containerd refuses.
    pub async fn prepare_snapshot(&self, key: &str, parent: &str) -> Result<Vec<Mount>, Error> {
        let request = PrepareSnapshotRequest {
            snapshotter: self.snapshotter().to_owned(),
            key: key.to_owned(),
            parent: parent.to_owned(),
            labels: HashMap::new(),
        };
        match self
            .snapshots_service()
            .prepare(request)
            .await
            .map_err(Error::call("prepare a snapshot"))
        {
            Err(error) if error.is_already_exists() => self.snapshot_mounts(key).await,
            result => Ok(result?.into_inner().mounts),
        }
    }

    /// A read-only snapshot of `parent`; what it is mounted with if it exists already.
    ///
    /// # Errors
    /// When the parent does not exist or containerd refuses.
    pub async fn view_snapshot(&self, key: &str, parent: &str) -> Result<Vec<Mount>, Error> {
        let request = ViewSnapshotRequest {
            snapshotter: self.snapshotter().to_owned(),
            key: key.to_owned(),
            parent: parent.to_owned(),
            labels: HashMap::new(),
        };
        match self
            .snapshots_service()
            .view(request)
            .await
            .map_err(Error::call("view a snapshot"))
        {
            Err(error) if error.is_already_exists() => self.snapshot_mounts(key).await,
            result => Ok(result?.into_inner().mounts),
        }
    }

    /// What an active snapshot is mounted with.
    ///
    /// # Errors
    /// When it does not exist.
    pub async fn snapshot_mounts(&self, key: &str) -> Result<Vec<Mount>, Error> {
        let request = MountsRequest {
            snapshotter: self.snapshotter().to_owned(),
            key: key.to_owned(),
        };
        let answer = self
            .snapshots_service()
            .mounts(request)
            .await
            .map_err(Error::call("ask for a snapshot's mounts"))?;
        Ok(answer.into_inner().mounts)
    }

    /// Turns the active snapshot `key` into the committed one `name`. Fine if that exists.
    ///
    /// # Errors
    /// When containerd refuses.
    pub async fn commit_snapshot(&self, key: &str, name: &str) -> Result<(), Error> {
        let request = CommitSnapshotRequest {
            snapshotter: self.snapshotter().to_owned(),
            name: name.to_owned(),
            key: key.to_owned(),
            labels: HashMap::new(),
        };
        match self
            .snapshots_service()
            .commit(request)
            .await
            .map_err(Error::call("commit a snapshot"))
        {
            Err(error) if error.is_already_exists() => self.remove_snapshot(key).await,
            result => result.map(|_| ()),
        }
    }

    /// Removes a snapshot; fine if there is none.
    ///
    /// # Errors
    /// When others stand on it.
    pub async fn remove_snapshot(&self, key: &str) -> Result<(), Error> {
        let request = RemoveSnapshotRequest {
            snapshotter: self.snapshotter().to_owned(),
            key: key.to_owned(),
        };
        gone(
            self.snapshots_service()
                .remove(request)
                .await
                .map(|_| ())
                .map_err(Error::call("remove a snapshot")),
        )
    }

    /// Names and parents of all snapshots.
    ///
    /// # Errors
    /// When containerd refuses.
    pub async fn snapshots(&self) -> Result<Vec<(String, String)>, Error> {
        let request = ListSnapshotsRequest {
            snapshotter: self.snapshotter().to_owned(),
            filters: Vec::new(),
        };
        let answer = self
            .snapshots_service()
            .list(request)
            .await
            .map_err(Error::call("list snapshots"))?;
        let pages: Vec<_> = answer
            .into_inner()
            .map_err(Error::call("list snapshots"))
            .try_collect()
            .await?;
        Ok(pages
            .into_iter()
            .flat_map(|page| page.info)
            .map(|info| (info.name, info.parent))
            .collect())
    }

    /// Bytes that a snapshot holds beyond its parent.
    ///
    /// # Errors
    /// When it does not exist.
    pub async fn snapshot_bytes(&self, key: &str) -> Result<u64, Error> {
        let request = UsageRequest {
            snapshotter: self.snapshotter().to_owned(),
            key: key.to_owned(),
        };
        let answer = self
            .snapshots_service()
            .usage(request)
            .await
            .map_err(Error::call("measure a snapshot"))?;
        Ok(u64::try_from(answer.into_inner().size).unwrap_or_default())
    }

    /// Unpacks the layer `blob` into what `mounts` leads to; the digest of the uncompressed layer.
    ///
    /// # Errors
    /// When the blob does not exist or is no layer.
    pub async fn apply_layer(&self, blob: Descriptor, mounts: Vec<Mount>) -> Result<String, Error> {
        let request = ApplyRequest {
            diff: Some(blob),
            mounts,
            payloads: HashMap::new(),
            sync_fs: false,
        };
        let answer = self
            .patient()
            .diff_service()
            .apply(request)
            .await
            .map_err(Error::call("unpack a layer"))?;
        let applied = answer.into_inner().applied;
        applied
            .map(|blob| blob.digest)
            .ok_or_else(|| Error::Protocol("unpacking a layer answered nothing".into()))
    }
}
