use std::collections::HashMap;

use containerd_client::services::v1::{
    CreateImageRequest, DeleteImageRequest, GetImageRequest, ListImagesRequest, UpdateImageRequest,
};

use super::error::{gone, optional};
use super::{Containerd, Error};

/// A name that leads to a manifest or an index.
pub type Image = containerd_client::services::v1::Image;

impl Containerd {
    /// The image of this name.
    ///
    /// # Errors
    /// When containerd refuses.
    pub async fn image(&self, name: &str) -> Result<Option<Image>, Error> {
        let request = GetImageRequest {
            name: name.to_owned(),
        };
        let answer = optional(
            self.images_service()
                .get(request)
                .await
                .map_err(Error::call("look up an image")),
        )?;
        Ok(answer.and_then(|answer| answer.into_inner().image))
    }

    /// All images of the namespace.
    ///
    /// # Errors
    /// When containerd refuses.
    pub async fn images(&self) -> Result<Vec<Image>, Error> {
        let answer = self
            .images_service()
            .list(ListImagesRequest::default())
            .await
            .map_err(Error::call("list images"))?;
        Ok(answer.into_inner().images)
    }

    /// Lets `name` lead to `target`, whatever it led to before.
    ///
    /// # Errors
    /// When containerd refuses.
    pub async fn put_image(
        &self,
        name: &str,
        target: super::Descriptor,
        labels: HashMap<String, String>,
    ) -> Result<(), Error> {
        let image = Image {
            name: name.to_owned(),
            labels,
            target: Some(target),
            ..Default::default()
        };
        let create = CreateImageRequest {
            image: Some(image.clone()),
            source_date_epoch: None,
        };
        match self
            .images_service()
            .create(create)
            .await
            .map_err(Error::call("create an image"))
        {
            Err(error) if error.is_already_exists() => {
                let update = UpdateImageRequest {
                    image: Some(image),
                    update_mask: None,
                    source_date_epoch: None,
                };
                self.images_service()
                    .update(update)
                    .await
                    .map(|_| ())
                    .map_err(Error::call("update an image"))
            }
            result => result.map(|_| ()),
        }
    }

    /// Removes the name; its content goes with containerd's next collection, at once if `sync`. Fine if there is none.
    ///
    /// # Errors
    /// When containerd refuses.
    pub async fn delete_image(&self, name: &str, sync: bool) -> Result<(), Error> {
        let request = DeleteImageRequest {
            name: name.to_owned(),
            sync,
            target: None,
        };
        // The collection takes as long as there is to collect.
        gone(
            self.patient()
                .images_service()
                .delete(request)
                .await
                .map(|_| ())
                .map_err(Error::call("delete an image")),
        )
    }
}
