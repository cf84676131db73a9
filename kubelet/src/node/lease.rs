//! The lease by which the node shows that its kubelet lives.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use runtime::client::Error;
use runtime::{Client, SharedClock};
use serde_json::{Value, json};

use crate::context::Shared;

const NAMESPACE: &str = "kube-node-lease";
const DURATION_SECONDS: u32 = 40;
/// A quarter of its duration, as upstream.
pub(crate) const PERIOD: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(1);

/// Keeps the lease, without end. `uid` is the node's.
pub async fn renew(shared: Arc<Shared>, uid: String) {
    loop {
        let name = &shared.config.node_name;
        let pause = match renew_once(&shared.client, &shared.clock, name, Some(&uid)).await {
            Ok(()) => PERIOD,
            Err(error) => {
                tracing::warn!(%error, "cannot renew the node's lease");
                RETRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Renews the lease of the node `name`, or makes it, owned by the node of that uid if one is given.
pub(crate) async fn renew_once(
    client: &Client,
    clock: &SharedClock,
    name: &str,
    uid: Option<&str>,
) -> Result<(), Error> {
    let collection = format!("/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases");
    let now = clock.now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
    let spec =
        json!({"holderIdentity": name, "leaseDurationSeconds": DURATION_SECONDS, "renewTime": now});
    let read = client
        .json(Method::GET, format!("{collection}/{name}"), None)
        .await;
    let mut lease: Value = match read {
        Ok(lease) => lease,
        Err(error) if error.is_not_found() => {
            let owner = |uid| json!({"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid});
            let owners: Vec<Value> = uid.map(owner).into_iter().collect();
            let lease = json!({
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {
                    "name": name,
                    "namespace": NAMESPACE,
                    "ownerReferences": owners,
                },
                "spec": spec,
            });
            return client
                .json(Method::POST, collection, Some(&lease))
                .await
                .map(drop);
        }
        Err(error) => return Err(error),
    };
    lease["spec"] = spec;
    client
        .json(Method::PUT, format!("{collection}/{name}"), Some(&lease))
        .await
        .map(drop)
}
