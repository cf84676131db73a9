//! A stream whose first bytes have been looked at.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// As many bytes as the head of a TLS record has.
pub(super) const PEEKED: usize = 5;

/// Gives the bytes looked at once more, then goes on with the stream.
pub(super) struct Rewind<S> {
    first: [u8; PEEKED],
    /// How many of the bytes there are, and how many have been given.
    filled: usize,
    given: usize,
    stream: S,
}

impl<S: AsyncRead + Unpin> Rewind<S> {
    /// Waits for the first bytes of `stream`.
    pub(super) async fn peek(mut stream: S) -> io::Result<Rewind<S>> {
        let (mut first, mut filled) = ([0; PEEKED], 0);
        while filled < PEEKED {
            match stream.read(&mut first[filled..]).await? {
                0 => break,
                n => filled += n,
            }
        }
        Ok(Rewind {
            first,
            filled,
            given: 0,
            stream,
        })
    }

    /// The first bytes.
    pub(super) fn first(&self) -> &[u8] {
        &self.first[..self.filled]
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewind<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.given < self.filled {
            let n = buf.remaining().min(self.filled - self.given);
            buf.put_slice(&self.first[self.given..self.given + n]);
            self.given += n;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewind<S> {
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
