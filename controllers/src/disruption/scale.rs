//! How many pods there should be: what those who keep them say.

use std::collections::BTreeMap;

use api::{
    apps::v1 as apps,
    core::v1::{self as core},
};
use http::Method;
use runtime::{
    Client, Context, Informer, Informers, Key, Object, ReconcileError, Resource, ResultExt, Wiring,
};

use super::model::Keeper;
use crate::{
    discovery::Discovery,
    object::{owner::Owner, pod::Pod},
};

/// Those that keep a number of pods, of the kinds that are known.
pub(super) struct Keepers {
    known: [Informer<Keeper>; 4],
}

/// What is said of some pods.
#[derive(Debug, Default)]
pub(super) struct Scale {
    /// How many there should be in all.
    pub expected: i32,
    /// Nobody keeps these, as far as is known.
    pub unmanaged: bool,
}

impl Keepers {
    pub(super) fn new(informers: &Informers) -> Self {
        let types = [
            core::ReplicationController::TYPE,
            apps::ReplicaSet::TYPE,
            apps::Deployment::TYPE,
            apps::StatefulSet::TYPE,
        ];
        Keepers {
            known: types.map(|ty| informers.informer(&Resource::of(ty))),
        }
    }

    /// Tells the namespaces in which one of them wants another number than before.
    pub(super) fn wire(
        &self,
        wiring: &mut Wiring<'_>,
        dirty: impl Fn(&str) -> Vec<Key> + Clone + Send + Sync + 'static,
    ) {
        for keepers in &self.known {
            let dirty = dirty.clone();
            wiring.watch(keepers, move |change, queue| {
                let replicas = |keeper: Option<&Object<Keeper>>| keeper.map(|k| k.value.replicas);
                if replicas(change.old) != replicas(change.new) {
                    for key in dirty(change.latest().key.namespace()) {
                        queue.add(key);
                    }
                }
            });
        }
    }

    /// How many pods there should be of those to whom these belong.
    pub(super) async fn scale<'a>(
        &self,
        cx: &Context,
        pods: impl Iterator<Item = &'a Object<Pod>>,
    ) -> Result<Scale, ReconcileError> {
        let mut scale = Scale::default();
        // By the owner that a pod names, and by the one that counts: all ReplicaSets of a Deployment are one.
        let (mut asked, mut counted) = (BTreeMap::new(), BTreeMap::new());
        for pod in pods {
            let Some(owner) = &pod.value.controller else {
                scale.unmanaged = true;
                continue;
            };
            if asked.insert(owner.uid.clone(), ()).is_some() {
                continue;
            }
            let Some((uid, replicas)) = self.keeper(cx, owner, &pod.key).await? else {
                let text = format!("found no controllers for pod {:?}", pod.key.name());
                return Err(ReconcileError::message(text));
            };
            counted.insert(uid, replicas);
        }
        scale.expected = counted.into_values().fold(0, i32::saturating_add);
        Ok(scale)
    }

    /// Uid and wanted number of the one who keeps the pods that have this owner.
    async fn keeper(
        &self,
        cx: &Context,
        owner: &Owner,
        beside: &Key,
    ) -> Result<Option<(String, i32)>, ReconcileError> {
        let Some(keepers) = self.of_kind(owner) else {
            return by_scale(&cx.client, owner, beside).await;
        };
        let Some(keeper) = find(keepers, owner, beside) else {
            return Ok(None);
        };
        // A ReplicaSet of a Deployment: the Deployment says how many.
        if let Some(above) = &keeper.value.controller
            && above.kind == "Deployment"
            && let Some(keepers) = self.of_kind(above)
        {
            let keeper = find(keepers, above, beside);
            return Ok(keeper.map(|k| (k.uid.to_string(), k.value.replicas)));
        }
        Ok(Some((keeper.uid.to_string(), keeper.value.replicas)))
    }

    fn of_kind(&self, owner: &Owner) -> Option<&Informer<Keeper>> {
        self.known.iter().find(|k| {
            let resource = k.resource();
            resource.kind() == owner.kind && resource.group() == owner.group()
        })
    }
}

fn find(
    keepers: &Informer<Keeper>,
    owner: &Owner,
    beside: &Key,
) -> Option<std::sync::Arc<Object<Keeper>>> {
    let keeper = keepers.get(&owner.key_beside(beside))?;
    (*keeper.uid == *owner.uid).then_some(keeper)
}

/// Of any other kind its `scale` subresource is asked.
async fn by_scale(
    client: &Client,
    owner: &Owner,
    beside: &Key,
) -> Result<Option<(String, i32)>, ReconcileError> {
    let discovery = Discovery::read(client).await?;
    let Some(resource) = discovery.by_kind(owner.group(), &owner.kind) else {
        let text = format!(
            "no matches for kind {:?} in version {:?}",
            owner.kind, owner.api_version
        );
        return Err(ReconcileError::message(text));
    };
    let collection = resource.collection_path(beside.namespace());
    let path = format!("{collection}/{}/scale", owner.name);
    let asked = client.json(Method::GET, path, None).await;
    let Some(scale) = asked.optional()? else {
        let key = owner.key_beside(beside);
        if client.get(resource, &key).await.optional()?.is_none() {
            return Ok(None);
        }
        let text = format!("{resource} does not implement the scale subresource");
        return Err(ReconcileError::message(text));
    };
    if scale["metadata"]["uid"] != *owner.uid {
        return Ok(None);
    }
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    let replicas = i32::try_from(replicas).unwrap_or(i32::MAX);
    Ok(Some((owner.uid.clone(), replicas)))
}
