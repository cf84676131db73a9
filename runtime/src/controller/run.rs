//! Running a controller.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Context, Controller, Next, ReconcileError, Wiring};
use crate::{backoff::BackoffPolicy, key::Key, queue::Queue, supervise::panic_text};

/// How long reconciles in work may go on after shutdown.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// A controller that is connected to its informers, but does not run yet.
#[must_use = "a wired controller does nothing until it is run"]
pub struct Wired<C> {
    controller: Arc<C>,
    cx: Context,
    synced: Vec<BoxFuture<'static, ()>>,
}

/// Connects a controller to its informers. Start these ([`crate::informer::Informers::start`]) when all are wired. The
/// context's queue is replaced by a new one of the controller's own.
pub fn wire<C: Controller>(controller: C, cx: &Context) -> Wired<C> {
    let queue = Queue::new(BackoffPolicy::KEY);
    let mut wiring = Wiring {
        queue: &queue,
        informers: &cx.informers,
        synced: Vec::new(),
    };
    controller.wire(&mut wiring);
    let synced = wiring.synced;
    Wired {
        controller: Arc::new(controller),
        cx: Context {
            queue,
            ..cx.clone()
        },
        synced,
    }
}

impl<C: Controller> Wired<C> {
    /// The controller's queue: for tests and measurements.
    pub fn queue(&self) -> &Queue<Key> {
        &self.cx.queue
    }

    /// Runs until `shutdown`; then what is in work gets a few seconds to end.
    pub async fn run(self, shutdown: CancellationToken) {
        let Wired {
            controller,
            cx,
            synced,
        } = self;
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            _ = futures::future::join_all(synced) => {}
        }
        tracing::debug!(controller = C::NAME, "informers synced; working");
        let mut workers = JoinSet::new();
        for _ in 0..controller.workers().max(1) {
            let (controller, cx) = (controller.clone(), cx.clone());
            workers.spawn(async move {
                while let Some(work) = cx.queue.next().await {
                    work_on(&*controller, &cx, &work).await;
                }
            });
        }
        shutdown.cancelled().await;
        cx.queue.close();
        let drained = async { while workers.join_next().await.is_some() {} };
        if tokio::time::timeout(SHUTDOWN_GRACE, drained).await.is_err() {
            workers.shutdown().await;
        }
    }
}

async fn work_on<C: Controller>(controller: &C, cx: &Context, key: &Key) {
    let outcome = AssertUnwindSafe(controller.reconcile(cx, key))
        .catch_unwind()
        .await;
    match outcome {
        Ok(Ok(Next::Done)) => cx.queue.forget(key),
        Ok(Ok(Next::After(delay))) => {
            cx.queue.forget(key);
            cx.queue.add_after(key.clone(), delay);
        }
        Ok(Ok(Next::Retry)) => {
            cx.queue.retry(key.clone());
        }
        Ok(Err(error)) => {
            let delay = cx.queue.retry(key.clone());
            report(C::NAME, key, &error, delay);
        }
        Err(panic) => {
            let delay = cx.queue.retry(key.clone());
            let panic = panic_text(&*panic);
            tracing::error!(controller = C::NAME, %key, panic, ?delay, "reconcile panicked; trying again");
        }
    }
}

/// Conflicts and lost connections are everyday life and come right by themselves; the rest somebody should read.
fn report(controller: &str, key: &Key, error: &ReconcileError, delay: Duration) {
    match error {
        ReconcileError::Client(e)
            if e.is_conflict()
                || e.is_not_found()
                || e.is_already_exists()
                || e.is_namespace_terminating() =>
        {
            tracing::debug!(controller, %key, %error, ?delay, "overtaken; trying again");
        }
        ReconcileError::Client(e) if e.is_retriable() => {
            tracing::warn!(controller, %key, %error, ?delay, "the API server is not well; trying again");
        }
        _ => tracing::error!(controller, %key, %error, ?delay, "reconcile failed; trying again"),
    }
}
