//! The history of a StatefulSet's or DaemonSet's template: a ControllerRevision for each that it had, so that pods of an
//! older one are known and can be made again, and `kubectl rollout undo` can go back.
//!
//! `revision` says what a revision is and when two are the same, `data` what stands in it; here they are adopted, made,
//! numbered and forgotten. What pods there are of each is the controllers' affair.

pub mod data;
pub mod revision;

use std::sync::Arc;

use api::{
    apps::v1::{ControllerRevision, ControllerRevisionMut},
    core::v1::PodTemplateSpec,
    tree::Tree,
};
use runtime::{
    Change, Context, Error, Informer, Informers, Key, Object, Patch, Projection, Queue,
    ReconcileError, Resource, ResultExt,
    client::{DeleteOptions, WriteOptions},
};
use serde_json::json;

use crate::{
    object::{Texts, owner::Owner, pod::ORPHANS, template::TemplateDigest},
    pods::may_adopt,
};
use revision::Revision;

/// Characters of an owner's name that its revisions' names begin with: upstream's number.
const NAME_PREFIX: usize = 223;

/// A revision as an informer keeps it.
pub type Known = Arc<Object<Revision>>;

/// All revisions of a process's informer.
pub struct History {
    revisions: Informer<Revision>,
}

/// Whose history it is, as far as making and keeping revisions goes.
pub struct Parent<'a> {
    /// Its resource.
    pub resource: &'a Resource,
    /// Its namespace and name.
    pub key: &'a Key,
    /// Its uid.
    pub uid: &'a str,
    /// As its revisions name it.
    pub owner: Owner,
    /// Its annotations, which a new revision copies.
    pub annotations: &'a Texts,
    /// Its template.
    pub template: PodTemplateSpec<'a>,
    /// What its template says.
    pub digest: TemplateDigest,
    /// How many names of revisions were found to be taken.
    pub collisions: i32,
    /// The label that holds a revision's hash.
    pub hash_label: &'static str,
}

/// The revision of the template as it is.
pub struct Newest {
    /// The revision.
    pub revision: Known,
    /// As [`Parent::collisions`], after it was made.
    pub collisions: i32,
}

/// Makes dirty the owners of the kind that a changed revision has or had; of an orphan those that may want to adopt it.
pub fn seen<P: Projection>(
    change: Change<'_, Revision>,
    owners: &Informer<P>,
    selects: impl Fn(&P, &Texts) -> bool,
    queue: &Queue<Key>,
) {
    let resource = owners.resource();
    for revision in change.states() {
        match &revision.value.controller {
            Some(owner) if owner.kind == resource.kind() && owner.group() == resource.group() => {
                queue.add(owner.key_beside(&revision.key));
            }
            Some(_) => {}
            None => {
                for owner in owners.in_namespace(revision.key.namespace()) {
                    if selects(&owner.value, &revision.value.labels) {
                        queue.add(owner.key.clone());
                    }
                }
            }
        }
    }
}

impl History {
    /// The history that the given informers show.
    pub fn new(informers: &Informers) -> Self {
        let revisions = informers.informer(&Resource::of(ControllerRevision::TYPE));
        revisions.add_index(revision::BY_OWNER, Revision::owner_values);
        History { revisions }
    }

    /// The informer itself, to wire it.
    pub fn informer(&self) -> &Informer<Revision> {
        &self.revisions
    }

    /// The parent's revisions, the oldest first. Orphans whose labels are selected are adopted.
    pub async fn claim(
        &self,
        cx: &Context,
        parent: &Parent<'_>,
        selects: impl Fn(&Texts) -> bool,
    ) -> Result<Vec<Known>, Error> {
        let owned = self.revisions.by_index(revision::BY_OWNER, parent.uid);
        let mut all: Vec<Known> = owned
            .into_iter()
            .filter(|r| selects(&r.value.labels))
            .collect();
        let orphans = format!("{ORPHANS}{}", parent.key.namespace());
        let mut checked = false;
        for orphan in self.revisions.by_index(revision::BY_OWNER, &orphans) {
            if orphan.value.deleting || !selects(&orphan.value.labels) {
                continue;
            }
            // Once before the first adoption: an owner that is about to go must not adopt.
            if !checked {
                let live = cx.client.get(parent.resource, parent.key).await;
                if !live.optional()?.is_some_and(|l| may_adopt(&l, parent.uid)) {
                    break;
                }
                checked = true;
            }
            let patch = Patch::Strategic(parent.owner.adoption(&orphan.uid));
            if let Some(tree) = self.patch(cx, &orphan.key, patch).await.optional()? {
                all.push(Arc::new(Object::read(&tree)));
            }
        }
        all.sort_by_cached_key(|r| (r.value.number, r.value.created, r.key.clone()));
        Ok(all)
    }

    /// The revision of the parent's template as it is: the newest of `all` that says the same, which gets the highest number
    /// if another has it (the parent went back); a new one if there is none.
    pub async fn newest(
        &self,
        cx: &Context,
        parent: &Parent<'_>,
        all: &[Known],
    ) -> Result<Newest, ReconcileError> {
        let collisions = parent.collisions;
        let next = all.last().map_or(0, |r| r.value.number) + 1;
        let same = all
            .iter()
            .rfind(|r| r.value.digest == Some(parent.digest) && !r.value.deleting);
        let revision = match (same, all.last()) {
            (Some(same), Some(last)) if Arc::ptr_eq(same, last) => last.clone(),
            (Some(same), _) => {
                let patch = json!({
                    "metadata": {"resourceVersion": &*same.resource_version},
                    "revision": next,
                });
                let tree = self.patch(cx, &same.key, Patch::Merge(patch)).await?;
                Arc::new(Object::read(&tree))
            }
            (None, _) => return self.create(cx, parent, next).await,
        };
        Ok(Newest {
            revision,
            collisions,
        })
    }

    /// Makes a revision of the parent's template. Its name is made from what it says, so that asking twice makes one; another
    /// is tried where the name is taken by something else.
    async fn create(
        &self,
        cx: &Context,
        parent: &Parent<'_>,
        number: i64,
    ) -> Result<Newest, ReconcileError> {
        let data = data::of(parent.template)?;
        let (resource, namespace) = (self.revisions.resource(), parent.key.namespace());
        let mut collisions = parent.collisions;
        loop {
            let hash = data::hash(&data, collisions);
            let mut name = parent.key.name().to_owned();
            name.truncate(NAME_PREFIX);
            let name = format!("{name}-{hash}");
            let tree = revision_of(parent, &name, &hash, &data, number);
            let options = WriteOptions::default();
            let created = cx.client.create(resource, namespace, &tree, &options).await;
            let revision = match created {
                Ok(tree) => Arc::new(Object::read(&tree)),
                Err(error) if error.is_already_exists() => {
                    // Ours, if the informer is late or a reply was lost.
                    let live = cx.client.get(resource, &Key::new(namespace, &name)).await?;
                    let live = Object::<Revision>::read(&live);
                    if live.value.digest != Some(parent.digest) {
                        collisions += 1;
                        continue;
                    }
                    Arc::new(live)
                }
                Err(error) => return Err(error.into()),
            };
            return Ok(Newest {
                revision,
                collisions,
            });
        }
    }

    /// The template that a revision holds.
    pub async fn template(&self, cx: &Context, key: &Key) -> Result<Tree, ReconcileError> {
        let live = cx.client.get(self.revisions.resource(), key).await?;
        let raw = ControllerRevision::of(&live).data().unwrap_or_default();
        data::template(raw).ok_or_else(|| {
            ReconcileError::message(format!("controller revision {key} holds no pod template"))
        })
    }

    /// Deletes the oldest revisions that are not `live`, beyond those that are to be kept.
    pub async fn truncate(
        &self,
        cx: &Context,
        all: &[Known],
        limit: Option<i32>,
        live: impl Fn(&Known) -> bool,
    ) -> Result<(), Error> {
        let Some(limit) = limit.and_then(|l| usize::try_from(l).ok()) else {
            return Ok(());
        };
        let spare: Vec<&Known> = all.iter().filter(|r| !live(r)).collect();
        let surplus = spare.len().saturating_sub(limit);
        for revision in spare.into_iter().take(surplus) {
            let options = DeleteOptions::of_uid(&revision.uid);
            let resource = self.revisions.resource();
            let deleted = cx.client.delete(resource, &revision.key, &options).await;
            deleted.or_else(|e| {
                if e.is_not_found() || e.is_conflict() {
                    Ok(())
                } else {
                    Err(e)
                }
            })?;
        }
        Ok(())
    }

    async fn patch(&self, cx: &Context, key: &Key, patch: Patch) -> Result<Tree, Error> {
        let options = WriteOptions::default();
        cx.client
            .patch(self.revisions.resource(), key, &patch, &options)
            .await
    }
}

fn revision_of(parent: &Parent<'_>, name: &str, hash: &str, data: &[u8], number: i64) -> Tree {
    let mut tree = Tree::new(ControllerRevision::TYPE);
    let mut revision = ControllerRevisionMut::of(&mut tree);
    let mut metadata = revision.metadata_mut();
    metadata.set_name(name);
    metadata.set_namespace(parent.key.namespace());
    for (key, value) in parent.template.metadata().labels().iter() {
        metadata.labels_mut().insert(key, value);
    }
    metadata.labels_mut().insert(parent.hash_label, hash);
    for (key, value) in parent.annotations {
        metadata.annotations_mut().insert(key, value);
    }
    parent.owner.write(metadata.push_owner_references());
    revision.set_data(data);
    revision.set_revision(number);
    tree
}
