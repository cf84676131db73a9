//! ResourceQuotas: their status says what they bound and how much of it is used.
//!
//! What is made, the API server charges itself; this gives back what is gone, counts where a quota is new or another, and goes
//! over all of them now and then. Informers say when to look. What counts is asked of the API server: an informer that has not
//! yet seen what was charged would have it given back. The status is put at the revision that was read, and nothing is charged
//! without a new one; so what was counted is what there is.

mod tracked;

use std::{sync::Arc, time::Duration};

use api::{
    Time, Tree,
    aggregate::Amounts,
    core::v1::{PersistentVolumeClaim, Pod, ResourceQuota, ResourceQuotaMut},
    quota,
};
use parking_lot::Mutex;
use runtime::{
    Change, Context, Controller, Error, Informer, Informers, Key, Next, Object, Queue,
    ReconcileError, Resource, Wiring, client::ListOptions,
};

use self::tracked::Tracked;
use crate::{discovery::Discovery, object::usage::Usage};

/// How often every quota is counted anew: upstream's number.
const RESYNC: Duration = Duration::from_secs(5 * 60);

/// How often the server is asked what it serves: upstream's number.
const DISCOVERY_PERIOD: Duration = Duration::from_secs(30);

/// The controller. Its keys are quotas; the empty one stands for the discovery of resources.
pub struct Quotas {
    quotas: Informer<Tree>,
    pods: Informer<Usage>,
    claims: Informer<Usage>,
    tracked: Arc<Mutex<Vec<Tracked>>>,
}

impl Quotas {
    /// The controller, reading from the given informers.
    pub fn new(informers: &Informers) -> Self {
        Quotas {
            quotas: informers.informer(&Resource::of(ResourceQuota::TYPE)),
            pods: informers.informer(&Resource::of(Pod::TYPE)),
            claims: informers.informer(&Resource::of(PersistentVolumeClaim::TYPE)),
            tracked: Arc::default(),
        }
    }
}

/// What a quota is to bound.
fn bounds(quota: &Object<Tree>) -> Amounts {
    quota::read(ResourceQuota::of(&quota.value).spec().hard())
}

/// Whether somebody wrote into its status that it bounds something else: put right at once, where upstream waits for its
/// next resync (kubernetes/kubernetes#121911).
fn says_other_bounds(quota: &Object<Tree>) -> bool {
    let status = ResourceQuota::of(&quota.value).status();
    status.has_hard() && !quota::is_same(&bounds(quota), status.hard())
}

/// Marks the quotas of a namespace that count such objects.
fn mark(quotas: &Informer<Tree>, queue: &Queue<Key>, tracked: &quota::Evaluator, namespace: &str) {
    for quota in quotas.in_namespace(namespace) {
        let hard = ResourceQuota::of(&quota.value).spec().hard();
        if hard.keys().any(|name| tracked.counts(name)) {
            queue.add(quota.key.clone());
        }
    }
}

/// Whether the change is one of what is used, other than by a new object, which was charged.
fn changes_usage(change: Change<'_, Usage>) -> bool {
    match (change.old, change.new) {
        (Some(old), Some(new)) => old.value != new.value,
        (old, _) => old.is_some(),
    }
}

impl Controller for Quotas {
    const NAME: &'static str = "resourcequota-controller";

    fn wire(&self, wiring: &mut Wiring<'_>) {
        wiring.watch(&self.quotas, |change, queue| {
            // Other changes of the status are our own, or charges.
            let strayed = change.new.is_some_and(says_other_bounds);
            if strayed || change.old.map(bounds) != change.new.map(bounds) {
                queue.add(change.latest().key.clone());
            }
        });
        for (informer, evaluator) in [
            (&self.pods, quota::Evaluator::Pods),
            (&self.claims, quota::Evaluator::Claims),
        ] {
            let quotas = self.quotas.clone();
            wiring.watch(informer, move |change, queue| {
                if changes_usage(change) {
                    let namespace = change.latest().key.namespace();
                    mark(&quotas, queue, &evaluator, namespace);
                }
            });
        }
        wiring.queue().add(Key::cluster(""));
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        if key.as_str().is_empty() {
            self.discover(cx).await?;
            return Ok(Next::After(DISCOVERY_PERIOD));
        }
        let Some(object) = self.quotas.get(key) else {
            return Ok(Next::Done);
        };
        let quota = ResourceQuota::of(&object.value);
        let hard = quota::read(quota.spec().hard());
        let counting: Vec<Tracked> = {
            let tracked = self.tracked.lock();
            // Before the first discovery nothing is known of what there is to be counted.
            if tracked.is_empty() {
                return Ok(Next::Retry);
            }
            let counts = |t: &&Tracked| hard.keys().any(|name| t.evaluator.counts(name));
            tracked.iter().filter(counts).cloned().collect()
        };
        // What goes before its informer has begun would never be given back.
        if !counting.iter().all(Tracked::is_synced) {
            return Ok(Next::Retry);
        }
        let mut used = quota::masked(&quota::read(quota.status().used()), |name| {
            hard.contains_key(name)
        });
        let mut failure = None;
        for tracked in &counting {
            match count(cx, tracked, quota, key.namespace()).await {
                Ok(counted) => used.extend(counted),
                Err(error) => failure = Some(error),
            }
        }
        let next = self.report(cx, &object.value, &hard, &used).await?;
        match failure {
            Some(error) => Err(error.into()),
            None => Ok(next),
        }
    }
}

/// What the objects of one resource use of a quota.
async fn count(
    cx: &Context,
    tracked: &Tracked,
    quota: ResourceQuota<'_>,
    namespace: &str,
) -> Result<Amounts, Error> {
    let options = ListOptions::default();
    let list = cx.client.list_all(&tracked.resource, namespace, &options);
    let objects = list.await?.items;
    let now = Time::from(cx.clock.now());
    Ok(tracked.evaluator.sum(quota.spec(), &objects, now))
}

impl Quotas {
    /// Says in the quota's status what it bounds and what is used, if it does not say so already.
    async fn report(
        &self,
        cx: &Context,
        object: &Tree,
        hard: &Amounts,
        used: &Amounts,
    ) -> Result<Next, Error> {
        let status = ResourceQuota::of(object).status();
        if status.has_hard()
            && status.has_used()
            && quota::is_same(hard, status.hard())
            && quota::is_same(used, status.used())
        {
            return Ok(Next::After(RESYNC));
        }
        let mut object = object.clone();
        let mut view = ResourceQuotaMut::of(&mut object);
        let mut status = view.status_mut();
        status.hard_mut().clear();
        for (name, amount) in hard {
            status.hard_mut().insert(name, *amount);
        }
        status.used_mut().clear();
        for (name, amount) in used {
            status.used_mut().insert(name, *amount);
        }
        match cx
            .client
            .update_status(self.quotas.resource(), &object)
            .await
        {
            Err(error) if error.is_not_found() => Ok(Next::Done),
            // Something was charged meanwhile: it is seen soon.
            Err(error) if error.is_conflict() => Ok(Next::Retry),
            written => written.map(|_| Next::After(RESYNC)),
        }
    }

    /// Follows the set of resources that the server serves and that can be counted.
    async fn discover(&self, cx: &Context) -> Result<(), Error> {
        let discovery = Discovery::read(&cx.client).await?;
        let served = discovery.resources.iter().filter(|served| {
            served.resource.namespaced() && served.allows(&["create", "delete", "list", "watch"])
        });
        let mut next = Vec::new();
        for served in served {
            let resource = &served.resource;
            let known = {
                let tracked = self.tracked.lock();
                let known = tracked.iter().find(|t| t.is_of(resource));
                known
                    .filter(|t| t.is_current(resource, &cx.informers))
                    .cloned()
            };
            next.extend(known.or_else(|| self.track(cx, resource)));
        }
        // A group that cannot be asked now may be back soon.
        let failed = |t: &&Tracked| {
            let group_version = format!("{}/{}", t.resource.group(), t.resource.version());
            discovery.failed.contains(&group_version)
        };
        {
            let mut tracked = self.tracked.lock();
            let missing = tracked
                .iter()
                .filter(|t| !next.iter().any(|n| n.is_of(&t.resource)));
            let kept: Vec<Tracked> = missing.filter(failed).cloned().collect();
            next.extend(kept);
            *tracked = next;
        }
        cx.informers.start();
        Ok(())
    }

    /// Begins to follow a resource; none, if no quota counts it.
    fn track(&self, cx: &Context, resource: &Resource) -> Option<Tracked> {
        let evaluator = quota::Evaluator::of(resource.group(), resource.plural())?;
        Some(match evaluator {
            quota::Evaluator::Pods => Tracked::typed(evaluator, &self.pods),
            quota::Evaluator::Claims => Tracked::typed(evaluator, &self.claims),
            _ => {
                let (quotas, queue) = (self.quotas.clone(), cx.queue.clone());
                Tracked::by_metadata(evaluator, resource, &cx.informers, move |e, namespace| {
                    mark(&quotas, &queue, e, namespace);
                })
            }
        })
    }
}
