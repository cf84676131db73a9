use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use runtime::SharedClock;

use super::manifest::{self, ConfigFile, Descriptor, Index, Manifest};
use super::{Config, Error};
use crate::containerd::Containerd;
use crate::oci::{ImageFiles, read_image_files};

/// An image that is unpacked and can be run.
#[derive(Clone, Debug)]
pub struct ImageInfo {
    /// Its full name, as in a container's status.
    pub name: String,
    /// `repository@sha256:…` of what the name leads to, as in a container's `imageID`.
    pub id: String,
    /// The snapshot that containers stand on.
    pub chain: String,
    /// How it wants to be run.
    pub config: Arc<Config>,
    /// Its user database.
    pub files: Arc<ImageFiles>,
    /// Bytes of its compressed layers.
    pub bytes: u64,
}

/// The images of the node.
pub struct Images {
    pub(super) containerd: Containerd,
    /// For how long leases last.
    pub(super) clock: SharedClock,
    /// By the digest that a name leads to.
    unpacked: Mutex<BTreeMap<String, ImageInfo>>,
    /// One pull or unpacking of an image at a time.
    busy: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Images {
    /// The images of this containerd.
    pub fn new(containerd: Containerd, clock: SharedClock) -> Self {
        Self {
            containerd,
            clock,
            unpacked: Mutex::default(),
            busy: Mutex::default(),
        }
    }

    /// The image of this name if it is on the node, unpacked.
    ///
    /// # Errors
    /// When it is there and cannot be read or unpacked.
    pub async fn find(&self, name: &str) -> Result<Option<ImageInfo>, Error> {
        let name = super::normalize(name)?;
        let Some(image) = self.containerd.image(&name).await? else {
            return Ok(None);
        };
        let target = image
            .target
            .ok_or_else(|| Error::Malformed(format!("{name} leads nowhere")))?;
        let known = self.unpacked.lock().get(&target.digest).cloned();
        if let Some(info) = known
            && self.containerd.has_snapshot(&info.chain).await?
        {
            return Ok(Some(ImageInfo {
                id: image_id(&name, &target.digest),
                name,
                ..info
            }));
        }
        let turn = self.turn(&target.digest);
        let _turn = turn.lock().await;
        let info = self.unpack(&name, &target.digest).await?;
        self.unpacked.lock().insert(target.digest, info.clone());
        Ok(Some(info))
    }

    /// All images of the node: every name that leads to one, and its compressed size in bytes.
    ///
    /// # Errors
    /// When containerd refuses.
    pub async fn list(&self) -> Result<Vec<(Vec<String>, u64)>, Error> {
        let mut by_target: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for image in self.containerd.images().await? {
            if let Some(target) = image.target {
                let names = by_target.entry(target.digest.clone()).or_default();
                let id = image_id(&image.name, &target.digest);
                if !names.contains(&id) {
                    names.push(id);
                }
                names.push(image.name);
            }
        }
        let mut list = Vec::new();
        for (digest, mut names) in by_target {
            names.sort();
            names.dedup();
            let known = self.unpacked.lock().get(&digest).map(|info| info.bytes);
            let bytes = match known {
                Some(bytes) => bytes,
                None => match self.manifest(&digest).await {
                    Ok((_, manifest)) => manifest.layers.iter().map(|layer| layer.size).sum(),
                    Err(_) => continue, // half pulled by someone else
                },
            };
            list.push((names, bytes));
        }
        Ok(list)
    }

    /// Serialises work on one image.
    pub(super) fn turn(&self, key: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut busy = self.busy.lock();
        busy.retain(|_, turn| Arc::strong_count(turn) > 1);
        busy.entry(key.to_owned()).or_default().clone()
    }

    /// Writes a small blob: one at a time, since a second write of it would end the first.
    pub(super) async fn put(
        &self,
        containerd: &Containerd,
        blob: &Descriptor,
        labels: HashMap<String, String>,
        bytes: Bytes,
    ) -> Result<(), Error> {
        let turn = self.turn(&blob.digest);
        let _turn = turn.lock().await;
        let chunk = futures::stream::iter([Ok::<_, std::io::Error>(bytes)]);
        Ok(containerd
            .write_content(&blob.digest, blob.size, labels, chunk)
            .await?)
    }

    /// The manifest for this machine that `digest` leads to, and its own digest.
    pub(super) async fn manifest(&self, digest: &str) -> Result<(String, Manifest), Error> {
        let bytes = self.containerd.read_content(digest).await?;
        let document: serde_json::Value = manifest::decode("manifest", &bytes)?;
        if document.get("manifests").is_none() {
            return Ok((digest.to_owned(), manifest::decode("manifest", &bytes)?));
        }
        let index: Index = manifest::decode("index", &bytes)?;
        let chosen = index.choose(digest)?.digest.clone();
        let bytes = self.containerd.read_content(&chosen).await?;
        Ok((chosen, manifest::decode("manifest", &bytes)?))
    }

    /// Turns layers into snapshots, those that are not yet.
    async fn unpack(&self, name: &str, target: &str) -> Result<ImageInfo, Error> {
        let (_, manifest) = self.manifest(target).await?;
        let file: ConfigFile = manifest::decode(
            "config",
            &self
                .containerd
                .read_content(&manifest.config.digest)
                .await?,
        )?;
        let chains = manifest::chain_ids(&file.rootfs.diff_ids);
        if chains.len() != manifest.layers.len() {
            return Err(Error::Malformed(format!(
                "{name}: {} layers and {} diff ids",
                manifest.layers.len(),
                chains.len()
            )));
        }
        let chain = chains
            .last()
            .cloned()
            .ok_or_else(|| Error::Malformed(format!("{name} has no layer")))?;

        // The config refers to the last snapshot, which refers to those below it; until it exists, a lease keeps them.
        let label = format!(
            "containerd.io/gc.ref.snapshot.{}",
            self.containerd.snapshotter()
        );
        let labels = HashMap::from([(label, chain.clone())]);
        self.containerd
            .label_content(&manifest.config.digest, labels)
            .await?;
        let lease = self
            .containerd
            .create_lease(&format!("gantry-unpack-{target}"), self.clock.now())
            .await?;
        let leased = self.containerd.leased(&lease);
        let unpacked =
            match unpack_layers(&leased, &manifest.layers, &file.rootfs.diff_ids, &chains).await {
                Ok(()) => image_files(&leased, &chain).await,
                Err(error) => Err(error),
            };
        self.containerd.delete_lease(&lease).await?;
        let files = unpacked?;
        Ok(ImageInfo {
            name: name.to_owned(),
            id: image_id(name, target),
            chain,
            config: Arc::new(file.config),
            files: Arc::new(files),
            bytes: manifest.layers.iter().map(|layer| layer.size).sum(),
        })
    }
}

async fn unpack_layers(
    containerd: &Containerd,
    layers: &[Descriptor],
    diff_ids: &[String],
    chains: &[String],
) -> Result<(), Error> {
    // The topmost snapshot that exists spares all below it.
    let mut done = chains.len();
    while done > 0 && !containerd.has_snapshot(&chains[done - 1]).await? {
        done -= 1;
    }
    for at in done..chains.len() {
        let parent = if at == 0 { "" } else { &chains[at - 1] };
        let key = format!("gantry-unpack-{}", chains[at]);
        // An interrupted unpacking leaves a half-filled one.
        containerd.remove_snapshot(&key).await?;
        let mounts = containerd.prepare_snapshot(&key, parent).await?;
        let applied = containerd.apply_layer((&layers[at]).into(), mounts).await;
        match applied {
            Ok(diff) if diff == diff_ids[at] => {
                containerd.commit_snapshot(&key, &chains[at]).await?
            }
            Ok(diff) => {
                containerd.remove_snapshot(&key).await?;
                return Err(Error::Malformed(format!(
                    "layer {}: {} instead of {diff}",
                    layers[at].digest, diff_ids[at]
                )));
            }
            Err(error) => {
                containerd.remove_snapshot(&key).await?;
                return Err(error.into());
            }
        }
    }
    Ok(())
}

async fn image_files(containerd: &Containerd, chain: &str) -> Result<ImageFiles, Error> {
    let key = format!("gantry-view-{chain}");
    let mounts = containerd.view_snapshot(&key, chain).await?;
    let files = tokio::task::spawn_blocking(move || read_image_files(&mounts)).await;
    containerd.remove_snapshot(&key).await?;
    let files = files.map_err(|error| Error::Malformed(error.to_string()))?;
    files.map_err(|source| Error::Io {
        path: chain.to_owned(),
        source,
    })
}

/// `repository@digest`.
fn image_id(name: &str, digest: &str) -> String {
    match super::parse(name) {
        Ok(reference) => format!(
            "{}/{}@{digest}",
            reference.registry(),
            reference.repository()
        ),
        Err(_) => digest.to_owned(),
    }
}
