//! A ConfigMap `kube-root-ca.crt` in each namespace: the certificate authority by which pods know the API server.

use api::{Tree, core::v1 as core};
use runtime::{
    Context, Controller, Informer, Informers, Key, Next, Patch, Projection, ReconcileError,
    Resource, Scope, Wiring, client::WriteOptions,
};
use serde_json::json;

use crate::object::namespace::Namespace;

/// The name of the ConfigMap.
const NAME: &str = "kube-root-ca.crt";
/// Its one entry.
const ENTRY: &str = "ca.crt";
/// Tells people whose it is.
const DESCRIPTION: (&str, &str) = (
    "kubernetes.io/description",
    "The certificates by which pods know the API server. Kept by the cluster; changes are undone.",
);

/// What is kept of the ConfigMap: its data.
pub(crate) struct Bundle(std::collections::BTreeMap<String, String>);

impl Projection for Bundle {
    fn project(object: &Tree) -> Self {
        Bundle(crate::object::texts(core::ConfigMap::of(object).data()))
    }
}

/// The controller of root CA ConfigMaps. Its keys are names of namespaces.
pub struct RootCa {
    certificates: String,
    namespaces: Informer<Namespace>,
    configmaps: Informer<Bundle>,
}

impl RootCa {
    /// The controller, which publishes these certificates (PEM).
    pub fn new(informers: &Informers, certificates: String) -> Self {
        let scope = Scope {
            fields: format!("metadata.name={NAME}"),
            ..Default::default()
        };
        RootCa {
            certificates,
            namespaces: informers.informer(&Resource::of(core::Namespace::TYPE)),
            configmaps: informers.scoped(&Resource::of(core::ConfigMap::TYPE), scope),
        }
    }
}

impl Controller for RootCa {
    const NAME: &'static str = "root-ca-certificate-publisher-controller";

    fn wire(&self, wiring: &mut Wiring<'_>) {
        wiring.watch_own(&self.namespaces);
        wiring.watch(&self.configmaps, |change, queue| {
            queue.add(Key::cluster(change.latest().key.namespace()));
        });
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        if !self.namespaces.get(key).is_some_and(|n| n.value.active) {
            return Ok(Next::Done);
        }
        let at = Key::new(key.name(), NAME);
        let resource = self.configmaps.resource();
        let options = WriteOptions::default();
        let written = match self.configmaps.get(&at) {
            Some(present) => {
                let data = &present.value.0;
                if data.len() == 1 && data.get(ENTRY) == Some(&self.certificates) {
                    return Ok(Next::Done);
                }
                // Whatever else is in it goes: it is not for others to add to.
                let mut wanted = serde_json::Map::new();
                for name in data.keys() {
                    wanted.insert(name.clone(), serde_json::Value::Null);
                }
                wanted.insert(ENTRY.to_owned(), json!(self.certificates));
                let patch = json!({
                    "metadata": {"resourceVersion": &*present.resource_version,
                                 "annotations": {DESCRIPTION.0: DESCRIPTION.1}},
                    "data": wanted,
                });
                cx.client
                    .patch(resource, &at, &Patch::Merge(patch), &options)
                    .await
            }
            None => {
                let mut tree = Tree::new(core::ConfigMap::TYPE);
                let mut view = core::ConfigMapMut::of(&mut tree);
                let mut metadata = view.metadata_mut();
                metadata.set_name(NAME);
                metadata.set_namespace(key.name());
                metadata
                    .annotations_mut()
                    .insert(DESCRIPTION.0, DESCRIPTION.1);
                view.data_mut().insert(ENTRY, &self.certificates);
                cx.client
                    .create(resource, key.name(), &tree, &options)
                    .await
            }
        };
        written.map(drop).or_else(|e| {
            if e.is_already_exists() || e.is_namespace_terminating() || e.is_not_found() {
                Ok(())
            } else {
                Err(e)
            }
        })?;
        Ok(Next::Done)
    }
}
