//! A request of the table, how it is sent, and what of the answer is compared.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use e2e::load::client::Target;
use http::{HeaderMap, Method, Request, header};
use http_body_util::Full;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A request: by its parts, or as the bytes that go into the TLS connection.
pub struct Bad {
    /// What it is, when a comparison fails.
    pub what: String,
    form: Form,
    /// Where the sentence is not compared: why it differs.
    pub words_differ: Option<&'static str>,
    /// The code that ours answers where it is another than upstream's, and why.
    pub ours: Option<(u16, &'static str)>,
}

enum Form {
    Parts(Box<Request<Bytes>>),
    Bytes(Vec<u8>),
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The media type of a request that says nothing else.
pub const JSON: &str = "application/json";

/// A request with a body of JSON. A write is a dry run: some of these are refused by nobody.
pub fn send(method: &str, path: impl AsRef<str>, body: impl Into<Vec<u8>>) -> Bad {
    let (path, body) = (path.as_ref(), body.into());
    let path = match (method, path.contains("dryRun="), path.contains('?')) {
        ("POST" | "PUT" | "PATCH" | "DELETE", false, false) => &format!("{path}?dryRun=All"),
        ("POST" | "PUT" | "PATCH" | "DELETE", false, true) => &format!("{path}&dryRun=All"),
        _ => path,
    };
    let what = format!(
        "{method} {path:.120} {:.120}",
        String::from_utf8_lossy(&body)
    );
    let request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(path)
        .header(header::CONTENT_TYPE, JSON)
        .header(header::ACCEPT, JSON)
        .body(body.into())
        .unwrap();
    Bad {
        what,
        form: Form::Parts(Box::new(request)),
        words_differ: None,
        ours: None,
    }
}

/// A request without a body.
pub fn get(path: impl AsRef<str>) -> Bad {
    send("GET", path, "").without(header::CONTENT_TYPE)
}

/// What a client may write into the connection instead of a request. It ends with what makes a server close, or is refused.
pub fn raw(bytes: impl Into<Vec<u8>>) -> Bad {
    let bytes = bytes.into();
    Bad {
        what: format!(
            "{:.160}",
            String::from_utf8_lossy(&bytes).escape_debug().to_string()
        ),
        form: Form::Bytes(bytes),
        words_differ: None,
        ours: None,
    }
}

impl Bad {
    /// The same with a header.
    pub fn with(mut self, name: impl AsRef<str>, value: &str) -> Self {
        if let Form::Parts(request) = &mut self.form {
            let name: header::HeaderName = name.as_ref().parse().unwrap();
            self.what = format!("{} [{name}: {value:.60}]", self.what);
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        self
    }

    /// The same without one.
    pub fn without(mut self, name: header::HeaderName) -> Self {
        if let Form::Parts(request) = &mut self.form {
            request.headers_mut().remove(name);
        }
        self
    }

    /// The same with a body of another media type.
    pub fn media(self, media: &str) -> Self {
        self.with(header::CONTENT_TYPE, media)
    }

    /// The same with another name in reports.
    pub fn named(mut self, what: impl Into<String>) -> Self {
        self.what = what.into();
        self
    }

    /// Compares all but the sentences.
    pub fn words_differ(mut self, why: &'static str) -> Self {
        self.words_differ = Some(why);
        self
    }

    /// Expects another code of ours.
    pub fn ours(mut self, code: u16, why: &'static str) -> Self {
        self.ours = Some((code, why));
        self
    }

    /// Sends it on a connection of its own.
    pub async fn answer(&self, target: &Target) -> Answer {
        let outcome = tokio::time::timeout(PATIENCE, self.exchange(target)).await;
        outcome
            .unwrap_or_else(|_| Err(io::Error::other("no answer in time")))
            .unwrap_or_else(|error| Answer {
                code: 0,
                warnings: Vec::new(),
                body: error.to_string().into(),
            })
    }

    async fn exchange(&self, target: &Target) -> io::Result<Answer> {
        match &self.form {
            Form::Parts(request) => {
                let mut connection = target.connect().await?;
                let answer = connection
                    .request(request.as_ref().clone().map(Full::new))
                    .await?;
                let (head, body) = answer.into_parts();
                Ok(Answer::new(head.status.as_u16(), &head.headers, &body))
            }
            Form::Bytes(bytes) => {
                let mut stream = target.stream().await?;
                // A server that has seen enough answers and closes while this is still being written.
                let _ = stream.write_all(bytes).await;
                let mut answer = Vec::new();
                let _ = stream.read_to_end(&mut answer).await;
                Ok(Answer::of_bytes(&answer))
            }
        }
    }
}

/// What is compared of an answer.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub code: u16,
    pub warnings: Vec<String>,
    /// The Status (or the object, without what differs between any two servers); a text as a string.
    pub body: Value,
}

impl Answer {
    fn new(code: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        let warnings = headers
            .get_all(header::WARNING)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        let mut body = serde_json::from_slice(body)
            .unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into());
        strip(&mut body);
        Self {
            code,
            warnings,
            body,
        }
    }

    /// All but the sentences.
    pub fn outline(&self) -> (u16, &Value, Vec<(&Value, &Value)>) {
        let causes = self.body["details"]["causes"].as_array();
        let causes = causes.into_iter().flatten();
        let causes = causes.map(|cause| (&cause["reason"], &cause["field"]));
        (self.code, &self.body["reason"], causes.collect())
    }

    /// An answer of HTTP/1 as it came; a connection that ends without one is code 0.
    fn of_bytes(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let body = if head
            .to_ascii_lowercase()
            .contains("transfer-encoding: chunked")
        {
            // One chunk holds a whole Status.
            body.split("\r\n").nth(1).unwrap_or_default()
        } else {
            body
        };
        Self::new(code.unwrap_or_default(), &HeaderMap::new(), body.as_bytes())
    }
}

/// What no two servers have in common: times, identities, what is random.
const OWN: [&str; 9] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "managedFields",
    "time",
    "clusterIP",
    "clusterIPs",
    "paths",
];

/// Takes it away.
fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            OWN.iter().for_each(|name| drop(map.remove(*name)));
            map.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}
