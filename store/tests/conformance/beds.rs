//! The engines, each as new.

use std::sync::Arc;
use std::time::Duration;

use store::redb::Options;
use store::{Etcd, Log, Memory, Redb};

use crate::common::clock::ManualClock;
use crate::common::disk::MemoryDisk;
use crate::common::etcd::{Cluster, Version, binary};

/// A new log, and what must live as long as it.
pub struct Bed {
    pub log: Arc<dyn Log>,
    pub engine: &'static str,
    clock: Option<ManualClock>,
    pub cluster: Option<Cluster>,
}

impl Bed {
    /// Lets time go by, or, where it cannot be moved, leaves the waiting to who asks.
    pub async fn pass(&self, time: Duration) {
        if let Some(clock) = &self.clock {
            clock.advance(time);
            // Whatever is called next sees the new time.
            self.log.head().await.unwrap();
        }
    }
}

const HISTORY: usize = 64 << 20;

pub async fn memory() -> Option<Bed> {
    let clock = ManualClock::new();
    Some(Bed {
        log: Arc::new(Memory::new(Arc::new(clock.clone()), HISTORY)),
        engine: "memory",
        clock: Some(clock),
        cluster: None,
    })
}

pub async fn redb() -> Option<Bed> {
    let clock = ManualClock::new();
    let disk = Box::new(MemoryDisk::default());
    // So small that most tails read from the disk.
    let options = Options {
        recent: 1_000,
        ..Options::default()
    };
    let log = Redb::open_on(disk, options, Arc::new(clock.clone()));
    Some(Bed {
        log: Arc::new(log.await.unwrap()),
        engine: "redb",
        clock: Some(clock),
        cluster: None,
    })
}

pub async fn etcd_distribution() -> Option<Bed> {
    etcd(Version::Distribution).await
}

pub async fn etcd_upstream() -> Option<Bed> {
    etcd(Version::Upstream).await
}

async fn etcd(version: Version) -> Option<Bed> {
    let binary = binary(version)?;
    let cluster = Cluster::start(&binary, 1, None, &[]).await;
    let log: Etcd = cluster.log(&cluster.config()).await;
    Some(Bed {
        log: Arc::new(log),
        engine: "etcd",
        clock: None,
        cluster: Some(cluster),
    })
}
