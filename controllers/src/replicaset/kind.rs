//! What the kinds that this controller serves do not have in common.

use api::{apps::v1::ReplicaSet, core::v1::ReplicationController, schema::TypeId};

/// A kind whose objects keep as many pods as they want.
pub trait Kind: Send + Sync + 'static {
    /// Its objects.
    const TYPE: TypeId;
    /// The controller's name, as `--controllers` takes it: upstream's.
    const CONTROLLER: &'static str;
    /// The component that its events name: upstream's.
    const EVENT_SOURCE: &'static str;
    /// Its status has `terminatingReplicas`.
    const TELLS_TERMINATING: bool;
}

/// ReplicaSets of `apps/v1`.
pub struct Apps;

impl Kind for Apps {
    const TYPE: TypeId = ReplicaSet::TYPE;
    const CONTROLLER: &'static str = "replicaset-controller";
    const EVENT_SOURCE: &'static str = Self::CONTROLLER;
    const TELLS_TERMINATING: bool = true;
}

/// ReplicationControllers of `v1`: what came before ReplicaSets.
pub struct Core;

impl Kind for Core {
    const TYPE: TypeId = ReplicationController::TYPE;
    const CONTROLLER: &'static str = "replicationcontroller-controller";
    const EVENT_SOURCE: &'static str = "replication-controller";
    const TELLS_TERMINATING: bool = false;
}
