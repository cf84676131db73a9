//! What controllers know of a pod: one projection for all of them, so that a process holds one.

use std::time::Duration;

use api::{
    core::v1::{self as core, Pod as View},
    tree::Tree,
};
use jiff::{SignedDuration, Timestamp};
use runtime::{Change, Key, Object, Projection};

use super::{
    Texts,
    node::{NO_EXECUTE, Taint},
    owner::Owner,
    texts, timestamp,
    work::Work,
};

/// The index of pods by the uid of the owner that manages them; of those without one by [`ORPHANS`].
pub const BY_OWNER: &str = "owner";
/// The index of pods by the node that they are bound to.
pub const BY_NODE: &str = "node";
/// The value of [`BY_OWNER`] for pods of a namespace that nobody manages is `orphans/namespace`.
pub const ORPHANS: &str = "orphans/";

/// The label by which pods of StatefulSets and DaemonSets, and a DaemonSet's ControllerRevisions, name their revision.
pub const REVISION_LABEL: &str = "controller-revision-hash";

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

impl Toleration {
    /// Reads a toleration.
    pub fn read(toleration: core::Toleration<'_>) -> Self {
        Toleration {
            key: toleration.key().to_owned(),
            exists: toleration.operator() == "Exists",
            value: toleration.value().to_owned(),
            effect: toleration.effect().to_owned(),
            seconds: toleration.toleration_seconds(),
        }
    }

    /// Whether it tolerates the taint.
    pub fn tolerates(&self, taint: &Taint) -> bool {
        (self.effect.is_empty() || self.effect == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && (self.exists || self.value == taint.value)
    }
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
    /// Since when it has that condition, unless it is the kubelet who ends the pod: others may think better of it.
    pub disruption: Option<Timestamp>,
    /// Its volumes that are claims: the volume's name and the claim's.
    pub claims: Vec<(String, String)>,
    /// The one node that its required affinity names, by which a DaemonSet's pods say where they belong.
    pub wanted_node: Option<String>,
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
                .filter(|t| matches!(t.effect(), "" | NO_EXECUTE))
                .map(Toleration::read)
                .collect(),
            disruption_target: condition("DisruptionTarget").is_some(),
            work: Work::read(pod),
            disruption: condition("DisruptionTarget")
                .filter(|c| c.reason() != "TerminationByKubelet")
                .and_then(|c| timestamp(c.last_transition_time())),
            claims: spec
                .volumes()
                .iter()
                .filter_map(|v| Some((v.name(), v.persistent_volume_claim()?.claim_name())))
                .map(|(volume, claim)| (volume.to_owned(), claim.to_owned()))
                .collect(),
            wanted_node: wanted_node(pod),
        }
    }
}

/// The one node that a required affinity names by a field.
fn wanted_node(pod: View<'_>) -> Option<String> {
    let affinity = pod.spec().affinity()?.node_affinity()?;
    let required = affinity.required_during_scheduling_ignored_during_execution()?;
    let terms = required.node_selector_terms().iter();
    let by_name = terms
        .flat_map(|term| term.match_fields().iter())
        .find(|f| f.key() == "metadata.name" && f.operator() == "In")?;
    let mut names = by_name.values().iter();
    match (names.next(), names.next()) {
        (Some(name), None) => Some(name.to_owned()),
        _ => None,
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

    /// How long until it is available, if it stays ready: `None` if it is, or is not ready.
    pub fn available_in(&self, min_ready_seconds: i32, now: Timestamp) -> Option<Duration> {
        let since = self.ready.filter(|_| self.is_ready)?;
        let min_ready = Duration::from_secs(u64::try_from(min_ready_seconds).unwrap_or(0));
        let ready_for = Duration::try_from(now.duration_since(since)).unwrap_or_default();
        min_ready.checked_sub(ready_for).filter(|d| !d.is_zero())
    }

    /// The node that it is on, or goes to.
    pub fn target_node(&self) -> Option<&str> {
        if self.node.is_empty() {
            self.wanted_node.as_deref()
        } else {
            Some(&self.node)
        }
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
