//! At start: the cluster's main ServiceCIDR, and addresses and node ports of Services that another server (upstream's, of
//! whatever release) or a restore has left without what says that they are taken.

use std::collections::HashSet;
use std::sync::Arc;

use api::networking::v1::IPAddress;
use axum::body::Body;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::json;
use store::Op;
use tower::ServiceExt;

use super::Ranges;
use super::keys::{MANAGED_BY, PORTS, Plan, port_owner};
use super::spec::Spec;
use crate::bootstrap::BootstrapError;
use crate::chain::ApiServer;
use crate::codec::object::decode;
use crate::identity::{Identity, MASTERS};
use crate::registry::{Api, meta};
use crate::status::Status;

/// The name of the ServiceCIDR that `--service-cluster-ip-range` stands for.
const MAIN: &str = "kubernetes";
const PATH: &str = "/apis/networking.k8s.io/v1/servicecidrs";
/// An address without its Service is left alone for so long, in seconds: upstream writes the address first.
const GRACE: i64 = 60;

/// Makes the main ServiceCIDR, if it is not there.
///
/// # Errors
/// If it is refused.
pub async fn ensure_ranges(
    server: &ApiServer,
    api: &Api,
    ranges: &Ranges,
) -> Result<(), BootstrapError> {
    let there = api
        .view
        .collection("servicecidrs/")
        .and_then(|collection| collection.get(MAIN));
    if there.is_some() || ranges.addresses.is_empty() {
        return Ok(());
    }
    let cidrs: Vec<String> = ranges.addresses.iter().map(ToString::to_string).collect();
    let object = json!({ "metadata": { "name": MAIN }, "spec": { "cidrs": cidrs } });
    send(
        server,
        Method::POST,
        PATH.to_owned(),
        "application/json",
        &object,
    )
    .await?;
    let ready = json!({
        "type": "Ready",
        "status": "True",
        "reason": "",
        "message": "Kubernetes default Service CIDR is ready",
        "lastTransitionTime": api.env.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    });
    let status = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "metadata": { "name": MAIN },
        "status": { "conditions": [ready] },
    });
    let path =
        format!("{PATH}/{MAIN}/status?fieldManager=kubernetes-service-cidr-controller&force=true");
    send(
        server,
        Method::PATCH,
        path,
        "application/apply-patch+yaml",
        &status,
    )
    .await
}

async fn send(
    server: &ApiServer,
    method: Method,
    path: String,
    content_type: &str,
    object: &serde_json::Value,
) -> Result<(), BootstrapError> {
    let failed = |message: String| BootstrapError {
        path: path.clone(),
        message,
    };
    let request = Request::builder()
        .method(method)
        .uri(&path)
        .header(http::header::CONTENT_TYPE, content_type)
        .header(http::header::USER_AGENT, "kube-apiserver")
        .body(Body::from(object.to_string()))
        .map_err(|e| failed(e.to_string()))?;
    let caller = server.in_process(Identity::user("system:apiserver", [MASTERS]));
    let Ok(response) = caller.oneshot(request).await;
    match response.status() {
        // Another server of the cluster was faster.
        StatusCode::CONFLICT => Ok(()),
        code if code.is_success() => Ok(()),
        _ => {
            let body = response
                .into_body()
                .collect()
                .await
                .map(|b| b.to_bytes())
                .unwrap_or_default();
            Err(failed(String::from_utf8_lossy(&body).into_owned()))
        }
    }
}

/// Takes what Services have and nothing says so; gives back what no Service has. Returns how many Services and leftovers it
/// changed something for.
///
/// # Errors
/// If the log cannot be read or written. What others changed meanwhile is left to them.
pub async fn repair(api: &Api) -> Result<usize, Status> {
    let mut repaired = 0;
    let kinds = api.kinds();
    let (Some(services), Some(addresses)) = (
        kinds.get("", "v1", "services"),
        kinds.get("networking.k8s.io", "v1", "ipaddresses"),
    ) else {
        return Ok(0);
    };
    let Some(collection) = &services.collection else {
        return Ok(0);
    };
    let (mut claimed_addresses, mut claimed_ports) = (HashSet::new(), HashSet::new());
    for object in collection.snapshot().from("") {
        let tree = decode(&services.codec, object)?;
        let spec = Spec::read(&tree);
        let mut plan = Plan::new(api, &tree);
        for address in spec.addresses() {
            claimed_addresses.insert((address.to_string(), object.key().to_owned()));
            if !plan.has_address(address) {
                plan.take_address(address)?;
            }
        }
        for port in spec.node_ports() {
            claimed_ports.insert((port.to_string(), meta::of(&tree).uid().to_owned()));
            if !plan.has_port(port) {
                plan.take_port(port);
            }
        }
        let mut ops = plan.into_ops();
        if !ops.is_empty() {
            // Only as long as the Service is what it was.
            let key = crate::registry::commit::store_key(services, object.key());
            ops.push(Op::Check {
                key,
                expect: store::Expect::At(object.revision()),
            });
            repaired += usize::from(api.repair(services, ops).await?);
        }
    }
    let mut leftovers = Vec::new();
    if let Some(collection) = &addresses.collection {
        let now = api.env.now().as_second();
        for object in collection.snapshot().from("") {
            let tree = decode(&addresses.codec, object)?;
            let owner = IPAddress::of(&tree)
                .spec()
                .parent_ref()
                .filter(|p| (p.group(), p.resource()) == ("", "services"));
            let Some(owner) = owner else { continue };
            let meta = meta::of(&tree);
            let ours = meta.label(MANAGED_BY.0) == Some(MANAGED_BY.1);
            let claim = (
                object.name().to_owned(),
                format!("{}/{}", owner.namespace(), owner.name()),
            );
            if ours
                && !claimed_addresses.contains(&claim)
                && meta.created().is_none_or(|at| at + GRACE < now)
            {
                leftovers.push((
                    format!("{}{}", addresses.prefix, object.key()),
                    Arc::clone(object),
                ));
            }
        }
    }
    if let Some(collection) = api.view.collection(PORTS) {
        for object in collection.snapshot().from("") {
            let claim = (
                object.name().to_owned(),
                port_owner(object).unwrap_or_default(),
            );
            if !claimed_ports.contains(&claim) {
                leftovers.push((format!("{PORTS}{}", object.key()), Arc::clone(object)));
            }
        }
    }
    for (key, object) in leftovers {
        let op = Op::Delete {
            key: key.into(),
            expect: store::Expect::At(object.revision()),
        };
        repaired += usize::from(api.repair(services, vec![op]).await?);
    }
    Ok(repaired)
}
