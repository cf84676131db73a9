//! The WebSocket beneath: its limits, and one as a plain stream of bytes.

use std::io;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};

use super::Io;

/// The longest message that is taken: upstream's figure.
const MAX_MESSAGE: usize = 32 << 20;

/// The server's side of a WebSocket whose request has been answered.
pub(super) async fn serve<T: Io>(io: T) -> WebSocketStream<T> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
        // What is sent waits in the socket, not here.
        .write_buffer_size(0);
    WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await
}

fn broken(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        error => io::Error::other(error),
    }
}

/// The bytes in a WebSocket's messages, as one stream in each direction.
pub(super) async fn tunnel<T: Io>(io: T) -> impl AsyncRead + AsyncWrite + Send + 'static {
    let (sink, stream) = serve(io).await.split();
    let incoming = stream.filter_map(|message| async {
        match message {
            Ok(Message::Binary(bytes)) => Some(Ok(bytes)),
            Ok(Message::Text(text)) => Some(Ok(Bytes::from(text))),
            Ok(_) => None,
            // Its end, whether announced or not.
            Err(Error::ConnectionClosed) => None,
            Err(error) => Some(Err(broken(error))),
        }
    });
    let outgoing = sink
        .sink_map_err(broken)
        .with(async |bytes: Bytes| Ok::<_, io::Error>(Message::Binary(bytes)));
    tokio::io::join(
        StreamReader::new(Box::pin(incoming)),
        SinkWriter::new(CopyToBytes::new(Box::pin(outgoing))),
    )
}
