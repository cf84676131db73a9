//! A container's output as it comes, for whoever attaches: the log writer shows it at a unix socket, in pieces that say which
//! output they are of.

use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use parking_lot::Mutex;
use tokio_util::codec::Decoder;

use super::cri::Stream;

/// How long one who does not take what is shown holds up the container, as upstream's do without end; then it is let go.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many may look at a time.
const MAX_VIEWERS: usize = 64;
const HEAD: usize = 5;
/// The longest piece: more than a writer reads at once.
const MAX_PIECE: usize = 1 << 20;

/// The writer's end.
pub(super) struct Tap {
    path: PathBuf,
    viewers: Arc<Mutex<Vec<UnixStream>>>,
}

impl Tap {
    /// Listens at `path`. The log matters more: where that is not possible nobody can attach.
    pub(super) fn open(path: &Path) -> Self {
        let viewers: Arc<Mutex<Vec<UnixStream>>> = Arc::default();
        let _ = std::fs::remove_file(path);
        match UnixListener::bind(path) {
            Err(error) => eprintln!("{}: {error}", path.display()),
            Ok(listener) => {
                let seen = Arc::clone(&viewers);
                // Ends with the process.
                let accepting = std::thread::Builder::new()
                    .name("tap".into())
                    .spawn(move || {
                        listener
                            .incoming()
                            .flatten()
                            .for_each(|viewer| add(&seen, viewer))
                    });
                if let Err(error) = accepting {
                    eprintln!("{}: {error}", path.display());
                }
            }
        }
        let path = path.to_path_buf();
        Self { path, viewers }
    }

    /// Shows output to all who look.
    pub(super) fn show(&self, stream: Stream, bytes: &[u8]) {
        let mut viewers = self.viewers.lock();
        if viewers.is_empty() {
            return;
        }
        // Not longer than the writer's buffer.
        let mut head = [u8::from(stream == Stream::Stderr), 0, 0, 0, 0];
        head[1..].copy_from_slice(&(bytes.len() as u32).to_be_bytes());
        let piece = [&head, bytes].concat();
        viewers.retain_mut(|viewer| viewer.write_all(&piece).is_ok());
    }

    /// There is no more output.
    pub(super) fn close(&self) {
        self.viewers.lock().clear();
        let _ = std::fs::remove_file(&self.path);
    }
}

fn add(viewers: &Mutex<Vec<UnixStream>>, mut viewer: UnixStream) {
    let mut viewers = viewers.lock();
    // The byte tells the viewer that from now on it misses nothing.
    if viewers.len() < MAX_VIEWERS
        && viewer.set_write_timeout(Some(PATIENCE)).is_ok()
        && viewer.write_all(&[0; HEAD]).is_ok()
    {
        viewers.push(viewer);
    }
}

/// Reads what a tap shows; the first piece is empty and says that it has begun.
#[derive(Debug, Default)]
pub struct Pieces;

impl Decoder for Pieces {
    type Item = (Stream, Bytes);
    type Error = std::io::Error;

    fn decode(&mut self, from: &mut BytesMut) -> std::io::Result<Option<Self::Item>> {
        let Some(&[stream, a, b, c, d]) = from.first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length > MAX_PIECE {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        if from.len() < HEAD + length {
            from.reserve(HEAD + length - from.len());
            return Ok(None);
        }
        from.advance(HEAD);
        let stream = if stream == 0 {
            Stream::Stdout
        } else {
            Stream::Stderr
        };
        Ok(Some((stream, from.split_to(length).freeze())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use tokio_util::codec::FramedRead;

    #[tokio::test]
    async fn who_looks_sees_what_comes_from_then_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tap");
        let tap = Tap::open(&path);
        tap.show(Stream::Stdout, b"nobody sees this");
        let socket = tokio::net::UnixStream::connect(&path).await.unwrap();
        let mut pieces = FramedRead::new(socket, Pieces);
        let mut next = async || pieces.next().await.map(Result::unwrap);
        assert_eq!(next().await, Some((Stream::Stdout, Bytes::new())));
        let gone = tokio::net::UnixStream::connect(&path).await.unwrap();
        drop(gone);
        tap.show(Stream::Stderr, b"one");
        tap.show(Stream::Stdout, b"two");
        assert_eq!(next().await, Some((Stream::Stderr, "one".into())));
        assert_eq!(next().await, Some((Stream::Stdout, "two".into())));
        tap.close();
        assert_eq!(next().await, None);
        assert!(!path.exists());
    }

    #[test]
    fn nonsense_is_no_piece() {
        let mut wire = BytesMut::from(&[0, 0xff, 0xff, 0xff, 0xff][..]);
        assert!(Pieces.decode(&mut wire).is_err());
    }
}
