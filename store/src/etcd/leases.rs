//! Leases, shared: what is written with the same time to live within one slack hangs on one lease, up to 1,000 keys.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::etcd::fault::Fault;
use crate::etcd::members::Members;
use crate::ttl;

/// The lease that new keys are put on, by time to live.
#[derive(Default)]
pub(super) struct Leases {
    current: Mutex<BTreeMap<Duration, Current>>,
}

struct Current {
    id: i64,
    /// Until when a key put on it lives long enough.
    until: Instant,
    keys: usize,
}

impl Leases {
    /// A lease on which a key lives at least `ttl`, and at most the slack longer.
    pub async fn take(&self, members: &Members, ttl: Duration) -> Result<i64, Fault> {
        let mut current = self.current.lock().await;
        let now = Instant::now();
        if let Some(lease) = current.get_mut(&ttl)
            && lease.keys < ttl::MAX_KEYS_PER_LEASE
            && now < lease.until
        {
            lease.keys += 1;
            return Ok(lease.id);
        }
        // Old ones are no longer wanted here; etcd keeps them until they expire.
        current.retain(|_, lease| now < lease.until);
        // Whole seconds, as etcd counts them: rounded up, so that the key lives long enough.
        let whole = Duration::from_secs(ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0));
        let granted = i64::try_from((whole + ttl::slack(ttl)).as_secs()).unwrap_or(i64::MAX);
        // A grant whose answer is lost leaves a lease without keys, which expires: harmless to repeat.
        let id = members
            .read(|mut client| async move { Ok(client.lease_grant(granted, None).await?.id()) })
            .await?;
        let lease = Current {
            id,
            until: now + ttl::slack(ttl),
            keys: 1,
        };
        current.insert(ttl, lease);
        Ok(id)
    }

    /// Forgets leases that etcd says are gone.
    pub async fn forget(&self) {
        self.current.lock().await.clear();
    }
}
