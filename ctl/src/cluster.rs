//! The API server as `ctl` speaks to it: plain paths and JSON over `kube::Client`.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::io::StreamReader;

use crate::error::{Error, Result};

/// A line of a watch is one object; upstream's limit for an object is 3 MiB, with room for escapes.
const LONGEST_LINE: usize = 16 << 20;

/// Which cluster, and as whom.
#[derive(Args, Clone, Debug, Default)]
pub struct Connection {
    /// Kubeconfig file; $KUBECONFIG and then ~/.kube/config when not given.
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig.
    #[arg(long, global = true)]
    pub context: Option<String>,
    /// Namespace; the context's when not given.
    #[arg(short, long, global = true)]
    pub namespace: Option<String>,
    /// URL of the API server, instead of the kubeconfig's.
    #[arg(short, long, global = true, value_name = "URL")]
    pub server: Option<String>,
    /// User to act as.
    #[arg(long = "as", global = true, value_name = "USER")]
    pub as_user: Option<String>,
    /// Groups to act as.
    #[arg(long = "as-group", global = true, value_name = "GROUP")]
    pub as_group: Vec<String>,
    /// How long one request may take, such as 30s; 0 is for ever.
    #[arg(long, global = true, default_value = "0", value_parser = crate::duration::parse)]
    pub request_timeout: Duration,
}

/// A connection to one cluster.
#[derive(Clone)]
pub struct Cluster {
    client: kube::Client,
    server: String,
    /// The namespace of commands which do not name one.
    pub namespace: String,
    timeout: Option<Duration>,
}

impl Cluster {
    /// Reads the kubeconfig; no request is made yet.
    pub async fn connect(connection: &Connection) -> Result<Self> {
        let options = KubeConfigOptions {
            context: connection.context.clone(),
            ..Default::default()
        };
        let mut config = match &connection.kubeconfig {
            Some(path) => {
                kube::Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &options).await?
            }
            None => kube::Config::from_kubeconfig(&options).await?,
        };
        if let Some(server) = &connection.server {
            config.cluster_url = server
                .parse()
                .map_err(|error| Error::Usage(format!("--server {server}: {error}")))?;
        }
        if let Some(user) = &connection.as_user {
            config.auth_info.impersonate = Some(user.clone());
            config.auth_info.impersonate_groups =
                Some(connection.as_group.clone()).filter(|groups| !groups.is_empty());
        }
        // Watches and followed logs are silent for long: only `--request-timeout` ends a request.
        config.read_timeout = None;
        let namespace = connection
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        let server = config.cluster_url.to_string();
        let client =
            kube::Client::try_from(config).map_err(|error| Error::Usage(error.to_string()))?;
        let timeout = Some(connection.request_timeout).filter(|limit| !limit.is_zero());
        Ok(Self {
            client,
            server: server.trim_end_matches('/').to_owned(),
            namespace,
            timeout,
        })
    }

    /// One request; an answer that is no success becomes [`Error::Server`].
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Response<Body>> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("accept", accept);
        let bytes = match body {
            Some((kind, bytes)) => {
                request = request.header("content-type", kind);
                bytes
            }
            None => Vec::new(),
        };
        let request = request
            .body(Body::from(bytes))
            .map_err(|error| Error::Usage(format!("{path}: {error}")))?;
        let answer = match self.timeout {
            Some(limit) => tokio::time::timeout(limit, self.client.send(request))
                .await
                .map_err(|_| {
                    Error::TimedOut(format!("the API server did not answer within {limit:?}"))
                })?,
            None => self.client.send(request).await,
        };
        let answer = answer.map_err(|error| self.unreachable(&error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let code = answer.status().as_u16();
        let bytes = self.bytes(answer).await?;
        Err(refusal(code, &bytes))
    }

    /// Opens a WebSocket with the channels of `exec`, `attach` and `portforward`, version 5 or 4.
    pub async fn channels(&self, path: &str) -> Result<kube::client::Connection> {
        let request = Request::get(path)
            .body(Vec::new())
            .map_err(|error| Error::Usage(format!("{path}: {error}")))?;
        self.client
            .connect(request)
            .await
            .map_err(|error| match error {
                kube::Error::Api(status) => Error::Server {
                    code: status.code,
                    reason: status.reason.clone(),
                    message: status.message.clone(),
                },
                kube::Error::UpgradeConnection(error) => Error::Failed(error.to_string()),
                error => self.unreachable(&error),
            })
    }

    /// One request whose answer is JSON.
    pub async fn json(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Value> {
        self.json_as(method, path, "application/json", body).await
    }

    /// One request whose answer is JSON, with an `Accept` of its own (Tables, aggregated discovery).
    pub async fn json_as(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Value> {
        let answer = self.send(method, path, accept, body).await?;
        let bytes = self.bytes(answer).await?;
        serde_json::from_slice(&bytes).map_err(|error| Error::Protocol(error.to_string()))
    }

    /// Reads one object or list.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.json(Method::GET, path, None).await
    }

    /// The body of an answer, whole.
    pub async fn bytes(&self, answer: Response<Body>) -> Result<Bytes> {
        Ok(answer
            .into_body()
            .collect()
            .await
            .map_err(|error| self.unreachable(&error))?
            .to_bytes())
    }

    /// The lines of a body as they come: objects of a watch, or a log.
    pub async fn lines(
        &self,
        path: &str,
        accept: &str,
    ) -> Result<impl Stream<Item = Result<String>> + Unpin + use<>> {
        let answer = self.send(Method::GET, path, accept, None).await?;
        let bytes = answer
            .into_body()
            .into_data_stream()
            .map_err(std::io::Error::other);
        let lines = FramedRead::new(
            StreamReader::new(Box::pin(bytes)),
            LinesCodec::new_with_max_length(LONGEST_LINE),
        );
        let server = self.server.clone();
        Ok(lines.map(move |line| {
            line.map_err(|error| Error::Unreachable {
                server: server.clone(),
                reason: error.to_string(),
            })
        }))
    }

    /// The events of a watch as (type, object).
    pub async fn watch(
        &self,
        path: &str,
        accept: &str,
    ) -> Result<impl Stream<Item = Result<(String, Value)>> + Unpin + use<>> {
        let lines = self.lines(path, accept).await?;
        Ok(lines.map(|line| {
            let mut event: Value =
                serde_json::from_str(&line?).map_err(|error| Error::Protocol(error.to_string()))?;
            let object = event["object"].take();
            match event["type"].as_str() {
                Some("ERROR") => Err(status_error(&object)),
                Some(kind) => Ok((kind.to_owned(), object)),
                None => Err(Error::Protocol("a watch event without a type".into())),
            }
        }))
    }

    fn unreachable(&self, error: &dyn std::error::Error) -> Error {
        // The outermost message says only that a service failed; the innermost says why.
        let mut cause = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        Error::Unreachable {
            server: self.server.clone(),
            reason: cause.to_string(),
        }
    }
}

/// A Status object as an error.
fn status_error(status: &Value) -> Error {
    let text = |field: &str| status[field].as_str().unwrap_or_default().to_owned();
    let code = status["code"]
        .as_u64()
        .and_then(|code| u16::try_from(code).ok())
        .unwrap_or(500);
    let reason = Some(text("reason"))
        .filter(|reason| !reason.is_empty())
        .unwrap_or_else(|| code.to_string());
    Error::Server {
        code,
        reason,
        message: text("message"),
    }
}

fn refusal(code: u16, body: &[u8]) -> Error {
    match serde_json::from_slice::<Value>(body) {
        Ok(status) if status["kind"] == "Status" => status_error(&status),
        _ => Error::Server {
            code,
            reason: code.to_string(),
            message: String::from_utf8_lossy(body).trim().to_owned(),
        },
    }
}

/// A query string of these pairs, percent-encoded, with its question mark; empty without pairs.
pub fn query(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    text.push(char::from(byte))
                }
                _ => text.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_percent_encoded() {
        assert_eq!(query(&[]), "");
        assert_eq!(
            query(&[("labelSelector", "a in (b,c)"), ("limit", "5")]),
            "?labelSelector=a%20in%20%28b%2Cc%29&limit=5"
        );
    }

    #[test]
    fn a_refusal_that_is_no_status_keeps_its_text() {
        let Error::Server { code, message, .. } = refusal(502, b"bad gateway\n") else {
            panic!()
        };
        assert_eq!((code, message.as_str()), (502, "bad gateway"));
        let error = refusal(
            404,
            br#"{"kind":"Status","reason":"NotFound","code":404,"message":"pods \"x\" not found"}"#,
        );
        assert_eq!(
            error.to_string(),
            "Error from server (NotFound): pods \"x\" not found"
        );
        assert!(error.is_not_found());
    }
}
