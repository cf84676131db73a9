//! What the API server gives to Services: cluster addresses, node ports, and the fields that follow from them.
//!
//! An address is taken by an IPAddress object, a node port by a key of its own, each written in the same append as its Service
//! and only if it is not there: several servers on one log cannot give one thing twice. What is free is what the view does not
//! show. This module must not know how Services are reached: that is the network's.

mod addresses;
mod families;
mod keys;
mod ports;
mod repair;
mod spec;
mod transition;

use std::ops::RangeInclusive;

use api::Tree;
use ipnet::IpNet;
use store::Op;

pub use keys::resource as view_resource;
pub use repair::{ensure_ranges, repair};

use self::addresses::Addresses;
use self::keys::Plan;
use self::ports::Ports;
use self::spec::Spec;
use crate::registry::companion::Companion;
use crate::registry::{Api, Call};
use crate::status::Status;

/// Where Services' addresses and ports come from.
#[derive(Clone, Debug)]
pub struct Ranges {
    /// The addresses, one range a family; the first one's family is the cluster's main one (`--service-cluster-ip-range`).
    pub addresses: Vec<IpNet>,
    /// The node ports (`--service-node-port-range`).
    pub node_ports: RangeInclusive<u16>,
}

impl Ranges {
    /// These addresses, and upstream's node ports.
    pub fn new(addresses: Vec<IpNet>) -> Ranges {
        Ranges {
            addresses,
            node_ports: 30000..=32767,
        }
    }
}

/// Allocates for Services.
pub struct Services {
    ranges: Ranges,
}

impl Services {
    /// Allocates out of `ranges`, and of whatever ServiceCIDRs there are besides.
    pub fn new(ranges: Ranges) -> Services {
        Services { ranges }
    }

    fn families(&self) -> Vec<spec::Family> {
        let mut families: Vec<_> = self
            .ranges
            .addresses
            .iter()
            .map(spec::Family::of_net)
            .collect();
        families.dedup();
        families
    }
}

impl Companion for Services {
    fn create(&self, api: &Api, _: &Call<'_>, new: &mut Tree) -> Result<Vec<Op>, Status> {
        let mut spec = Spec::read(new);
        transition::normalize(&mut spec, None);
        let mut plan = Plan::new(api, new);
        families::initialize(&mut spec, None, &self.families()).map_err(|e| plan.invalid(&e))?;
        Addresses::new(&mut plan).create(&mut spec)?;
        Ports::new(&mut plan, &self.ranges).create(&mut spec)?;
        let ops = plan.into_ops();
        spec.write(new);
        Ok(ops)
    }

    fn update(
        &self,
        api: &Api,
        _: &Call<'_>,
        new: &mut Tree,
        old: &Tree,
    ) -> Result<Vec<Op>, Status> {
        let (mut spec, old_spec) = (Spec::read(new), Spec::read(old));
        transition::keep_allocated(&mut spec, &old_spec);
        transition::normalize(&mut spec, Some(&old_spec));
        let mut plan = Plan::new(api, old);
        let same = families::is_settled(&spec, &old_spec);
        if !same {
            families::initialize(&mut spec, Some(&old_spec), &self.families())
                .map_err(|e| plan.invalid(&e))?;
            Addresses::new(&mut plan).update(&mut spec, &old_spec)?;
        }
        Ports::new(&mut plan, &self.ranges).update(&mut spec, &old_spec)?;
        transition::drop_what_does_not_apply(&mut spec, &old_spec);
        families::unchanged(&spec, &old_spec).map_err(|e| plan.invalid(&e))?;
        let ops = plan.into_ops();
        spec.write(new);
        Ok(ops)
    }

    fn delete(&self, api: &Api, old: &Tree) -> Vec<Op> {
        let spec = Spec::read(old);
        let mut plan = Plan::new(api, old);
        spec.addresses()
            .for_each(|address| plan.release_address(address));
        spec.node_ports().for_each(|port| plan.release_port(port));
        plan.into_ops()
    }
}
