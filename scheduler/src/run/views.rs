//! What the scheduler watches, and which changes of it count.

use std::sync::Arc;

use api::apps::v1::{ReplicaSet, StatefulSet};
use api::core::v1::{Node, Pod, ReplicationController, Service};
use api::policy::v1::PodDisruptionBudget;
use runtime::{Informer, Informers, Resource, Scope};

use crate::run::mailbox::Mailbox;
use crate::run::project::{BudgetView, OwnerSelector, PodProjection, ServiceSelector};
use crate::snapshot::NodeShape;
use crate::workloads::OwnerKind;

/// What is known of the cluster.
pub(super) struct Views {
    pub nodes: Informer<NodeShape>,
    pub pods: Informer<PodProjection>,
    pub services: Informer<ServiceSelector>,
    pub budgets: Informer<BudgetView>,
    pub owners: Vec<(OwnerKind, Informer<OwnerSelector>)>,
}

impl Views {
    /// Informers of it, not yet started.
    pub fn make(informers: &Informers) -> Views {
        let owner = |ty| informers.informer(&Resource::of(ty));
        // Pods that have ended take nothing and want nothing.
        let running = Scope {
            fields: "status.phase!=Succeeded,status.phase!=Failed".into(),
            ..Scope::default()
        };
        Views {
            nodes: informers.informer(&Resource::of(Node::TYPE)),
            pods: informers.scoped(&Resource::of(Pod::TYPE), running),
            services: informers.informer(&Resource::of(Service::TYPE)),
            budgets: informers.informer(&Resource::of(PodDisruptionBudget::TYPE)),
            owners: vec![
                (
                    OwnerKind::ReplicationController,
                    owner(ReplicationController::TYPE),
                ),
                (OwnerKind::ReplicaSet, owner(ReplicaSet::TYPE)),
                (OwnerKind::StatefulSet, owner(StatefulSet::TYPE)),
            ],
        }
    }

    /// Has what changes marked in the mailbox.
    pub fn mark_in(&self, mailbox: &Arc<Mailbox>) {
        let post = mailbox.clone();
        self.nodes.on_change(move |change| {
            // Heartbeats change nothing that the scheduler looks at.
            if change.old.map(|old| &old.value) != change.new.map(|new| &new.value) {
                post.mark(|changed| {
                    changed.nodes.insert(change.latest().key.clone());
                });
            }
        });
        let post = mailbox.clone();
        self.pods.on_change(move |change| {
            let view = |object: &runtime::Object<PodProjection>| object.value.view.clone();
            if change.old.map(view) != change.new.map(view) {
                post.mark(|changed| {
                    changed.pods.insert(change.latest().key.clone());
                });
            }
        });
        let post = mailbox.clone();
        self.services.on_change(move |change| {
            post.mark(|changed| {
                changed.services.insert(change.latest().key.clone());
            });
        });
        let post = mailbox.clone();
        self.budgets.on_change(move |change| {
            post.mark(|changed| {
                changed.budgets.insert(change.latest().key.clone());
            });
        });
        for (kind, informer) in &self.owners {
            let (post, kind) = (mailbox.clone(), *kind);
            informer.on_change(move |change| {
                post.mark(|changed| {
                    changed.owners.insert((kind, change.latest().key.clone()));
                });
            });
        }
    }

    /// Waits until all of it has been read once.
    pub async fn synced(&self) {
        self.nodes.synced().await;
        self.pods.synced().await;
        self.services.synced().await;
        self.budgets.synced().await;
        for (_, informer) in &self.owners {
            informer.synced().await;
        }
    }
}
