//! Nodes.

use std::net::IpAddr;

use super::check::{each, internal, shown};
use super::format;
use super::pod::{resource_quantity, taint_effect};
use crate::Quantity;
use crate::core::v1::{Node, Taint};
use crate::field::{BadValue, Error, ErrorList, Path, quote};
use crate::view::{List, MapRef, View};

const SPEC: Path<'static> = Path::new("spec");
const STATUS: Path<'static> = Path::new("status");

/// A new node, its metadata apart.
pub(super) fn create(errors: &mut ErrorList, node: Node<'_>) {
    // So upstream calls the place.
    taints(errors, &Path::new("metadata.taints"), node.spec().taints());
    resources(errors, node);
    let ranges = node.spec().pod_cidrs();
    let place = SPEC.child("podCIDRs");
    for (at, range) in ranges.iter().enumerate() {
        each(errors, &place.index(at), range, format::cidr(range));
    }
    if ranges.len() > 1 {
        let malformed = ranges
            .iter()
            .enumerate()
            .find(|(_, range)| !format::is_cidr(range));
        if let Some((at, range)) = malformed {
            errors.push(Error::internal(
                &place,
                format!(
                    "invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR[{at}]: <nil> (invalid CIDR address: {range})"
                ),
            ));
        }
        if malformed.is_some() || !dual_stack(ranges) {
            errors.push(Error::invalid(
                &place,
                shown(ranges.node()),
                "may specify no more than one CIDR for each IP family",
            ));
        }
    }
}

fn dual_stack(ranges: List<'_, str>) -> bool {
    let is_v4 = |range: &str| {
        let address = range.split('/').next().unwrap_or_default();
        address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_ipv4())
    };
    ranges.len() == 2 && ranges.iter().filter(|range| is_v4(range)).count() == 1
}

fn taints(errors: &mut ErrorList, path: &Path<'_>, taints: List<'_, Taint<'_>>) {
    for (at, taint) in taints.iter().enumerate() {
        let place = path.index(at);
        each(
            errors,
            &place.child("key"),
            taint.key(),
            format::label_key(taint.key()),
        );
        let messages = format::label_value(taint.value());
        if !messages.is_empty() {
            errors.push(Error::invalid(
                &place.child("value"),
                taint.value(),
                messages.join(";"),
            ));
        }
        let effect = place.child("effect");
        if taint.effect().is_empty() {
            errors.push(Error::required(&effect, ""));
        } else {
            taint_effect(errors, &effect, taint.effect());
        }
        let same =
            |other: Taint<'_>| (other.key(), other.effect()) == (taint.key(), taint.effect());
        if taints.iter().take(at).any(same) {
            let mut error = Error::duplicate(&place, internal(taint.node()));
            error.detail = "taints must be unique by key and effect pair".to_owned();
            errors.push(error);
        }
    }
}

fn resources(errors: &mut ErrorList, node: Node<'_>) {
    let status = node.status();
    amounts(errors, &STATUS.child("capacity"), status.capacity());
    amounts(errors, &STATUS.child("allocatable"), status.allocatable());
    let place = STATUS.child("declaredFeatures");
    let features = status.declared_features();
    for (at, feature) in features.iter().enumerate() {
        if let Some(problem) = feature_name(feature) {
            errors.push(Error::invalid(
                &place.index(at),
                feature,
                format!("invalid feature name {}: {problem}", quote(feature)),
            ));
        }
        match features.get(at + 1) {
            Some(next) if next == feature => {
                errors.push(Error::duplicate(&place.index(at + 1), next));
            }
            Some(next) if next < feature => errors.push(Error::invalid(
                &place.index(at + 1),
                next,
                "list must be sorted alphabetically",
            )),
            _ => {}
        }
    }
}

fn feature_name(name: &str) -> Option<&'static str> {
    if name.len() > format::SUBDOMAIN_MAX {
        return Some("must be no more than 253 characters");
    }
    let well_formed = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.split('/').all(|segment| {
            segment.starts_with(|c: char| c.is_ascii_alphabetic())
                && segment.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
    (!well_formed).then_some(
        "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or \
         MyFeature/mySubFeature), and contain only alphanumeric characters and slashes",
    )
}

fn amounts(errors: &mut ErrorList, path: &Path<'_>, amounts: MapRef<'_, Quantity>) {
    for (name, amount) in amounts {
        resource_quantity(errors, &path.child(name), name, amount);
    }
}

/// A changed node, its metadata apart.
pub(super) fn update(errors: &mut ErrorList, new: Node<'_>, old: Node<'_>) {
    create(errors, new);
    status(errors, new, old);
}

/// A node whose status is written. Upstream looks at much of the rest here too.
pub(super) fn status(errors: &mut ErrorList, new: Node<'_>, old: Node<'_>) {
    resources(errors, new);
    let addresses = new.status().addresses();
    let place = STATUS.child("addresses");
    for (at, address) in addresses.iter().enumerate() {
        let parts = (address.type_(), address.address());
        if addresses
            .iter()
            .take(at)
            .any(|earlier| (earlier.type_(), earlier.address()) == parts)
        {
            errors.push(Error::duplicate(&place.index(at), internal(address.node())));
        }
    }
    let (spec, before) = (new.spec(), old.spec());
    let ranges = (spec.pod_cidrs(), before.pod_cidrs());
    if !ranges.1.is_empty() && !ranges.0.iter().eq(ranges.1.iter()) {
        errors.push(Error::forbidden(
            &SPEC.child("podCIDRs"),
            "node updates may not change podCIDR except from \"\" to valid",
        ));
    }
    let (id, old_id) = (spec.provider_id(), before.provider_id());
    if !old_id.is_empty() && id != old_id {
        let why = if id.is_empty() {
            "field cannot be cleared once set"
        } else {
            "field cannot be modified once set"
        };
        let value = BadValue::Json("null".to_owned());
        errors.push(Error::invalid(&SPEC.child("providerID"), value, why));
    }
    taints(errors, &Path::new("metadata.taints"), spec.taints());
}
