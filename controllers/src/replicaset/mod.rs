//! ReplicaSets and ReplicationControllers: as many pods as wanted, no more and no fewer. One controller serves both kinds,
//! each with informers, expectations and a queue of its own; `kind` says where they differ, and what is a "set" here is either.
//!
//! Pods get their names here rather than from the server, so that a create whose reply was lost can be sent again without
//! making a second pod. What was asked for and not yet seen is kept as expectations; while anything is outstanding, the
//! picture is too old to count by.

mod kind;
mod ranking;
mod status;

use std::{marker::PhantomData, sync::Arc};

use api::core::v1::{self as core, PodTemplateSpec};
use runtime::{
    Context, Controller, Error, Expectations, Informer, Informers, Key, Next, Object, Patch,
    ReconcileError, Resource, Wiring, object::Meta,
};

use crate::{
    object::{
        pod::{self, Pod},
        replica_set::{self, ReplicaSet},
    },
    pods::{self, BURST, PodControl},
    written::Written,
};

pub use kind::Kind;

/// The controller of ReplicaSets.
pub type ReplicaSets = Replicas<kind::Apps>;

/// The controller of ReplicationControllers.
pub type ReplicationControllers = Replicas<kind::Core>;

/// The controller of one of the kinds.
pub struct Replicas<K> {
    sets: Informer<ReplicaSet>,
    pods: Informer<Pod>,
    expectations: Arc<Expectations>,
    /// Statuses; one that was decided on the picture before the last would only meet a conflict.
    written: Written,
    /// Whether it waits until what it has asked for is seen.
    waits: bool,
    kind: PhantomData<K>,
}

type Set = Object<ReplicaSet>;

impl<K: Kind> Replicas<K> {
    /// The controller, reading from the given informers. One that does not wait until it sees what it has asked for counts by
    /// old pictures: only for the simulation, which must notice.
    pub fn new(informers: &Informers, waits: bool) -> Self {
        let sets = informers.informer(&Resource::of(K::TYPE));
        let pods = informers.informer(&Resource::of(core::Pod::TYPE));
        sets.add_index(replica_set::BY_OWNER, ReplicaSet::owner_values);
        pods.add_index(pod::BY_OWNER, Pod::owner_values);
        Replicas {
            sets,
            pods,
            expectations: Arc::default(),
            written: Written::default(),
            waits,
            kind: PhantomData,
        }
    }
}

impl<K: Kind> Controller for Replicas<K> {
    const NAME: &'static str = K::CONTROLLER;
    const EVENT_SOURCE: &'static str = K::EVENT_SOURCE;

    fn wire(&self, wiring: &mut Wiring<'_>) {
        wiring.watch_own(&self.sets);
        let (expectations, sets) = (self.expectations.clone(), self.sets.clone());
        wiring.watch(&self.pods, move |change, queue| {
            let selects = |set: &ReplicaSet, pod: &Pod| set.selector.matches(&pod.labels);
            pods::seen(change, &sets, &expectations, selects, queue);
        });
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        let Some(set) = self.sets.get(key) else {
            self.written.forget(key);
            return Ok(Next::Done);
        };
        if self.waits && !self.written.is_seen(&cx.client, &self.sets, key).await? {
            return Ok(Next::Retry);
        }
        let current = !self.waits || self.expectations.satisfied(&set.uid);
        let resource = self.sets.resource();
        let control = PodControl::new(cx, &self.pods, &self.expectations, resource, &set);
        let mut pods = control.candidates();
        let terminating = K::TELLS_TERMINATING.then(|| {
            pods.iter()
                .filter(|p| p.value.controller.is_some())
                .filter(|p| p.value.is_terminating() && selects(&set, p))
                .count()
        });
        pods.retain(|p| p.value.is_active());
        let pods = control
            .claim(set.value.deleting, |pod| selects(&set, pod), pods)
            .await?;

        let managed = if current && !set.value.deleting {
            self.manage(cx, &control, &set, &pods).await
        } else {
            Ok(())
        };
        let now = cx.clock.now();
        let status = status::calculate(
            &set.value,
            current,
            &pods,
            &self.expectations.deleting(&set.uid),
            terminating,
            managed.as_ref().err(),
            now,
        );
        if status != set.value.status {
            let patch = Patch::Merge(status::patch(&status, &set.resource_version));
            let patched = cx
                .client
                .patch_status(self.sets.resource(), key, &patch)
                .await?;
            self.written
                .at(key, key, Meta::of(&patched).resource_version);
        }
        managed?;
        if let Some(delay) = status::next_availability(&set.value, &pods, now) {
            return Ok(Next::After(delay));
        }
        Ok(self
            .expectations
            .expires_in(&set.uid)
            .map_or(Next::Done, Next::After))
    }
}

/// Whether a pod is the set's by its labels; a set without a selector selects nothing.
fn selects(set: &Set, pod: &Object<Pod>) -> bool {
    !set.value.selector.is_empty() && set.value.selector.matches(&pod.value.labels)
}

impl<K: Kind> Replicas<K> {
    /// Creates or deletes what is missing or too much.
    async fn manage(
        &self,
        cx: &Context,
        control: &PodControl<'_>,
        set: &Set,
        pods: &[Arc<Object<Pod>>],
    ) -> Result<(), Error> {
        let wanted = usize::try_from(set.value.replicas).unwrap_or(0);
        if pods.len() < wanted {
            let Some(template) = &set.value.template else {
                return Ok(());
            };
            let (template, namespace) = (PodTemplateSpec::of(template), set.key.namespace());
            let count = (wanted - pods.len()).min(BURST);
            control
                .create_all(count, |_, prefix, name| {
                    pods::from_template(template, namespace, prefix, name, control.owner())
                })
                .await
        } else if pods.len() > wanted {
            let surplus = (pods.len() - wanted).min(BURST);
            let related = self.related_pods(set);
            let victims = ranking::pods_to_delete(pods.to_vec(), &related, surplus, cx.clock.now());
            control.delete_all(&victims).await
        } else {
            Ok(())
        }
    }

    /// The pods of all sets of the kind that have the same owner; of one that nobody owns its own.
    fn related_pods(&self, set: &Set) -> Vec<Arc<Object<Pod>>> {
        let siblings = match &set.value.controller {
            Some(owner) => self.sets.by_index(replica_set::BY_OWNER, &owner.uid),
            None => self.sets.get(&set.key).into_iter().collect(),
        };
        siblings
            .iter()
            .flat_map(|sibling| self.pods.by_index(pod::BY_OWNER, &sibling.uid))
            .collect()
    }
}
