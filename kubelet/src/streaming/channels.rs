//! Channels over a WebSocket: each message begins with the number of its channel.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use futures::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use super::idle::Idle;
use super::{Io, websocket};

/// The channel by which the client says that another one, the byte that follows, has ended (from v5 on).
const CLOSE: u8 = 255;
/// How long the client may take to close its side once ours is closed.
const LINGER: std::time::Duration = std::time::Duration::from_secs(5);

/// How a message holds its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    /// A byte for the channel, then the data.
    Raw,
    /// The same, and the client can end a channel.
    RawWithClose,
    /// A digit for the channel, then the data in base64.
    Base64,
}

/// What comes from the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// Data on a channel.
    Data(u8, Bytes),
    /// The client sends no more on a channel.
    End(u8),
}

impl Codec {
    pub(super) fn of(protocol: &str) -> Self {
        match protocol {
            "v5.channel.k8s.io" => Self::RawWithClose,
            _ if protocol.contains("base64") => Self::Base64,
            _ => Self::Raw,
        }
    }

    fn encode(self, channel: u8, data: &[u8]) -> Message {
        if self == Self::Base64 {
            let digit = char::from(b'0' + channel);
            return Message::Text(format!("{digit}{}", STANDARD.encode(data)).into());
        }
        let mut message = BytesMut::with_capacity(data.len() + 1);
        message.put_u8(channel);
        message.put_slice(data);
        Message::Binary(message.freeze())
    }

    /// `Err` ends the connection, as upstream's does; what is no data is passed over.
    fn decode(self, message: Bytes) -> Result<Option<Received>, ()> {
        let Some((channel, data)) = message.split_first() else {
            return Ok(None);
        };
        Ok(match (self, channel) {
            (Self::RawWithClose, &CLOSE) => match data {
                [channel] => Some(Received::End(*channel)),
                _ => return Err(()),
            },
            (Self::Base64, digit) => {
                let data = STANDARD.decode(data).ok();
                data.map(|data| Received::Data(digit.wrapping_sub(b'0'), data.into()))
            }
            (_, channel) => Some(Received::Data(*channel, message.slice(1..))),
        })
    }
}

/// The sending side. Clones share it.
#[derive(Clone)]
pub(super) struct Sender {
    codec: Codec,
    messages: mpsc::Sender<Message>,
    closed: CancellationToken,
}

impl Sender {
    /// Sends data; false if nobody is there any more.
    pub(super) async fn write(&self, channel: u8, data: &[u8]) -> bool {
        let message = self.codec.encode(channel, data);
        tokio::select! {
            biased;
            () = self.closed.cancelled() => false,
            sent = self.messages.send(message) => sent.is_ok(),
        }
    }
}

/// A connection. Dropped, it ends at once.
pub(super) struct Channels {
    pub(super) received: mpsc::Receiver<Received>,
    pub(super) sender: Sender,
    finishing: CancellationToken,
}

impl Channels {
    pub(super) async fn serve<T: Io>(io: T, codec: Codec, idle: Idle) -> Self {
        let (mut sink, mut stream) = websocket::serve(io).await.split();
        let (messages, mut waiting) = mpsc::channel::<Message>(8);
        let (inputs, received) = mpsc::channel(4);
        let (closed, finishing) = (CancellationToken::new(), CancellationToken::new());
        let (over, finish, busy) = (closed.clone(), finishing.clone(), idle.clone());
        tokio::spawn(async move {
            let work = async {
                loop {
                    let message = tokio::select! {
                        biased;
                        message = waiting.recv() => message,
                        () = finish.cancelled() => None,
                    };
                    let Some(message) = message else { break };
                    busy.touch();
                    sink.send(message).await?;
                }
                let code = CloseCode::Normal;
                let reason = Utf8Bytes::default();
                sink.send(Message::Close(Some(CloseFrame { code, reason })))
                    .await
            };
            let closed = tokio::select! {
                biased;
                () = over.cancelled() => return,
                outcome = work => outcome,
            };
            match closed {
                Ok(()) => {
                    let _ = tokio::time::timeout(LINGER, over.cancelled()).await;
                }
                Err(error) => tracing::debug!(%error, "writing a WebSocket"),
            }
            over.cancel();
        });
        let over = closed.clone();
        tokio::spawn(async move {
            let work = async {
                while let Some(Ok(message)) = stream.next().await {
                    let bytes = match message {
                        Message::Binary(bytes) => bytes,
                        Message::Text(text) => Bytes::from(text),
                        _ => continue,
                    };
                    idle.touch();
                    match codec.decode(bytes) {
                        Ok(None) => {}
                        // Nobody takes it any more; the client's close is still waited for.
                        Ok(Some(received)) => drop(inputs.send(received).await),
                        Err(()) => return,
                    }
                }
            };
            tokio::select! {
                biased;
                () = over.cancelled() => {}
                () = work => {}
            }
            over.cancel();
        });
        let sender = Sender {
            codec,
            messages,
            closed,
        };
        Self {
            received,
            sender,
            finishing,
        }
    }

    /// Ends when the connection does.
    pub(super) fn closed(&self) -> CancellationToken {
        self.sender.closed.clone()
    }

    /// Sends what waits, and ends the connection.
    pub(super) async fn close(mut self) {
        self.finishing.cancel();
        // What still comes must not hold up the client's close.
        self.received.close();
        self.sender.closed.cancelled().await;
    }
}

impl Drop for Channels {
    fn drop(&mut self) {
        if !self.finishing.is_cancelled() {
            self.sender.closed.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart() {
        let data = |channel, data: &[u8]| Received::Data(channel, Bytes::copy_from_slice(data));
        let read = |codec: Codec, bytes: &[u8]| codec.decode(Bytes::copy_from_slice(bytes));
        assert_eq!(read(Codec::Raw, b"\x00foo"), Ok(Some(data(0, b"foo"))));
        assert_eq!(read(Codec::Raw, b"\xff\x00"), Ok(Some(data(255, b"\x00"))));
        assert_eq!(
            read(Codec::RawWithClose, b"\xff\x00"),
            Ok(Some(Received::End(0)))
        );
        assert_eq!(read(Codec::RawWithClose, b"\xff"), Err(()));
        assert_eq!(
            read(Codec::Base64, b"0Zm9vCg=="),
            Ok(Some(data(0, b"foo\n")))
        );
        assert_eq!(read(Codec::Base64, b"0Zm9vCg="), Ok(None));
        assert_eq!(read(Codec::Raw, b""), Ok(None));
        assert_eq!(
            Codec::Raw.encode(1, b"x"),
            Message::Binary(Bytes::from_static(b"\x01x"))
        );
        assert_eq!(
            Codec::Base64.encode(1, b"\n"),
            Message::Text("1Cg==".into())
        );
        assert_eq!(Codec::of("v4.base64.channel.k8s.io"), Codec::Base64);
        assert_eq!(Codec::of(""), Codec::Raw);
    }
}
