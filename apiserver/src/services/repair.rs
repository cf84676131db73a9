//! At start: the cluster's main ServiceCIDR, and addresses and node ports of Services that another server (upstream's, of
//! whatever release) or a restore has left without what says that they are taken.

use std::collections::HashSet;
use std::sync::Arc;

use api::networking::v1::IPAddress;
use http::Method;
use serde_json::json;
use store::Op;

use super::Ranges;
use super::keys::{MANAGED_BY, PORTS, Plan, port_owner};
use super::spec::Spec;
use crate::bootstrap::{BootstrapError, in_own_name, send};
use crate::chain::ApiServer;
use crate::codec::object::decode;
use crate::registry::{Api, Kind, meta};
use crate::status::Status;
use crate::view::Object;

/// The name of the ServiceCIDR that `--service-cluster-ip-range` stands for.
const MAIN: &str = "kubernetes";
const PATH: &str = "/apis/networking.k8s.io/v1/servicecidrs";
/// An address without its Service is left alone for so long, in seconds: upstream writes the address first.
const GRACE: i64 = 60;

/// Makes the main ServiceCIDR, if it is not there, and calls it ready, if nobody does.
///
/// # Errors
/// If it is refused.
pub async fn ensure_ranges(
    server: &ApiServer,
    api: &Api,
    ranges: &Ranges,
) -> Result<(), BootstrapError> {
    let kinds = api.kinds();
    let Some(kind) = kinds.get("networking.k8s.io", "v1", "servicecidrs") else {
        return Ok(());
    };
    if ranges.addresses.is_empty() {
        return Ok(());
    }
    let caller = in_own_name(server);
    match kind.collection.as_ref().and_then(|c| c.get(MAIN)) {
        // Whoever made it may have come no further.
        Some(there) if has_conditions(kind, &there) => return Ok(()),
        Some(_) => {}
        None => {
            let cidrs: Vec<String> = ranges.addresses.iter().map(ToString::to_string).collect();
            let object = json!({ "metadata": { "name": MAIN }, "spec": { "cidrs": cidrs } });
            send(
                &caller,
                Method::POST,
                PATH,
                "application/json",
                Some(&object),
            )
            .await?;
        }
    }
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
    let apply = "application/apply-patch+yaml";
    send(&caller, Method::PATCH, &path, apply, Some(&status)).await?;
    Ok(())
}

fn has_conditions(kind: &Kind, object: &Object) -> bool {
    // One that cannot be read is not this server's to mend.
    decode(&kind.codec, object).map_or(true, |tree| {
        let conditions = tree.root().path("status.conditions");
        conditions.is_some_and(|list| !list.is_empty())
    })
}

/// Takes what Services have and nothing says so; gives back what no Service has. Returns how many Services and leftovers it
/// changed something for.
///
/// # Errors
/// If the log cannot be read or written. What others changed meanwhile is left to them, and so is a Service that cannot be read.
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
    // What is taken is looked at before who has taken it: what another server takes meanwhile would look like leftovers.
    let taken_addresses = addresses.collection.as_ref().map(|c| c.snapshot());
    let taken_ports = api.view.collection(PORTS).map(|c| c.snapshot());
    let (mut claimed_addresses, mut claimed_ports) = (HashSet::new(), HashSet::new());
    let mut unreadable = false;
    for object in collection.snapshot().from("") {
        let tree = match decode(&services.codec, object) {
            Ok(tree) => tree,
            Err(error) => {
                tracing::error!(service = object.key(), %error, "a Service cannot be read: what it has taken is not known");
                unreadable = true;
                continue;
            }
        };
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
        let mut changed = false;
        for some in plan.into_ops().chunks(store::MAX_OPS - 1) {
            // Only as long as the Service is what it was.
            let check = Op::Check {
                key: crate::registry::commit::store_key(services, object.key()),
                expect: store::Expect::At(object.revision()),
            };
            let ops = some.iter().cloned().chain([check]).collect();
            changed |= api.repair(services, ops).await?;
        }
        repaired += usize::from(changed);
    }
    if unreadable {
        return Ok(repaired);
    }
    let mut leftovers = Vec::new();
    if let Some(taken) = taken_addresses {
        let now = api.env.now().as_second();
        for object in taken.from("") {
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
    if let Some(taken) = taken_ports {
        for object in taken.from("") {
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
