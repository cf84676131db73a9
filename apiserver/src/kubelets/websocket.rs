//! An answer's body over a WebSocket, for clients that can have no other stream: a message for each piece.
//!
//! The client says nothing; when it closes, the body is given up.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{SinkExt, Stream, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_util::sync::CancellationToken;

use crate::status::plain_text;

/// A client sends nothing but control frames.
const MAX_MESSAGE: usize = 64 * 1024;
/// How long the client may take to close its side.
const LINGER: std::time::Duration = std::time::Duration::from_secs(5);
/// What a client may ask for; the first is for one that names no protocol.
const PROTOCOLS: [&str; 3] = ["", "binary.k8s.io", BASE64];
const BASE64: &str = "base64.binary.k8s.io";

/// What a client and this server agree upon.
pub(super) struct Agreed {
    protocol: &'static str,
    accept: String,
}

/// Whether a request wants a WebSocket.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    has(headers, header::CONNECTION, "upgrade") && has(headers, header::UPGRADE, "websocket")
}

/// The first of the client's protocols that there is, or the refusal.
pub(super) fn agree(headers: &HeaderMap) -> Result<Agreed, Box<Response<Body>>> {
    let refuse = |code, message: &str| Err(Box::new(plain_text(code, message)));
    let key = headers.get(header::SEC_WEBSOCKET_KEY);
    let version = headers.get(header::SEC_WEBSOCKET_VERSION);
    let (Some(key), Some(b"13")) = (key, version.map(HeaderValue::as_bytes)) else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "a WebSocket needs a key and version 13",
        );
    };
    let mut offered = list(headers, header::SEC_WEBSOCKET_PROTOCOL);
    if offered.is_empty() {
        offered.push("");
    }
    let known = |offered: &&str| PROTOCOLS.into_iter().find(|known| known == offered);
    match offered.iter().find_map(known) {
        Some(protocol) => Ok(Agreed {
            protocol,
            accept: derive_accept_key(key.as_bytes()),
        }),
        None => refuse(
            StatusCode::FORBIDDEN,
            "requested protocol(s) are not supported",
        ),
    }
}

/// Answers, and sends `body` once the connection is upgraded, until it ends, the client closes or the server does.
pub(super) fn serve(
    agreed: &Agreed,
    client: OnUpgrade,
    body: impl Stream<Item = Result<Bytes, axum::Error>> + Send + 'static,
    draining: CancellationToken,
) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&agreed.accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if !agreed.protocol.is_empty() {
        let protocol = HeaderValue::from_static(agreed.protocol);
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    let in_base64 = agreed.protocol == BASE64;
    tokio::spawn(async move {
        let sent = async {
            match client.await {
                Ok(io) => send(TokioIo::new(io), body, in_base64).await,
                Err(error) => tracing::debug!(%error, "a connection that was to be upgraded"),
            }
        };
        tokio::select! {
            biased;
            () = draining.cancelled() => {}
            () = sent => {}
        }
    });
    response
}

async fn send<T>(io: T, body: impl Stream<Item = Result<Bytes, axum::Error>>, in_base64: bool)
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
        .write_buffer_size(0);
    let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let (mut sink, mut incoming) = socket.split();
    let message = |bytes: Bytes| match in_base64 {
        true => Message::Text(STANDARD.encode(bytes).into()),
        false => Message::Binary(bytes),
    };
    let mut body = std::pin::pin!(body);
    let sending = async {
        // An empty message tells the client that the connection stands.
        sink.send(message(Bytes::new())).await?;
        while let Some(Ok(piece)) = body.next().await {
            sink.send(message(piece)).await?;
        }
        sink.close().await
    };
    let receiving = async { while let Some(Ok(_)) = incoming.next().await {} };
    let mut receiving = std::pin::pin!(receiving);
    tokio::select! {
        biased;
        () = &mut receiving => return,
        sent = sending => if let Err(error) = sent {
            tracing::debug!(%error, "a log over a WebSocket");
            return;
        },
    }
    let _ = tokio::time::timeout(LINGER, receiving).await;
}

/// The elements of a header that is a list.
fn list(headers: &HeaderMap, name: HeaderName) -> Vec<&str> {
    let lines = headers.get_all(name).into_iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    let elements = lines.flat_map(|line| line.split(',')).map(str::trim);
    elements.filter(|element| !element.is_empty()).collect()
}

fn has(headers: &HeaderMap, name: HeaderName, wanted: &str) -> bool {
    let list = list(headers, name);
    list.iter()
        .any(|element| element.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use tokio::io::duplex;

    async fn received(in_base64: bool) -> Vec<Message> {
        let (client, server) = duplex(64);
        let pieces = ["one\n", "two\n"].map(|piece| Ok(Bytes::from(piece)));
        let sending = tokio::spawn(send(server, stream::iter(pieces), in_base64));
        let mut client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
        let mut all = Vec::new();
        while let Some(Ok(message)) = client.next().await {
            all.push(message);
        }
        sending.await.unwrap();
        all
    }

    #[tokio::test]
    async fn each_piece_is_a_message_and_the_end_a_close() {
        let binary = |text: &'static str| Message::Binary(Bytes::from_static(text.as_bytes()));
        let all = received(false).await;
        assert_eq!(all[..3], [binary(""), binary("one\n"), binary("two\n")]);
        assert!(
            matches!(all[3], Message::Close(_)) && all.len() == 4,
            "{all:?}"
        );
        let all = received(true).await;
        assert_eq!(all[1], Message::Text("b25lCg==".into()));
    }

    /// A client that goes away ends it, though the log goes on.
    #[tokio::test]
    async fn a_client_that_closes_is_not_sent_more() {
        let (client, server) = duplex(64);
        let sending = tokio::spawn(send(server, stream::pending(), false));
        drop(client);
        sending.await.unwrap();
    }
}
