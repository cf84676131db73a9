//! One request and its answer, whatever the verb.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use http_body_util::BodyExt;
use kube::client::Body;

use super::{
    Client,
    codec::{self, Encoding},
    error::{DecodeError, Error},
    status::Status,
    wire,
};

/// How often a request is sent again because the server asks for it (client-go's number).
const MAX_RESENDS: u32 = 10;

/// A body, whole.
#[derive(Debug, Clone)]
pub struct RawResponse {
    /// The HTTP status code, a successful one.
    pub code: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl RawResponse {
    pub(super) fn encoding(&self) -> Result<Encoding, DecodeError> {
        Encoding::of_headers(&self.headers)
    }
}

/// A request before it is sent, so that it can be sent again.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub method: Method,
    pub path: String,
    pub accept: &'static str,
    pub content_type: Option<&'static str>,
    pub body: Bytes,
}

impl Outgoing {
    fn build(&self) -> Result<Request<Body>, Error> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(&self.path)
            .header(header::ACCEPT, self.accept);
        if let Some(content_type) = self.content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        request
            .body(Body::from(self.body.clone()))
            .map_err(|e| Error::Request(e.to_string()))
    }
}

impl Client {
    /// Sends a request and reads the whole answer. Answers that are not 2xx become [`Error::Api`].
    pub async fn raw(&self, request: Request<Vec<u8>>) -> Result<RawResponse, Error> {
        let exchange = async {
            self.collect(self.exchange(request.map(Body::from)).await?)
                .await
        };
        self.within_timeout(exchange).await
    }

    /// Sends a request and hands out the answer's body as it comes (logs, for example); no timeout applies to the body.
    pub async fn stream(&self, request: Request<Vec<u8>>) -> Result<Response<Body>, Error> {
        self.within_timeout(self.exchange(request.map(Body::from)))
            .await
    }

    /// A request whose body and answer are JSON: for small things on paths that the caller makes, such as discovery, Leases
    /// and Events. An empty answer is `null`.
    pub async fn json(
        &self,
        method: Method,
        path: String,
        body: Option<&serde_json::Value>,
    ) -> Result<serde_json::Value, Error> {
        let outgoing = Outgoing {
            method,
            path,
            accept: codec::JSON,
            content_type: body.map(|_| codec::JSON),
            body: match body {
                Some(body) => Bytes::from(
                    serde_json::to_vec(body).map_err(|e| Error::Request(e.to_string()))?,
                ),
                None => Bytes::new(),
            },
        };
        let response = self.send(&outgoing).await?;
        if response.body.is_empty() {
            return Ok(serde_json::Value::Null);
        }
        serde_json::from_slice(&response.body).map_err(|e| Error::Decode(e.into()))
    }

    pub(super) async fn send(&self, outgoing: &Outgoing) -> Result<RawResponse, Error> {
        self.within_timeout(async { self.collect(self.open(outgoing).await?).await })
            .await
    }

    /// Sends, and sends again when the server says when.
    pub(super) async fn open(&self, outgoing: &Outgoing) -> Result<Response<Body>, Error> {
        let mut resends = 0;
        loop {
            let error = match self.exchange(outgoing.build()?).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            match (error.retry_after(), error.is_retriable()) {
                (Some(delay), true) if resends < MAX_RESENDS => {
                    resends += 1;
                    tracing::debug!(path = %outgoing.path, ?delay, "the server asks to wait");
                    tokio::time::sleep(delay).await;
                }
                _ => return Err(error),
            }
        }
    }

    async fn exchange(&self, request: Request<Body>) -> Result<Response<Body>, Error> {
        let response = self
            .kube
            .send(request)
            .await
            .map_err(|e| Error::Transport(Box::new(e)))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let code = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|v| v.to_str().ok()?.parse::<u32>().ok());
        let response = self.collect(response).await?;
        let mut status = read_status(&response).unwrap_or_else(|| {
            let text = String::from_utf8_lossy(&response.body[..response.body.len().min(1024)])
                .trim()
                .to_owned();
            Status::from_code(code, text)
        });
        if status.code == 0 {
            status.code = code;
        }
        if let Some(seconds) = retry_after {
            let details = status.details.get_or_insert_default();
            details.retry_after_seconds = details.retry_after_seconds.max(seconds);
        }
        Err(Error::Api(Box::new(status)))
    }

    async fn collect(&self, response: Response<Body>) -> Result<RawResponse, Error> {
        let (parts, body) = response.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|e| Error::Transport(Box::new(e)))?
            .to_bytes();
        Ok(RawResponse {
            code: parts.status.as_u16(),
            headers: parts.headers,
            body,
        })
    }

    pub(super) async fn within_timeout<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        within(self.timeout, work).await
    }
}

/// Runs `work`, or fails after `timeout`.
pub(super) async fn within<T>(
    timeout: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::time::timeout(timeout, work)
        .await
        .unwrap_or(Err(Error::TimedOut(timeout)))
}

/// The `Status` in an answer, if there is one.
fn read_status(response: &RawResponse) -> Option<Status> {
    match response.encoding().ok()? {
        Encoding::Protobuf => {
            let opened = wire::open(response.body.clone()).ok()?;
            (opened.kind == "Status")
                .then(|| wire::status(opened.raw).ok())
                .flatten()
        }
        Encoding::Json => {
            #[derive(serde::Deserialize)]
            struct Kind<'a> {
                kind: Option<std::borrow::Cow<'a, str>>,
            }
            let kind: Kind<'_> = serde_json::from_slice(&response.body).ok()?;
            (kind.kind? == "Status")
                .then(|| serde_json::from_slice(&response.body).ok())
                .flatten()
        }
    }
}
