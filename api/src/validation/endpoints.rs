//! Endpoints (upstream: `ValidateEndpoints` in `pkg/apis/core/validation`).

use super::address::endpoint_ip;
use super::check::{each, label_name, port, quoted, required, same};
use super::format;
use crate::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, Endpoints};
use crate::field::{Error, ErrorList, Path};
use crate::view::List;

const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];

pub(super) fn create(errors: &mut ErrorList, endpoints: Endpoints<'_>) {
    subsets(errors, endpoints.subsets());
}

/// Subsets that stay as they are may be what an older release took.
pub(super) fn update(errors: &mut ErrorList, new: Endpoints<'_>, old: Endpoints<'_>) {
    let mut found = ErrorList::new();
    subsets(&mut found, new.subsets());
    if !found.is_empty() && !same(new.subsets().node(), old.subsets().node()) {
        errors.extend(found);
    }
}

fn subsets(errors: &mut ErrorList, subsets: List<'_, EndpointSubset<'_>>) {
    let path = Path::new("subsets");
    for (at, subset) in subsets.iter().enumerate() {
        let path = path.index(at);
        let (ready, others) = (subset.addresses(), subset.not_ready_addresses());
        if ready.is_empty() && others.is_empty() {
            let why = "must specify `addresses` or `notReadyAddresses`";
            errors.push(Error::required(&path, why));
        }
        for (field, list) in [("addresses", ready), ("notReadyAddresses", others)] {
            let path = path.child(field);
            for (at, one) in list.iter().enumerate() {
                address(errors, &path.index(at), one);
            }
        }
        ports(errors, &path.child("ports"), subset.ports());
    }
}

fn address(errors: &mut ErrorList, path: &Path<'_>, address: EndpointAddress<'_>) {
    let (place, ip) = (path.child("ip"), address.ip());
    each(errors, &place, ip, format::ip(ip));
    let host = address.hostname();
    if !host.is_empty() {
        let place = path.child("hostname");
        each(errors, &place, host, format::dns_label(host));
    }
    if let Some(node) = address.node_name() {
        let place = path.child("nodeName");
        each(errors, &place, node, format::dns_subdomain(node));
    }
    endpoint_ip(errors, &place, ip);
}

fn ports(errors: &mut ErrorList, path: &Path<'_>, ports: List<'_, EndpointPort<'_>>) {
    for (at, item) in ports.iter().enumerate() {
        let path = path.index(at);
        if ports.len() > 1 || !item.name().is_empty() {
            label_name(errors, &path.child("name"), item.name());
        }
        port(errors, &path.child("port"), item.port());
        let (place, protocol) = (path.child("protocol"), item.protocol());
        if required(errors, &place, protocol) && !PROTOCOLS.contains(&protocol) {
            errors.push(Error::not_supported(&place, quoted(protocol), PROTOCOLS));
        }
        if let Some(protocol) = item.app_protocol() {
            let place = path.child("appProtocol");
            each(errors, &place, protocol, format::label_key(protocol));
        }
    }
}
