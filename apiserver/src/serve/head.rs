//! A limit for the head of a request (HTTP/1.1): from its first byte, and for the first request from the start.
//!
//! hyper has one limit for a head and for the silence before it; clients that keep connections open need more of the latter.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

const BETWEEN: u8 = 0;
const IN_REQUEST: u8 = 1;
const UPGRADED: u8 = 2;

/// What a connection is at: told by the service, read by the stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress(Arc<AtomicU8>);

impl Progress {
    /// A head is whole.
    pub(super) fn begin(&self) {
        self.set(IN_REQUEST);
    }

    /// The request has its answer; another may follow.
    pub(super) fn end(&self) {
        self.set(BETWEEN);
    }

    /// The connection speaks something else from here on.
    pub(super) fn upgrade(&self) {
        self.set(UPGRADED);
    }

    fn set(&self, state: u8) {
        // What was upgraded stays so.
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                (now != UPGRADED).then_some(state)
            });
    }

    fn is_between(&self) -> bool {
        self.0.load(Ordering::Relaxed) == BETWEEN
    }
}

/// A stream whose reads fail when a head takes too long.
pub(super) struct Timed<S> {
    stream: S,
    progress: Progress,
    limit: Duration,
    /// Runs while a head is awaited.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Timed<S> {
    /// `stream`, whose first head is awaited from now on.
    pub(super) fn new(stream: S, progress: Progress, limit: Duration) -> Timed<S> {
        Timed {
            stream,
            progress,
            limit,
            timer: Some(Box::pin(sleep(limit))),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let between = this.progress.is_between();
        if !between {
            this.timer = None;
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if between && this.timer.is_none() && buf.filled().len() > before {
            this.timer = Some(Box::pin(sleep(this.limit)));
        }
        if let (Some(timer), Poll::Pending) = (&mut this.timer, &read)
            && timer.as_mut().poll(cx).is_ready()
        {
            let why = "the head of a request took too long";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::{Instant, advance};

    const LIMIT: Duration = Duration::from_secs(32);

    #[tokio::test(start_paused = true)]
    async fn the_first_head_has_its_time_from_the_start() {
        let (mut client, server) = duplex(64);
        let mut timed = Timed::new(server, Progress::default(), LIMIT);
        client.write_all(b"GET").await.unwrap();
        let start = Instant::now();
        let mut all = Vec::new();
        let error = timed.read_to_end(&mut all).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!((start.elapsed(), all.as_slice()), (LIMIT, &b"GET"[..]));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_between_requests_and_long_requests_are_not_limited() {
        let (mut client, server) = duplex(64);
        let progress = Progress::default();
        let mut timed = Timed::new(server, progress.clone(), LIMIT);
        let mut byte = [0];
        client.write_all(b"abc").await.unwrap();
        timed.read_exact(&mut byte).await.unwrap();
        progress.begin();
        timed.read_exact(&mut byte).await.unwrap();
        advance(LIMIT * 3).await;
        timed.read_exact(&mut byte).await.unwrap();
        progress.end();
        let mut rest = Vec::new();
        let silent = tokio::time::timeout(LIMIT * 2, timed.read_to_end(&mut rest)).await;
        assert!(silent.is_err(), "silence is hyper's to judge");
        client.write_all(b"x").await.unwrap();
        let start = Instant::now();
        assert!(timed.read_to_end(&mut rest).await.is_err());
        assert_eq!(start.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn an_upgraded_connection_is_not_limited() {
        let (mut client, server) = duplex(64);
        let progress = Progress::default();
        let mut timed = Timed::new(server, progress.clone(), LIMIT);
        progress.begin();
        progress.upgrade();
        progress.end();
        client.write_all(b"x").await.unwrap();
        let mut rest = Vec::new();
        let read = tokio::time::timeout(LIMIT * 2, timed.read_to_end(&mut rest)).await;
        assert!(read.is_err());
    }
}
