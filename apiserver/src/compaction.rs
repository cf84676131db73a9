//! Forgets the past: at each interval what the store keeps of the time before the last one, and with it the pages that are
//! read at a revision from then. So a list is continued for one to two intervals, as with upstream's API server, and etcd,
//! which keeps every version until it is told otherwise, does not fill up.
//! <https://etcd.io/docs/v3.6/op-guide/maintenance/#history-compaction-v3-api-key-value-database>
//!
//! Servers that share an etcd cluster do this each for itself: compacting what is compacted changes nothing.

use std::sync::Arc;
use std::time::Duration;

use store::{Log, Revision};
use tokio_util::sync::CancellationToken;

use crate::view::View;

/// What upstream's `--etcd-compaction-interval` is by default.
pub const INTERVAL: Duration = Duration::from_secs(5 * 60);

/// Compacts `log` at each interval up to what `view` showed at the one before, until `stop`; never if the interval is zero.
pub async fn compact(
    log: Arc<dyn Log>,
    view: Arc<View>,
    interval: Duration,
    stop: CancellationToken,
) {
    if interval.is_zero() {
        return;
    }
    let mut before = Revision::ZERO;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
        }
        let now = view.applied();
        if before > Revision::ZERO {
            match log.compact(before).await {
                Ok(()) => view.forget(before),
                Err(error) => tracing::warn!(%error, revision = %before, "compacting the store"),
            }
        }
        before = now;
    }
}
