//! Connections to ports, many over one connection of the client's.
//!
//! Over SPDY (also in a WebSocket) each has two streams, one for data and one for what went wrong; over a plain WebSocket each
//! port that the request names has two channels.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::io::ReaderStream;
use tokio_util::sync::CancellationToken;

use super::channels::{Channels, Codec, Received, Sender};
use super::idle::Idle;
use super::spdy::{Connection, Event, Stream, Writer};
use super::upgrade::{Transport, Upgrade};
use super::{Io, websocket};

/// Over SPDY.
pub const SPDY: [&str; 1] = ["portforward.k8s.io"];
/// Over a WebSocket: SPDY in it, or channels.
pub const WEBSOCKET: [&str; 6] = [
    TUNNEL,
    "",
    "channel.k8s.io",
    "base64.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
];
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";

/// Connections at a time.
const MAX_CONNECTIONS: usize = 500;
/// How long the second stream of a pair may be awaited.
const PAIRING: Duration = Duration::from_secs(30);

/// What ports are asked for of.
#[derive(Clone, Debug)]
pub struct Target {
    /// The pod, for what goes wrong.
    pub pod: String,
    /// Its UID.
    pub uid: String,
}

impl Target {
    fn failure(&self, port: u16, why: &io::Error) -> Bytes {
        let Self { pod, uid } = self;
        format!("error forwarding port {port} to pod {pod}, uid {uid}: {why}").into()
    }
}

/// Whether the ports stand in the request: they do for channels.
pub fn names_ports(upgrade: &Upgrade) -> bool {
    upgrade.transport == Transport::WebSocket && upgrade.protocol != TUNNEL
}

/// The ports of a kubelet's query.
///
/// # Errors
/// When there is none, or one is no port.
pub fn ports(query: &[(String, String)]) -> Result<Vec<u16>, String> {
    let named = query.iter().filter(|(key, _)| key == "port");
    let texts: Vec<&str> = named.flat_map(|(_, value)| value.split(',')).collect();
    if texts.is_empty() {
        return Err("query parameter \"port\" is required".into());
    }
    let port = |text: &str| match text.parse::<u16>() {
        Ok(0) => Err(format!("port {text:?} must be > 0")),
        Ok(port) => Ok(port),
        Err(error) => Err(format!("unable to parse {text:?} as a port: {error}")),
    };
    texts.into_iter().map(port).collect()
}

/// Serves a client until it goes away. `connect` makes a connection to a port.
pub async fn serve<T, C, F, S>(
    io: T,
    upgrade: &Upgrade,
    ports: &[u16],
    target: Target,
    connect: C,
    idle: Idle,
) where
    T: Io,
    C: Fn(u16) -> F + Clone + Send + 'static,
    F: Future<Output = io::Result<S>> + Send + 'static,
    S: Io,
{
    if names_ports(upgrade) {
        let codec = Codec::of(&upgrade.protocol);
        channels(
            Channels::serve(io, codec, idle).await,
            ports,
            &target,
            connect,
        )
        .await;
    } else if upgrade.transport == Transport::WebSocket {
        let tunnel = websocket::tunnel(io).await;
        streams(Connection::serve(tunnel, idle), target, connect).await;
    } else {
        streams(Connection::serve(io, idle), target, connect).await;
    }
}

/// A stream that awaits the other one of its connection.
struct Half {
    stream: Stream,
    port: u16,
    is_error: bool,
    since: tokio::time::Instant,
}

async fn streams<C, F, S>(mut connection: Connection, target: Target, connect: C)
where
    C: Fn(u16) -> F + Clone + Send + 'static,
    F: Future<Output = io::Result<S>> + Send + 'static,
    S: Io,
{
    let closed = connection.closed();
    let mut halves: HashMap<String, Half> = HashMap::new();
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut running = JoinSet::new();
    let mut expiry = tokio::time::interval(PAIRING);
    loop {
        let stream = tokio::select! {
            biased;
            Some(_) = running.join_next() => continue,
            stream = connection.accept() => stream,
            _ = expiry.tick() => {
                for (_, half) in halves.extract_if(|_, half| half.since.elapsed() >= PAIRING) {
                    half.stream.split().1.reset().await;
                }
                continue;
            }
        };
        let Some(stream) = stream else { break };
        let Some((request, half)) = introduce(stream).await else {
            continue;
        };
        let Some(other) = halves.remove(&request) else {
            halves.insert(request, half);
            continue;
        };
        let (data, error) = match (half.is_error, other.is_error) {
            (true, false) => (other, half),
            (false, true) => (half, other),
            _ => {
                // Two of a kind: the newer one is refused.
                half.stream.split().1.reset().await;
                halves.insert(request, other);
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            data.stream.split().1.reset().await;
            error.stream.split().1.reset().await;
            continue;
        };
        let (connect, target, port) = (connect.clone(), target.clone(), data.port);
        running.spawn(async move {
            // The client sends nothing on it; kept whole, so that it is known until the end.
            let (_unread, error) = error.stream.split();
            match connect(port).await {
                Ok(socket) => pair(socket, data.stream).await,
                Err(why) => {
                    error.write(target.failure(port, &why)).await;
                    data.stream.split().1.finish().await;
                }
            }
            error.finish().await;
            drop(permit);
        });
    }
    closed.cancelled().await;
    running.shutdown().await;
}

/// What a stream says of itself: the connection that it belongs to, and which of the two it is. One that says nonsense is
/// reset.
async fn introduce(stream: Stream) -> Option<(String, Half)> {
    let port = stream
        .header("port")
        .and_then(|port| port.parse().ok())
        .filter(|port| *port > 0);
    let is_error = match stream.header("streamtype") {
        Some("error") => Some(true),
        Some("data") => Some(false),
        _ => None,
    };
    let (Some(port), Some(is_error)) = (port, is_error) else {
        stream.split().1.reset().await;
        return None;
    };
    // Clients that name no request open the error stream first, and the data stream next.
    let request = match stream.header("requestid") {
        Some(request) => request.to_owned(),
        None if is_error => stream.id().to_string(),
        None => stream.id().saturating_sub(2).to_string(),
    };
    let since = tokio::time::Instant::now();
    Some((
        request,
        Half {
            stream,
            port,
            is_error,
            since,
        },
    ))
}

/// Copies both ways until both have ended, or the client has reset the stream.
async fn pair<S: Io>(socket: S, stream: Stream) {
    let (mut events, writer) = stream.split();
    let gone = writer.gone();
    let (read, mut write) = tokio::io::split(socket);
    let to_socket = async {
        loop {
            match events.recv().await {
                Some(Event::Data(bytes)) => write.write_all(&bytes).await?,
                Some(Event::Fin) => break write.shutdown().await,
                None => break Err(io::ErrorKind::ConnectionReset.into()),
            }
        }
    };
    let outcome = tokio::select! {
        biased;
        () = gone.cancelled() => return,
        outcome = async { tokio::try_join!(to_socket, from_socket(read, &writer)) } => outcome,
    };
    if outcome.is_err() {
        writer.reset().await;
    }
}

async fn from_socket(read: impl tokio::io::AsyncRead, writer: &Writer) -> io::Result<()> {
    let mut chunks = std::pin::pin!(ReaderStream::with_capacity(read, 32 * 1024));
    while let Some(chunk) = futures::StreamExt::next(&mut chunks).await {
        if !writer.write(chunk?).await {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
    }
    writer.finish().await;
    Ok(())
}

async fn channels<C, F, S>(mut channels: Channels, ports: &[u16], target: &Target, connect: C)
where
    C: Fn(u16) -> F + Clone + Send + 'static,
    F: Future<Output = io::Result<S>> + Send + 'static,
    S: Io,
{
    let closed = channels.closed();
    let mut inputs = Vec::new();
    let mut running = JoinSet::new();
    // Channels have a byte for their number.
    for (data, port) in (0..=254).step_by(2).zip(ports) {
        let (port, error) = (*port, data + 1);
        for channel in [data, error] {
            channels.sender.write(channel, &port.to_le_bytes()).await;
        }
        let (input, received) = mpsc::channel(4);
        inputs.push(Some(input));
        let (sender, connect) = (channels.sender.clone(), connect.clone());
        let (target, closed) = (target.clone(), closed.clone());
        running.spawn(async move {
            match connect(port).await {
                Ok(socket) => channel(socket, data, received, &sender, &closed).await,
                Err(why) => {
                    sender.write(error, &target.failure(port, &why)).await;
                }
            }
        });
    }
    let work = async {
        loop {
            tokio::select! {
                biased;
                done = running.join_next() => if done.is_none() { return },
                received = channels.received.recv() => match received {
                    Some(Received::Data(channel, bytes)) if channel % 2 == 0 => {
                        let at = usize::from(channel / 2);
                        if let Some(input) = inputs.get(at).and_then(Option::as_ref)
                            && input.send(bytes).await.is_err()
                        {
                            inputs[at] = None;
                        }
                    }
                    Some(_) => {}
                    None => return,
                },
            }
        }
    };
    work.await;
    running.shutdown().await;
    channels.close().await;
}

async fn channel<S: Io>(
    socket: S,
    number: u8,
    mut received: mpsc::Receiver<Bytes>,
    sender: &Sender,
    closed: &CancellationToken,
) {
    let (mut read, mut write) = tokio::io::split(socket);
    let to_socket = async {
        while let Some(bytes) = received.recv().await {
            write.write_all(&bytes).await?;
        }
        io::Result::Ok(())
    };
    let from_socket = async {
        let mut chunk = vec![0; 32 * 1024];
        loop {
            match read.read(&mut chunk).await? {
                0 => return io::Result::Ok(()),
                read if sender.write(number, &chunk[..read]).await => {}
                _ => return Err(io::ErrorKind::ConnectionReset.into()),
            }
        }
    };
    // The end of what the port sends ends it: the client has no way to end its side alone.
    tokio::select! {
        biased;
        () = closed.cancelled() => {}
        _ = from_socket => {}
        Err(_) = to_socket => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_numbers_with_commas_between() {
        let query = |value: &str| vec![("port".to_owned(), value.to_owned())];
        assert_eq!(ports(&query("80,8080")), Ok(vec![80, 8080]));
        for wrong in ["0", "", "x", "70000", "80,"] {
            assert!(ports(&query(wrong)).is_err(), "{wrong}");
        }
        assert!(ports(&[]).is_err());
    }
}
