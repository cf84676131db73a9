//! The streams of a command or of an attached container: input, output, the terminal's size, and at the end a status; over
//! SPDY or a WebSocket, in any version of the protocol.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Io;
use super::channels::{Channels, Codec, Received, Sender};
use super::idle::Idle;
use super::spdy::{self, Connection, Event};
use super::upgrade::{Transport, Upgrade};

/// Over SPDY, the newest first.
pub const SPDY: [&str; 4] = [
    "v4.channel.k8s.io",
    "v3.channel.k8s.io",
    "v2.channel.k8s.io",
    "channel.k8s.io",
];
/// Over a WebSocket.
pub const WEBSOCKET: [&str; 6] = [
    "",
    "channel.k8s.io",
    "base64.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "v5.channel.k8s.io",
];
/// How long a SPDY client may take to open its streams.
const OPENING: Duration = Duration::from_secs(30);
/// The most of a size that is not whole yet.
const MAX_SIZE_TEXT: usize = 4096;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;

/// Which streams a client wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// It sends input.
    pub stdin: bool,
    /// It takes output.
    pub stdout: bool,
    /// It takes errors.
    pub stderr: bool,
    /// A terminal: errors come with the output, and its size can change.
    pub tty: bool,
}

impl Options {
    /// Reads a kubelet's query.
    ///
    /// # Errors
    /// When no stream is asked for, in upstream's words.
    pub fn parse(query: &[(String, String)]) -> Result<Self, &'static str> {
        let flag = |name: &str| query.iter().any(|(key, value)| key == name && value == "1");
        let tty = flag("tty");
        let options = Self {
            stdin: flag("input"),
            stdout: flag("output"),
            stderr: flag("error") && !tty,
            tty,
        };
        if !options.stdin && !options.stdout && !options.stderr {
            return Err("you must specify at least 1 of stdin, stdout, stderr");
        }
        Ok(options)
    }
}

/// A terminal's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Size {
    /// Columns.
    #[serde(rename = "Width", alias = "width")]
    pub width: u16,
    /// Rows.
    #[serde(rename = "Height", alias = "height")]
    pub height: u16,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Success,
    /// The command has another exit code than 0.
    Exited(u32),
    /// It could not be done: what and why.
    Failed(String),
}

impl Outcome {
    /// As the API's Status.
    pub fn status(&self) -> Value {
        match self {
            Self::Success => json!({"metadata": {}, "status": "Success"}),
            Self::Exited(code) => json!({
                "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode", "message": self.message(),
                "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
            }),
            Self::Failed(_) => json!({
                "metadata": {}, "status": "Failure", "reason": "InternalError", "message": self.message(),
                "details": {"causes": [{"message": self.message().trim_start_matches("Internal error occurred: ")}]},
                "code": 500,
            }),
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Success => String::new(),
            Self::Exited(code) => {
                format!("command terminated with non-zero exit code: exit status {code}")
            }
            Self::Failed(why) => format!("Internal error occurred: {why}"),
        }
    }
}

/// Input, until its end.
pub struct Stdin(mpsc::Receiver<Bytes>);

impl Stdin {
    /// One that has ended.
    #[cfg(test)]
    pub fn ended() -> Self {
        Self(mpsc::channel(1).1)
    }

    /// What comes next; `None` at its end, or when the client is gone.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.0.recv().await
    }
}

/// Where output goes. Clones share it.
#[derive(Clone)]
pub enum Output {
    /// Channels.
    #[allow(private_interfaces, reason = "made here only")]
    WebSocket(Sender, u8),
    /// A stream.
    #[allow(private_interfaces, reason = "made here only")]
    Spdy(std::sync::Arc<spdy::Writer>),
}

impl Output {
    /// Sends it at the client's pace; false if the client is gone.
    pub async fn write(&self, bytes: Bytes) -> bool {
        match self {
            Self::WebSocket(sender, channel) => sender.write(*channel, &bytes).await,
            Self::Spdy(writer) => writer.write(bytes).await,
        }
    }

    async fn finish(&self) {
        if let Self::Spdy(writer) = self {
            writer.finish().await;
        }
    }
}

enum Connected {
    WebSocket(Channels),
    Spdy(Connection),
}

/// A client with its streams. Dropped, the connection ends at once.
pub struct Remote {
    /// Input, if the client sends any.
    pub stdin: Option<Stdin>,
    /// Where output goes, if the client takes it.
    pub stdout: Option<Output>,
    /// Where errors go, if the client takes them.
    pub stderr: Option<Output>,
    /// The terminal's sizes.
    pub sizes: mpsc::Receiver<Size>,
    /// Ends when the connection does.
    pub closed: CancellationToken,
    error: Output,
    /// From version 4 on the outcome is a Status; before it was a text.
    with_status: bool,
    connected: Connected,
}

/// Why a client has no streams.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It did not open them in time.
    #[error("timed out waiting for client to create streams")]
    TimedOut,
    /// It went away.
    #[error("the client went away before it had opened its streams")]
    Gone,
}

impl Remote {
    /// The streams over `io`.
    ///
    /// # Errors
    /// When the client does not open them.
    pub async fn open<T: Io>(
        io: T,
        upgrade: &Upgrade,
        options: Options,
        idle: Idle,
    ) -> Result<Self, OpenError> {
        match upgrade.transport {
            Transport::WebSocket => Ok(over_websocket(io, &upgrade.protocol, options, idle).await),
            Transport::Spdy => over_spdy(io, &upgrade.protocol, options, idle).await,
        }
    }

    /// Tells the outcome, and ends the connection once all is sent.
    pub async fn end(mut self, outcome: &Outcome) {
        // Nobody takes what still comes; it must not hold up the client's close.
        self.stdin = None;
        self.sizes.close();
        for output in [&self.stdout, &self.stderr].into_iter().flatten() {
            output.finish().await;
        }
        let text = match (self.with_status, outcome) {
            (true, outcome) => outcome.status().to_string(),
            (false, Outcome::Success) => String::new(),
            (false, outcome) => outcome.message(),
        };
        if !text.is_empty() {
            self.error.write(text.into()).await;
        }
        self.error.finish().await;
        match self.connected {
            Connected::WebSocket(channels) => channels.close().await,
            Connected::Spdy(connection) => connection.close().await,
        }
    }
}

async fn over_websocket<T: Io>(io: T, protocol: &str, options: Options, idle: Idle) -> Remote {
    let mut channels = Channels::serve(io, Codec::of(protocol), idle).await;
    let sender = channels.sender.clone();
    let output = |wanted: bool, channel: u8| {
        let sender = sender.clone();
        wanted.then_some(Output::WebSocket(sender, channel))
    };
    let (stdout, stderr) = (
        output(options.stdout, STDOUT),
        output(options.stderr, STDERR),
    );
    let error = Output::WebSocket(sender.clone(), ERROR);
    // An empty message tells the client that the connection stands.
    stdout
        .as_ref()
        .or(stderr.as_ref())
        .unwrap_or(&error)
        .write(Bytes::new())
        .await;
    let closed = channels.closed();
    let (input, stdin) = mpsc::channel(4);
    let (resize, sizes) = mpsc::channel(1);
    let mut input = options.stdin.then_some(input);
    let mut received = std::mem::replace(&mut channels.received, mpsc::channel(1).1);
    tokio::spawn(async move {
        let mut parser = SizeParser::default();
        while let Some(received) = received.recv().await {
            match received {
                Received::Data(STDIN, bytes) => {
                    // Empty messages would be taken for its end.
                    if let Some(sender) = input.as_ref().filter(|_| !bytes.is_empty())
                        && sender.send(bytes).await.is_err()
                    {
                        input = None;
                    }
                }
                Received::End(STDIN) => input = None,
                Received::Data(RESIZE, bytes) => {
                    for size in parser.push(&bytes) {
                        let _ = resize.send(size).await;
                    }
                }
                Received::Data(..) | Received::End(_) => {}
            }
        }
    });
    Remote {
        stdin: options.stdin.then_some(Stdin(stdin)),
        stdout,
        stderr,
        sizes,
        closed,
        error,
        with_status: protocol.starts_with("v4.") || protocol.starts_with("v5."),
        connected: Connected::WebSocket(channels),
    }
}

async fn over_spdy<T: Io>(
    io: T,
    protocol: &str,
    options: Options,
    idle: Idle,
) -> Result<Remote, OpenError> {
    let mut connection = Connection::serve(io, idle);
    let with_status = protocol == SPDY[0];
    let mut awaited = vec!["error"];
    // Only from version 3 on is there a stream for sizes.
    let resizes = options.tty && (with_status || protocol == SPDY[1]);
    for (name, wanted) in [
        ("stdin", options.stdin),
        ("stdout", options.stdout),
        ("stderr", options.stderr),
        ("resize", resizes),
    ] {
        if wanted {
            awaited.push(name);
        }
    }
    let opening = async {
        let mut streams = BTreeMap::new();
        while awaited.iter().any(|name| !streams.contains_key(*name)) {
            let stream = connection.accept().await.ok_or(OpenError::Gone)?;
            let kind = stream.header("streamtype").unwrap_or_default().to_owned();
            match awaited.contains(&kind.as_str()) {
                true => drop(streams.insert(kind, stream)),
                false => {
                    tracing::debug!(kind, "a stream of a type that is not expected");
                    stream.split().1.reset().await;
                }
            }
        }
        Ok(streams)
    };
    let opened = tokio::time::timeout(OPENING, opening).await;
    let mut streams = opened.map_err(|_| OpenError::TimedOut)??;
    let mut output = |name: &str| {
        let stream = streams.remove(name)?;
        Some(Output::Spdy(std::sync::Arc::new(stream.split().1)))
    };
    let (stdout, stderr) = (output("stdout"), output("stderr"));
    let error = output("error").ok_or(OpenError::Gone)?;
    let (resize, sizes) = mpsc::channel(1);
    if let Some(mut stream) = streams.remove("resize") {
        tokio::spawn(async move {
            let mut parser = SizeParser::default();
            while let Some(Event::Data(bytes)) = stream.next().await {
                for size in parser.push(&bytes) {
                    let _ = resize.send(size).await;
                }
            }
        });
    }
    let stdin = streams.remove("stdin").map(|mut stream| {
        let (input, stdin) = mpsc::channel(4);
        tokio::spawn(async move {
            while let Some(Event::Data(bytes)) = stream.next().await {
                if input.send(bytes).await.is_err() {
                    // Taken and thrown away: the client must not wait for a command that takes no more.
                    while let Some(Event::Data(_)) = stream.next().await {}
                }
            }
        });
        Stdin(stdin)
    });
    Ok(Remote {
        stdin,
        stdout,
        stderr,
        sizes,
        closed: connection.closed(),
        error,
        with_status,
        connected: Connected::Spdy(connection),
    })
}

/// Sizes as they come: objects of JSON, one after the other.
#[derive(Default)]
struct SizeParser(Vec<u8>);

impl SizeParser {
    fn push(&mut self, bytes: &[u8]) -> Vec<Size> {
        self.0.extend_from_slice(bytes);
        let mut found = Vec::new();
        let mut values = serde_json::Deserializer::from_slice(&self.0).into_iter::<Size>();
        let mut unreadable = false;
        for size in values.by_ref() {
            match size {
                Ok(size) => found.push(size),
                Err(error) => {
                    unreadable = !error.is_eof();
                    break;
                }
            }
        }
        let read = values.byte_offset();
        self.0.drain(..read);
        if unreadable || self.0.len() > MAX_SIZE_TEXT {
            self.0.clear();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_of_a_kubelets_query() {
        let parse = |names: &[&str]| {
            let query: Vec<(String, String)> = names
                .iter()
                .map(|name| ((*name).to_owned(), "1".to_owned()))
                .collect();
            Options::parse(&query)
        };
        let all = parse(&["input", "output", "error"]).unwrap();
        assert_eq!(
            (all.stdin, all.stdout, all.stderr, all.tty),
            (true, true, true, false)
        );
        // A terminal has one output.
        assert!(!parse(&["output", "error", "tty"]).unwrap().stderr);
        assert!(parse(&["tty"]).is_err());
        assert!(parse(&["error", "tty"]).is_err());
    }

    #[test]
    fn sizes_come_in_any_pieces() {
        let mut parser = SizeParser::default();
        assert_eq!(parser.push(b"{\"Width\":80,"), []);
        let sizes = parser.push(b"\"Height\":24}\n{\"Width\":1,\"Height\":2}\n{");
        assert_eq!(
            sizes,
            [
                Size {
                    width: 80,
                    height: 24
                },
                Size {
                    width: 1,
                    height: 2
                }
            ]
        );
        assert_eq!(parser.push(b"nonsense"), []);
        assert_eq!(parser.push(b"{\"Width\":1,\"Height\":2}").len(), 1);
        assert_eq!(parser.push(&[b' '; 2 * MAX_SIZE_TEXT]), []);
        assert!(parser.0.len() <= MAX_SIZE_TEXT);
    }

    #[test]
    fn an_exit_code_is_a_cause() {
        let status = Outcome::Exited(42).status();
        assert_eq!(status["reason"], "NonZeroExitCode");
        assert_eq!(
            status["details"]["causes"][0],
            json!({"reason": "ExitCode", "message": "42"})
        );
    }
}
