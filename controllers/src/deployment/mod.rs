//! Deployments: one ReplicaSet for each template, and pods moved from the old ones to the new.
//!
//! Each reconcile looks at all ReplicaSets of the Deployment and makes the next step; every write names the revision that it
//! was decided on, so that a decision on an old picture fails instead of taking effect. The numbers are decided in
//! `arithmetic`, the status in `status`; revisions, by which `kubectl rollout undo` goes back, are kept in `revision`.

mod arithmetic;
mod model;
mod revision;
mod status;
mod write;

use std::{cmp::Reverse, sync::Arc};

use api::{apps::v1 as apps, core::v1 as core};
use runtime::{
    Context, Controller, Informer, Informers, Key, Next, Object, Patch, ReconcileError, Resource,
    ResultExt, Wiring,
    client::{DeleteOptions, WriteOptions},
    events::ObjectRef,
};

use self::{
    arithmetic::{Share, Size},
    model::{Deployment, Status, Strategy},
};
use crate::{
    object::{
        condition,
        owner::Owner,
        pod::{self, ORPHANS, Pod},
        replica_set::{self, ReplicaSet},
    },
    written::Written,
};

type Set = Arc<Object<ReplicaSet>>;

/// The controller of Deployments.
pub struct Deployments {
    deployments: Informer<Deployment>,
    sets: Informer<ReplicaSet>,
    pods: Informer<Pod>,
    /// ReplicaSets that were written.
    written: Written,
    /// Statuses; one that was decided on the picture before the last would only meet a conflict.
    statuses: Written,
}

impl Deployments {
    /// The controller, reading from the given informers.
    pub fn new(informers: &Informers) -> Self {
        let sets = informers.informer(&Resource::of(apps::ReplicaSet::TYPE));
        let pods = informers.informer(&Resource::of(core::Pod::TYPE));
        sets.add_index(replica_set::BY_OWNER, ReplicaSet::owner_values);
        pods.add_index(pod::BY_OWNER, Pod::owner_values);
        Deployments {
            deployments: informers.informer(&Resource::of(apps::Deployment::TYPE)),
            sets,
            pods,
            written: Written::default(),
            statuses: Written::default(),
        }
    }
}

impl Controller for Deployments {
    const NAME: &'static str = "deployment-controller";

    fn wire(&self, wiring: &mut Wiring<'_>) {
        wiring.watch_own(&self.deployments);
        let deployments = self.deployments.clone();
        wiring.watch(&self.sets, move |change, queue| {
            for set in change.states() {
                match &set.value.controller {
                    Some(owner) if owner.kind == "Deployment" && owner.group() == "apps" => {
                        queue.add(owner.key_beside(&set.key));
                    }
                    Some(_) => {}
                    // Somebody may want to adopt it.
                    None => {
                        for deployment in deployments.in_namespace(set.key.namespace()) {
                            if deployment.value.selector.matches(&set.value.labels) {
                                queue.add(deployment.key.clone());
                            }
                        }
                    }
                }
            }
        });
        // Recreate waits until the last old pod has gone, which no ReplicaSet tells.
        let sets = self.sets.clone();
        let deployments = self.deployments.clone();
        wiring.watch(&self.pods, move |change, queue| {
            if change.new.is_some_and(|pod| !pod.value.is_terminal()) {
                return;
            }
            for (set, _) in Pod::owners_of_kind(change, "apps", "ReplicaSet") {
                let owner = sets.get(&set).and_then(|s| s.value.controller.clone());
                if let Some(key) = owner.map(|o| o.key_beside(&set))
                    && deployments
                        .get(&key)
                        .is_some_and(|d| d.value.strategy == Strategy::Recreate)
                {
                    queue.add(key);
                }
            }
        });
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        let Some(deployment) = self.deployments.get(key) else {
            self.written.forget(key);
            self.statuses.forget(key);
            return Ok(Next::Done);
        };
        let (client, statuses) = (&cx.client, &self.statuses);
        if !self.written.is_seen(client, &self.sets, key).await?
            || !statuses.is_seen(client, &self.deployments, key).await?
        {
            return Ok(Next::Retry);
        }
        if deployment.value.selector.is_empty() {
            let text = "This deployment is selecting all pods. A non-empty selector is required.";
            cx.events
                .warning(self.reference(&deployment), "SelectingAll", text);
            return Ok(Next::Done);
        }
        let mut sets = self.claim(cx, &deployment).await?;
        sets.sort_by(|a, b| (a.value.created, &a.key).cmp(&(b.value.created, &b.key)));
        // Of several with the same template, which an upgrade may leave, the oldest.
        let at = sets
            .iter()
            .position(|s| s.value.digest == deployment.value.digest);
        let new = at.map(|at| sets.remove(at));
        Rollout {
            controller: self,
            cx,
            deployment,
            new,
            old: sets,
        }
        .step()
        .await
    }
}

impl Deployments {
    fn reference(&self, deployment: &Object<Deployment>) -> ObjectRef {
        ObjectRef::new(
            self.deployments.resource(),
            &deployment.key,
            &deployment.uid,
        )
    }

    /// The ReplicaSets of the Deployment: orphans that match are adopted, those that match no more released.
    async fn claim(
        &self,
        cx: &Context,
        deployment: &Object<Deployment>,
    ) -> Result<Vec<Set>, ReconcileError> {
        let d = &deployment.value;
        let mut claimed = Vec::new();
        for set in self.sets.by_index(replica_set::BY_OWNER, &deployment.uid) {
            if d.selector.matches(&set.value.labels) {
                claimed.push(set);
            } else if !d.deleting {
                let patch = Patch::Strategic(Owner::release(&deployment.uid, &set.uid));
                let released = cx
                    .client
                    .patch(
                        self.sets.resource(),
                        &set.key,
                        &patch,
                        &WriteOptions::default(),
                    )
                    .await;
                released.map(drop).or_else(|e| {
                    if e.is_not_found() || e.is_invalid() {
                        Ok(())
                    } else {
                        Err(e)
                    }
                })?;
            }
        }
        if d.deleting {
            return Ok(claimed);
        }
        let mut checked = false;
        for set in self.sets.by_index(
            replica_set::BY_OWNER,
            &format!("{ORPHANS}{}", deployment.key.namespace()),
        ) {
            if set.value.deleting || !d.selector.matches(&set.value.labels) {
                continue;
            }
            // Once before the first adoption: a Deployment that is about to go must not adopt.
            if !checked {
                let live = cx
                    .client
                    .get(self.deployments.resource(), &deployment.key)
                    .await
                    .optional()?;
                let metadata = live
                    .as_ref()
                    .map(|live| apps::Deployment::of(live).metadata());
                if !metadata.is_some_and(|m| {
                    m.uid() == &*deployment.uid && m.deletion_timestamp().is_none()
                }) {
                    break;
                }
                checked = true;
            }
            let patch =
                Owner::controller(self.deployments.resource(), deployment).adoption(&set.uid);
            let options = WriteOptions::default();
            let adopted = cx
                .client
                .patch(
                    self.sets.resource(),
                    &set.key,
                    &Patch::Strategic(patch),
                    &options,
                )
                .await;
            if let Some(tree) = adopted.optional()? {
                claimed.push(Arc::new(Object::read(&tree)));
            }
        }
        Ok(claimed)
    }
}

/// Whether what the set tells of itself is about its spec as it is.
fn has_observed(set: &Set) -> bool {
    set.value.status.observed_generation >= set.value.generation
}

/// Whether it has no more pods than it has been given.
fn has_shrunk(set: &Set) -> bool {
    has_observed(set) && set.value.status.replicas <= set.value.replicas
}

/// One look at a Deployment and its ReplicaSets.
struct Rollout<'a> {
    controller: &'a Deployments,
    cx: &'a Context,
    deployment: Arc<Object<Deployment>>,
    /// The one with the Deployment's template.
    new: Option<Set>,
    /// The others, oldest first.
    old: Vec<Set>,
}

impl Rollout<'_> {
    fn d(&self) -> &Deployment {
        &self.deployment.value
    }

    async fn step(mut self) -> Result<Next, ReconcileError> {
        if self.d().deleting {
            return self.store(self.counts()).await;
        }
        if let Some(next) = self.pause_or_resume().await? {
            return Ok(next);
        }
        if self.d().paused {
            self.sync_revision().await?;
            self.scale_in_proportion().await?;
            self.clean_up().await?;
            return self.store(self.counts()).await;
        }
        self.sync_revision().await?;
        if self.is_scaling() {
            self.scale_in_proportion().await?;
            return self.store(self.counts()).await;
        }
        let moved = match &self.d().strategy {
            Strategy::RollingUpdate { .. } => self.roll().await?,
            Strategy::Recreate => self.recreate().await?,
            Strategy::Other(name) => {
                return Err(ReconcileError::message(format!(
                    "unexpected deployment strategy type: {name}"
                )));
            }
        };
        if !moved && status::is_complete(self.d(), &self.d().status) {
            self.clean_up().await?;
        }
        let now = self.cx.clock.now();
        let name = self.deployment.key.name().to_owned();
        let status = status::rollout(self.d(), &name, self.new.as_ref(), &self.old, now);
        self.store(status).await
    }

    fn counts(&self) -> Status {
        status::counts(self.d(), self.new.as_ref(), &self.old, self.cx.clock.now())
    }

    /// Notes in the status that progress is not expected while paused, and is again afterwards.
    async fn pause_or_resume(&self) -> Result<Option<Next>, ReconcileError> {
        let d = self.d();
        let current = condition::find(&d.status.conditions, status::PROGRESSING);
        let reason = current.map_or("", |c| c.reason.as_str());
        let (reason, message) = match (d.paused, reason) {
            _ if d.progress_deadline.is_none() || reason == status::TIMED_OUT => return Ok(None),
            (true, status::PAUSED) => return Ok(None),
            (true, _) => (status::PAUSED, "Deployment is paused"),
            (false, status::PAUSED) => (status::RESUMED, "Deployment is resumed"),
            (false, _) => return Ok(None),
        };
        let mut status = d.status.clone();
        let now = self.cx.clock.now();
        let condition = status::condition(
            status::PROGRESSING,
            "Unknown",
            reason,
            message.to_owned(),
            now,
        );
        condition::set(&mut status.conditions, condition);
        // The change makes the key dirty, and the next look goes on from there.
        self.store(status).await.map(Some)
    }

    /// Gives the new ReplicaSet the highest revision, and the Deployment's annotations.
    async fn sync_revision(&mut self) -> Result<(), ReconcileError> {
        let Some(new) = self.new.clone() else {
            return Ok(());
        };
        let wanted = self.next_revision();
        let annotations = revision::newest(&self.d().annotations, &new.value.annotations, wanted);
        if !annotations.is_empty() || new.value.min_ready_seconds != self.d().min_ready_seconds {
            let patch = serde_json::json!({
                "metadata": {"resourceVersion": &*new.resource_version, "annotations": annotations},
                "spec": {"minReadySeconds": self.d().min_ready_seconds},
            });
            self.new = Some(self.patch_set(&new, patch).await?);
        }
        // Without a record of progress there is no deadline: begin one.
        if self.d().progress_deadline.is_some()
            && condition::find(&self.d().status.conditions, status::PROGRESSING).is_none()
        {
            let message = format!("Found new replica set \"{}\"", new.key.name());
            self.note_progress("FoundNewReplicaSet", message);
        }
        Ok(())
    }

    /// Sets the `Progressing` condition in the status that the rest of this look starts from.
    fn note_progress(&mut self, reason: &str, message: String) {
        let now = self.cx.clock.now();
        let progress = status::condition(status::PROGRESSING, "True", reason, message, now);
        let mut value = self.deployment.value.clone();
        condition::set(&mut value.status.conditions, progress);
        self.deployment = Arc::new(Object {
            key: self.deployment.key.clone(),
            uid: self.deployment.uid.clone(),
            resource_version: self.deployment.resource_version.clone(),
            value,
        });
    }

    fn next_revision(&self) -> i64 {
        self.old
            .iter()
            .filter_map(|s| revision::revision(&s.value.annotations))
            .max()
            .unwrap_or(0)
            + 1
    }

    /// The Deployment was scaled since some ReplicaSet with pods was.
    fn is_scaling(&self) -> bool {
        let mut active = self
            .old
            .iter()
            .chain(&self.new)
            .filter(|s| s.value.replicas > 0);
        active.any(|s| {
            s.value
                .count_annotation(revision::DESIRED)
                .is_some_and(|n| n != self.d().replicas)
        })
    }

    /// Scales without rolling: keeps the proportions that an update or a pause left.
    async fn scale_in_proportion(&mut self) -> Result<(), ReconcileError> {
        let desired = self.d().replicas;
        let active: Vec<Set> = self
            .old
            .iter()
            .chain(&self.new)
            .filter(|s| s.value.replicas > 0)
            .cloned()
            .collect();
        let surge = self.d().bounds().surge;
        let given: i32 = active.iter().map(|s| s.value.replicas).sum();
        let growing = desired > 0 && desired + surge > given;
        // Upstream grows at once, and exceeds the surge while others still shrink.
        if growing && !self.old.iter().chain(&self.new).all(has_shrunk) {
            return Ok(());
        }
        if active.len() <= 1 {
            let only = active
                .first()
                .or(self.new.as_ref())
                .or(self.old.last())
                .cloned();
            if let Some(set) = only {
                self.scale(&set, desired, false).await?;
            }
            return Ok(());
        }
        if let Some(new) = self.new.clone()
            && new.value.replicas == desired
            && new.value.status.available == desired
            && new.value.count_annotation(revision::DESIRED) == Some(desired)
        {
            // The new one does it all alone: adopted ones are not needed.
            for set in active.iter().filter(|s| s.uid != new.uid) {
                self.scale(set, 0, false).await?;
            }
            return Ok(());
        }
        if !matches!(self.d().strategy, Strategy::RollingUpdate { .. }) {
            return Ok(());
        }
        let mut order = active;
        if growing {
            order.sort_by_key(|s| {
                (
                    Reverse(s.value.replicas),
                    Reverse(s.value.created),
                    s.key.clone(),
                )
            });
        } else {
            order.sort_by_key(|s| (Reverse(s.value.replicas), s.value.created, s.key.clone()));
        }
        let share = |s: &Set| Share {
            replicas: s.value.replicas,
            max_before: s.value.count_annotation(revision::MAX),
        };
        let shares: Vec<Share> = order.iter().map(share).collect();
        let sizes = arithmetic::proportional(desired, surge, self.d().status.replicas, &shares);
        for (set, size) in order.iter().zip(sizes) {
            self.scale(set, size, true).await?;
        }
        Ok(())
    }

    /// One step of a rolling update: up if there is room, else down. Says whether something moved.
    async fn roll(&mut self) -> Result<bool, ReconcileError> {
        let new = self.ensure_new().await?;
        let (desired, bounds) = (self.d().replicas, self.d().bounds());
        let size = arithmetic::scale_up(desired, bounds, self.old_pods(), new.value.replicas);
        if self.scale(&new, size, false).await? {
            return Ok(true);
        }
        // What a set tells of itself is from before its last change: if it shrank and grew again since, the pods that it lost
        // in between still count in it as available.
        if !self.old.iter().chain(&self.new).all(has_observed) {
            return Ok(false);
        }
        // Of a set that shrinks, no more count as available than it will keep, whatever its status still says.
        let in_numbers = |s: &Set| Size {
            replicas: s.value.replicas,
            available: s.value.status.available.min(s.value.replicas),
        };
        let old: Vec<Set> = self
            .old
            .iter()
            .filter(|s| s.value.replicas > 0)
            .cloned()
            .collect();
        let sizes: Vec<Size> = old.iter().map(in_numbers).collect();
        let mut moved = false;
        for (set, size) in old.iter().zip(arithmetic::scale_down(
            desired,
            bounds,
            in_numbers(&new),
            &sizes,
        )) {
            moved |= self.scale(set, size, false).await?;
        }
        Ok(moved)
    }

    /// One step of a replacement: all old pods go, and only when the last has ended do new ones come.
    async fn recreate(&mut self) -> Result<bool, ReconcileError> {
        let mut moved = false;
        for set in self.old.clone() {
            moved |= self.scale(&set, 0, false).await?;
        }
        if moved || self.old_pods_run() {
            return Ok(moved);
        }
        let new = self.ensure_new().await?;
        self.scale(&new, self.d().replicas, false).await
    }

    /// How many pods the old ReplicaSets have or may still make; `None` while one of them has not yet taken in its last change.
    /// Upstream counts what they have been given, and exceeds the surge while they shrink.
    fn old_pods(&self) -> Option<i32> {
        let pods = |set: &Set| {
            let status = &set.value.status;
            has_observed(set).then(|| set.value.replicas.max(status.replicas))
        };
        self.old.iter().map(pods).sum()
    }

    fn old_pods_run(&self) -> bool {
        self.old.iter().any(|set| {
            set.value.status.replicas > 0
                || self
                    .controller
                    .pods
                    .by_index(pod::BY_OWNER, &set.uid)
                    .iter()
                    .any(|p| !p.value.is_terminal())
        })
    }

    /// Deletes the oldest ReplicaSets that nothing runs of, beyond the number that is to be kept.
    async fn clean_up(&self) -> Result<(), ReconcileError> {
        let Some(limit) = self.d().history_limit else {
            return Ok(());
        };
        let mut old: Vec<&Set> = self.old.iter().filter(|s| !s.value.deleting).collect();
        let surplus = old
            .len()
            .saturating_sub(usize::try_from(limit).unwrap_or(0));
        old.sort_by_key(|s| {
            (
                revision::revision(&s.value.annotations),
                s.value.created,
                s.key.clone(),
            )
        });
        for set in old.into_iter().take(surplus) {
            let value = &set.value;
            let idle = value.replicas == 0 && value.status.replicas == 0;
            if idle && value.generation <= value.status.observed_generation {
                let options = DeleteOptions::of_uid(&set.uid);
                let deleted = self
                    .cx
                    .client
                    .delete(self.controller.sets.resource(), &set.key, &options)
                    .await;
                deleted.or_else(|e| {
                    if e.is_not_found() || e.is_conflict() {
                        Ok(())
                    } else {
                        Err(e)
                    }
                })?;
            }
        }
        Ok(())
    }
}
