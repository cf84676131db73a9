//! One of the two servers, and how it gets the requests of a sequence.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::protobuf;
use super::sequence::Step;
use crate::load::client::{Connection, Target};

/// How long a watch waits for its events, and any other answer for its end.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it is waited before a request is sent again.
const PAUSE: Duration = Duration::from_millis(200);

/// What a server answered to one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status code.
    pub code: u16,
    /// Headers that clients look at.
    pub headers: BTreeMap<String, String>,
    /// The body: parsed if it is JSON, the events in a list if it is a watch's, text or base64 otherwise.
    pub body: Value,
}

/// Headers that are compared; the others tell of the connection or of one request.
const HEADERS: [&str; 6] = [
    "content-type",
    "warning",
    "allow",
    "location",
    "retry-after",
    "www-authenticate",
];

/// A server and what a sequence remembers of its answers.
pub struct Server {
    target: Target,
    connection: Connection,
    kept: BTreeMap<String, String>,
}

impl Server {
    /// Connects to it.
    pub async fn connect(target: Target) -> io::Result<Self> {
        let connection = target.connect().await?;
        Ok(Self {
            target,
            connection,
            kept: BTreeMap::new(),
        })
    }

    /// Makes a namespace with its account and forgets what was kept.
    pub async fn begin(&mut self, namespace: &str) -> io::Result<()> {
        self.kept = BTreeMap::from([("ns".to_owned(), namespace.to_owned())]);
        let account = format!("POST /api/v1/namespaces/{namespace}/serviceaccounts");
        for (request, object) in [
            (
                "POST /api/v1/namespaces",
                json!({"metadata": {"name": namespace}}),
            ),
            (account.as_str(), json!({"metadata": {"name": "default"}})),
        ] {
            let answer = self.send(&Step::new(request, Some(object))).await?;
            if answer.code != 201 {
                return Err(io::Error::other(format!(
                    "{request}: {} {}",
                    answer.code, answer.body
                )));
            }
        }
        Ok(())
    }

    /// Sends one step.
    pub async fn send(&mut self, step: &Step) -> io::Result<Answer> {
        let mut answer = self.answer(step).await?;
        let start = Instant::now();
        while step.until.is_some_and(|code| answer.code != code) && start.elapsed() < PATIENCE {
            tokio::time::sleep(PAUSE).await;
            answer = self.answer(step).await?;
        }
        for (name, path) in &step.keep {
            let value =
                path.split('.')
                    .fold(&answer.body, |value, part| match part.parse::<usize>() {
                        Ok(index) => &value[index],
                        Err(_) => &value[part],
                    });
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            self.kept.insert(name.clone(), text);
        }
        Ok(answer)
    }

    async fn answer(&mut self, step: &Step) -> io::Result<Answer> {
        match self.exchange(step).await {
            // A server may close a connection after an answer: not what is compared here.
            Err(_) => {
                self.connection = self.target.connect().await?;
                self.exchange(step).await
            }
            answer => answer,
        }
    }

    async fn exchange(&mut self, step: &Step) -> io::Result<Answer> {
        let (method, path) = step
            .request
            .split_once(' ')
            .ok_or_else(|| io::Error::other(format!("no method and path: {}", step.request)))?;
        let method: Method = method.parse().map_err(io::Error::other)?;
        let body = match (&step.body, &step.text) {
            (Some(body), _) => self.filled(&body.to_string()),
            (None, Some(text)) => self.filled(text),
            (None, None) => String::new(),
        };
        let body = match step.protobuf && !body.is_empty() {
            true => protobuf::encoded(&serde_json::from_str(&body)?).ok_or_else(|| {
                io::Error::other(format!("protobuf cannot say this: {}", step.request))
            })?,
            false => body.into_bytes(),
        };
        let kind = step.media_type.as_deref().unwrap_or(match method {
            _ if step.protobuf => protobuf::MEDIA_TYPE,
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        });
        let mut request = Request::builder()
            .method(method)
            .uri(self.filled(path))
            .header(
                "accept",
                step.accept.as_deref().unwrap_or(match step.protobuf {
                    true => protobuf::MEDIA_TYPE,
                    false => "application/json",
                }),
            )
            .header("user-agent", "differential");
        if !body.is_empty() {
            request = request.header("content-type", kind);
        }
        if let Some(user) = &step.user {
            request = request.header("impersonate-user", self.filled(user));
        }
        for group in &step.groups {
            request = request.header("impersonate-group", group);
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(io::Error::other)?;
        let response = self.connection.exchange(request).await?;
        let (code, headers) = (response.status().as_u16(), headers(response.headers()));
        let mut stream = response.into_body();
        let mut bytes = Vec::new();
        let end = tokio::time::Instant::now() + PATIENCE;
        let enough = |bytes: &[u8]| {
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
            step.events.is_some_and(|events| lines >= events)
        };
        let mut whole = false;
        while !enough(&bytes) {
            match tokio::time::timeout_at(end, stream.frame()).await {
                Ok(Some(frame)) => bytes.extend_from_slice(
                    frame
                        .map_err(io::Error::other)?
                        .data_ref()
                        .map_or(&[], |data| data),
                ),
                Ok(None) => {
                    whole = true;
                    break;
                }
                Err(_) => break,
            }
        }
        if !whole {
            // The rest of a watch is not read: the connection is of no more use.
            self.connection = self.target.connect().await?;
        }
        Ok(Answer {
            code,
            body: parsed(&bytes, step.events, &headers),
            headers,
        })
    }

    /// A text with `$name` replaced by what was kept; longer names first.
    fn filled(&self, text: &str) -> String {
        let mut names: Vec<_> = self.kept.iter().collect();
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        names
            .into_iter()
            .fold(text.to_owned(), |text, (name, value)| {
                text.replace(&format!("${name}"), value)
            })
    }
}

fn headers(all: &HeaderMap) -> BTreeMap<String, String> {
    let mut kept = BTreeMap::new();
    for name in HEADERS {
        let mut values: Vec<&str> = all
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        values.sort_unstable();
        if !values.is_empty() {
            kept.insert(name.to_owned(), values.join(" | "));
        }
    }
    kept
}

fn parsed(bytes: &[u8], events: Option<usize>, headers: &BTreeMap<String, String>) -> Value {
    let text = String::from_utf8_lossy(bytes);
    let kind = headers.get("content-type").map_or("", String::as_str);
    let plain = || Value::String(text.clone().into_owned());
    if let Some(events) = events {
        // More may have come in the same frame.
        text.lines()
            .take(events)
            .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| line.into()))
            .collect()
    } else if kind == protobuf::MEDIA_TYPE {
        protobuf::decoded(bytes).unwrap_or_else(|_| plain())
    } else if kind.contains("json") {
        serde_json::from_slice(bytes).unwrap_or_else(|_| plain())
    } else if kind.contains("yaml") {
        serde_yaml::from_slice(bytes).unwrap_or_else(|_| plain())
    } else {
        plain()
    }
}
