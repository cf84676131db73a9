//! The simulated nodes' objects and leases.

use std::time::Duration;

use api::core::v1::Node;
use futures::StreamExt as _;
use futures::stream;
use http::Method;
use runtime::client::Error;
use runtime::{CancellationToken, Client, Key, Patch, Resource, SharedClock};
use serde_json::json;
use tokio::time::Instant;

use super::{Config, address, status};
use crate::node::lease;

/// Requests at a time.
const AT_ONCE: usize = 16;
/// How soon what failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Keeps the nodes.
pub(super) struct Nodes {
    config: Config,
    client: Client,
    clock: SharedClock,
}

impl Nodes {
    pub(super) fn new(config: Config, client: Client, clock: SharedClock) -> Nodes {
        Nodes {
            config,
            client,
            clock,
        }
    }

    /// Makes all nodes' objects and says that they are ready; until it has worked.
    pub(super) async fn register(&self) {
        stream::iter(0..self.config.count)
            .for_each_concurrent(AT_ONCE, |at| async move {
                while let Err(error) = self.node(at).await {
                    tracing::warn!(node = self.config.name(at), %error, "cannot register");
                    tokio::time::sleep(RETRY).await;
                }
            })
            .await;
    }

    /// Renews the leases, each once a period and spread over it, as those of many machines are, until `stop`.
    pub(super) async fn keep(&self, stop: CancellationToken) {
        let count = u32::try_from(self.config.count).unwrap_or(u32::MAX);
        let mut begun = Instant::now();
        loop {
            let due = stream::iter(0..count).then(|at| async move {
                tokio::time::sleep_until(begun + lease::PERIOD * at / count).await;
                self.config.name(at as usize)
            });
            let renewed = due.for_each_concurrent(AT_ONCE, |name| async move {
                if let Err(error) = lease::renew_once(&self.client, &self.clock, &name, None).await
                {
                    tracing::warn!(node = name, %error, "cannot renew the lease");
                }
            });
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = renewed => {}
            }
            // Late where the API server is slow: not sooner than it can.
            begun = Instant::now().max(begun + lease::PERIOD);
        }
    }

    async fn node(&self, at: usize) -> Result<(), Error> {
        let name = self.config.name(at);
        let labels = json!({"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"});
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}});
        let made = self
            .client
            .json(Method::POST, "/api/v1/nodes".into(), Some(&node))
            .await;
        if let Err(error) = made
            && !error.is_already_exists()
        {
            return Err(error);
        }
        let now = format!("{:.0}", self.clock.now());
        let status = status::node(&self.config, &name, address::of_node(at), &now);
        let patch = Patch::Strategic(json!({"status": status}));
        self.client
            .patch_status(&Resource::of(Node::TYPE), &Key::cluster(&name), &patch)
            .await?;
        lease::renew_once(&self.client, &self.clock, &name, None).await
    }
}
