//! Answers that a client has to take within a time: what they would show is not kept for one that takes nothing.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use crate::status::Status;

/// How long a client has, as for a request as a whole: upstream's `--request-timeout`.
const LIMIT: Duration = Duration::from_secs(60);

/// Breaks off the body inside, and lets go of it, a minute after its first piece. A stalled client polls nothing, so that it takes
/// a task to notice; a body of one piece needs none.
pub struct Bounded<B> {
    inner: Arc<Mutex<Option<B>>>,
    watchdog: Option<JoinHandle<()>>,
}

impl<B> Bounded<B> {
    /// Bounds `body`.
    pub fn new(body: B) -> Bounded<B> {
        Bounded {
            inner: Arc::new(Mutex::new(Some(body))),
            watchdog: None,
        }
    }
}

impl<B: Body<Data = Bytes, Error = Status> + Unpin + Send + 'static> Body for Bounded<B> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let inner = Arc::clone(&self.inner);
        let mut body = inner.lock();
        let Some(body) = &mut *body else {
            let late = Status::timeout("the list was not taken in time", 0);
            return Poll::Ready(Some(Err(late)));
        };
        let frame = Pin::new(&mut *body).poll_frame(cx);
        if self.watchdog.is_none() && !body.is_end_stream() {
            let watched = Arc::clone(&inner);
            self.watchdog = Some(tokio::spawn(async move {
                tokio::time::sleep(LIMIT).await;
                watched.lock().take();
            }));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        let body = self.inner.lock();
        body.as_ref().is_some_and(B::is_end_stream)
    }
}

impl<B> Drop for Bounded<B> {
    fn drop(&mut self) {
        if let Some(watchdog) = &self.watchdog {
            watchdog.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    /// So many pieces; whether it is still there is seen by what it holds.
    struct Pieces {
        left: usize,
        _held: Arc<()>,
    }

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            if self.left == 0 {
                return Poll::Ready(None);
            }
            self.left -= 1;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"piece")))))
        }

        fn is_end_stream(&self) -> bool {
            self.left == 0
        }
    }

    fn pieces(left: usize, held: &Arc<()>) -> Bounded<Pieces> {
        let _held = Arc::clone(held);
        Bounded::new(Pieces { left, _held })
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_taken_in_a_minute_is_let_go_of() {
        let held = Arc::new(());
        let mut body = pieces(3, &held);
        assert!(body.frame().await.unwrap().is_ok());
        tokio::time::sleep(LIMIT - Duration::from_secs(1)).await;
        assert!(body.frame().await.unwrap().is_ok());
        assert_eq!(Arc::strong_count(&held), 2);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(Arc::strong_count(&held), 1);
        assert_eq!(body.frame().await.unwrap().unwrap_err().code(), 504);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_taken_at_once_is_whole_and_leaves_nothing_running() {
        let body = pieces(1000, &Arc::default());
        assert_eq!(body.collect().await.unwrap().to_bytes().len(), 5000);
        let small = pieces(1, &Arc::default());
        assert!(small.watchdog.is_none());
        assert_eq!(small.collect().await.unwrap().to_bytes().len(), 5);
        tokio::task::yield_now().await;
        let running = tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks();
        assert_eq!(running, 0);
    }
}
