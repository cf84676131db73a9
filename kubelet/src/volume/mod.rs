//! A pod's volumes: made before its containers, kept up to date while it runs, taken away after it. Each is a directory on the
//! node which the containers' mounts bind.

mod atomic;
mod ephemeral;
mod host_path;
mod image;
mod mount_table;
mod ownership;
mod payload;
mod pod_certificates;
mod remove;
mod sub_path;
mod trust_bundles;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use api::core::v1::{Pod, Volume};
use parking_lot::Mutex;
use tokio::time::Instant;

pub use host_path::ensure as ensure_host_path;
pub use mount_table::check_propagation;
pub use pod_certificates::{PodCertificates, is_supported as is_supported_key};
pub use remove::remove_tree;
pub use sub_path::{SubPath, bind as bind_sub_path};
pub use trust_bundles::TrustBundles;

use crate::containerd::Containerd;
use crate::image::ImageInfo;
use crate::objects::Objects;
use crate::pod::label;
use crate::pod_facts::Facts;

/// Why a volume could not be made: its name, and what is wrong.
#[derive(Debug, thiserror::Error)]
#[error("MountVolume.SetUp failed for volume {volume:?} : {reason}")]
pub struct Error {
    /// The volume.
    pub volume: String,
    /// What is wrong.
    pub reason: String,
}

/// The volumes of one pod.
#[derive(Debug)]
pub struct Volumes {
    /// The pod's directory.
    dir: PathBuf,
    kept: payload::Kept,
    /// The paths on the node, once made.
    made: Mutex<BTreeMap<String, PathBuf>>,
    refreshed: Mutex<Option<Refreshed>>,
}

/// The last time that all volumes were made or brought up to date.
#[derive(Debug)]
struct Refreshed {
    at: Instant,
    /// The pod's labels and annotations then: what of it may change and stand in a volume.
    metadata: Vec<(String, String)>,
}

impl Volumes {
    /// Those of the pod whose directory is `dir`.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_path_buf(),
            kept: payload::Kept::default(),
            made: Mutex::default(),
            refreshed: Mutex::default(),
        }
    }

    /// Makes all volumes, or brings those with live content up to date when that was longer than `max_age` ago or the pod's
    /// labels or annotations are others now. One that cannot be made does not keep the others from it.
    ///
    /// # Errors
    /// The first volume that cannot be made.
    pub async fn ensure(
        &self,
        objects: &Objects,
        pod: Pod<'_>,
        facts: &Facts,
        max_age: Duration,
    ) -> Result<(), Error> {
        let began = Instant::now();
        let metadata = metadata(pod);
        let first = {
            let refreshed = self.refreshed.lock();
            match &*refreshed {
                Some(last) if last.at.elapsed() < max_age && last.metadata == metadata => {
                    return Ok(());
                }
                last => last.is_none(),
            }
        };
        let mut failed = None;
        // An image's turn comes with the containers that mount it, whose images are pulled in the same way.
        let volumes = pod.spec().volumes().iter();
        for volume in volumes.filter(|volume| volume.image().is_none()) {
            // A pod starts with what is so now, not with what was read for others before it was there.
            let max_age = if first { began.elapsed() } else { max_age };
            let name = volume.name().to_owned();
            match self.one(objects, pod, volume, facts, max_age).await {
                Ok(path) => {
                    self.made.lock().insert(name, path);
                }
                Err(reason) => {
                    failed.get_or_insert(Error {
                        volume: name,
                        reason,
                    });
                }
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        *self.refreshed.lock() = Some(Refreshed {
            at: Instant::now(),
            metadata,
        });
        Ok(())
    }

    /// Where a volume is on the node.
    pub fn path(&self, volume: &str) -> Option<PathBuf> {
        self.made.lock().get(volume).cloned()
    }

    /// Mounts an image as the volume of this name. One that it showed before stays for the containers that have it.
    ///
    /// # Errors
    /// The reason, when containerd or the kernel refuses.
    pub async fn mount_image(
        &self,
        containerd: &Containerd,
        uid: &str,
        volume: &str,
        image: &ImageInfo,
        now: jiff::Timestamp,
    ) -> Result<(), String> {
        let (_, digest) = image.chain.rsplit_once(':').unwrap_or(("", &image.chain));
        let path = self
            .dir
            .join("volumes/kubernetes.io~image")
            .join(volume)
            .join(digest);
        let key = format!("gantry-volume-{uid}-{volume}-{digest}");
        let mounts = containerd.keep_view(&key, &image.chain, (label::POD_UID, uid), now);
        let mounts = mounts.await.map_err(|error| error.to_string())?;
        let target = path.clone();
        blocking(move || image::ensure(&mounts, &target)).await?;
        self.made.lock().insert(volume.to_owned(), path);
        Ok(())
    }

    async fn one(
        &self,
        objects: &Objects,
        pod: Pod<'_>,
        volume: Volume<'_>,
        facts: &Facts,
        max_age: Duration,
    ) -> Result<PathBuf, String> {
        let fs_group = pod
            .spec()
            .security_context()
            .and_then(|security| security.fs_group())
            .and_then(|gid| u32::try_from(gid).ok());
        let at = |plugin: &str| {
            self.dir
                .join("volumes")
                .join(format!("kubernetes.io~{plugin}"))
                .join(volume.name())
        };
        if let Some(source) = volume.host_path() {
            let (path, kind) = (
                PathBuf::from(source.path()),
                source.type_().unwrap_or_default().to_owned(),
            );
            // Whoever takes it away while the pod runs does not find it made again.
            if self.path(volume.name()).is_some() {
                return Ok(path);
            }
            let checked = path.clone();
            return blocking(move || host_path::ensure(&checked, &kind))
                .await
                .map(|()| path);
        }
        if let Some(source) = volume.empty_dir() {
            let path = at("empty-dir");
            let memory = source.medium() == "Memory";
            let size = source.size_limit().map(|size| size.value());
            let mode = source
                .mode()
                .and_then(|mode| u32::try_from(mode).ok())
                .unwrap_or(0o777);
            let made = path.clone();
            return blocking(move || ephemeral::ensure(&made, memory, size, mode, fs_group))
                .await
                .map(|()| path);
        }
        let plugin = if volume.config_map().is_some() {
            "configmap"
        } else if volume.secret().is_some() {
            "secret"
        } else if volume.downward_api().is_some() {
            "downward-api"
        } else {
            "projected"
        };
        let path = at(plugin);
        let payload = payload::of(objects, pod, volume, facts, &self.kept, max_age).await?;
        // Secrets never reach a disk.
        let secret = matches!(plugin, "secret" | "projected");
        let made = path.clone();
        let name = facts.now.strftime("..%Y_%m_%d_%H_%M_%S").to_string();
        let nanos = facts.now.subsec_nanosecond();
        blocking(move || {
            if secret {
                ephemeral::ensure(&made, true, None, 0o755, None)?;
            }
            atomic::write(&made, &format!("{name}.{nanos}"), &payload, fs_group)
        })
        .await
        .map(|()| path)
    }

    /// Takes all volumes away. Fine if there is none.
    ///
    /// # Errors
    /// When something is still mounted or cannot be removed.
    pub async fn remove(&self) -> std::io::Result<()> {
        let dir = self.dir.clone();
        self.made.lock().clear();
        *self.refreshed.lock() = None;
        blocking(move || remove_tree(&dir))
            .await
            .map_err(std::io::Error::other)
    }
}

fn metadata(pod: Pod<'_>) -> Vec<(String, String)> {
    let (labels, annotations) = (pod.metadata().labels(), pod.metadata().annotations());
    labels
        .iter()
        .chain(annotations.iter())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// Runs file work off the async workers.
pub(crate) async fn blocking(
    work: impl FnOnce() -> std::io::Result<()> + Send + 'static,
) -> Result<(), String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
