//! StatefulSets: pods that each have a name, an ordinal and claims of their own, and that come, go and are updated in order.
//!
//! Each reconcile looks at all pods of the set and makes the next steps, which `plan` decides on. It waits until what it has
//! asked for is seen (expectations), and what it wrote into the status, which says where an update comes from. Templates are
//! kept as revisions (`history`), so that a pod below the partition comes back as it was.

mod identity;
mod model;
mod places;
mod plan;
mod retention;
mod status;
mod work;

use std::sync::Arc;

use api::{
    apps::v1 as apps,
    core::v1::{self as core},
};
use runtime::{
    Context, Controller, Expectations, Informer, Informers, Key, Next, Object, ReconcileError,
    Resource, Wiring,
};

use self::{
    model::{StatefulSet, parent_and_ordinal},
    work::Work,
};
use crate::{
    history::{self, History, Known, Parent},
    object::{
        Texts,
        claim::Claim,
        pod::{self, Pod},
    },
    pods::{self, PodControl},
    written::Written,
};

/// The label of a revision that holds its hash.
const HASH_LABEL: &str = "controller.kubernetes.io/hash";

/// The controller of StatefulSets.
pub struct StatefulSets {
    sets: Informer<StatefulSet>,
    pods: Informer<Pod>,
    claims: Informer<Claim>,
    history: History,
    expectations: Arc<Expectations>,
    written: Written,
}

impl StatefulSets {
    /// The controller, reading from the given informers.
    pub fn new(informers: &Informers) -> Self {
        let pods = informers.informer(&Resource::of(core::Pod::TYPE));
        pods.add_index(pod::BY_OWNER, Pod::owner_values);
        StatefulSets {
            sets: informers.informer(&Resource::of(apps::StatefulSet::TYPE)),
            pods,
            claims: informers.informer(&Resource::of(core::PersistentVolumeClaim::TYPE)),
            history: History::new(informers),
            expectations: Arc::default(),
            written: Written::default(),
        }
    }
}

impl Controller for StatefulSets {
    const NAME: &'static str = "statefulset-controller";

    fn wire(&self, wiring: &mut Wiring<'_>) {
        wiring.watch_own(&self.sets);
        wiring.require(&self.claims);
        let (expectations, sets) = (self.expectations.clone(), self.sets.clone());
        wiring.watch(&self.pods, move |change, queue| {
            let selects = |set: &StatefulSet, pod: &Pod| set.selector.matches(&pod.labels);
            pods::seen(change, &sets, &expectations, selects, queue);
        });
        let sets = self.sets.clone();
        wiring.watch(self.history.informer(), move |change, queue| {
            let selects = |set: &StatefulSet, labels: &Texts| set.selector.matches(labels);
            history::seen(change, &sets, selects, queue);
        });
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        let Some(set) = self.sets.get(key) else {
            self.written.forget(key);
            return Ok(Next::Done);
        };
        if !self.written.is_seen(&cx.client, &self.sets, key).await? {
            return Ok(Next::Retry);
        }
        if !self.expectations.satisfied(&set.uid) {
            let left = self.expectations.expires_in(&set.uid);
            return Ok(left.map_or(Next::Retry, Next::After));
        }
        let value = &set.value;
        // Validation does not let it through.
        if value.selector.is_empty() {
            return Ok(Next::Done);
        }
        let resource = self.sets.resource();
        let control = PodControl::new(cx, &self.pods, &self.expectations, resource, &set);
        let selects = |pod: &Object<Pod>| {
            let parent = parent_and_ordinal(pod.key.name()).map(|(parent, _)| parent);
            parent == Some(key.name()) && value.selector.matches(&pod.value.labels)
        };
        let candidates = control.candidates();
        let pods = control.claim(value.deleting, selects, candidates).await?;
        let parent = Parent {
            resource,
            key,
            uid: &set.uid,
            owner: control.owner().clone(),
            annotations: &value.annotations,
            template: value.template(),
            digest: value.digest,
            collisions: value.status.collisions.unwrap_or(0),
            hash_label: HASH_LABEL,
        };
        let selects = |labels: &_| value.selector.matches(labels);
        let revisions = self.history.claim(cx, &parent, selects).await?;
        let work = Work {
            controller: self,
            cx,
            set: &set,
            control,
            pods,
        };
        if value.deleting {
            return work.only_count().await;
        }
        let newest = self.history.newest(cx, &parent, &revisions).await?;
        let named = |r: &&Known| r.key.name() == value.status.current_revision;
        let current = revisions.iter().find(named);
        let current = current.unwrap_or(&newest.revision).clone();
        let next = work.step(&current, &newest).await?;
        let names = [current.key.name(), newest.revision.key.name()];
        let limit = value.history_limit;
        let is_live = |r: &Known| names.contains(&r.key.name()) || work.is_of(r.key.name());
        self.history
            .truncate(cx, &revisions, limit, is_live)
            .await?;
        Ok(next)
    }
}
