//! What a rollout writes: ReplicaSets, their sizes, and the Deployment's status.

use std::sync::Arc;

use api::{
    Tree,
    apps::v1::{self as apps, ReplicaSetMut},
};
use runtime::{
    Error, Key, Next, Object, Patch, ReconcileError, ResultExt,
    client::{WriteOptions, reason},
    object::Meta,
};
use serde_json::{Value, json};

use super::{Rollout, Set, model::Deployment, model::Status, revision, status};
use crate::object::{owner::Owner, template::HASH_LABEL};

/// Characters of a ReplicaSet's name at most.
const MAX_NAME: usize = 253;

impl Rollout<'_> {
    /// The new ReplicaSet; created if there is none.
    pub(super) async fn ensure_new(&mut self) -> Result<Set, ReconcileError> {
        if let Some(new) = &self.new {
            return Ok(new.clone());
        }
        // The template is taken from the Deployment as it is now; if it has changed since, this look is too old.
        let resource = self.controller.deployments.resource();
        let live = self.cx.client.get(resource, &self.deployment.key).await?;
        let now = Object::<Deployment>::read(&live);
        if now.uid != self.deployment.uid
            || now.value.digest != self.d().digest
            || now.value.deleting
        {
            return Err(ReconcileError::message(
                "the deployment has changed since; looking again",
            ));
        }
        let set = self.new_set(&live);
        let name = apps::ReplicaSet::of(&set).metadata().name().to_owned();
        let sets = self.controller.sets.resource();
        let namespace = self.deployment.key.namespace();
        let answer = self
            .cx
            .client
            .create(sets, namespace, &set, &WriteOptions::default())
            .await;
        self.note(&Key::new(namespace, &name), &answer);
        let created = match answer {
            Ok(tree) => {
                let created: Set = Arc::new(Object::read(&tree));
                if created.value.replicas > 0 {
                    let text = format!(
                        "Scaled up replica set {name} from 0 to {}",
                        created.value.replicas
                    );
                    self.cx.events.normal(
                        self.controller.reference(&self.deployment),
                        "ScalingReplicaSet",
                        text,
                    );
                }
                created
            }
            Err(error) if error.is_already_exists() => self.existing(&name, error).await?,
            Err(error) => return Err(self.creation_failed(&name, error).await),
        };
        if self.d().progress_deadline.is_some() {
            self.note_progress(
                "NewReplicaSetCreated",
                format!("Created new replica set \"{name}\""),
            );
        }
        self.new = Some(created.clone());
        Ok(created)
    }

    /// The ReplicaSet that has the name already: ours, if the informer is late or a reply was lost. Otherwise the hash is
    /// taken by something else, and the next attempt uses another.
    async fn existing(&self, name: &str, error: Error) -> Result<Set, ReconcileError> {
        let key = Key::new(self.deployment.key.namespace(), name);
        let Some(live) = self
            .cx
            .client
            .get(self.controller.sets.resource(), &key)
            .await
            .optional()?
        else {
            return Err(error.into());
        };
        let set = Arc::new(Object::<super::ReplicaSet>::read(&live));
        let ours = set
            .value
            .controller
            .as_ref()
            .is_some_and(|owner| *owner.uid == *self.deployment.uid);
        if ours && set.value.digest == self.d().digest {
            return Ok(set);
        }
        let mut status = self.d().status.clone();
        status.collisions = Some(status.collisions.unwrap_or(0) + 1);
        self.store(status).await?;
        Err(error.into())
    }

    async fn creation_failed(&self, name: &str, error: Error) -> ReconcileError {
        if !error.is_namespace_terminating() && error.reason() != reason::CONFLICT {
            let text = format!("Failed to create new replica set \"{name}\": {error}");
            let reference = self.controller.reference(&self.deployment);
            self.cx
                .events
                .warning(reference, "ReplicaSetCreateError", text.clone());
            if self.d().progress_deadline.is_some() && !error.may_have_taken_effect() {
                let mut status = self.d().status.clone();
                let now = self.cx.clock.now();
                let failed = status::condition(
                    status::PROGRESSING,
                    "False",
                    "ReplicaSetCreateError",
                    text,
                    now,
                );
                crate::object::condition::set(&mut status.conditions, failed);
                // The error itself is what matters; this is only for people to see.
                let _ = self.store(status).await;
            }
        }
        error.into()
    }

    /// A ReplicaSet with the Deployment's template. Its name is made from the template, so that asking twice makes one.
    fn new_set(&self, live: &Tree) -> Tree {
        let d = self.d();
        let hash = d.digest.hash(d.status.collisions.unwrap_or(0));
        let mut name = self.deployment.key.name().to_owned();
        name.truncate(MAX_NAME - 1 - hash.len());
        let name = format!("{name}-{hash}");
        let source = apps::Deployment::of(live).spec();
        let replicas = match d.strategy {
            super::Strategy::RollingUpdate { .. } => {
                super::arithmetic::scale_up(d.replicas, d.bounds(), self.old_pods(), 0)
            }
            _ => d.replicas,
        };
        let mut annotations =
            revision::newest(&d.annotations, &Default::default(), self.next_revision());
        annotations.extend(self.size_annotations());

        let mut tree = Tree::new(apps::ReplicaSet::TYPE);
        let mut set = ReplicaSetMut::of(&mut tree);
        let mut metadata = set.metadata_mut();
        metadata.set_name(&name);
        metadata.set_namespace(self.deployment.key.namespace());
        for (key, value) in source.template().metadata().labels().iter() {
            metadata.labels_mut().insert(key, value);
        }
        metadata.labels_mut().insert(HASH_LABEL, &hash);
        for (key, value) in &annotations {
            metadata.annotations_mut().insert(key, value);
        }
        let owner = Owner::controller(self.controller.deployments.resource(), &self.deployment);
        owner.write(metadata.push_owner_references());
        let mut spec = set.spec_mut();
        spec.set_replicas(replicas);
        spec.set_min_ready_seconds(d.min_ready_seconds);
        if let Some(selector) = source.selector() {
            spec.set_selector(selector);
        }
        spec.selector_mut()
            .match_labels_mut()
            .insert(HASH_LABEL, &hash);
        spec.set_template(source.template());
        spec.template_mut()
            .metadata_mut()
            .labels_mut()
            .insert(HASH_LABEL, &hash);
        tree
    }

    fn size_annotations(&self) -> [(String, String); 2] {
        let d = self.d();
        [
            (revision::DESIRED.to_owned(), d.replicas.to_string()),
            (
                revision::MAX.to_owned(),
                d.replicas.saturating_add(d.bounds().surge).to_string(),
            ),
        ]
    }

    /// Gives a ReplicaSet another size, and says whether it has changed. `record` also notes the Deployment's own numbers on it
    /// where only those have changed.
    pub(super) async fn scale(
        &mut self,
        set: &Set,
        size: i32,
        record: bool,
    ) -> Result<bool, ReconcileError> {
        let annotations = self.size_annotations();
        let noted = annotations
            .iter()
            .all(|(key, value)| set.value.annotations.get(key) == Some(value));
        let before = set.value.replicas;
        if before == size && (noted || !record) {
            return Ok(false);
        }
        let patch = json!({
            "metadata": {
                "resourceVersion": &*set.resource_version,
                "annotations": annotations.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            },
            "spec": {"replicas": size},
        });
        let updated = self.patch_set(set, patch).await?;
        if let Some(slot) = self
            .old
            .iter_mut()
            .chain(&mut self.new)
            .find(|s| s.uid == updated.uid)
        {
            *slot = updated;
        }
        if before != size {
            let direction = if before < size { "up" } else { "down" };
            let text = format!(
                "Scaled {direction} replica set {} from {before} to {size}",
                set.key.name()
            );
            self.cx.events.normal(
                self.controller.reference(&self.deployment),
                "ScalingReplicaSet",
                text,
            );
        }
        Ok(before != size)
    }

    pub(super) async fn patch_set(&self, set: &Set, patch: Value) -> Result<Set, Error> {
        let resource = self.controller.sets.resource();
        let options = WriteOptions::default();
        let patched = self
            .cx
            .client
            .patch(resource, &set.key, &Patch::Merge(patch), &options)
            .await;
        self.note(&set.key, &patched);
        Ok(Arc::new(Object::read(&patched?)))
    }

    /// Notes what a write to a ReplicaSet has come to, so that it is waited for.
    fn note(&self, set: &Key, written: &Result<Tree, Error>) {
        let (all, deployment) = (&self.controller.written, &self.deployment.key);
        match written {
            Ok(tree) => all.at(deployment, set, Meta::of(tree).resource_version),
            Err(error) if error.may_have_taken_effect() => all.unknown(deployment, set),
            Err(_) => {}
        }
    }

    /// Stores a status, if it or the Deployment's revision is another than the stored one; says when to look again.
    pub(super) async fn store(&self, status: Status) -> Result<Next, ReconcileError> {
        // What was noted in this look may stand in our copy, so compare with what the informer has.
        let stored = self.controller.deployments.get(&self.deployment.key);
        let newest = self
            .new
            .as_ref()
            .and_then(|s| s.value.annotations.get(revision::REVISION));
        let revision = newest.filter(|r| self.d().annotations.get(revision::REVISION) != Some(*r));
        if stored.is_none_or(|s| s.value.status != status) || revision.is_some() {
            let version = &self.deployment.resource_version;
            let patch = Patch::Merge(status::patch(
                &status,
                version,
                revision.map(String::as_str),
            ));
            let (resource, key) = (self.controller.deployments.resource(), &self.deployment.key);
            let patched = self.cx.client.patch_status(resource, key, &patch).await?;
            let version = Meta::of(&patched).resource_version;
            self.controller.statuses.at(key, key, version);
        }
        let next = status::next_check(self.d(), &status, self.cx.clock.now());
        Ok(next.map_or(Next::Done, Next::After))
    }
}
