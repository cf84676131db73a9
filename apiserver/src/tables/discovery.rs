//! Endpoint slices.

use api::Tree;
use api::discovery::v1::EndpointSlice;
use serde_json::Value;

use super::age::Now;
use super::cells;
use super::text::{UNSET, first_of};

pub fn endpoint_slice(object: &Tree, now: Now) -> Vec<Value> {
    let slice = EndpointSlice::of(object);
    let meta = slice.metadata();
    let ports = slice.ports();
    let ports = ports.iter().map(|port| match (port.port(), port.name()) {
        (Some(number), _) => number.to_string(),
        (None, Some(name)) => name.to_owned(),
        (None, None) => "*".to_owned(),
    });
    let addresses = slice.endpoints();
    let addresses = addresses.iter().flat_map(|endpoint| endpoint.addresses());
    let shown = |list: Option<String>| list.unwrap_or_else(|| UNSET.to_owned());
    cells![
        meta.name(),
        slice.address_type(),
        shown(first_of(ports, 3)),
        shown(first_of(addresses, 3)),
        now.since(meta.creation_timestamp()),
    ]
}
