//! One watch on its way: its pieces come late, and it may be cut after any of them, or within.

use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use runtime::{CancellationToken, Random};
use tower::BoxError;

use crate::network::Faults;
use crate::source::{between, chance};

/// Between the server's end of a watch and the client's.
pub struct Cable {
    faults: Faults,
    random: Random,
}

impl Cable {
    /// One that fails as often as `faults` says.
    pub fn new(faults: Faults, random: Random) -> Cable {
        Cable { faults, random }
    }

    /// The body as it arrives, until the server has `crashed`.
    pub fn carry(self, body: Body, crashed: CancellationToken) -> Body {
        Body::from_stream(self.pieces(body.into_data_stream(), crashed))
    }

    fn pieces(
        self,
        body: BodyDataStream,
        crashed: CancellationToken,
    ) -> impl Stream<Item = Result<Bytes, BoxError>> + Send {
        let begin = Some((self, body, crashed));
        stream::unfold(begin, |state| async move {
            let (cable, mut body, crashed) = state?;
            let piece = tokio::select! {
                biased;
                () = crashed.cancelled() => return Some((Err("connection reset by peer".into()), None)),
                piece = body.next() => piece?,
            };
            let mut piece = match piece {
                Ok(piece) => piece,
                Err(error) => return Some((Err(error.into()), None)),
            };
            let delay = if chance(&cable.random, cable.faults.slow) {
                between(&cable.random, 100, 3_000)
            } else {
                between(&cable.random, 0, 8)
            };
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            if chance(&cable.random, cable.faults.cut_watches) {
                let length = cable.random.below(piece.len() as u64 + 1) as usize;
                // What follows an end within an event is an error; between two it looks like a good end.
                return Some((Ok(piece.split_to(length)), None));
            }
            if cable.faults.dropped_events > 0 {
                piece = cable.without_some(piece);
            }
            Some((Ok(piece), Some((cable, body, crashed))))
        })
    }

    /// Planted bug: swallows events. The server sends whole frames: a length of four bytes, and a `WatchEvent` whose first
    /// field is its type.
    fn without_some(&self, mut piece: Bytes) -> Bytes {
        let mut rest = BytesMut::with_capacity(piece.len());
        while let Some(head) = piece.first_chunk::<4>() {
            let length = 4 + u32::from_be_bytes(*head) as usize;
            if length > piece.len() {
                break;
            }
            let frame = piece.split_to(length);
            let is_bookmark = frame[4..].starts_with(b"\x0a\x08BOOKMARK");
            if is_bookmark || !chance(&self.random, self.faults.dropped_events) {
                rest.extend_from_slice(&frame);
            }
        }
        rest.extend_from_slice(&piece);
        rest.freeze()
    }
}
