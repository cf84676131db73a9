//! The streams of a container, as channels over a WebSocket: input and the terminal's size go there, output and at the end a
//! status come back.

use std::io::{Read, Write};

use bytes::{BufMut, Bytes, BytesMut};
use futures::{SinkExt as _, StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::terminal;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
/// The byte that follows names a channel that has ended.
const CLOSE: u8 = 255;

/// Which streams are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Send standard input.
    pub stdin: bool,
    /// A terminal in the container, shown in the one here.
    pub tty: bool,
}

impl Wanted {
    /// For the query.
    pub fn pairs(self) -> Vec<(&'static str, &'static str)> {
        let mut pairs = vec![("stdout", "true")];
        if self.stdin {
            pairs.push(("stdin", "true"));
        }
        // A terminal has one output.
        pairs.push(if self.tty {
            ("tty", "true")
        } else {
            ("stderr", "true")
        });
        pairs
    }
}

fn message(channel: u8, data: &[u8]) -> Message {
    let mut message = BytesMut::with_capacity(data.len() + 1);
    message.put_u8(channel);
    message.put_slice(data);
    Message::Binary(message.freeze())
}

/// Shows a container's streams until they end.
///
/// # Errors
/// [`Error::Exited`] if what ran has another exit code than 0.
pub async fn show(
    cluster: &Cluster,
    path: &str,
    wanted: Wanted,
    out: &mut dyn Write,
) -> Result<()> {
    let connection = cluster.channels(path).await?;
    let can_close = connection.supports_stream_close();
    let (mut sink, mut incoming) = connection.into_stream().split();
    let _raw = wanted.tty.then(terminal::Raw::begin).flatten();
    let sending = async {
        let mut input = wanted.stdin.then(standard_input);
        let mut resized = signal(SignalKind::window_change())?;
        let mut size = wanted.tty.then(terminal::size).flatten();
        loop {
            if let Some((width, height)) = size.take() {
                let size = json!({"Width": width, "Height": height}).to_string();
                sink.send(message(RESIZE, size.as_bytes()))
                    .await
                    .map_err(broken)?;
            }
            tokio::select! {
                biased;
                chunk = next(&mut input) => match chunk {
                    Some(chunk) => sink.send(message(STDIN, &chunk)).await.map_err(broken)?,
                    None => {
                        input = None;
                        if can_close {
                            sink.send(message(CLOSE, &[STDIN])).await.map_err(broken)?;
                        }
                    }
                },
                Some(()) = resized.recv(), if wanted.tty => size = terminal::size(),
            }
        }
    };
    let receiving = async {
        let mut status = Vec::new();
        while let Some(Ok(message)) = incoming.next().await {
            let bytes = match message {
                Message::Binary(bytes) => bytes,
                Message::Text(text) => Bytes::from(text),
                _ => continue,
            };
            match bytes.split_first() {
                Some((&STDOUT, data)) => {
                    out.write_all(data)?;
                    out.flush()?;
                }
                Some((&STDERR, data)) => std::io::stderr().write_all(data)?,
                Some((&ERROR, data)) => status.extend_from_slice(data),
                _ => {}
            }
        }
        outcome(&status)
    };
    // Side by side: what comes must be taken while something is sent. A command may end before it has taken all of its input:
    // the status decides.
    let mut sending = std::pin::pin!(stream::once(sending));
    let mut receiving = std::pin::pin!(receiving);
    loop {
        tokio::select! {
            biased;
            outcome = &mut receiving => return outcome,
            Some(sent) = sending.next() => {
                let _: Result<()> = sent;
            }
        }
    }
}

fn broken(error: tokio_tungstenite::tungstenite::Error) -> Error {
    Error::Failed(format!(
        "the connection to the container broke off: {error}"
    ))
}

async fn next(input: &mut Option<mpsc::Receiver<Bytes>>) -> Option<Bytes> {
    match input {
        Some(input) => input.recv().await,
        None => std::future::pending().await,
    }
}

/// Standard input in pieces, read by a thread of its own, which nobody waits for at the end.
fn standard_input() -> mpsc::Receiver<Bytes> {
    let (sender, receiver) = mpsc::channel(1);
    let reading = move || {
        let mut chunk = vec![0; 32 * 1024];
        let mut stdin = std::io::stdin().lock();
        while let Ok(read @ 1..) = stdin.read(&mut chunk) {
            let piece = Bytes::copy_from_slice(&chunk[..read]);
            if sender.blocking_send(piece).is_err() {
                return;
            }
        }
    };
    // Without the thread there is no input: the receiver says so.
    let _ = std::thread::Builder::new()
        .name("stdin".into())
        .spawn(reading);
    receiver
}

/// What the status says of the end.
fn outcome(status: &[u8]) -> Result<()> {
    if status.is_empty() {
        return Err(Error::Failed(
            "the connection to the container broke off".into(),
        ));
    }
    let status: Value =
        serde_json::from_slice(status).map_err(|error| Error::Protocol(error.to_string()))?;
    if status["status"] == "Success" {
        return Ok(());
    }
    let causes = status["details"]["causes"].as_array();
    let code = causes
        .into_iter()
        .flatten()
        .find(|cause| cause["reason"] == "ExitCode")
        .and_then(|cause| cause["message"].as_str()?.parse().ok());
    match code {
        Some(code) if status["reason"] == "NonZeroExitCode" => Err(Error::Exited(code)),
        _ => {
            let message = status["message"].as_str().unwrap_or_default();
            Err(Error::Failed(message.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_the_exit_code() {
        assert!(outcome(br#"{"status":"Success"}"#).is_ok());
        let exited = br#"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"42"}]}}"#;
        assert_eq!(outcome(exited).unwrap_err().exit_code(), 42);
        let failed = outcome(br#"{"status":"Failure","message":"no"}"#).unwrap_err();
        assert_eq!((failed.exit_code(), failed.to_string().as_str()), (1, "no"));
        assert!(outcome(b"").is_err());
    }
}
