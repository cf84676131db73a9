//! ReplicaSets and ReplicationControllers: as many pods as wanted, no more and no fewer. One controller serves both kinds,
//! each with informers, expectations and a queue of its own; `kind` says where they differ, and what is a "set" here is either.
//!
//! Pods get their names here rather than from the server, so that a create whose reply was lost can be sent again without
//! making a second pod. What was asked for and not yet seen is kept as expectations; while anything is outstanding, the
//! picture is too old to count by.

mod kind;
mod ranking;
mod status;

use std::{marker::PhantomData, sync::Arc, time::Duration};

use api::{
    core::v1::{self as core, PodMut, PodTemplateSpec},
    tree::Tree,
    view,
};
use futures::future::join_all;
use jiff::Timestamp;
use runtime::{
    Backoff, BackoffPolicy, Context, Controller, Error, Expectations, Informer, Informers, Key,
    Next, Object, Patch, ReconcileError, Resource, ResultExt, Wiring,
    client::{DeleteOptions, WriteOptions},
    events::ObjectRef,
};

use crate::object::{
    owner::Owner,
    pod::{self, ORPHANS, Pod},
    replica_set::{self, ReplicaSet},
};

pub use kind::Kind;

/// Pods created or deleted in one go at most: upstream's number.
const BURST: usize = 500;

/// How often a request is sent whose fate is unknown.
const ATTEMPTS: u32 = 6;

/// The controller of ReplicaSets.
pub type ReplicaSets = Replicas<kind::Apps>;

/// The controller of ReplicationControllers.
pub type ReplicationControllers = Replicas<kind::Core>;

/// The controller of one of the kinds.
pub struct Replicas<K> {
    sets: Informer<ReplicaSet>,
    pods: Informer<Pod>,
    expectations: Arc<Expectations>,
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
            // Another set of the same name has expectations of its own; those of the old one went with it.
            let resource = sets.resource();
            for (key, uid) in Pod::owners_of_kind(change, resource.group(), resource.kind()) {
                if sets.get(&key).is_none_or(|set| *set.uid == *uid) {
                    let pod = change.latest();
                    let is_owner = pod
                        .value
                        .controller
                        .as_ref()
                        .is_some_and(|owner| owner.uid == uid);
                    if change.old.is_none() && is_owner {
                        expectations.created(&key);
                    }
                    if change.new.is_none() || pod.value.deletion.is_some() {
                        expectations.deleted(&key, &pod.uid);
                    }
                }
                queue.add(key);
            }
            // Somebody may want to adopt it.
            if let Some(new) = change.new
                && new.value.controller.is_none()
                && new.value.deletion.is_none()
            {
                for set in sets.in_namespace(new.key.namespace()) {
                    if set.value.selector.matches(&new.value.labels) {
                        queue.add(set.key.clone());
                    }
                }
            }
        });
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        let Some(set) = self.sets.get(key) else {
            self.expectations.forget(key);
            return Ok(Next::Done);
        };
        let current = !self.waits || self.expectations.satisfied(key);
        let mut pods = self.pods.by_index(pod::BY_OWNER, &set.uid);
        let terminating = K::TELLS_TERMINATING.then(|| {
            pods.iter()
                .filter(|p| p.value.is_terminating() && selects(&set, p))
                .count()
        });
        pods.retain(|p| p.value.is_active());
        pods.extend(
            self.pods
                .by_index(pod::BY_OWNER, &format!("{ORPHANS}{}", key.namespace()))
                .into_iter()
                .filter(|p| p.value.is_active()),
        );
        let pods = self.claim(cx, &set, pods).await?;

        let managed = if current && !set.value.deleting {
            self.manage(cx, &set, &pods).await
        } else {
            Ok(())
        };
        let now = cx.clock.now();
        let status = status::calculate(
            &set.value,
            current,
            &pods,
            &self.expectations.deleting(key),
            terminating,
            managed.as_ref().err(),
            now,
        );
        if status != set.value.status {
            let patch = Patch::Merge(status::patch(&status, &set.resource_version));
            cx.client
                .patch_status(self.sets.resource(), key, &patch)
                .await?;
        }
        managed?;
        if let Some(delay) = status::next_availability(&set.value, &pods, now) {
            return Ok(Next::After(delay));
        }
        Ok(self
            .expectations
            .expires_in(key)
            .map_or(Next::Done, Next::After))
    }
}

/// Whether a pod is the set's by its labels; a set without a selector selects nothing.
fn selects(set: &Set, pod: &Object<Pod>) -> bool {
    !set.value.selector.is_empty() && set.value.selector.matches(&pod.value.labels)
}

impl<K: Kind> Replicas<K> {
    /// Adopts orphans that match, releases pods that match no more, and returns those that are the set's.
    async fn claim(
        &self,
        cx: &Context,
        set: &Set,
        pods: Vec<Arc<Object<Pod>>>,
    ) -> Result<Vec<Arc<Object<Pod>>>, Error> {
        let mut claimed = Vec::with_capacity(pods.len());
        let mut checked = false;
        for pod in pods {
            match &pod.value.controller {
                Some(owner) if *owner.uid != *set.uid => {}
                Some(_) if selects(set, &pod) => claimed.push(pod),
                Some(_) if !set.value.deleting => {
                    let patch = Patch::Strategic(Owner::release(&set.uid, &pod.uid));
                    let released = self.patch_pod(cx, &pod.key, patch).await;
                    // Gone, or another of that name: nothing to release.
                    released.or_else(|e| {
                        if e.is_not_found() || e.is_invalid() {
                            Ok(())
                        } else {
                            Err(e)
                        }
                    })?;
                }
                None if !set.value.deleting && selects(set, &pod) => {
                    // Once before the first adoption: a set that is about to go must not adopt.
                    if !checked {
                        let live = cx
                            .client
                            .get(self.sets.resource(), &set.key)
                            .await
                            .optional()?;
                        if !live.is_some_and(|live| may_adopt(&live, &set.uid)) {
                            return Ok(claimed);
                        }
                        checked = true;
                    }
                    let adoption = Owner::controller(self.sets.resource(), set).adoption(&pod.uid);
                    match self
                        .patch_pod(cx, &pod.key, Patch::Strategic(adoption))
                        .await
                    {
                        Ok(()) => claimed.push(pod),
                        Err(error) if error.is_not_found() => {}
                        Err(error) => return Err(error),
                    }
                }
                _ => {}
            }
        }
        Ok(claimed)
    }

    async fn patch_pod(&self, cx: &Context, key: &Key, patch: Patch) -> Result<(), Error> {
        cx.client
            .patch(self.pods.resource(), key, &patch, &WriteOptions::default())
            .await
            .map(drop)
    }

    /// Creates or deletes what is missing or too much.
    async fn manage(
        &self,
        cx: &Context,
        set: &Set,
        pods: &[Arc<Object<Pod>>],
    ) -> Result<(), Error> {
        let wanted = usize::try_from(set.value.replicas).unwrap_or(0);
        if pods.len() < wanted {
            self.create_pods(cx, set, (wanted - pods.len()).min(BURST))
                .await
        } else if pods.len() > wanted {
            let surplus = (pods.len() - wanted).min(BURST);
            let related = self.related_pods(set);
            let victims = ranking::pods_to_delete(pods.to_vec(), &related, surplus, cx.clock.now());
            self.delete_pods(cx, set, &victims).await
        } else {
            Ok(())
        }
    }

    /// Creates in batches of 1, 2, 4 …, and stops at the first batch with a failure: what fails for one, such as a quota,
    /// mostly fails for all.
    async fn create_pods(&self, cx: &Context, set: &Set, count: usize) -> Result<(), Error> {
        let Some(template) = &set.value.template else {
            return Ok(());
        };
        self.expectations.expect_creates(&set.key, count as u64);
        let (mut left, mut batch) = (count, 1);
        while left > 0 {
            batch = batch.min(left);
            let results = join_all((0..batch).map(|_| self.create_pod(cx, set, template))).await;
            left -= batch;
            let mut failure = None;
            for failed in results.into_iter().filter_map(Result::err) {
                // Of an unknown fate the informer will tell, or the expectation expires.
                if failed.for_sure {
                    self.expectations.created(&set.key);
                }
                if !failed.error.is_namespace_terminating() {
                    failure = Some(failed.error);
                }
            }
            if let Some(error) = failure {
                for _ in 0..left {
                    self.expectations.created(&set.key);
                }
                return Err(error);
            }
            batch *= 2;
        }
        Ok(())
    }

    /// Creates one pod, and does not let go while it is unknown whether it has.
    async fn create_pod(
        &self,
        cx: &Context,
        set: &Set,
        template: &Tree,
    ) -> Result<(), CreateFailed> {
        let object = ObjectRef::new(self.sets.resource(), &set.key, &set.uid);
        let prefix = pod_prefix(set.key.name());
        let mut name = format!("{prefix}{}", cx.random.suffix(5));
        let mut backoff = Backoff::new(BackoffPolicy::CONNECTION);
        // Once an attempt may have made the pod, no later refusal proves that there is none.
        let mut for_sure = true;
        loop {
            let pod = self.pod(set, template, &prefix, &name);
            let options = WriteOptions::default();
            let created = cx
                .client
                .create(self.pods.resource(), set.key.namespace(), &pod, &options)
                .await;
            let error = match created {
                Ok(_) => break,
                Err(error) if error.is_already_exists() => {
                    // Ours, if the reply to an earlier attempt was lost; else somebody's who drew the same name.
                    for_sure = false;
                    let key = Key::new(set.key.namespace(), &name);
                    match cx.client.get(self.pods.resource(), &key).await.optional() {
                        Ok(Some(live)) if is_owned_by(&live, &set.uid) => break,
                        Ok(_) => {
                            for_sure = true;
                            name = format!("{prefix}{}", cx.random.suffix(5));
                            continue;
                        }
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            for_sure &= !error.may_have_taken_effect();
            if !for_sure && backoff.failures() + 1 < ATTEMPTS {
                tokio::time::sleep(backoff.fail(&cx.random)).await;
                continue;
            }
            if !error.is_namespace_terminating() {
                cx.events
                    .warning(object, "FailedCreate", format!("Error creating: {error}"));
            }
            return Err(CreateFailed { error, for_sure });
        }
        cx.events
            .normal(object, "SuccessfulCreate", format!("Created pod: {name}"));
        Ok(())
    }

    /// A pod from the template: a copy of it, so that nothing is lost that we do not know.
    fn pod(&self, set: &Set, template: &Tree, prefix: &str, name: &str) -> Tree {
        let mut tree = Tree::new(core::Pod::TYPE);
        let template = PodTemplateSpec::of(template);
        let mut pod = PodMut::of(&mut tree);
        pod.set_spec(template.spec());
        let mut metadata = pod.metadata_mut();
        metadata.set_name(name);
        metadata.set_generate_name(prefix);
        metadata.set_namespace(set.key.namespace());
        for (key, value) in template.metadata().labels().iter() {
            metadata.labels_mut().insert(key, value);
        }
        for (key, value) in template.metadata().annotations().iter() {
            metadata.annotations_mut().insert(key, value);
        }
        for finalizer in template.metadata().finalizers().iter() {
            metadata.push_finalizers(finalizer);
        }
        let owner = Owner::controller(self.sets.resource(), set);
        let mut reference = metadata.push_owner_references();
        reference.set_api_version(&owner.api_version);
        reference.set_kind(&owner.kind);
        reference.set_name(&owner.name);
        reference.set_uid(&owner.uid);
        reference.set_controller(true);
        reference.set_block_owner_deletion(true);
        tree
    }

    async fn delete_pods(
        &self,
        cx: &Context,
        set: &Set,
        victims: &[Arc<Object<Pod>>],
    ) -> Result<(), Error> {
        self.expectations
            .expect_deletes(&set.key, victims.iter().map(|p| p.uid.to_string()));
        let results = join_all(victims.iter().map(|pod| self.delete_pod(cx, set, pod))).await;
        results
            .into_iter()
            .find_map(Result::err)
            .map_or(Ok(()), Err)
    }

    async fn delete_pod(&self, cx: &Context, set: &Set, pod: &Object<Pod>) -> Result<(), Error> {
        let object = ObjectRef::new(self.sets.resource(), &set.key, &set.uid);
        let mut backoff = Backoff::new(BackoffPolicy::CONNECTION);
        loop {
            let options = DeleteOptions::of_uid(&pod.uid);
            match cx
                .client
                .delete(self.pods.resource(), &pod.key, &options)
                .await
            {
                Ok(()) => {
                    let message = format!("Deleted pod: {}", pod.key.name());
                    cx.events.normal(object, "SuccessfulDelete", message);
                    return Ok(());
                }
                // Gone, or another of that name: as wished.
                Err(error) if error.is_not_found() || error.is_conflict() => {
                    // As long as it is here as it was, the event of its end is still to come, and we would count it.
                    let known = self.pods.get(&pod.key);
                    if !known.is_some_and(|known| known.uid == pod.uid && known.value.is_active()) {
                        self.expectations.deleted(&set.key, &pod.uid);
                    }
                    return Ok(());
                }
                Err(error)
                    if error.may_have_taken_effect() && backoff.failures() + 1 < ATTEMPTS =>
                {
                    tokio::time::sleep(backoff.fail(&cx.random)).await;
                }
                Err(error) => {
                    if !error.may_have_taken_effect() {
                        self.expectations.deleted(&set.key, &pod.uid);
                    }
                    cx.events
                        .warning(object, "FailedDelete", format!("Error deleting: {error}"));
                    return Err(error);
                }
            }
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

/// A pod could not be created.
struct CreateFailed {
    error: Error,
    /// There is none. Otherwise there may be.
    for_sure: bool,
}

/// Whether a pod is managed by the owner with this uid.
fn is_owned_by(pod: &Tree, uid: &str) -> bool {
    Owner::controller_of(core::Pod::of(pod).metadata()).is_some_and(|owner| owner.uid == uid)
}

/// Whether this is still the same set, and not about to go.
fn may_adopt(live: &Tree, uid: &str) -> bool {
    let metadata = view::metadata(live);
    metadata.uid() == uid && metadata.deletion_timestamp().is_none()
}

/// `name-`, cut so that five more characters make a valid name: the server cuts generated names at 58 for labels' sake.
fn pod_prefix(name: &str) -> String {
    let mut prefix = format!("{name}-");
    prefix.truncate(58);
    prefix
}

/// The longest that a caller should wait for a pod to become available.
fn seconds(count: i32) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap_or(0))
}

/// How long until `since + min_ready` comes.
fn until(since: Timestamp, min_ready: Duration, now: Timestamp) -> Option<Duration> {
    let ready_for = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    min_ready.checked_sub(ready_for).filter(|d| !d.is_zero())
}
