//! Images from a tar file in the OCI image layout: what `gantry image load` takes.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::future::BoxFuture;

use super::manifest::{self, Descriptor, INDEX, Index, Manifest};
use super::{Error, Images};
use crate::containerd::Containerd;

const CONTAINERD_NAME: &str = "io.containerd.image.name";
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const CHUNK_BYTES: usize = 1 << 20;

impl Images {
    /// Loads the images of the archive at `path` and unpacks them; their full names. With `name`, the archive must hold one
    /// image, and that is its name then.
    ///
    /// # Errors
    /// When the file is no OCI image layout, names no image, or containerd refuses.
    pub fn load<'a>(
        &'a self,
        path: &'a Path,
        name: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        Box::pin(self.load_archive(path, name))
    }

    async fn load_archive(&self, path: &Path, name: Option<&str>) -> Result<Vec<String>, Error> {
        let archive = Archive::open(path).await?;
        let index: Index = manifest::decode("index.json", &archive.read("index.json")?)?;
        if name.is_some() && index.manifests.len() != 1 {
            let count = index.manifests.len();
            return Err(Error::Malformed(format!(
                "{} holds {count} images, not one",
                path.display()
            )));
        }
        let lease = format!(
            "gantry-load-{}",
            manifest::digest(path.as_os_str().as_encoded_bytes())
        );
        let lease = self
            .containerd
            .create_lease(&lease, self.clock.now())
            .await?;
        let loaded = self
            .load_leased(&self.containerd.leased(&lease), &archive, &index, name)
            .await;
        self.containerd.delete_lease(&lease).await?;
        loaded
    }

    async fn load_leased(
        &self,
        containerd: &Containerd,
        archive: &Archive,
        index: &Index,
        name: Option<&str>,
    ) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        for descriptor in &index.manifests {
            let name = self.load_one(containerd, archive, descriptor, name).await?;
            self.find(&name).await?;
            names.push(name);
        }
        Ok(names)
    }

    async fn load_one(
        &self,
        containerd: &Containerd,
        archive: &Archive,
        descriptor: &Descriptor,
        name: Option<&str>,
    ) -> Result<String, Error> {
        let annotated = [CONTAINERD_NAME, REF_NAME]
            .iter()
            .find_map(|key| descriptor.annotations.get(*key));
        let name = name.or(annotated.map(String::as_str)).ok_or_else(|| {
            Error::Malformed(format!(
                "{} carries no name ({CONTAINERD_NAME}): give one",
                descriptor.digest
            ))
        })?;
        let name = super::normalize(name)?;
        let manifest = if descriptor.is_index() {
            let bytes = archive.blob(&descriptor.digest)?;
            let index: Index = manifest::decode("index", &bytes)?;
            let chosen = index.choose(&name)?.clone();
            let label = HashMap::from([(
                "containerd.io/gc.ref.content.m.0".to_owned(),
                chosen.digest.clone(),
            )]);
            self.put(containerd, descriptor, label, bytes.into())
                .await?;
            chosen
        } else {
            descriptor.clone()
        };
        let bytes = archive.blob(&manifest.digest)?;
        let document: Manifest = manifest::decode("manifest", &bytes)?;
        for blob in document.layers.iter().chain([&document.config]) {
            let turn = self.turn(&blob.digest);
            let _turn = turn.lock().await;
            archive.copy(containerd, blob).await?;
        }
        self.put(containerd, &manifest, document.references(), bytes.into())
            .await?;
        let mut target = descriptor.clone();
        if target.media_type.is_empty() {
            target.media_type = INDEX.to_owned();
        }
        containerd
            .put_image(&name, (&target).into(), HashMap::new())
            .await?;
        Ok(name)
    }
}

/// A tar file whose entries are read where they stand.
struct Archive {
    path: PathBuf,
    /// Offset and size of each entry.
    entries: BTreeMap<String, (u64, u64)>,
}

impl Archive {
    async fn open(path: &Path) -> Result<Self, Error> {
        let path = path.to_path_buf();
        let scan = move || -> std::io::Result<Self> {
            let mut tar = tar::Archive::new(File::open(&path)?);
            let mut entries = BTreeMap::new();
            for entry in tar.entries_with_seek()? {
                let entry = entry?;
                let name = entry
                    .path()?
                    .to_string_lossy()
                    .trim_start_matches("./")
                    .to_owned();
                entries.insert(name, (entry.raw_file_position(), entry.size()));
            }
            Ok(Self { path, entries })
        };
        let scanned = tokio::task::spawn_blocking(scan)
            .await
            .map_err(|error| Error::Malformed(error.to_string()))?;
        let archive =
            scanned.map_err(|error| Error::Malformed(format!("not a tar archive: {error}")))?;
        if archive.entries.contains_key("index.json") {
            return Ok(archive);
        }
        let hint = if archive.entries.contains_key("manifest.json") {
            " (Docker's own format is not read: save it with Docker ≥ 25)"
        } else {
            ""
        };
        Err(Error::Malformed(format!(
            "{} is no OCI image layout{hint}",
            archive.path.display()
        )))
    }

    /// A small entry, whole.
    fn read(&self, name: &str) -> Result<Vec<u8>, Error> {
        let failed = |source| Error::Io {
            path: self.path.display().to_string(),
            source,
        };
        let (mut file, size) = self.open_entry(name)?;
        let mut bytes = Vec::new();
        file.by_ref()
            .take(size.min(16 << 20))
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        Ok(bytes)
    }

    fn blob(&self, digest: &str) -> Result<Vec<u8>, Error> {
        self.read(&blob_name(digest))
    }

    fn open_entry(&self, name: &str) -> Result<(File, u64), Error> {
        let failed = |source| Error::Io {
            path: self.path.display().to_string(),
            source,
        };
        let (offset, size) = *self
            .entries
            .get(name)
            .ok_or_else(|| Error::Malformed(format!("{name} is missing")))?;
        let mut file = File::open(&self.path).map_err(failed)?;
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        Ok((file, size))
    }

    /// Copies a blob of any size into the content store.
    async fn copy(&self, containerd: &Containerd, blob: &Descriptor) -> Result<(), Error> {
        if containerd.keep_content(&blob.digest).await? {
            return Ok(());
        }
        let (file, size) = self.open_entry(&blob_name(&blob.digest))?;
        let (sender, receiver) = tokio::sync::mpsc::channel::<std::io::Result<Bytes>>(2);
        tokio::task::spawn_blocking(move || {
            let mut file = file.take(size);
            loop {
                let mut chunk = vec![0; CHUNK_BYTES];
                let sent = match file.read(&mut chunk) {
                    Ok(0) => break,
                    Ok(read) => {
                        chunk.truncate(read);
                        sender.blocking_send(Ok(Bytes::from(chunk)))
                    }
                    Err(error) => sender.blocking_send(Err(error)),
                };
                if sent.is_err() {
                    break;
                }
            }
        });
        let chunks = tokio_stream::wrappers::ReceiverStream::new(receiver);
        Ok(containerd
            .write_content(&blob.digest, blob.size, HashMap::new(), chunks)
            .await?)
    }
}

fn blob_name(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}
