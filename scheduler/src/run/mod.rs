//! The scheduler in its world: informers in, bindings, conditions and events out.
//!
//! One task owns the state. Informers only mark what changed (`mailbox`); the task reads how things are now, wakes whom
//! that helps, decides for as many pods as may be on their way at once, and waits. Requests run as tasks of their own and
//! report back when they are done. It must not know rules of placement.

mod bind;
mod mailbox;
mod preempt;
pub mod project;
mod report;
mod views;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use runtime::election::{Election, Ended};
use runtime::{CancellationToken, Client, Key, Random, SharedClock};
use serde_json::Value;

use crate::decisions::Decisions;
use crate::pod::PodKey;

/// The Lease by which the leader is elected, with upstream's defaults.
#[derive(Clone, Debug)]
pub struct LeaderElection {
    /// `--leader-elect-resource-namespace`, `--leader-elect-resource-name`.
    pub lease: Key,
    /// Who this process is.
    pub identity: String,
    /// `--leader-elect-lease-duration`.
    pub lease_duration: Duration,
    /// `--leader-elect-renew-deadline`.
    pub renew_deadline: Duration,
    /// `--leader-elect-retry-period`.
    pub retry_period: Duration,
    /// What the Lease says of this process while it leads: annotations.
    pub annotations: Vec<(&'static str, String)>,
}

impl LeaderElection {
    /// The Lease `kube-system/kube-scheduler`, 15 s, 10 s and 2 s.
    pub fn new(identity: String) -> LeaderElection {
        LeaderElection {
            lease: Key::new("kube-system", "kube-scheduler"),
            identity,
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
            annotations: Vec::new(),
        }
    }
}

/// What a scheduler is told at its start.
#[derive(Clone)]
pub struct Config {
    /// Pods with this `spec.schedulerName` are its own.
    pub scheduler_name: String,
    /// How the leader is elected; None when this is the only scheduler.
    pub leader_election: Option<LeaderElection>,
    /// The wall clock.
    pub clock: SharedClock,
    /// Randomness: ties between nodes, retries.
    pub random: Random,
}

impl Config {
    /// The default scheduler, alone.
    pub fn new(clock: SharedClock, random: Random) -> Config {
        Config {
            scheduler_name: "default-scheduler".into(),
            leader_election: None,
            clock,
            random,
        }
    }
}

/// Why a scheduler ended that was not told to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process may lead now; this one should end.
    #[error("the Lease of the leader was lost")]
    LeaseLost,
}

/// A scheduler, and what can be asked of it while it runs. Clones are the same one.
#[derive(Clone)]
pub struct Scheduler {
    config: Arc<Config>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    decisions: Mutex<Decisions>,
    ready: AtomicBool,
}

impl Scheduler {
    /// A scheduler that does not run yet.
    pub fn new(config: Config) -> Scheduler {
        Scheduler {
            config: Arc::new(config),
            shared: Arc::default(),
        }
    }

    /// The last decision on a pod: for each node, why not or how good. None when none was made, or long ago. See
    /// [`crate::decisions::Record::to_json`] for its form.
    pub fn explain(&self, namespace: &str, name: &str) -> Option<Value> {
        let key = PodKey::new(namespace, name);
        // Rendering 5,000 nodes takes its time: not under the lock.
        let record = self.shared.decisions.lock().get(&key).cloned();
        record.map(|record| record.to_json(&key))
    }

    /// Whether it has seen the cluster and places pods; always true of one that waits to be the leader.
    pub fn is_ready(&self) -> bool {
        self.shared.ready.load(Relaxed)
    }

    /// Places pods until `shutdown`.
    pub fn run(
        &self,
        client: Client,
        shutdown: CancellationToken,
    ) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.place(client, shutdown))
    }

    async fn place(&self, client: Client, shutdown: CancellationToken) -> Result<(), Error> {
        let client = client.with_field_manager("kube-scheduler");
        let Some(election) = &self.config.leader_election else {
            work::work(&self.config, &self.shared, client, shutdown).await;
            return Ok(());
        };
        self.shared.ready.store(true, Relaxed);
        let mut elected = Election::new(
            client.clone(),
            self.config.clock.clone(),
            self.config.random.fork(),
            election.lease.clone(),
            election.identity.clone(),
        );
        elected.lease_duration = election.lease_duration;
        elected.renew_deadline = election.renew_deadline;
        elected.retry_period = election.retry_period;
        elected.annotations.clone_from(&election.annotations);
        let ended = elected
            .lead(shutdown, |stop| {
                work::work(&self.config, &self.shared, client, stop)
            })
            .await;
        match ended {
            Ended::Shutdown | Ended::WorkDone => Ok(()),
            Ended::Lost => Err(Error::LeaseLost),
        }
    }
}

/// Runs a scheduler of which nobody asks anything.
pub async fn run(config: Config, client: Client, shutdown: CancellationToken) -> Result<(), Error> {
    Scheduler::new(config).run(client, shutdown).await
}
