//! What changed since the scheduler last looked. Informers mark keys here; a key marked twice is looked at once, so it
//! never holds more than there are objects.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use runtime::Key;
use tokio::sync::Notify;

use crate::workloads::OwnerKind;

/// The keys of objects that changed.
#[derive(Debug, Default)]
pub(super) struct Changed {
    pub(super) nodes: BTreeSet<Key>,
    pub(super) pods: BTreeSet<Key>,
    pub(super) services: BTreeSet<Key>,
    pub(super) budgets: BTreeSet<Key>,
    pub(super) owners: BTreeSet<(OwnerKind, Key)>,
}

#[derive(Debug, Default)]
pub(super) struct Mailbox {
    changed: Mutex<Changed>,
    notify: Notify,
}

impl Mailbox {
    pub(super) fn mark(&self, mark: impl FnOnce(&mut Changed)) {
        mark(&mut self.changed.lock());
        self.notify.notify_one();
    }

    pub(super) fn take(&self) -> Changed {
        std::mem::take(&mut self.changed.lock())
    }

    /// Waits until something was marked since the last wait.
    pub(super) async fn marked(&self) {
        self.notify.notified().await;
    }
}
