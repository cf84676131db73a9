//! The image of a container that is to be started: at hand, being pulled, or why not.

use api::core::v1::{Container, Pod, Secret};
use runtime::events::ObjectRef;
use tokio::time::Instant;

use super::image_volumes::VolumeImage;
use super::{Message, Role, Worker};
use crate::image::{Credentials, ImageInfo, PullOptions, Registries, credentials};
use crate::pod::back_off::BackOff;

/// A pull of one image for this pod.
pub(super) enum Pull {
    /// It goes on.
    Pulling { began: Instant },
    /// It is there, for the container that asked.
    Ready(Box<ImageInfo>),
    /// It failed.
    Failed {
        message: String,
        at: Instant,
        back_off: BackOff,
    },
}

/// An image that something of the pod needs.
pub(super) struct Wanted<'a> {
    /// As in the pod.
    pub image: &'a str,
    /// When to pull it.
    pub policy: &'a str,
    /// What events about it name.
    pub reference: ObjectRef,
}

/// Why a container waits for its image: reason and message of its state; when to ask again.
pub(super) struct ImageWait {
    pub reason: &'static str,
    pub message: String,
    pub until: Option<Instant>,
}

impl Worker {
    /// The container's image and those of its image volumes, under the same conditions.
    pub(super) async fn images(
        &mut self,
        pod: Pod<'_>,
        container: Container<'_>,
        role: Role,
    ) -> Result<(ImageInfo, Vec<VolumeImage>), ImageWait> {
        let volumes = self.volume_images(pod, container).await?;
        let wanted = Wanted {
            image: container.image(),
            policy: container.image_pull_policy(),
            reference: self.container_reference(container.name(), role),
        };
        Ok((self.image(pod, wanted).await?, volumes))
    }

    /// The image, if it is there; begins to pull it if that is wanted and possible now.
    pub(super) async fn image(
        &mut self,
        pod: Pod<'_>,
        wanted: Wanted<'_>,
    ) -> Result<ImageInfo, ImageWait> {
        let Wanted {
            image: name,
            policy,
            reference,
        } = wanted;
        let wait = |reason, message, until| ImageWait {
            reason,
            message,
            until,
        };
        if let Err(error) = crate::image::normalize(name) {
            let message = format!("Failed to apply default image tag {name:?}: {error}");
            self.warn_once("InspectFailed", &message);
            return Err(wait("InvalidImageName", message, None));
        }
        if policy != "Always" {
            match self.shared.images.find(name).await {
                Ok(Some(image)) => {
                    if !matches!(self.pulls.remove(name), Some(Pull::Ready(_))) {
                        let message =
                            format!("Container image {name:?} already present on machine");
                        self.shared.recorder.normal(reference, "Pulled", message);
                    }
                    return Ok(image);
                }
                Ok(None) if policy == "Never" => {
                    let message = format!(
                        "Container image {name:?} is not present with pull policy of Never"
                    );
                    self.warn_once("ErrImageNeverPull", &message);
                    return Err(wait(
                        "ErrImageNeverPull",
                        message,
                        Some(Instant::now() + super::RETRY),
                    ));
                }
                Ok(None) => {}
                Err(error) => {
                    self.warn_once("Failed", &error.to_string());
                    return Err(wait(
                        "ImageInspectError",
                        error.to_string(),
                        Some(Instant::now() + super::RETRY),
                    ));
                }
            }
        }
        let now = Instant::now();
        let mut back_off = BackOff::default();
        match self.pulls.remove(name) {
            Some(Pull::Ready(image)) => return Ok(*image),
            Some(Pull::Pulling { began }) => {
                self.pulls.insert(name.to_owned(), Pull::Pulling { began });
                return Err(wait("ContainerCreating", String::new(), None));
            }
            Some(Pull::Failed {
                message,
                at,
                back_off: grown,
            }) => {
                if let Some(until) = grown.until(at, now) {
                    let waiting =
                        format!("Back-off pulling image {name:?}: ErrImagePull: {message}");
                    // For a moment the failure itself is what shows.
                    let first = now.duration_since(at) < std::time::Duration::from_secs(1);
                    let result = if first {
                        wait(
                            "ErrImagePull",
                            message.clone(),
                            Some(at + std::time::Duration::from_secs(1)),
                        )
                    } else {
                        self.warn_once("BackOff", &format!("Back-off pulling image {name:?}"));
                        wait("ImagePullBackOff", waiting, Some(until))
                    };
                    self.pulls.insert(
                        name.to_owned(),
                        Pull::Failed {
                            message,
                            at,
                            back_off: grown,
                        },
                    );
                    return Err(result);
                }
                back_off = grown;
            }
            None => {}
        }
        self.shared
            .recorder
            .normal(reference, "Pulling", format!("Pulling image {name:?}"));
        let options = PullOptions {
            credentials: self.pull_credentials(pod, name).await,
            registries: Registries {
                plain_http: self.shared.config.plain_http_registries.clone(),
                config_dir: Some(self.shared.config.registry_config_dir.clone()),
            },
        };
        back_off.grow(now);
        self.back_offs.insert(format!("pull {name}"), back_off);
        self.pulls
            .insert(name.to_owned(), Pull::Pulling { began: now });
        let (shared, sender, image) = (self.shared.clone(), self.sender.clone(), name.to_owned());
        // The registry client's futures are not `Send` for every lifetime of what they borrow: it gets a thread while it pulls.
        let runtime = tokio::runtime::Handle::current();
        let pulled = image.clone();
        let pulling = tokio::task::spawn_blocking(move || {
            let pulled = runtime.block_on(shared.images.pull(&pulled, &options));
            pulled.map_err(|error| error.to_string())
        });
        tokio::spawn(async move {
            // One that panics has failed, too.
            let result = pulling.await.unwrap_or_else(|error| Err(error.to_string()));
            // The worker may have ended meanwhile.
            let _ = sender.send(Message::Pulled { image, result }).await;
        });
        Err(wait("ContainerCreating", String::new(), None))
    }

    /// Tells once of the container that waits for an image that it may never get.
    pub(super) fn warn_of_image(&mut self, container: &str, role: Role, reason: &str) {
        const FAILURES: [&str; 4] = [
            "ErrImagePull",
            "ImagePullBackOff",
            "ErrImageNeverPull",
            "InvalidImageName",
        ];
        if FAILURES.contains(&reason) && self.told.insert(format!("Failed/{container}/{reason}")) {
            self.shared.recorder.warning(
                self.container_reference(container, role),
                "Failed",
                format!("Error: {reason}"),
            );
        }
    }

    pub(super) fn note_pulled(&mut self, name: &str, result: Result<ImageInfo, String>) {
        let took = match self.pulls.get(name) {
            Some(Pull::Pulling { began }) => began.elapsed(),
            _ => Default::default(),
        };
        match result {
            Ok(image) => {
                let message = format!(
                    "Successfully pulled image {name:?} in {took:.3?} ({took:.3?} including waiting). Image size: {} bytes.",
                    image.bytes
                );
                self.shared
                    .recorder
                    .normal(self.reference(), "Pulled", message);
                self.pulls
                    .insert(name.to_owned(), Pull::Ready(Box::new(image)));
            }
            Err(message) => {
                self.shared.recorder.warning(
                    self.reference(),
                    "Failed",
                    format!("Failed to pull image {name:?}: {message}"),
                );
                let back_off = self
                    .back_offs
                    .remove(&format!("pull {name}"))
                    .unwrap_or_default();
                self.pulls.insert(
                    name.to_owned(),
                    Pull::Failed {
                        message,
                        at: Instant::now(),
                        back_off,
                    },
                );
            }
        }
    }

    /// The logins for this image in the pod's pull secrets.
    async fn pull_credentials(&mut self, pod: Pod<'_>, image: &str) -> Vec<Credentials> {
        let namespace = pod.metadata().namespace();
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for reference in pod.spec().image_pull_secrets() {
            match self
                .shared
                .objects
                .secret(namespace, reference.name(), super::RETRY)
                .await
            {
                Ok(Some(tree)) => {
                    let secret = Secret::of(&tree);
                    for key in [".dockerconfigjson", ".dockercfg"] {
                        found.extend(
                            secret
                                .data()
                                .get(key)
                                .map(|value| credentials(value, image))
                                .unwrap_or_default(),
                        );
                    }
                }
                Ok(None) | Err(_) => missing.push(reference.name().to_owned()),
            }
        }
        if !missing.is_empty() {
            let names = missing.join(", ");
            let message = format!(
                "Unable to retrieve some image pull secrets ({names}); attempting to pull the image may not succeed."
            );
            self.warn_once("FailedToRetrieveImagePullSecret", &message);
        }
        found
    }
}
