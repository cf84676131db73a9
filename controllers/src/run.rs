//! Running the controllers.

use std::{collections::BTreeSet, time::Duration};

use futures::future::{BoxFuture, join_all};
use jiff::tz::TimeZone;
use runtime::{
    BackoffPolicy, CancellationToken, Client, Context, Controller, Informers, Key, Queue, Random,
    SharedClock, controller,
    election::{Election, Ended},
    events::Recorder,
    healthz::Readiness,
};

use crate::{
    cronjob::CronJobs,
    daemonset::DaemonSets,
    deployment::Deployments,
    disruption::{Disruption, StaleDisruptions},
    garbage::GarbageCollector,
    job::{Jobs, OrphanPods},
    namespace::Namespaces,
    node::{
        eviction::TaintEviction,
        lifecycle::{LifecycleConfig, NodeLifecycle},
    },
    pod_certificate_cleaner::PodCertificateCleaner,
    pod_gc::PodGc,
    protection::{claim::ClaimProtection, class::ClassProtection, volume::VolumeProtection},
    quota::Quotas,
    replicaset::{ReplicaSets, ReplicationControllers},
    role_aggregation::RoleAggregation,
    root_ca::RootCa,
    service_account::ServiceAccounts,
    statefulset::StatefulSets,
    ttl_after_finished::TtlAfterFinished,
};

/// The names of all controllers, as `--controllers` takes them: upstream's.
pub const NAMES: [&str; 22] = [
    ClaimProtection::NAME,
    ClassProtection::NAME,
    CronJobs::NAME,
    DaemonSets::NAME,
    Deployments::NAME,
    Disruption::NAME,
    GarbageCollector::NAME,
    Jobs::NAME,
    Namespaces::NAME,
    NodeLifecycle::NAME,
    PodCertificateCleaner::NAME,
    PodGc::NAME,
    Quotas::NAME,
    ReplicaSets::NAME,
    ReplicationControllers::NAME,
    RoleAggregation::NAME,
    RootCa::NAME,
    ServiceAccounts::NAME,
    StatefulSets::NAME,
    TaintEviction::NAME,
    TtlAfterFinished::NAME,
    VolumeProtection::NAME,
];

/// Which controllers run, of those in [`NAMES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection(BTreeSet<&'static str>);

/// A name that no controller has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not in the list of known controllers: {known}", known = NAMES.join(", "))]
pub struct SelectionError(pub String);

impl Default for Selection {
    fn default() -> Self {
        Selection(NAMES.into())
    }
}

impl Selection {
    /// Reads upstream's notation: `*` for all, `name` for one, `-name` for all but that.
    ///
    /// # Errors
    /// When a name is not known.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, SelectionError> {
        let (mut on, mut off, mut all) = (BTreeSet::new(), BTreeSet::new(), false);
        for entry in entries {
            if entry == "*" {
                all = true;
                continue;
            }
            let (set, name) = match entry.strip_prefix('-') {
                Some(name) => (&mut off, name),
                None => (&mut on, entry),
            };
            let known = NAMES
                .iter()
                .find(|n| **n == name)
                .ok_or_else(|| SelectionError(name.to_owned()))?;
            set.insert(*known);
        }
        // Named as on wins over named as off, as upstream has it.
        let chosen = NAMES
            .into_iter()
            .filter(|name| on.contains(name) || (all && !off.contains(name)));
        Ok(Selection(chosen.collect()))
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

/// Leader election among several processes.
#[derive(Debug, Clone)]
pub struct LeaderElection {
    /// Namespace and name of the Lease.
    pub lease: Key,
    /// Who this process is; unique among the candidates.
    pub identity: String,
    /// How long others wait before they take over.
    pub lease_duration: Duration,
    /// How long the holder tries to renew before it gives up.
    pub renew_deadline: Duration,
    /// How often the holder renews, and the others look.
    pub retry_period: Duration,
}

/// What runs, and how.
#[derive(Clone)]
pub struct Config {
    /// Which controllers.
    pub controllers: Selection,
    /// The wall clock.
    pub clock: SharedClock,
    /// Where schedules of CronJobs are read that name no time zone.
    pub time_zone: TimeZone,
    /// Randomness.
    pub random: Random,
    /// The certificates by which pods know the API server (PEM); without them the root CA is not published.
    pub root_ca: Option<String>,
    /// How silent nodes are dealt with.
    pub lifecycle: LifecycleConfig,
    /// How many ended pods are kept; 0 keeps all.
    pub terminated_pod_gc_threshold: usize,
    /// `None` where nobody else can be running the same.
    pub leader_election: Option<LeaderElection>,
    /// Told when the controllers run, or stand by.
    pub readiness: Readiness,
    /// A bug on order, for the simulation alone, which must find it: ReplicaSets and ReplicationControllers count by old pictures.
    pub without_expectations: bool,
}

impl Config {
    /// Upstream's defaults, without leader election, in UTC.
    pub fn new(clock: SharedClock, random: Random) -> Self {
        Config {
            controllers: Selection::default(),
            clock,
            time_zone: TimeZone::UTC,
            random,
            root_ca: None,
            lifecycle: LifecycleConfig::default(),
            terminated_pod_gc_threshold: 12_500,
            leader_election: None,
            readiness: Readiness::default(),
            without_expectations: false,
        }
    }
}

/// The zone that this machine's clock shows; UTC where that is not known.
pub fn local_time_zone() -> TimeZone {
    TimeZone::try_system().unwrap_or(TimeZone::UTC)
}

/// Why the controllers ended before they were told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// Another process leads, or nobody can tell: this one must not go on.
    #[error("leadership was lost")]
    LeadershipLost,
}

/// Runs the controllers until `shutdown`. Must be called inside a tokio runtime.
///
/// # Errors
/// When leadership is lost: nothing runs any more then, and the caller may call again.
pub fn run(
    config: Config,
    client: Client,
    shutdown: CancellationToken,
) -> BoxFuture<'static, Result<(), RunError>> {
    Box::pin(lead(config, client, shutdown))
}

async fn lead(config: Config, client: Client, shutdown: CancellationToken) -> Result<(), RunError> {
    config.readiness.set(true);
    let Some(leading) = config.leader_election.clone() else {
        work(config, client, shutdown).await;
        return Ok(());
    };
    let mut election = Election::new(
        client.clone(),
        config.clock.clone(),
        config.random.fork(),
        leading.lease,
        leading.identity,
    );
    election.lease_duration = leading.lease_duration;
    election.renew_deadline = leading.renew_deadline;
    election.retry_period = leading.retry_period;
    match election
        .lead(shutdown, |stop| work(config, client, stop))
        .await
    {
        Ended::Shutdown | Ended::WorkDone => Ok(()),
        Ended::Lost => Err(RunError::LeadershipLost),
    }
}

/// Runs them all on one set of informers.
async fn work(config: Config, client: Client, stop: CancellationToken) {
    let informers = Informers::new(client.clone(), config.random.fork(), stop.clone());
    let mut starting = Starting {
        config: &config,
        client,
        informers: informers.clone(),
        stop: stop.clone(),
        running: Vec::new(),
    };
    starting.add(|i| Some(Deployments::new(i)));
    let waits = !config.without_expectations;
    starting.add(|i| Some(ReplicaSets::new(i, waits)));
    starting.add(|i| Some(ReplicationControllers::new(i, waits)));
    starting.add(|i| Some(Jobs::new(i)));
    starting.add(|i| Some(OrphanPods::new(i)));
    starting.add(|i| Some(TtlAfterFinished::new(i)));
    let (clock, here) = (config.clock.clone(), config.time_zone.clone());
    starting.add(|i| Some(CronJobs::new(i, clock, here)));
    starting.add(|_| Some(GarbageCollector::default()));
    starting.add(|i| Some(Namespaces::new(i)));
    starting.add(|i| Some(NodeLifecycle::new(i, config.lifecycle)));
    starting.add(|i| Some(TaintEviction::new(i)));
    starting.add(|i| Some(PodGc::new(i, config.terminated_pod_gc_threshold)));
    starting.add(|i| Some(PodCertificateCleaner::new(i)));
    starting.add(|i| Some(ServiceAccounts::new(i)));
    starting.add(|i| Some(ClaimProtection::new(i)));
    starting.add(|i| Some(VolumeProtection::new(i)));
    starting.add(|i| Some(ClassProtection::new(i)));
    starting.add(|i| Some(RoleAggregation::new(i)));
    starting.add(|i| Some(StatefulSets::new(i)));
    starting.add(|i| Some(DaemonSets::new(i)));
    starting.add(|i| Some(Disruption::new(i)));
    starting.add(|i| Some(StaleDisruptions::new(i)));
    starting.add(|i| Some(Quotas::new(i)));
    starting.add(|i| config.root_ca.clone().map(|ca| RootCa::new(i, ca)));
    let running = starting.running;
    // Only now, so that each resource is listed once for all of them.
    informers.start();
    join_all(running).await;
    stop.cancelled().await;
}

/// Controllers in the making.
struct Starting<'a> {
    config: &'a Config,
    client: Client,
    informers: Informers,
    stop: CancellationToken,
    running: Vec<BoxFuture<'static, ()>>,
}

impl Starting<'_> {
    fn add<C: Controller>(&mut self, make: impl FnOnce(&Informers) -> Option<C>) {
        if !self.config.controllers.has(C::NAME) {
            return;
        }
        let Some(controller) = make(&self.informers) else {
            return;
        };
        let (clock, random) = (self.config.clock.clone(), self.config.random.fork());
        let client = self.client.clone().with_field_manager(C::NAME);
        let cx = Context {
            events: Recorder::start(
                client.clone(),
                clock.clone(),
                random.fork(),
                C::EVENT_SOURCE,
                "",
            ),
            client,
            clock,
            random,
            informers: self.informers.clone(),
            queue: Queue::new(BackoffPolicy::KEY),
            shutdown: self.stop.clone(),
        };
        self.running.push(Box::pin(
            controller::wire(controller, &cx).run(self.stop.clone()),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_are_read_as_upstream_reads_them() {
        let parse = |text: &str| Selection::parse(text.split(','));
        assert_eq!(parse("*"), Ok(Selection::default()));
        assert_eq!(
            parse("deployment-controller"),
            Ok(Selection([Deployments::NAME].into()))
        );
        let without = parse("*,-namespace-controller").expect("known");
        assert!(!without.has(Namespaces::NAME) && without.has(ReplicaSets::NAME));
        assert!(
            parse("-namespace-controller").expect("known").0.is_empty(),
            "nothing was named as on"
        );
        let unknown = parse("*,cloud-node-controller").expect_err("not ours");
        assert!(
            unknown
                .to_string()
                .starts_with("\"cloud-node-controller\" is not in the list of known controllers: ")
        );
    }
}
