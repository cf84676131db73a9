//! What controllers know of a node.

use api::{core::v1 as core, tree::Tree};
use jiff::Timestamp;
use runtime::Projection;
use serde_json::{Value, json};

use super::{Texts, condition::Condition, rfc3339, texts, timestamp};

/// The effect by which pods that do not tolerate a taint are evicted.
pub const NO_EXECUTE: &str = "NoExecute";
/// The effect by which no pod that does not tolerate a taint is put there.
pub const NO_SCHEDULE: &str = "NoSchedule";

/// A taint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taint {
    /// The key.
    pub key: String,
    /// The value; mostly empty.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
    /// Since when; of `NoExecute` only.
    pub added: Option<Timestamp>,
}

impl Taint {
    /// As it stands in a node's spec.
    pub fn json(&self) -> Value {
        let mut value = json!({"key": self.key, "effect": self.effect});
        if !self.value.is_empty() {
            value["value"] = json!(self.value);
        }
        if let Some(added) = self.added {
            value["timeAdded"] = json!(rfc3339(added));
        }
        value
    }
}

/// A node's condition, with its heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeCondition {
    /// What it says.
    pub condition: Condition,
    /// When the kubelet last said so.
    pub heartbeat: Option<Timestamp>,
}

/// A node, as controllers see it.
#[derive(Debug, Clone)]
pub struct Node {
    /// Labels.
    pub labels: Texts,
    /// When it was registered.
    pub created: Option<Timestamp>,
    /// Nothing may be put there.
    pub unschedulable: bool,
    /// Taints, in their order.
    pub taints: Vec<Taint>,
    /// Conditions, in their order.
    pub conditions: Vec<NodeCondition>,
    /// Region and zone, as one text.
    pub zone: String,
}

impl Projection for Node {
    fn project(object: &Tree) -> Self {
        let node = core::Node::of(object);
        let labels = node.metadata().labels();
        let label = |name| labels.get(name).unwrap_or("");
        Node {
            labels: texts(labels),
            created: timestamp(node.metadata().creation_timestamp()),
            unschedulable: node.spec().unschedulable(),
            taints: node
                .spec()
                .taints()
                .iter()
                .map(|t| Taint {
                    key: t.key().to_owned(),
                    value: t.value().to_owned(),
                    effect: t.effect().to_owned(),
                    added: timestamp(t.time_added()),
                })
                .collect(),
            conditions: node
                .status()
                .conditions()
                .iter()
                .map(|c| NodeCondition {
                    condition: Condition {
                        r#type: c.type_().to_owned(),
                        status: c.status().to_owned(),
                        reason: c.reason().to_owned(),
                        message: c.message().to_owned(),
                        last_transition: timestamp(c.last_transition_time()),
                        last_update: None,
                    },
                    heartbeat: timestamp(c.last_heartbeat_time()),
                })
                .collect(),
            zone: format!(
                "{}/{}",
                label("topology.kubernetes.io/region"),
                label("topology.kubernetes.io/zone")
            ),
        }
    }
}

impl Node {
    /// The condition of a type.
    pub fn condition(&self, r#type: &str) -> Option<&NodeCondition> {
        self.conditions
            .iter()
            .find(|c| c.condition.r#type == r#type)
    }

    /// The status of a condition: `True`, `False`, `Unknown`, or empty if there is none.
    pub fn status_of(&self, r#type: &str) -> &str {
        self.condition(r#type).map_or("", |c| &c.condition.status)
    }

    /// Taints by which pods are evicted.
    pub fn no_execute(&self) -> impl Iterator<Item = &Taint> {
        self.taints.iter().filter(|t| t.effect == NO_EXECUTE)
    }
}
