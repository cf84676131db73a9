//! The content store: blobs by their digest.

use std::collections::HashMap;

use containerd_client::services::v1::{DeleteContentRequest, Info};
use containerd_client::services::v1::{
    InfoRequest, ReadContentRequest, UpdateRequest, WriteAction, WriteContentRequest,
    WriteContentResponse,
};
use futures::{Stream, StreamExt, TryStreamExt};

use super::error::{gone, optional};
use super::{Containerd, Error};

/// What a blob is: media type, digest, size in bytes.
pub type Descriptor = containerd_client::types::Descriptor;

impl Containerd {
    /// Whether the blob is there, whole. It belongs to this connection's lease from now on, so that it stays meanwhile.
    ///
    /// # Errors
    /// When containerd refuses.
    pub async fn keep_content(&self, digest: &str) -> Result<bool, Error> {
        // In this order: between the two it could be collected.
        self.lease_content(digest).await?;
        let request = InfoRequest {
            digest: digest.to_owned(),
        };
        let info = self
            .content_service()
            .info(request)
            .await
            .map_err(Error::call("look up a blob"));
        Ok(optional(info)?.is_some())
    }

    /// The whole blob. For manifests and configs, which are small.
    ///
    /// # Errors
    /// When it does not exist or cannot be read.
    pub async fn read_content(&self, digest: &str) -> Result<Vec<u8>, Error> {
        let request = ReadContentRequest {
            digest: digest.to_owned(),
            offset: 0,
            size: 0,
        };
        let answer = self
            .content_service()
            .read(request)
            .await
            .map_err(Error::call("read a blob"))?;
        let chunks = answer.into_inner().map_err(Error::call("read a blob"));
        chunks
            .try_fold(Vec::new(), |mut all, chunk| async move {
                all.extend_from_slice(&chunk.data);
                Ok(all)
            })
            .await
    }

    /// Writes a blob of `size` bytes, whose digest containerd checks. `labels` name what the blob keeps alive. Fine if it is
    /// there already.
    ///
    /// # Errors
    /// `Source` with what `chunks` yields; otherwise when digest or size differ or containerd refuses.
    pub async fn write_content<E>(
        &self,
        digest: &str,
        size: u64,
        labels: HashMap<String, String>,
        chunks: impl Stream<Item = Result<bytes::Bytes, E>> + Send + 'static,
    ) -> Result<(), Error>
    where
        E: std::fmt::Display + Send + 'static,
    {
        let total =
            i64::try_from(size).map_err(|_| Error::Protocol(format!("a blob of {size} bytes")))?;
        let template = WriteContentRequest {
            action: WriteAction::Write as i32,
            r#ref: format!("gantry-{digest}"),
            total,
            expected: digest.to_owned(),
            ..Default::default()
        };
        // What an interrupted write left would have to be skipped: begin anew instead.
        let abort = containerd_client::services::v1::AbortRequest {
            r#ref: template.r#ref.clone(),
        };
        gone(
            self.content_service()
                .abort(abort)
                .await
                .map(|_| ())
                .map_err(Error::call("abort a write")),
        )?;

        let failure = std::sync::Arc::new(parking_lot::Mutex::new(None));
        let failed = failure.clone();
        let commit = WriteContentRequest {
            action: WriteAction::Commit as i32,
            offset: total,
            labels: labels.clone(),
            ..template.clone()
        };
        let writes = chunks
            .scan((0_i64, false), move |(offset, ended), chunk| {
                let request = match chunk {
                    _ if *ended => None,
                    Ok(data) => {
                        let request = WriteContentRequest {
                            offset: *offset,
                            data: data.to_vec(),
                            ..template.clone()
                        };
                        *offset += i64::try_from(data.len()).unwrap_or(i64::MAX);
                        Some(request)
                    }
                    Err(error) => {
                        *failed.lock() = Some(error.to_string());
                        *ended = true;
                        None
                    }
                };
                futures::future::ready(request)
            })
            .chain(futures::stream::once(futures::future::ready(commit)));
        let call = Error::call("write a blob");
        let written = match self.patient().content_service().write(writes).await {
            Ok(answer) => answer
                .into_inner()
                .try_fold((), |(), _: WriteContentResponse| async { Ok(()) })
                .await
                .map_err(call),
            Err(status) => Err(call(status)),
        };
        if let Some(source) = failure.lock().take() {
            return Err(Error::Source(source));
        }
        match written {
            Err(error) if error.is_already_exists() => self.label_content(digest, labels).await,
            written => written,
        }
    }

    /// Adds labels to a blob.
    ///
    /// # Errors
    /// When it does not exist.
    pub async fn label_content(
        &self,
        digest: &str,
        labels: HashMap<String, String>,
    ) -> Result<(), Error> {
        let paths = labels.keys().map(|key| format!("labels.{key}")).collect();
        let request = UpdateRequest {
            info: Some(Info {
                digest: digest.to_owned(),
                labels,
                ..Default::default()
            }),
            update_mask: Some(prost_types::FieldMask { paths }),
        };
        self.content_service()
            .update(request)
            .await
            .map(|_| ())
            .map_err(Error::call("label a blob"))
    }

    /// Deletes a blob; fine if there is none.
    ///
    /// # Errors
    /// When containerd refuses.
    pub async fn delete_content(&self, digest: &str) -> Result<(), Error> {
        let request = DeleteContentRequest {
            digest: digest.to_owned(),
        };
        gone(
            self.content_service()
                .delete(request)
                .await
                .map(|_| ())
                .map_err(Error::call("delete a blob")),
        )
    }

    /// The digests of all blobs.
    ///
    /// # Errors
    /// When containerd refuses.
    pub async fn contents(&self) -> Result<Vec<String>, Error> {
        let call = "list blobs";
        let answer = self
            .content_service()
            .list(containerd_client::services::v1::ListContentRequest::default())
            .await;
        let pages = answer
            .map_err(Error::call(call))?
            .into_inner()
            .map_err(Error::call(call));
        let pages: Vec<_> = pages.try_collect().await?;
        Ok(pages
            .into_iter()
            .flat_map(|page| page.info)
            .map(|info| info.digest)
            .collect())
    }
}
