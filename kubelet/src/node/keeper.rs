use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::core::v1::Node;
use api::tree::Tree;
use http::Method;
use ipnet::Ipv4Net;
use runtime::client::Error;
use runtime::client::Patch;
use runtime::{Client, Informer, Key, Resource};
use serde_json::{Value, json};

use super::status::{self, Measured};
use crate::config::Config;
use crate::context::Shared;

/// The machine is looked at this often; what changed is written at once, the rest by the configured frequency.
const PERIOD: Duration = Duration::from_secs(10);

/// Makes the node's object if it is missing, or brings its labels up to date; the object.
///
/// # Errors
/// When the API server refuses or does not answer.
pub async fn register(client: &Client, config: &Config) -> Result<Value, Error> {
    let name = &config.node_name;
    let architecture = crate::go::architecture();
    let mut labels: BTreeMap<&str, &str> = BTreeMap::from([
        ("kubernetes.io/hostname", name.as_str()),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", architecture),
        ("beta.kubernetes.io/os", "linux"),
        ("beta.kubernetes.io/arch", architecture),
    ]);
    labels.extend(
        config
            .node_labels
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str())),
    );
    let path = format!("/api/v1/nodes/{name}");
    match client.json(Method::GET, path, None).await {
        Ok(node) => {
            let stale = labels
                .iter()
                .any(|(key, value)| node["metadata"]["labels"][*key] != **value);
            if !stale {
                return Ok(node);
            }
            let patch = Patch::Merge(json!({"metadata": {"labels": labels}}));
            client
                .patch(
                    &Resource::of(Node::TYPE),
                    &Key::cluster(name),
                    &patch,
                    &Default::default(),
                )
                .await?;
            Ok(node)
        }
        Err(error) if error.is_not_found() && config.register_node => {
            let mut node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {}});
            if let Some(cidr) = config.pod_cidr {
                node["spec"] = json!({"podCIDR": cidr.to_string(), "podCIDRs": [cidr.to_string()]});
            }
            client
                .json(Method::POST, "/api/v1/nodes".into(), Some(&node))
                .await
        }
        Err(error) => Err(error),
    }
}

/// The pod addresses that the API server gave the node.
pub fn pod_cidr(node: &Value) -> Option<Ipv4Net> {
    node["spec"]["podCIDR"]
        .as_str()
        .and_then(|cidr| cidr.parse().ok())
}

/// Keeps the node's status as the machine is.
pub struct Keeper {
    shared: Arc<Shared>,
    nodes: Informer<Tree>,
    port: u16,
    written: Option<Value>,
}

impl Keeper {
    /// For the node whose server listens at `port`, and which is alone among `nodes`.
    pub fn new(shared: Arc<Shared>, nodes: Informer<Tree>, port: u16) -> Self {
        Self {
            shared,
            nodes,
            port,
            written: None,
        }
    }

    /// Without end.
    pub async fn run(mut self) {
        let mut since_write = Duration::MAX;
        self.nodes.synced().await;
        loop {
            let pause = match self.once(since_write).await {
                Ok(true) => {
                    since_write = Duration::ZERO;
                    PERIOD
                }
                Ok(false) => PERIOD,
                Err(error) => {
                    tracing::warn!(%error, "cannot write the node's status");
                    Duration::from_secs(1)
                }
            };
            tokio::time::sleep(pause).await;
            since_write = since_write.saturating_add(pause);
        }
    }

    /// Whether it was written.
    async fn once(&mut self, since_write: Duration) -> Result<bool, Error> {
        let measured = self.measure().await;
        let config = &self.shared.config;
        let now = self.shared.clock.now();
        let key = Key::cluster(&config.node_name);
        let node = self.nodes.get(&key);
        let there = node.map(|node| conditions(Node::of(&node.value)));
        let status = status::compute(
            config,
            &self.shared.capacity,
            self.port,
            &measured,
            there.as_ref().unwrap_or(&Value::Null),
            now,
        );
        // Others write too: the controller that has heard nothing of the node for a while says so in its conditions.
        let changed = self.written.as_ref().map(without_heartbeat)
            != Some(without_heartbeat(&status))
            || there.is_some_and(|there| !holds(&there, &status["conditions"]));
        if !changed && since_write < config.node_status_update_frequency {
            return Ok(false);
        }
        let patch = Patch::Strategic(json!({"status": status}));
        let nodes = Resource::of(Node::TYPE);
        let client = &self.shared.client;
        client.patch_status(&nodes, &key, &patch).await?;
        self.written = Some(status);
        Ok(true)
    }

    async fn measure(&self) -> Measured {
        let mut measured = Measured::default();
        match self.shared.containerd.version().await {
            Ok(version) => {
                measured.containerd = version;
                match self.shared.images.list().await {
                    Ok(images) => measured.images = images,
                    Err(error) => tracing::warn!(%error, "cannot list images"),
                }
            }
            // One that does not answer is not asked for more: the node is to say so soon.
            Err(error) => measured.not_ready = format!("container runtime is down: {error}"),
        }
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let available = memory
            .lines()
            .find_map(|line| line.strip_prefix("MemAvailable:"));
        let kibibytes: Option<i64> =
            available.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        measured.memory_available = kibibytes.map_or(i64::MAX, |kibibytes| kibibytes * 1024);
        let disk = nix::sys::statvfs::statvfs(&self.shared.config.root_dir);
        let percent = disk
            .ok()
            .and_then(|fs| (fs.blocks_available() * 100).checked_div(fs.blocks()));
        measured.disk_available_percent = percent
            .and_then(|percent| i64::try_from(percent).ok())
            .unwrap_or(100);
        measured
    }
}

fn without_heartbeat(status: &Value) -> Value {
    let mut status = status.clone();
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        condition["lastHeartbeatTime"] = Value::Null;
    }
    status
}

/// The conditions that a node has.
fn conditions(node: Node<'_>) -> Value {
    let list = node.status().conditions().iter().map(|condition| {
        let since = condition.last_transition_time();
        json!({
            "type": condition.type_(),
            "status": condition.status(),
            "lastTransitionTime": since.map(|time| time.timestamp().to_string()),
            "reason": condition.reason(),
            "message": condition.message(),
        })
    });
    list.collect()
}

/// Whether the conditions that are there say all that ours do, their times excepted.
fn holds(there: &Value, ours: &Value) -> bool {
    let says = |list: &Value, ours: &Value| {
        let mut list = list.as_array().into_iter().flatten();
        list.any(|there| {
            ["type", "status", "reason", "message"]
                .iter()
                .all(|field| there[*field] == ours[*field])
        })
    };
    let mut ours = ours.as_array().into_iter().flatten();
    ours.all(|condition| says(there, condition))
}

#[cfg(test)]
mod tests {
    use api::codec::json::{self, Strict};
    use api::schema::Schema;

    use super::*;

    #[test]
    fn what_others_say_of_the_node_is_a_change_and_what_is_not_ours_is_none() {
        let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": "R", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z", "lastHeartbeatTime": "2026-01-01T00:00:00Z"});
        let read = |list: Value| {
            let node = json!({"apiVersion": "v1", "kind": "Node", "status": {"conditions": list}});
            let bytes = bytes::Bytes::from(node.to_string());
            let tree = json::decode(Schema::builtin(), Node::TYPE, bytes, &mut Strict::default());
            conditions(Node::of(&tree.unwrap()))
        };
        let ours = json!([condition("Ready", "True")]);
        let foreign = condition("NetworkUnavailable", "False");
        let there = read(json!([foreign, condition("Ready", "True")]));
        assert_eq!(there[1]["lastTransitionTime"], "2026-01-01T00:00:00Z");
        assert!(holds(&there, &ours));
        assert!(!holds(&read(json!([condition("Ready", "Unknown")])), &ours));
        assert!(!holds(&read(json!([foreign])), &ours));
    }
}
