//! A watch: the stream of a collection's changes.

use std::time::Duration;

use api::tree::Tree;
use bytes::{Buf, Bytes, BytesMut};
use http::Method;
use http_body_util::BodyExt;
use kube::client::Body;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Client,
    codec::{self, Encoding},
    error::{DecodeError, Error},
    options::WatchOptions,
    request::Outgoing,
    status::Status,
    wire,
};
use crate::resource::Resource;

/// The longest event that is accepted, in bytes: far above what an object may weigh.
const MAX_EVENT: usize = 64 << 20;

/// How much longer than the server's own timeout a connection is believed in.
const SERVER_TIMEOUT_SLACK: Duration = Duration::from_secs(30);

/// How long a silent one is: the server is always asked for bookmarks, and sends one a minute. Of a peer that vanished without
/// a word nothing else would tell, since nothing is sent to it.
const BOOKMARK_PATIENCE: Duration = Duration::from_secs(150);

/// One change.
#[derive(Debug)]
pub enum WatchEvent {
    /// The object appeared, or began to match the selectors.
    Added(Tree),
    /// The object changed.
    Modified(Tree),
    /// The object is gone, or matches no more. Its last state, at the revision of the deletion.
    Deleted(Tree),
    /// Nothing changed up to this revision.
    Bookmark {
        /// Where to resume from.
        resource_version: String,
        /// The initial events, asked for by [`WatchOptions::initial`], are complete.
        initial_events_end: bool,
    },
}

/// The events of one watch, in order. Dropping it ends the watch.
#[derive(Debug)]
pub struct WatchStream {
    resource: Resource,
    encoding: Encoding,
    body: Body,
    buffer: BytesMut,
    deadline: Option<tokio::time::Instant>,
}

impl Client {
    /// Begins a watch over one namespace, or over all with an empty one.
    pub async fn watch(
        &self,
        resource: &Resource,
        namespace: &str,
        options: &WatchOptions,
    ) -> Result<WatchStream, Error> {
        let outgoing = Outgoing {
            method: Method::GET,
            path: resource.collection_path(namespace) + &options.query(),
            accept: codec::accept_watch(resource),
            content_type: None,
            body: Bytes::new(),
        };
        let response = self.within_timeout(self.open(&outgoing)).await?;
        let deadline = (options.timeout_seconds > 0).then(|| {
            tokio::time::Instant::now()
                + Duration::from_secs(options.timeout_seconds.into())
                + SERVER_TIMEOUT_SLACK
        });
        Ok(WatchStream {
            resource: resource.clone(),
            encoding: Encoding::of_headers(response.headers())?,
            body: response.into_body(),
            buffer: BytesMut::new(),
            deadline,
        })
    }
}

impl WatchStream {
    /// The next event; `None` when the server ended the watch in good order. An error of the server (410 among them)
    /// comes as [`Error::Api`]; after any error the stream is at its end.
    pub async fn next(&mut self) -> Option<Result<WatchEvent, Error>> {
        loop {
            match self.take_frame() {
                Ok(Some(frame)) => return Some(self.decode(frame)),
                Ok(None) => {}
                Err(error) => return Some(Err(error.into())),
            }
            let silent = tokio::time::Instant::now() + BOOKMARK_PATIENCE;
            let until = self.deadline.map_or(silent, |end| end.min(silent));
            let frame = match tokio::time::timeout_at(until, self.body.frame()).await {
                Ok(frame) => frame,
                // The server has long ended it: the connection is dead.
                Err(_) if self.deadline == Some(until) => return None,
                Err(_) => return Some(Err(Error::Transport("the watch fell silent".into()))),
            };
            match frame {
                None if self.buffer.is_empty() => return None,
                None => {
                    return Some(Err(Error::Transport(
                        "the watch ended within an event".into(),
                    )));
                }
                Some(Err(error)) => return Some(Err(Error::Transport(Box::new(error)))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
            }
        }
    }

    fn take_frame(&mut self) -> Result<Option<Bytes>, DecodeError> {
        match self.encoding {
            Encoding::Protobuf => {
                let Some(head) = self.buffer.first_chunk::<4>() else {
                    return Ok(None);
                };
                let len = u32::from_be_bytes(*head) as usize;
                if len > MAX_EVENT {
                    return Err(DecodeError::Wire("watch event too long"));
                }
                if self.buffer.len() < 4 + len {
                    self.buffer.reserve(4 + len - self.buffer.len());
                    return Ok(None);
                }
                self.buffer.advance(4);
                Ok(Some(self.buffer.split_to(len).freeze()))
            }
            Encoding::Json => loop {
                let Some(end) = self.buffer.iter().position(|b| *b == b'\n') else {
                    return if self.buffer.len() > MAX_EVENT {
                        Err(DecodeError::Wire("watch event too long"))
                    } else {
                        Ok(None)
                    };
                };
                let line = self.buffer.split_to(end + 1).freeze();
                if !line.trim_ascii().is_empty() {
                    return Ok(Some(line));
                }
            },
        }
    }

    fn decode(&self, frame: Bytes) -> Result<WatchEvent, Error> {
        let (kind, object) = match self.encoding {
            Encoding::Protobuf => wire::watch_event(frame)?,
            Encoding::Json => {
                #[derive(Deserialize)]
                struct Line<'a> {
                    r#type: String,
                    #[serde(borrow)]
                    object: &'a RawValue,
                }
                let line: Line<'_> = serde_json::from_slice(&frame).map_err(DecodeError::from)?;
                (line.r#type, frame.slice_ref(line.object.get().as_bytes()))
            }
        };
        if kind == "ERROR" {
            let status: Status = match self.encoding {
                Encoding::Protobuf => wire::status(wire::open(object)?.raw)?,
                Encoding::Json => serde_json::from_slice(&object).map_err(DecodeError::from)?,
            };
            return Err(Error::Api(Box::new(status)));
        }
        let tree = codec::decode(&self.resource, self.encoding, object)?;
        match kind.as_str() {
            "ADDED" => Ok(WatchEvent::Added(tree)),
            "MODIFIED" => Ok(WatchEvent::Modified(tree)),
            "DELETED" => Ok(WatchEvent::Deleted(tree)),
            "BOOKMARK" => {
                let (resource_version, initial_events_end) = codec::bookmark(&tree);
                Ok(WatchEvent::Bookmark {
                    resource_version,
                    initial_events_end,
                })
            }
            _ => Err(Error::Decode(DecodeError::Object {
                kind: self.resource.kind().to_owned(),
                what: format!("unknown watch event {kind:?}"),
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_falls_silent_is_given_up() {
        let service = tower::service_fn(|_: Request<Body>| async {
            let silence = futures::stream::pending::<Result<Frame<Bytes>, std::io::Error>>();
            let answer = Response::builder().header("content-type", "application/json");
            answer
                .body(StreamBody::new(silence))
                .map_err(std::io::Error::other)
        });
        let pods = Resource::of(api::core::v1::Pod::TYPE);
        let options = WatchOptions {
            timeout_seconds: 400,
            ..Default::default()
        };
        let client = Client::from_service(service);
        let mut watch = client.watch(&pods, "", &options).await.unwrap();
        let began = tokio::time::Instant::now();
        let next = watch.next().await;
        assert!(matches!(next, Some(Err(Error::Transport(_)))), "{next:?}");
        assert_eq!(began.elapsed(), BOOKMARK_PATIENCE);
    }
}
