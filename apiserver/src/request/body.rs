//! Reading a body whole, within bounds.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;

use crate::status::{Reason, Status};

/// Bytes of a body that is an object or a patch: upstream's limit.
pub const MAX_BODY_BYTES: usize = 3 << 20;

/// How much of a body that is too large is read and dropped, in bytes, and for how long.
const MAX_UNREAD: usize = 16 << 20;
const UNREAD_TIME: Duration = Duration::from_secs(2);

/// The whole body. A body that says it is larger than `limit` is refused without being kept, one that turns out to be as soon as it
/// does. The request's deadline is the caller's.
pub async fn read_body(body: Body, limit: usize) -> Result<Bytes, Status> {
    let mut body = std::pin::pin!(body);
    let announced = http_body::Body::size_hint(&*body).lower();
    let mut whole = BytesMut::new();
    loop {
        if announced > limit as u64 {
            break;
        }
        let Some(frame) = body.frame().await else {
            return Ok(whole.freeze());
        };
        let frame = frame.map_err(|error| broken(&error))?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        if whole.len() + data.len() > limit {
            break;
        }
        if whole.is_empty() && body.is_end_stream() {
            // The usual case: one piece, which is not copied.
            return Ok(data.clone());
        }
        whole.extend_from_slice(data);
    }
    drop(whole);
    // A client that is still writing does not read, and would lose the answer with the connection.
    let rest = async {
        let mut seen = 0;
        while let Some(Ok(frame)) = body.frame().await {
            seen += frame.data_ref().map_or(0, Bytes::len);
            if seen > MAX_UNREAD {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(UNREAD_TIME, rest).await;
    Err(Status::request_entity_too_large(format_args!(
        "limit is {limit}"
    )))
}

/// The client went away in the midst, or what it sends is no body: not called its fault, as upstream.
fn broken(error: &axum::Error) -> Status {
    let message = format!("the body of the request could not be read: {error}");
    Status::new(500, Reason::Unknown, message, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_read_up_to_the_limit() {
        let streamed = |n: usize| {
            let chunks = (0..n).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(b"0123456789")));
            Body::from_stream(futures::stream::iter(chunks.collect::<Vec<_>>()))
        };
        assert_eq!(read_body(streamed(10), 100).await.unwrap().len(), 100);
        assert_eq!(
            read_body(Body::from("0123456789"), 10).await.unwrap().len(),
            10
        );
        for body in [streamed(11), Body::from(vec![0; 101])] {
            let status = read_body(body, 100).await.unwrap_err();
            assert_eq!(
                (status.code(), status.message()),
                (413, "Request entity too large: limit is 100")
            );
        }
    }
}
