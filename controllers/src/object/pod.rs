//! What controllers know of a pod: one projection for all of them, so that a process holds one.

use api::{core::v1::Pod as View, tree::Tree};
use jiff::{SignedDuration, Timestamp};
use runtime::{Change, Key, Object, Projection};

use super::{Texts, owner::Owner, texts, timestamp, work::Work};

/// The index of pods by the uid of the owner that manages them; of those without one by [`ORPHANS`].
pub const BY_OWNER: &str = "owner";
/// The index of pods by the node that they are bound to.
pub const BY_NODE: &str = "node";
/// The value of [`BY_OWNER`] for pods of a namespace that nobody manages is `orphans/namespace`.
pub const ORPHANS: &str = "orphans/";

/// Where a pod is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not all of it runs yet.
    Pending,
    /// Its node has not been heard of.
    Unknown,
    /// It runs.
    Running,
    /// It ended well.
    Succeeded,
    /// It ended badly.
    Failed,
}

/// A toleration of a taint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toleration {
    /// Empty for every key.
    pub key: String,
    /// `Exists`, or equality of values.
    pub exists: bool,
    /// The value.
    pub value: String,
    /// Empty for every effect.
    pub effect: String,
    /// For how long; `None` for ever.
    pub seconds: Option<i64>,
}

/// A pod, as controllers see it.
#[derive(Debug, Clone)]
pub struct Pod {
    /// Labels.
    pub labels: Texts,
    /// The owner that manages it.
    pub controller: Option<Owner>,
    /// Deletion was asked for, and is due at this time.
    pub deletion: Option<Timestamp>,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// The node that it is bound to; empty before.
    pub node: String,
    /// Where it is in its life.
    pub phase: Phase,
    /// The `Ready` condition is true, since then.
    pub ready: Option<Timestamp>,
    /// There is a `Ready` condition and it is true.
    pub is_ready: bool,
    /// `controller.kubernetes.io/pod-deletion-cost`
    pub deletion_cost: i32,
    /// The highest number of restarts among its containers, and among its restartable init containers.
    pub restarts: (i32, i32),
    /// Tolerations of `NoExecute` taints.
    pub tolerations: Vec<Toleration>,
    /// The `DisruptionTarget` condition is true.
    pub disruption_target: bool,
    /// What a Job wants to know: only of pods that are a Job's, or may become one's.
    pub work: Option<Box<Work>>,
}

impl Projection for Pod {
    fn project(object: &Tree) -> Self {
        let pod = View::of(object);
        let (metadata, spec, status) = (pod.metadata(), pod.spec(), pod.status());
        let condition = |r#type: &str| {
            status
                .conditions()
                .iter()
                .find(|c| c.type_() == r#type && c.status() == "True")
        };
        let ready = condition("Ready");
        let restarts = status
            .container_statuses()
            .iter()
            .map(|c| c.restart_count())
            .max()
            .unwrap_or(0);
        let is_sidecar = |name: &str| {
            spec.init_containers()
                .iter()
                .any(|c| c.name() == name && c.restart_policy() == Some("Always"))
        };
        let sidecars = status
            .init_container_statuses()
            .iter()
            .filter(|c| is_sidecar(c.name()));
        Pod {
            labels: texts(metadata.labels()),
            controller: Owner::controller_of(metadata),
            deletion: timestamp(metadata.deletion_timestamp()),
            created: timestamp(metadata.creation_timestamp()),
            node: spec.node_name().to_owned(),
            phase: match status.phase() {
                "Running" => Phase::Running,
                "Succeeded" => Phase::Succeeded,
                "Failed" => Phase::Failed,
                "Unknown" => Phase::Unknown,
                _ => Phase::Pending,
            },
            ready: ready.and_then(|c| timestamp(c.last_transition_time())),
            is_ready: ready.is_some(),
            deletion_cost: metadata
                .annotations()
                .get("controller.kubernetes.io/pod-deletion-cost")
                .and_then(|cost| cost.parse().ok())
                .unwrap_or(0),
            restarts: (
                restarts,
                sidecars.map(|c| c.restart_count()).max().unwrap_or(0),
            ),
            tolerations: spec
                .tolerations()
                .iter()
                .filter(|t| matches!(t.effect(), "" | "NoExecute"))
                .map(|t| Toleration {
                    key: t.key().to_owned(),
                    exists: t.operator() == "Exists",
                    value: t.value().to_owned(),
                    effect: t.effect().to_owned(),
                    seconds: t.toleration_seconds(),
                })
                .collect(),
            disruption_target: condition("DisruptionTarget").is_some(),
            work: Work::read(pod),
        }
    }
}

impl Pod {
    /// It ended, well or badly.
    pub fn is_terminal(&self) -> bool {
        matches!(self.phase, Phase::Succeeded | Phase::Failed)
    }

    /// It counts as a replica: it has neither ended nor been marked for deletion.
    pub fn is_active(&self) -> bool {
        !self.is_terminal() && self.deletion.is_none()
    }

    /// It is on its way out, but its containers may still run.
    pub fn is_terminating(&self) -> bool {
        !self.is_terminal() && self.deletion.is_some()
    }

    /// It has been ready for so long that it counts.
    pub fn is_available(&self, min_ready_seconds: i32, now: Timestamp) -> bool {
        self.is_ready
            && (min_ready_seconds == 0
                || self.ready.is_some_and(|since| {
                    now.duration_since(since) >= SignedDuration::from_secs(min_ready_seconds.into())
                }))
    }

    /// The values of the index [`BY_OWNER`].
    pub fn owner_values(pod: &Object<Pod>) -> Vec<String> {
        vec![match &pod.value.controller {
            Some(owner) => owner.uid.clone(),
            None => format!("{ORPHANS}{}", pod.key.namespace()),
        }]
    }

    /// The values of the index [`BY_NODE`].
    pub fn node_values(pod: &Object<Pod>) -> Vec<String> {
        if pod.value.node.is_empty() {
            Vec::new()
        } else {
            vec![pod.value.node.clone()]
        }
    }

    /// The managing owners of a kind that a change is about: of the old state and of the new, where they differ.
    pub fn owners_of_kind(change: Change<'_, Pod>, group: &str, kind: &str) -> Vec<(Key, String)> {
        let mut owners: Vec<(Key, String)> = change
            .states()
            .filter_map(|pod| Some((pod.value.controller.as_ref()?, &pod.key)))
            .filter(|(owner, _)| owner.kind == kind && owner.group() == group)
            .map(|(owner, key)| (owner.key_beside(key), owner.uid.clone()))
            .collect();
        owners.dedup();
        owners
    }
}
