//! Cluster addresses: asked for by name, or any that is free.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use api::field::{Error, Path};
use api::networking::v1::ServiceCIDR;
use ipnet::IpNet;

use super::families::shown;
use super::keys::Plan;
use super::spec::{Family, Spec};
use crate::codec::object::decode;
use crate::registry::meta;
use crate::status::Status;

/// The beginning of each range is given out last, so that who asks for an address there is likely to get it (KEP-3070): at
/// least and at most so many addresses, a sixteenth of the range between.
const RESERVED: (u128, u128, u128) = (16, 256, 16);

/// Takes and gives back addresses in a plan.
pub(super) struct Addresses<'p, 'a> {
    plan: &'p mut Plan<'a>,
}

impl<'p, 'a> Addresses<'p, 'a> {
    pub(super) fn new(plan: &'p mut Plan<'a>) -> Addresses<'p, 'a> {
        Addresses { plan }
    }

    /// For a new Service, or one that has none yet: an address of each of its families.
    pub(super) fn create(&mut self, spec: &mut Spec) -> Result<(), Status> {
        if spec.is_external_name() || spec.is_headless() {
            return Ok(());
        }
        for index in 0..spec.families.len() {
            self.take(spec, index)?;
        }
        Ok(())
    }

    /// For a Service that changes: its type, or the number of its families.
    pub(super) fn update(&mut self, new: &mut Spec, old: &Spec) -> Result<(), Status> {
        if old.is_external_name() && !new.is_external_name() {
            return self.create(new);
        }
        if old.is_headless() || old.is_external_name() {
            return Ok(());
        }
        if new.is_external_name() {
            old.addresses()
                .for_each(|address| self.plan.release_address(address));
            return Ok(());
        }
        match (old.families.len(), new.families.len()) {
            (1, 2) => self.take(new, 1)?,
            (2, 1) => old
                .addresses()
                .skip(1)
                .for_each(|address| self.plan.release_address(address)),
            _ => {}
        }
        Ok(())
    }

    /// Takes the address at `index`: the one that is asked for, else a free one.
    fn take(&mut self, spec: &mut Spec, index: usize) -> Result<(), Status> {
        let asked = spec.addresses.get(index).cloned().unwrap_or_default();
        let ranges = self.ranges();
        let address = match asked.parse::<IpAddr>() {
            Ok(address) => {
                let why = if !ranges.iter().any(|range| holds(range, address)) {
                    Some("the provided network does not match the current range")
                } else if self.plan.has_address(address) {
                    Some("provided IP is already allocated")
                } else {
                    None
                };
                if let Some(why) = why {
                    let spec_path = Path::new("spec");
                    let path = spec_path.child("clusterIPs");
                    let why = format!("failed to allocate IP {asked}: {why}");
                    let errors = [Error::invalid(&path, shown(&spec.addresses), why)]
                        .into_iter()
                        .collect();
                    return Err(self.plan.invalid(&errors));
                }
                address
            }
            Err(_) => {
                let family = spec
                    .families
                    .get(index)
                    .and_then(|family| Family::parse(family));
                let mut of_family = ranges
                    .iter()
                    .filter(|range| Some(Family::of_net(range)) == family);
                of_family
                    .find_map(|range| self.free(range))
                    .ok_or_else(|| {
                        let name = api::field::quote(&self.plan.name);
                        Status::internal(format!(
                            "failed to allocate a serviceIP for Service {name}: range is full"
                        ))
                    })?
            }
        };
        self.plan.take_address(address)?;
        let text = if asked.is_empty() {
            address.to_string()
        } else {
            asked
        };
        if spec.addresses.len() <= index {
            spec.addresses.resize(index + 1, String::new());
        }
        if index == 0 {
            spec.address.clone_from(&text);
        }
        spec.addresses[index] = text;
        Ok(())
    }

    /// The ranges of all ServiceCIDRs that are ready.
    fn ranges(&self) -> Vec<IpNet> {
        let kinds = self.plan.api.kinds();
        let Some(kind) = kinds.get("networking.k8s.io", "v1", "servicecidrs") else {
            return Vec::new();
        };
        let Some(collection) = &kind.collection else {
            return Vec::new();
        };
        let mut ranges = Vec::new();
        for object in collection.snapshot().from("") {
            let Ok(tree) = decode(&kind.codec, object) else {
                continue;
            };
            let cidr = ServiceCIDR::of(&tree);
            let refused = cidr
                .status()
                .conditions()
                .iter()
                .any(|c| c.type_() == "Ready" && c.status() != "True");
            if refused || meta::of(&tree).deletion().is_some() {
                continue;
            }
            ranges.extend(
                cidr.spec()
                    .cidrs()
                    .iter()
                    .filter_map(|cidr| cidr.parse::<IpNet>().ok()),
            );
        }
        ranges
    }

    /// A free address of the range: from a random one on, the beginning of the range last.
    fn free(&self, range: &IpNet) -> Option<IpAddr> {
        let (first, last) = bounds(range)?;
        let reserved = reserved(last - first + 1);
        let mut random = [0; 16];
        self.plan.api.env.random.fill(&mut random);
        let random = u128::from_le_bytes(random);
        pick(first + reserved, last, random, |n| {
            self.plan.has_address(address(range, n))
        })
        .or_else(|| {
            pick(first, first + reserved - 1, random, |n| {
                self.plan.has_address(address(range, n))
            })
        })
        .map(|n| address(range, n))
    }
}

/// The numbers of the first and last address that may be given: not the network's own, nor IPv4's broadcast.
fn bounds(range: &IpNet) -> Option<(u128, u128)> {
    let (first, last) = (number(range.network()) + 1, number(range.broadcast()));
    let last = if range.addr().is_ipv4() {
        last.checked_sub(1)?
    } else {
        last
    };
    (first <= last).then_some((first, last))
}

fn holds(range: &IpNet, address: IpAddr) -> bool {
    range.contains(&address)
        && bounds(range).is_some_and(|(first, last)| (first..=last).contains(&number(address)))
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn address(range: &IpNet, number: u128) -> IpAddr {
    match range {
        // Numbers of a range of IPv4 are below 2^32.
        IpNet::V4(_) => Ipv4Addr::from(number as u32).into(),
        IpNet::V6(_) => Ipv6Addr::from(number).into(),
    }
}

/// How many addresses or ports at the beginning of a range of `size` are given out last.
fn reserved(size: u128) -> u128 {
    offset(size, RESERVED)
}

pub(super) fn offset(size: u128, (least, most, part): (u128, u128, u128)) -> u128 {
    if size < least {
        0
    } else {
        (size / part).clamp(least, most)
    }
}

/// A free number of `first..=last`, from a random one on, round about.
pub(super) fn pick(
    first: u128,
    last: u128,
    random: u128,
    taken: impl Fn(u128) -> bool,
) -> Option<u128> {
    if first > last {
        return None;
    }
    let start = first + random % (last - first + 1);
    (start..=last).chain(first..start).find(|n| !taken(*n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_leave_out_network_and_broadcast() {
        let range: IpNet = "10.0.0.0/24".parse().unwrap();
        let (first, last) = bounds(&range).unwrap();
        assert_eq!(
            (
                address(&range, first).to_string(),
                address(&range, last).to_string()
            ),
            ("10.0.0.1".into(), "10.0.0.254".into())
        );
        assert!(
            !holds(&range, "10.0.0.0".parse().unwrap())
                && !holds(&range, "10.0.0.255".parse().unwrap())
        );
        let v6: IpNet = "fd00::/112".parse().unwrap();
        let (first, last) = bounds(&v6).unwrap();
        assert_eq!(
            (
                address(&v6, first).to_string(),
                address(&v6, last).to_string()
            ),
            ("fd00::1".into(), "fd00::ffff".into())
        );
        assert_eq!(bounds(&"10.0.0.0/32".parse().unwrap()), None);
    }

    #[test]
    fn the_reserved_part_has_upstreams_size() {
        for (size, part) in [
            (8, 0),
            (14, 0),
            (16, 16),
            (254, 16),
            (1022, 63),
            (65534, 256),
        ] {
            assert_eq!(reserved(size), part, "{size}");
        }
    }

    #[test]
    fn a_free_number_is_found_wherever_the_search_begins() {
        for random in 0..20 {
            assert_eq!(pick(10, 14, random, |n| n != 12), Some(12));
            assert_eq!(pick(10, 14, random, |_| true), None);
        }
        assert_eq!(pick(5, 4, 0, |_| false), None);
    }
}
