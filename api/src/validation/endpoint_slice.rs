//! EndpointSlices (upstream: `pkg/apis/discovery/validation`).
//!
//! `deprecatedTopology` is not looked at: upstream drops it from what is written before it validates.

use std::collections::BTreeSet;

use super::address::{endpoint_ip, sloppy};
use super::check::{IMMUTABLE, each, quoted, required, same, shown};
use super::format;
use crate::discovery::v1::{Endpoint, EndpointHints, EndpointPort, EndpointSlice};
use crate::field::{Error, ErrorList, Path};
use crate::view::List;

const ENDPOINTS: Path<'static> = Path::new("endpoints");
const ADDRESS_TYPES: &[&str] = &["FQDN", "IPv4", "IPv6"];
const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];
const ENDPOINTS_MAX: usize = 1000;
const ADDRESSES_MAX: usize = 100;
const PORTS_MAX: usize = 20_000;
const HINTS_MAX: usize = 8;

pub(super) fn create(errors: &mut ErrorList, slice: EndpointSlice<'_>) {
    ports(errors, slice.ports());
    endpoints(errors, slice);
    // Said by upstream's declarative rules, which come last.
    let (path, kind) = (Path::new("addressType"), slice.address_type());
    if required(errors, &path, kind) {
        address_type(errors, &path, kind);
    }
    counts(errors, slice);
}

/// The type of the addresses stays. Endpoints that stay as they are may be what an older release took.
pub(super) fn update(errors: &mut ErrorList, new: EndpointSlice<'_>, old: EndpointSlice<'_>) {
    let (path, kind) = (Path::new("addressType"), new.address_type());
    if !kind.is_empty() {
        address_type(errors, &path, kind);
    }
    ports(errors, new.ports());
    let (mut found, mut counted) = (ErrorList::new(), ErrorList::new());
    endpoints(&mut found, new);
    counts(&mut counted, new);
    if !(found.is_empty() && counted.is_empty())
        && same(new.endpoints().node(), old.endpoints().node())
    {
        (found, counted) = (ErrorList::new(), ErrorList::new());
    }
    errors.extend(found);
    // Said by upstream's declarative rules, which come last.
    required(errors, &path, kind);
    if kind != old.address_type() {
        errors.push(Error::invalid(&path, shown(None), IMMUTABLE));
    }
    errors.extend(counted);
}

fn address_type(errors: &mut ErrorList, path: &Path<'_>, kind: &str) {
    if !ADDRESS_TYPES.contains(&kind) {
        errors.push(Error::not_supported(path, quoted(kind), ADDRESS_TYPES));
    }
}

fn ports(errors: &mut ErrorList, ports: List<'_, EndpointPort<'_>>) {
    let path = Path::new("ports");
    if ports.len() > PORTS_MAX {
        errors.push(Error::too_many(&path, ports.len(), PORTS_MAX));
        return;
    }
    let mut names = BTreeSet::new();
    for (at, port) in ports.iter().enumerate() {
        let path = path.index(at);
        let (place, name) = (path.child("name"), port.name().unwrap_or_default());
        if !name.is_empty() {
            each(errors, &place, name, format::dns_label(name));
        }
        if ports.len() > 1 && !names.insert(name) {
            errors.push(Error::duplicate(&place, quoted(name)));
        }
        let place = path.child("protocol");
        match port.protocol() {
            None => errors.push(Error::required(&place, "")),
            Some(protocol) if !PROTOCOLS.contains(&protocol) => {
                errors.push(Error::not_supported(&place, quoted(protocol), PROTOCOLS));
            }
            Some(_) => {}
        }
        if let Some(protocol) = port.app_protocol() {
            let place = path.child("appProtocol");
            each(errors, &place, protocol, format::label_key(protocol));
        }
    }
}

fn endpoints(errors: &mut ErrorList, slice: EndpointSlice<'_>) {
    let endpoints = slice.endpoints();
    if endpoints.len() > ENDPOINTS_MAX {
        let count = endpoints.len();
        errors.push(Error::too_many(&ENDPOINTS, count, ENDPOINTS_MAX));
        return;
    }
    for (at, endpoint) in endpoints.iter().enumerate() {
        let path = ENDPOINTS.index(at);
        addresses(errors, &path, endpoint, slice.address_type());
        if let Some(node) = endpoint.node_name() {
            let place = path.child("nodeName");
            each(errors, &place, node, format::dns_subdomain(node));
        }
        if let Some(host) = endpoint.hostname() {
            let place = path.child("hostname");
            each(errors, &place, host, format::dns_label(host));
        }
        if let Some(given) = endpoint.hints() {
            hints(errors, &path.child("hints"), given);
        }
    }
}

fn addresses(errors: &mut ErrorList, path: &Path<'_>, endpoint: Endpoint<'_>, kind: &str) {
    let list = path.child("addresses");
    for (at, address) in endpoint.addresses().iter().enumerate() {
        let place = list.index(at);
        let messages = match kind {
            "IPv4" => format::ip(address),
            "IPv6" => format::canonical_ip(address),
            "FQDN" => {
                domain(errors, &place, address);
                continue;
            }
            _ => return,
        };
        if !messages.is_empty() {
            each(errors, &place, address, messages);
            continue;
        }
        if sloppy(address).is_some_and(|ip| ip.is_ipv4() != (kind == "IPv4")) {
            // So upstream calls the place.
            let why = format!("must be an {kind} address");
            errors.push(Error::invalid(&list, address, why));
        }
        endpoint_ip(errors, &place, address);
    }
}

/// A domain of at least two labels, with or without the root's dot behind it.
fn domain(errors: &mut ErrorList, path: &Path<'_>, name: &str) {
    if !required(errors, path, name) {
        return;
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut wrong = |text: &str, why: String| errors.push(Error::invalid(path, text, why));
    let messages = format::dns_subdomain(name);
    if !messages.is_empty() {
        return wrong(name, messages.join(","));
    }
    if !name.contains('.') {
        let why = "should be a domain with at least two segments separated by dots";
        return wrong(name, why.to_owned());
    }
    for label in name.split('.') {
        let messages = format::dns_label(label);
        if !messages.is_empty() {
            return wrong(label, messages.join(","));
        }
    }
}

fn hints(errors: &mut ErrorList, path: &Path<'_>, hints: EndpointHints<'_>) {
    let (list, zones) = (path.child("forZones"), hints.for_zones());
    if zones.len() > HINTS_MAX {
        errors.push(Error::too_many(&list, zones.len(), HINTS_MAX));
        return;
    }
    for (at, zone) in zones.iter().enumerate() {
        let (place, name) = (list.index(at), zone.name());
        let place = place.child("name");
        if zones.iter().take(at).any(|earlier| earlier.name() == name) {
            errors.push(Error::duplicate(&place, name));
        }
        each(errors, &place, name, format::label_value(name));
    }
    let (list, nodes) = (path.child("forNodes"), hints.for_nodes());
    if nodes.len() > HINTS_MAX {
        errors.push(Error::too_many(&list, nodes.len(), HINTS_MAX));
        return;
    }
    for (at, node) in nodes.iter().enumerate() {
        let (place, name) = (list.index(at), node.name());
        let place = place.child("name");
        if nodes.iter().take(at).any(|earlier| earlier.name() == name) {
            errors.push(Error::duplicate(&place, name));
        }
        each(errors, &place, name, format::dns_subdomain(name));
    }
}

/// Whether endpoints have as many addresses as they may.
fn counts(errors: &mut ErrorList, slice: EndpointSlice<'_>) {
    for (at, endpoint) in slice.endpoints().iter().enumerate() {
        let (path, count) = (ENDPOINTS.index(at), endpoint.addresses().len());
        let place = path.child("addresses");
        if count == 0 {
            errors.push(Error::required(&place, ""));
        } else if count > ADDRESSES_MAX {
            errors.push(Error::too_many(&place, count, ADDRESSES_MAX));
        }
    }
}
