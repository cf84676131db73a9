//! Image volumes of a container that is to be started: pulled as container images are, then mounted.

use api::core::v1::{Container, Pod};
use tokio::time::Instant;

use super::Worker;
use super::images::{ImageWait, Wanted};
use crate::image::ImageInfo;
use crate::pod::container::StartError;

/// What an image volume's reference led to.
pub(super) struct Resolved {
    image: ImageInfo,
    at: Instant,
}

/// An image volume and what it is to show.
pub(super) type VolumeImage = (String, ImageInfo);

impl Worker {
    /// The images of the volumes that the container mounts. What was found for another container of the pod is taken, unless
    /// this one has run since: then its start asks anew, as the pull policy says.
    pub(super) async fn volume_images(
        &mut self,
        pod: Pod<'_>,
        container: Container<'_>,
    ) -> Result<Vec<VolumeImage>, ImageWait> {
        let ended = self.ended_at.get(container.name()).copied();
        let mut images = Vec::new();
        for volume in pod.spec().volumes() {
            let name = volume.name();
            let Some(source) = volume.image() else {
                continue;
            };
            if !container
                .volume_mounts()
                .iter()
                .any(|mount| mount.name() == name)
            {
                continue;
            }
            let known = self.image_volumes.get(name);
            let image = match known.filter(|known| ended.is_none_or(|ended| known.at > ended)) {
                Some(known) => known.image.clone(),
                None => {
                    let wanted = Wanted {
                        image: source.reference(),
                        policy: source.pull_policy(),
                        reference: self.reference(),
                    };
                    let image = self.image(pod, wanted).await?;
                    let resolved = Resolved {
                        image: image.clone(),
                        at: Instant::now(),
                    };
                    self.image_volumes.insert(name.to_owned(), resolved);
                    image
                }
            };
            images.push((name.to_owned(), image));
        }
        Ok(images)
    }

    /// Mounts them where the container's mounts look for them.
    ///
    /// # Errors
    /// In upstream's words.
    pub(super) async fn mount_images(&self, images: &[VolumeImage]) -> Result<(), StartError> {
        for (volume, image) in images {
            let mounted = self.volumes.mount_image(
                &self.shared.containerd,
                &self.uid,
                volume,
                image,
                self.shared.clock.now(),
            );
            mounted.await.map_err(|error| {
                let message = format!(
                    "ImageVolumeMountFailed: failed to mount image volume {volume:?}: {error}"
                );
                StartError::new("CreateContainerError", message)
            })?;
        }
        Ok(())
    }
}
