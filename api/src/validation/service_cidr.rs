//! ServiceCIDRs, out of which Services get their cluster IPs (upstream: `pkg/apis/networking/validation`).

use super::address::Range;
use super::check::{IMMUTABLE, each, shown};
use super::format;
use crate::field::{BadValue, Error, ErrorList, Path};
use crate::networking::v1::ServiceCIDR;
use crate::view::List;

const CIDRS: Path<'static> = Path::new("spec.cidrs");

pub(super) fn create(errors: &mut ErrorList, object: ServiceCIDR<'_>) {
    ranges(errors, object.spec().cidrs());
}

/// Ranges stay as they are, but that one of the other family may join a single one.
pub(super) fn update(errors: &mut ErrorList, new: ServiceCIDR<'_>, old: ServiceCIDR<'_>) {
    let (now, was) = (new.spec().cidrs(), old.spec().cidrs());
    let joined = (was.len(), now.len()) == (1, 2);
    if !joined && now.len() != was.len() {
        errors.push(Error::invalid(&CIDRS, shown(now.node()), IMMUTABLE));
        return;
    }
    for (at, (now, was)) in now.iter().zip(was).enumerate() {
        if now != was {
            errors.push(Error::invalid(&CIDRS.index(at), now, IMMUTABLE));
        }
    }
    if joined {
        ranges(errors, now);
    }
}

fn ranges(errors: &mut ErrorList, ranges: List<'_, str>) {
    if ranges.is_empty() {
        errors.push(Error::required(&CIDRS, "at least one CIDR required"));
        return;
    }
    if ranges.len() > 2 {
        let value = match shown(ranges.node()) {
            // Upstream shows the spec as a whole, of its internal type.
            BadValue::Json(list) => BadValue::Json(format!("{{\"CIDRs\":{list}}}")),
            other => other,
        };
        let why = "may only hold up to 2 values";
        errors.push(Error::invalid(&CIDRS, value, why));
        return;
    }
    for (at, range) in ranges.iter().enumerate() {
        let place = CIDRS.index(at);
        each(errors, &place, range, format::canonical_cidr(range));
    }
    let family = |at: usize| {
        let range = ranges.get(at).and_then(Range::parse);
        range.map(Range::is_v4)
    };
    if ranges.len() == 2 && family(0).is_some() && family(0) == family(1) {
        errors.push(Error::invalid(
            &CIDRS,
            shown(ranges.node()),
            "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64",
        ));
    }
}
