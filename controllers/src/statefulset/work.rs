//! Making the steps: what the plan says becomes requests, events and a status.

use std::sync::Arc;

use api::core::v1::PodTemplateSpec;
use futures::future::join_all;
use runtime::{
    Context, Error, Key, Next, Object, Patch, ReconcileError, client::WriteOptions, object::Meta,
};
use serde_json::json;

use super::{
    StatefulSets, identity,
    model::{StatefulSet, Strategy, parent_and_ordinal},
    places::Places,
    plan::{self, Place, Rules, Step, Update},
    retention::Owners,
    status,
};
use crate::{
    history::{Known, Newest},
    object::pod::{Phase, Pod, REVISION_LABEL},
    pods::{BURST, PodControl},
};

/// How long until a pod is tried again whose claim still belongs to a former one of its name.
const STALE_CLAIM: std::time::Duration = std::time::Duration::from_secs(1);

/// One look at a StatefulSet and its pods.
pub(super) struct Work<'a> {
    pub controller: &'a StatefulSets,
    pub cx: &'a Context,
    pub set: &'a Object<StatefulSet>,
    pub control: PodControl<'a>,
    pub pods: Vec<Arc<Object<Pod>>>,
}

/// What has become of a step.
enum Made {
    /// It is done.
    Done,
    /// It has to be tried again, after this.
    Again(Next),
}

impl<'a> Work<'a> {
    /// Whether a pod is of a revision.
    pub(super) fn is_of(&self, revision: &str) -> bool {
        self.pods.iter().any(|p| is_of(p, revision))
    }

    /// Keeps the status of a set that is on its way out.
    pub(super) async fn only_count(&self) -> Result<Next, ReconcileError> {
        let old = &self.set.value.status;
        let collisions = old.collisions.unwrap_or(0);
        let names = (&old.current_revision, &old.update_revision);
        self.store(names.0, names.1, collisions, 0).await
    }

    /// Makes the next steps, and notes where that leaves the set.
    pub(super) async fn step(
        &self,
        current: &Known,
        newest: &Newest,
    ) -> Result<Next, ReconcileError> {
        let set = &self.set.value;
        let places = self.places();
        let update = match &set.strategy {
            Strategy::OnDelete => None,
            Strategy::RollingUpdate(rolling) => {
                let stay = rolling.as_ref().map_or(0, |r| r.partition);
                Some(Update {
                    from: places.after(set.start, stay),
                    max_unavailable: plan::max_unavailable(rolling.as_ref(), set.replicas),
                })
            }
            Strategy::Other(name) => {
                let text = format!("statefulset strategy type {name} is not supported");
                let object = self.control.reference();
                self.cx
                    .events
                    .warning(object, "UnknownStrategy", text.clone());
                return Err(ReconcileError::message(text));
            }
        };
        let rules = Rules {
            ordered: set.ordered,
            update,
        };
        let names = (current.key.name(), newest.revision.key.name());
        let place = |pod: &Arc<Object<Pod>>| self.place(pod, names.1);
        let wanted: Vec<Place> = places
            .wanted
            .iter()
            .map(|(_, pod)| pod.map_or_else(Place::default, place))
            .collect();
        let surplus: Vec<Place> = places.surplus.iter().map(|pod| place(pod)).collect();
        let steps = plan::steps(rules, &wanted, places.left_out, &surplus);
        let made = self.make_all(&steps, &places, current, &newest.revision);
        let (given_up, made) = made.await;
        let stored = self
            .store(names.0, names.1, newest.collisions, given_up)
            .await;
        match (made?, stored?) {
            (Made::Again(next), _) => Ok(next),
            (Made::Done, next) => Ok(next),
        }
    }

    fn place(&self, pod: &Object<Pod>, update: &str) -> Place {
        let (value, set) = (&pod.value, &self.set.value);
        let ready = status::is_running_and_ready(value);
        Place {
            present: true,
            ended: value.is_terminal(),
            pending: value.phase == Phase::Pending,
            deleting: value.deletion.is_some(),
            ready,
            available: ready && value.is_available(set.min_ready_seconds, self.cx.clock.now()),
            updated: is_of(pod, update),
        }
    }

    fn places(&self) -> Places<&Arc<Object<Pod>>> {
        let set = &self.set.value;
        let pods = self.pods.iter();
        let pods = pods.filter_map(|pod| Some((ordinal(pod)?, pod)));
        Places::of(pods, set.start, set.replicas, BURST)
    }

    /// Makes steps until one fails or has to be tried again; also says how many pods of the current revision were given up for
    /// the update. Where the
    /// order does not matter, pods are created in batches of 1, 2, 4 …
    async fn make_all(
        &self,
        steps: &[Step],
        places: &Places<&Arc<Object<Pod>>>,
        current: &Known,
        update: &Known,
    ) -> (i32, Result<Made, ReconcileError>) {
        let (mut given_up, mut outcome) = (0, Made::Done);
        let is_create = |step: &&Step| matches!(step, Step::Create(_));
        let mut creates = steps.iter().filter(is_create).peekable();
        let mut batch = 1;
        while creates.peek().is_some() {
            let now: Vec<_> = creates.by_ref().take(batch).collect();
            let made = now
                .into_iter()
                .map(|step| self.make(*step, places, current, update));
            for made in join_all(made).await {
                match made {
                    Ok(Made::Done) => {}
                    Ok(again) => outcome = again,
                    Err(error) => return (given_up, Err(error)),
                }
            }
            batch *= 2;
        }
        for step in steps.iter().filter(|step| !is_create(step)) {
            match self.make(*step, places, current, update).await {
                Ok(Made::Done) => {
                    // One of yet another revision was not counted as current.
                    let given = matches!(step, Step::Update(at)
                        if places.pod(*at).is_some_and(|p| is_of(p, current.key.name())));
                    given_up += i32::from(given);
                }
                Ok(again) => outcome = again,
                Err(error) => return (given_up, Err(error)),
            }
        }
        (given_up, Ok(outcome))
    }

    async fn make(
        &self,
        step: Step,
        places: &Places<&Arc<Object<Pod>>>,
        current: &Known,
        update: &Known,
    ) -> Result<Made, ReconcileError> {
        let pod = match step {
            Step::Create(at) => {
                let Some((ordinal, _)) = places.wanted.get(at) else {
                    return Ok(Made::Done);
                };
                return self.create(*ordinal, current, update).await;
            }
            Step::EnsureClaims(at) | Step::Tend(at) | Step::Replace(at) | Step::Update(at) => {
                places.pod(at)
            }
            Step::TendSurplus(at) | Step::Remove(at) => places.surplus.get(at).copied(),
        };
        let Some(pod) = pod else {
            return Ok(Made::Done);
        };
        match step {
            Step::Create(_) => {}
            Step::EnsureClaims(_) => {
                if let Some(ordinal) = ordinal(pod) {
                    self.ensure_claims(ordinal).await?;
                    self.own_claims(pod, ordinal).await?;
                }
            }
            Step::Tend(_) => {
                if let Some(ordinal) = ordinal(pod) {
                    self.tend(pod, ordinal).await?;
                }
            }
            Step::TendSurplus(_) => {
                if let Some(ordinal) = ordinal(pod) {
                    self.own_claims(pod, ordinal).await?;
                }
            }
            Step::Replace(_) | Step::Remove(_) | Step::Update(_) => {
                let deleted = self.control.delete(pod).await;
                self.tell("Delete", pod.key.name(), deleted.as_ref().err());
                deleted?;
            }
        }
        Ok(Made::Done)
    }

    async fn create(
        &self,
        ordinal: i32,
        current: &Known,
        update: &Known,
    ) -> Result<Made, ReconcileError> {
        let (set, key) = (self.set, &self.set.key);
        let name = identity::pod_name(key.name(), ordinal);
        if set.value.retention.delete_when_scaled && self.has_stale_claim(ordinal) {
            return Ok(Made::Again(Next::After(STALE_CLAIM)));
        }
        let ensured = self.ensure_claims(ordinal).await;
        if let Err(error) = &ensured {
            self.tell("Create", &name, Some(error));
        }
        if !ensured? {
            return Ok(Made::Again(Next::Retry));
        }
        let back = set.value.keeps_current(ordinal) && current.uid != update.uid;
        let owner = self.control.owner();
        let pod = if back {
            let template = self.controller.history.template(self.cx, &current.key);
            let template = template.await?;
            let template = PodTemplateSpec::of(&template);
            identity::pod(set, template, current.key.name(), ordinal, owner)
        } else {
            let template = set.value.template();
            identity::pod(set, template, update.key.name(), ordinal, owner)
        };
        match self.control.create(&name, &pod).await {
            Ok(true) => {
                self.tell("Create", &name, None::<&Error>);
                Ok(Made::Done)
            }
            // Made in an earlier look, or by somebody else: the informer will tell.
            Ok(false) => Ok(Made::Again(Next::Retry)),
            Err(error) => {
                if !error.is_namespace_terminating() {
                    self.tell("Create", &name, Some(&error));
                }
                Err(error.into())
            }
        }
    }

    /// Gives a pod what it lacks, and its claims their owners.
    async fn tend(&self, pod: &Object<Pod>, ordinal: i32) -> Result<(), ReconcileError> {
        if let Some(patch) = identity::mend(self.set, pod, ordinal) {
            self.ensure_claims(ordinal).await?;
            let patched = self.control.patch(&pod.key, Patch::Strategic(patch)).await;
            self.tell("Update", pod.key.name(), patched.as_ref().err());
            patched?;
        }
        self.own_claims(pod, ordinal).await
    }

    /// Creates the claims of an ordinal that are missing; false if one is on its way out.
    async fn ensure_claims(&self, ordinal: i32) -> Result<bool, ReconcileError> {
        let set = self.set;
        let owner = set.value.retention.delete_with_set && set.value.wants(ordinal);
        let owner = owner.then(|| self.control.owner());
        let mut ready = true;
        for template in set.value.claims() {
            let (name, key) = self.claim_key(template.metadata().name(), ordinal);
            let pod = identity::pod_name(set.key.name(), ordinal);
            match self.controller.claims.get(&key) {
                Some(claim) if claim.value.deleting => {
                    let text = format!("pvc {name} is being deleted");
                    self.tell("Create", &pod, Some(&text));
                    ready = false;
                }
                Some(_) => {}
                None => {
                    let claim = identity::claim(set, template, ordinal, owner);
                    let resource = self.controller.claims.resource();
                    let options = WriteOptions::default();
                    let namespace = set.key.namespace();
                    let created = self.cx.client.create(resource, namespace, &claim, &options);
                    match created.await {
                        Ok(_) => {
                            let text = format!(
                                "Create Claim {name} Pod {pod} in StatefulSet {} success",
                                set.key.name()
                            );
                            let object = self.control.reference();
                            self.cx.events.normal(object, "SuccessfulCreate", text);
                        }
                        Err(error) if error.is_already_exists() => {}
                        Err(error) => {
                            let text = format!(
                                "Create Claim {name} for Pod {pod} in StatefulSet {} failed error: {error}",
                                set.key.name()
                            );
                            let object = self.control.reference();
                            self.cx.events.warning(object, "FailedCreate", text);
                            return Err(error.into());
                        }
                    }
                }
            }
        }
        Ok(ready)
    }

    fn claim_key(&self, claim: &str, ordinal: i32) -> (String, Key) {
        let name = identity::claim_name(claim, self.set.key.name(), ordinal);
        let key = Key::new(self.set.key.namespace(), &name);
        (name, key)
    }

    /// Whether a claim of an ordinal still belongs to a former pod of its name, and so is about to go.
    fn has_stale_claim(&self, ordinal: i32) -> bool {
        let pod = identity::pod_name(self.set.key.name(), ordinal);
        self.set.value.claims().any(|template| {
            let (_, key) = self.claim_key(template.metadata().name(), ordinal);
            let claim = self.controller.claims.get(&key);
            claim.is_some_and(|claim| {
                // There is no pod of the name: whoever is named is a former one.
                let mut owners = claim.value.owners.iter();
                owners.any(|o| o.kind == "Pod" && o.api_version == "v1" && o.name == pod)
            })
        })
    }

    /// Gives the claims of a pod the owners that the retention policy says.
    async fn own_claims(&self, pod: &Object<Pod>, ordinal: i32) -> Result<(), ReconcileError> {
        let set = &self.set.value;
        let pod_owner = identity::pod_owner(pod);
        let owners = Owners {
            set: self.control.owner(),
            pod: &pod_owner,
            scaled_down: !set.wants(ordinal),
        };
        for template in set.claims() {
            let (name, key) = self.claim_key(template.metadata().name(), ordinal);
            let Some(claim) = self.controller.claims.get(&key) else {
                continue;
            };
            let references = &claim.value.owners;
            let Some(wanted) = owners.change(set.retention, references) else {
                continue;
            };
            if owners.conflict(set.retention, references) {
                let text = format!(
                    "PersistentVolumeClaim {name} has a conflicting OwnerReference that acts as a managing controller, the retention policy is ignored for this claim"
                );
                let object = self.control.reference();
                self.cx
                    .events
                    .warning(object, "ConflictingController", text);
            }
            let references: Vec<_> = wanted.iter().map(|o| o.json()).collect();
            let patch = Patch::Merge(json!({"metadata": {
                "resourceVersion": &*claim.resource_version,
                "ownerReferences": references,
            }}));
            let resource = self.controller.claims.resource();
            let options = WriteOptions::default();
            let patched = self.cx.client.patch(resource, &key, &patch, &options).await;
            self.tell("Update", pod.key.name(), patched.as_ref().err());
            patched?;
        }
        Ok(())
    }

    fn tell<E: std::fmt::Display>(&self, verb: &str, pod: &str, error: Option<&E>) {
        let set = self.set.key.name();
        let object = self.control.reference();
        match error {
            None => {
                let text = format!("{verb} Pod {pod} in StatefulSet {set} successful");
                self.cx
                    .events
                    .normal(object, &format!("Successful{verb}"), text);
            }
            Some(error) => {
                let text = format!("{verb} Pod {pod} in StatefulSet {set} failed error: {error}");
                self.cx
                    .events
                    .warning(object, &format!("Failed{verb}"), text);
            }
        }
    }

    /// Stores the status, if it is another than the stored one; says when to look again.
    async fn store(
        &self,
        current: &str,
        update: &str,
        collisions: i32,
        given_up: i32,
    ) -> Result<Next, ReconcileError> {
        let (set, now) = (&self.set.value, self.cx.clock.now());
        let status = status::calculate(set, &self.pods, current, update, collisions, given_up, now);
        if status != set.status {
            let patch = Patch::Merge(status::patch(&status, &self.set.resource_version));
            let (resource, key) = (self.controller.sets.resource(), &self.set.key);
            let patched = self.cx.client.patch_status(resource, key, &patch).await;
            match &patched {
                Ok(tree) => {
                    let version = Meta::of(tree).resource_version;
                    self.controller.written.at(key, key, version);
                }
                Err(error) if error.may_have_taken_effect() => {
                    self.controller.written.unknown(key, key);
                }
                Err(_) => {}
            }
            patched?;
        }
        let next = status::next_availability(set, &self.pods, now);
        Ok(next.map_or(Next::Done, Next::After))
    }
}

fn ordinal(pod: &Object<Pod>) -> Option<i32> {
    parent_and_ordinal(pod.key.name()).map(|(_, ordinal)| ordinal)
}

fn is_of(pod: &Object<Pod>, revision: &str) -> bool {
    pod.value.labels.get(REVISION_LABEL).map(String::as_str) == Some(revision)
}
