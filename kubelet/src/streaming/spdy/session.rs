//! The server's side of a connection: streams that the client opens, each with a reader and a writer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio_util::codec::{FramedRead, FramedWrite};
use tokio_util::sync::CancellationToken;

use super::frame::{Decoder, Encoder, Frame};
use super::headers::{Headers, get};
use crate::streaming::idle::Idle;

/// Streams at a time.
const MAX_STREAMS: usize = 1024;
/// Pieces of data of one stream that wait to be taken; the connection waits when there are more.
const WAITING: usize = 4;
/// How long the client may take to close its side once ours is closed.
const LINGER: Duration = Duration::from_secs(5);

const PROTOCOL_ERROR: u32 = 1;
const REFUSED_STREAM: u32 = 3;
const CANCEL: u32 = 5;

/// What comes on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Data.
    Data(Bytes),
    /// The client sends no more.
    Fin,
}

struct Entry {
    events: Option<mpsc::Sender<Event>>,
    gone: CancellationToken,
}

struct Shared {
    streams: Mutex<HashMap<u32, Entry>>,
    frames: mpsc::Sender<Frame>,
    /// The connection is over.
    closed: CancellationToken,
    /// It is to end once what waits is sent.
    finishing: CancellationToken,
    idle: Idle,
}

impl Shared {
    async fn send(&self, frame: Frame) -> bool {
        tokio::select! {
            biased;
            () = self.closed.cancelled() => false,
            sent = self.frames.send(frame) => sent.is_ok(),
        }
    }
}

/// A connection. Dropped, it ends at once.
pub struct Connection {
    incoming: mpsc::Receiver<Stream>,
    shared: Arc<Shared>,
}

/// A stream. Dropped without [`Stream::finish`] it is left as it is: the client learns of its end with the connection's.
pub struct Stream {
    id: u32,
    headers: Headers,
    events: mpsc::Receiver<Event>,
    writer: Writer,
}

/// The sending side of a stream.
pub struct Writer {
    id: u32,
    gone: CancellationToken,
    shared: Arc<Shared>,
}

impl Connection {
    /// Serves `io`.
    pub fn serve<T: AsyncRead + AsyncWrite + Send + 'static>(io: T, idle: Idle) -> Self {
        let (read, write) = tokio::io::split(io);
        let (frames, waiting) = mpsc::channel(8);
        let (streams, incoming) = mpsc::channel(8);
        let shared = Arc::new(Shared {
            streams: Mutex::default(),
            frames,
            closed: CancellationToken::new(),
            finishing: CancellationToken::new(),
            idle,
        });
        tokio::spawn(write_frames(write, waiting, Arc::clone(&shared)));
        tokio::spawn(read_frames(read, streams, Arc::clone(&shared)));
        Self { incoming, shared }
    }

    /// The next stream that the client opens; `None` when it opens no more.
    pub async fn accept(&mut self) -> Option<Stream> {
        self.incoming.recv().await
    }

    /// Ends when the connection does.
    pub fn closed(&self) -> CancellationToken {
        self.shared.closed.clone()
    }

    /// Sends what waits, and ends the connection.
    pub async fn close(self) {
        self.shared.finishing.cancel();
        self.shared.closed.cancelled().await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !self.shared.finishing.is_cancelled() {
            self.shared.closed.cancel();
        }
    }
}

impl Stream {
    /// A header that it was opened with.
    pub fn header(&self, name: &str) -> Option<&str> {
        get(&self.headers, name)
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// What comes next; `None` if the stream or the connection broke off, or has ended before.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// Both sides apart.
    pub fn split(self) -> (mpsc::Receiver<Event>, Writer) {
        (self.events, self.writer)
    }
}

impl Writer {
    /// Sends data; false if nobody is there any more.
    pub async fn write(&self, bytes: Bytes) -> bool {
        let (stream, fin) = (self.id, false);
        !self.gone.is_cancelled() && self.shared.send(Frame::Data { stream, fin, bytes }).await
    }

    /// Says that no more is sent.
    pub async fn finish(&self) {
        let (stream, bytes) = (self.id, Bytes::new());
        if !self.gone.is_cancelled() {
            let fin = true;
            self.shared.send(Frame::Data { stream, fin, bytes }).await;
        }
    }

    /// Ends the stream in both directions.
    pub async fn reset(&self) {
        if !self.gone.is_cancelled() {
            let (stream, status) = (self.id, CANCEL);
            self.shared.send(Frame::RstStream { stream, status }).await;
        }
    }

    /// Ends when the client has reset the stream, or the connection is over.
    pub fn gone(&self) -> CancellationToken {
        self.gone.clone()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.streams.lock().remove(&self.id);
    }
}

async fn write_frames<T: AsyncWrite>(
    io: WriteHalf<T>,
    mut waiting: mpsc::Receiver<Frame>,
    shared: Arc<Shared>,
) {
    let mut sink = FramedWrite::new(io, Encoder::default());
    let work = async {
        loop {
            let frame = tokio::select! {
                biased;
                frame = waiting.recv() => frame,
                () = shared.finishing.cancelled() => break,
            };
            let Some(frame) = frame else { break };
            if matches!(frame, Frame::Data { .. }) {
                shared.idle.touch();
            }
            sink.send(frame).await?;
        }
        sink.send(Frame::GoAway { last: 0, status: 0 }).await?;
        Ok::<_, super::Error>(sink.get_mut().shutdown().await?)
    };
    let outcome = tokio::select! {
        biased;
        () = shared.closed.cancelled() => return,
        outcome = work => outcome,
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "writing SPDY");
    } else {
        // What the client has on its way must be taken, else the end of what it reads is lost in a reset.
        let _ = tokio::time::timeout(LINGER, shared.closed.cancelled()).await;
    }
    shared.closed.cancel();
}

async fn read_frames<T: AsyncRead>(
    io: ReadHalf<T>,
    incoming: mpsc::Sender<Stream>,
    shared: Arc<Shared>,
) {
    let mut frames = FramedRead::new(io, Decoder::default());
    let work = async {
        while let Some(frame) = frames.next().await {
            take(frame?, &incoming, &shared).await;
        }
        Ok::<_, super::Error>(())
    };
    tokio::select! {
        biased;
        () = shared.closed.cancelled() => {}
        outcome = work => if let Err(error) = outcome {
            tracing::debug!(%error, "reading SPDY");
        },
    }
    shared.closed.cancel();
    // Whoever waits for more of a stream learns that there is none.
    let streams = std::mem::take(&mut *shared.streams.lock());
    streams.values().for_each(|entry| entry.gone.cancel());
}

async fn take(frame: Frame, incoming: &mpsc::Sender<Stream>, shared: &Arc<Shared>) {
    match frame {
        Frame::SynStream {
            stream,
            fin,
            headers,
        } => {
            shared.idle.touch();
            open(stream, fin, headers, incoming, shared).await;
        }
        Frame::Data { stream, fin, bytes } => {
            shared.idle.touch();
            if !bytes.is_empty() {
                let events = shared
                    .streams
                    .lock()
                    .get(&stream)
                    .and_then(|entry| entry.events.clone());
                if let Some(events) = events {
                    // Nobody takes it any more, perhaps.
                    let _ = events.send(Event::Data(bytes)).await;
                }
            }
            if fin {
                end(stream, shared).await;
            }
        }
        Frame::Headers {
            stream, fin: true, ..
        } => end(stream, shared).await,
        Frame::RstStream { stream, .. } => {
            if let Some(entry) = shared.streams.lock().remove(&stream) {
                entry.gone.cancel();
            }
        }
        // Those with even numbers would be ours, and we send none.
        Frame::Ping { id } if id % 2 == 1 => {
            shared.send(Frame::Ping { id }).await;
        }
        Frame::SynReply { .. }
        | Frame::Headers { .. }
        | Frame::Settings
        | Frame::Ping { .. }
        | Frame::GoAway { .. }
        | Frame::WindowUpdate { .. } => {}
    }
}

/// The client sends no more on a stream.
async fn end(stream: u32, shared: &Arc<Shared>) {
    let events = shared
        .streams
        .lock()
        .get_mut(&stream)
        .and_then(|entry| entry.events.take());
    if let Some(events) = events {
        let _ = events.send(Event::Fin).await;
    }
}

async fn open(
    stream: u32,
    fin: bool,
    headers: Headers,
    incoming: &mpsc::Sender<Stream>,
    shared: &Arc<Shared>,
) {
    let (sender, events) = mpsc::channel(WAITING);
    let gone = shared.closed.child_token();
    let entry = Entry {
        events: Some(sender),
        gone: gone.clone(),
    };
    let refusal = {
        let mut streams = shared.streams.lock();
        // Clients' streams have odd numbers.
        if stream.is_multiple_of(2) || streams.contains_key(&stream) {
            Some(PROTOCOL_ERROR)
        } else if streams.len() >= MAX_STREAMS {
            Some(REFUSED_STREAM)
        } else {
            streams.insert(stream, entry);
            None
        }
    };
    if let Some(status) = refusal {
        shared.send(Frame::RstStream { stream, status }).await;
        return;
    }
    let reply = Frame::SynReply {
        stream,
        fin: false,
        headers: Headers::new(),
    };
    shared.send(reply).await;
    if fin {
        end(stream, shared).await;
    }
    let writer = Writer {
        id: stream,
        gone,
        shared: Arc::clone(shared),
    };
    // Nobody takes streams any more: the drop of the writer takes it off the list.
    let _ = incoming
        .send(Stream {
            id: stream,
            headers,
            events,
            writer,
        })
        .await;
}
