//! A ServiceAccount `default` in each namespace: what pods run as that name none.

use api::core::v1 as core;
use runtime::{
    Context, Controller, Informer, Informers, Key, Next, ReconcileError, Resource, Scope, Wiring,
    client::WriteOptions,
};

use crate::object::namespace::Namespace;

/// The name of the account.
const NAME: &str = "default";

/// The controller of default ServiceAccounts. Its keys are names of namespaces.
pub struct ServiceAccounts {
    namespaces: Informer<Namespace>,
    accounts: Informer<()>,
}

impl ServiceAccounts {
    /// The controller, reading from the given informers.
    pub fn new(informers: &Informers) -> Self {
        let scope = Scope {
            fields: format!("metadata.name={NAME}"),
            ..Default::default()
        };
        ServiceAccounts {
            namespaces: informers.informer(&Resource::of(core::Namespace::TYPE)),
            accounts: informers.scoped(&Resource::of(core::ServiceAccount::TYPE), scope),
        }
    }
}

impl Controller for ServiceAccounts {
    const NAME: &'static str = "serviceaccount-controller";

    fn wire(&self, wiring: &mut Wiring<'_>) {
        wiring.watch_own(&self.namespaces);
        wiring.watch(&self.accounts, |change, queue| {
            if change.new.is_none() {
                queue.add(Key::cluster(change.latest().key.namespace()));
            }
        });
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        let active = self.namespaces.get(key).is_some_and(|n| n.value.active);
        if !active || self.accounts.get(&Key::new(key.name(), NAME)).is_some() {
            return Ok(Next::Done);
        }
        let mut account = api::Tree::new(core::ServiceAccount::TYPE);
        let mut view = core::ServiceAccountMut::of(&mut account);
        let mut metadata = view.metadata_mut();
        metadata.set_name(NAME);
        metadata.set_namespace(key.name());
        let created = cx
            .client
            .create(
                self.accounts.resource(),
                key.name(),
                &account,
                &WriteOptions::default(),
            )
            .await;
        created.map(drop).or_else(|e| {
            if e.is_already_exists() || e.is_namespace_terminating() || e.is_not_found() {
                Ok(())
            } else {
                Err(e)
            }
        })?;
        Ok(Next::Done)
    }
}
