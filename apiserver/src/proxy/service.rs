//! Which pod a Service's proxy goes to: a ready endpoint of its EndpointSlices, at random.

use api::Tree;
use api::core::v1::{Pod, Service};
use api::discovery::v1::EndpointSlice;

use super::location::{Location, proxied};
use super::name::Name;
use crate::codec::object::decode;
use crate::registry::{Api, Call, Kind};
use crate::status::Status;
use crate::view::label_term;

/// The label of an EndpointSlice that names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Where a ready endpoint of the Service is, at the port that is named by its name or number.
pub(super) async fn locate(
    api: &Api,
    call: &Call<'_>,
    name: &Name<'_>,
) -> Result<Location, Status> {
    let mut port = name.port.to_owned();
    if let Ok(number) = port.parse::<i64>() {
        port = port_name(api, call, name.name, number).await?;
    }
    let none = || {
        let name = api::field::quote(name.name);
        Status::service_unavailable(format!("no endpoints available for service {name}"))
    };
    let mut slices = slices(api, call, name.name)?;
    shuffle(api, &mut slices);
    for slice in &slices {
        let slice = EndpointSlice::of(slice);
        let named = slice
            .ports()
            .iter()
            .find(|p| p.name().unwrap_or_default() == port);
        let Some(number) = named.and_then(|port| port.port()) else {
            continue;
        };
        let endpoints: Vec<_> = slice.endpoints().iter().collect();
        if endpoints.is_empty() {
            continue;
        }
        let start = random(api, endpoints.len());
        for at in 0..endpoints.len() {
            let endpoint = endpoints[(start + at) % endpoints.len()];
            let target = endpoint
                .target_ref()
                .map(|target| (target.namespace(), target.name()));
            let Some((address, target)) = endpoint.addresses().iter().next().zip(target) else {
                continue;
            };
            if endpoint.conditions().ready() == Some(false)
                || !is_of_pod(api, call, target, address)?
            {
                continue;
            }
            return Location::at(proxied(address)?, &number.to_string(), name.https);
        }
    }
    Err(none())
}

/// The name of the Service's port of this number.
async fn port_name(api: &Api, call: &Call<'_>, name: &str, number: i64) -> Result<String, Status> {
    let key = call.kind.key(call.namespace(), name);
    let object = api
        .fresh(call.cx, call.kind, &key)
        .await?
        .ok_or_else(|| Status::not_found(call.kind.qualified(), name))?;
    let service = decode(&call.kind.codec, &object)?;
    let spec = Service::of(&service).spec();
    let port = spec
        .ports()
        .iter()
        .find(|port| i64::from(port.port()) == number);
    port.map(|port| port.name().to_owned()).ok_or_else(|| {
        let name = api::field::quote(name);
        Status::service_unavailable(format!("no service port {number} found for service {name}"))
    })
}

/// The slices of a Service.
fn slices(api: &Api, call: &Call<'_>, name: &str) -> Result<Vec<Tree>, Status> {
    let kinds = api.kinds();
    let kind = kinds
        .get("discovery.k8s.io", "v1", "endpointslices")
        .ok_or_else(Status::unknown_resource)?;
    let Some(collection) = &kind.collection else {
        return Ok(Vec::new());
    };
    let snapshot = collection.snapshot();
    let prefix = kind.key(call.namespace(), "");
    let keys = snapshot.with_term(&label_term(SERVICE_NAME, name), &prefix);
    let keys = keys.iter().take_while(|key| key.starts_with(&*prefix));
    let objects = keys.filter_map(|key| snapshot.get(key));
    objects
        .map(|object| decode(&kind.codec, object).map_err(Status::from))
        .collect()
}

/// Whether the address is one of the pod that the endpoint names: who may write EndpointSlices is not to reach anything else
/// through this server.
fn is_of_pod(
    api: &Api,
    call: &Call<'_>,
    (namespace, name): (&str, &str),
    address: &str,
) -> Result<bool, Status> {
    if namespace != call.namespace() {
        return Ok(false);
    }
    let kinds = api.kinds();
    let pods: &Kind = kinds
        .get("", "v1", "pods")
        .ok_or_else(Status::unknown_resource)?;
    let Some(object) = api.current(pods, &pods.key(namespace, name)) else {
        return Ok(false);
    };
    let pod = decode(&pods.codec, &object)?;
    let addresses = Pod::of(&pod).status().pod_ips();
    Ok(addresses.iter().any(|of_pod| of_pod.ip() == address))
}

/// A number below `below`.
fn random(api: &Api, below: usize) -> usize {
    let mut bytes = [0; 8];
    api.env.random.fill(&mut bytes);
    usize::from_le_bytes(bytes) % below.max(1)
}

fn shuffle(api: &Api, slices: &mut [Tree]) {
    for last in (1..slices.len()).rev() {
        slices.swap(last, random(api, last + 1));
    }
}
