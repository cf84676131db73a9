//! Keeping a task running: a panic ends one attempt, not the process.

use std::{any::Any, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::{Backoff, BackoffPolicy},
    random::Random,
};

/// An attempt that ran for this long counts as healthy: the next failure waits the base again.
const HEALTHY_AFTER: Duration = Duration::from_secs(120);

/// Runs what `start` makes until it ends by itself or `shutdown` comes; starts it anew after a panic, with back-off.
pub async fn supervise<F>(
    name: String,
    random: Random,
    shutdown: CancellationToken,
    mut start: impl FnMut() -> F,
) where
    F: Future<Output = ()>,
{
    let mut backoff = Backoff::new(BackoffPolicy::CONNECTION);
    loop {
        let began = tokio::time::Instant::now();
        let attempt = AssertUnwindSafe(start()).catch_unwind();
        let panic = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            done = attempt => match done {
                Ok(()) => return,
                Err(panic) => panic,
            },
        };
        if began.elapsed() >= HEALTHY_AFTER {
            backoff.reset();
        }
        let delay = backoff.fail(&random);
        tracing::error!(
            task = name,
            panic = panic_text(&*panic),
            ?delay,
            "panicked; starting it again"
        );
        tokio::select! { biased; () = shutdown.cancelled() => return, () = tokio::time::sleep(delay) => {} }
    }
}

/// The message of a panic.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_panic_starts_it_again_and_an_end_does_not() {
        let runs = AtomicU32::new(0);
        supervise(
            "test".into(),
            Random::from_seed(0),
            CancellationToken::new(),
            || async {
                if runs.fetch_add(1, Relaxed) < 3 {
                    panic!("planted");
                }
            },
        )
        .await;
        assert_eq!(runs.load(Relaxed), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn shutdown_ends_it_also_while_it_backs_off() {
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(supervise(
            "test".into(),
            Random::from_seed(0),
            shutdown.clone(),
            || async {
                panic!("planted");
            },
        ));
        tokio::time::sleep(Duration::from_millis(50)).await;
        shutdown.cancel();
        tokio::time::timeout(Duration::from_millis(1), task)
            .await
            .expect("ends at once")
            .expect("no panic");
    }
}
