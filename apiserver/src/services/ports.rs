//! Node ports: of each port of a Service, and the one by which load balancers ask after local endpoints.

use std::collections::{BTreeSet, HashMap};

use api::field::{Error, Path};

use super::Ranges;
use super::addresses::{offset, pick};
use super::keys::Plan;
use super::spec::Spec;
use crate::status::{Reason, Status};

/// The ports at the beginning of the range are given out last (KEP-3668).
const RESERVED: (u128, u128, u128) = (16, 128, 32);

/// Takes and gives back node ports in a plan.
pub(super) struct Ports<'p, 'a> {
    plan: &'p mut Plan<'a>,
    first: i32,
    last: i32,
}

impl<'p, 'a> Ports<'p, 'a> {
    pub(super) fn new(plan: &'p mut Plan<'a>, ranges: &Ranges) -> Ports<'p, 'a> {
        Ports {
            plan,
            first: i32::from(*ranges.node_ports.start()),
            last: i32::from(*ranges.node_ports.end()),
        }
    }

    /// For a new Service.
    pub(super) fn create(&mut self, spec: &mut Spec) -> Result<(), Status> {
        if spec.may_have_node_ports() {
            self.of_ports(spec)?;
        }
        if spec.wants_health_port() {
            self.health(spec)?;
        }
        Ok(())
    }

    /// Ports of one number (of several protocols) share a node port, unless they ask for others.
    fn of_ports(&mut self, spec: &mut Spec) -> Result<(), Status> {
        let mut by_port: HashMap<i32, i32> = HashMap::new();
        for index in 0..spec.ports.len() {
            let port = spec.ports[index].port;
            let asked = spec.ports[index].node_port;
            if asked == 0 && !spec.wants_node_ports() {
                continue;
            }
            let Some(&shared) = by_port.get(&port) else {
                let of_number = spec
                    .ports
                    .iter()
                    .find(|p| p.port == port && p.node_port != 0)
                    .map(|p| p.node_port);
                let number = match of_number {
                    Some(number) => self.asked(number, index, number)?,
                    None => self.any().map_err(|why| {
                        Status::internal(format!("failed to allocate a nodePort: {why}"))
                    })?,
                };
                spec.ports[index].node_port = number;
                by_port.insert(port, number);
                continue;
            };
            match asked {
                0 => spec.ports[index].node_port = shared,
                asked if asked == shared => {}
                asked => drop(self.asked(asked, index, asked)?),
            }
        }
        Ok(())
    }

    /// For a Service that changes.
    pub(super) fn update(&mut self, new: &mut Spec, old: &Spec) -> Result<(), Status> {
        let before: BTreeSet<i32> = old
            .ports
            .iter()
            .map(|p| p.node_port)
            .filter(|p| *p != 0)
            .collect();
        if new.may_have_node_ports() {
            let mut taken = BTreeSet::new();
            let mut seen = BTreeSet::new();
            for index in 0..new.ports.len() {
                let asked = new.ports[index].node_port;
                if asked == 0 && !new.wants_node_ports() {
                    continue;
                }
                if asked == 0 {
                    let number = self.any().map_err(|why| {
                        Status::internal(format!("failed to allocate a nodePort: {why}"))
                    })?;
                    new.ports[index].node_port = number;
                } else if !before.contains(&asked) && taken.insert(asked) {
                    self.asked(asked, index, asked)?;
                }
                let port = &new.ports[index];
                if !seen.insert((port.protocol.clone(), port.node_port)) {
                    let message = format!(
                        "duplicate nodePort: {{{} {}}}",
                        port.protocol, port.node_port
                    );
                    return Err(Status::new(500, Reason::Unknown, message, None));
                }
            }
            let now: BTreeSet<i32> = new.ports.iter().map(|p| p.node_port).collect();
            before
                .difference(&now)
                .for_each(|port| self.plan.release_port(*port));
        } else if old.may_have_node_ports() {
            before.iter().for_each(|port| self.plan.release_port(*port));
        }
        match (old.wants_health_port(), new.wants_health_port()) {
            (false, true) => self.health(new)?,
            (true, false) if old.health_port != 0 => self.plan.release_port(old.health_port),
            _ => {}
        }
        Ok(())
    }

    fn health(&mut self, spec: &mut Spec) -> Result<(), Status> {
        if spec.health_port == 0 {
            spec.health_port = self.any().map_err(|why| {
                Status::internal(format!(
                    "failed to allocate a HealthCheck NodePort 0: {why}"
                ))
            })?;
            return Ok(());
        }
        self.take(spec.health_port).map_err(|why| {
            let port = spec.health_port;
            Status::internal(format!(
                "failed to allocate requested HealthCheck NodePort {port}: {why}"
            ))
        })
    }

    /// The node port that the port at `index` asks for.
    fn asked(&mut self, port: i32, index: usize, shown: i32) -> Result<i32, Status> {
        self.take(port).map_err(|why| {
            let spec = Path::new("spec");
            let ports = spec.child("ports");
            let errors = [Error::invalid(
                &ports.index(index).child("nodePort"),
                shown,
                why,
            )]
            .into_iter()
            .collect();
            self.plan.invalid(&errors)
        })?;
        Ok(port)
    }

    fn take(&mut self, port: i32) -> Result<(), String> {
        if !(self.first..=self.last).contains(&port) {
            let (first, last) = (self.first, self.last);
            return Err(format!(
                "provided port is not in the valid range. The range of valid ports is {first}-{last}"
            ));
        }
        if self.plan.has_port(port) {
            return Err("provided port is already allocated".to_owned());
        }
        self.plan.take_port(port);
        Ok(())
    }

    /// Any free one.
    fn any(&mut self) -> Result<i32, &'static str> {
        let (first, last) = (self.first as u128, self.last as u128);
        let reserved = offset(last - first + 1, RESERVED);
        let mut random = [0; 16];
        self.plan.api.env.random.fill(&mut random);
        let random = u128::from_le_bytes(random);
        let taken = |port: u128| self.plan.has_port(port as i32);
        let port = pick(first + reserved, last, random, taken)
            .or_else(|| pick(first, first + reserved - 1, random, taken))
            .ok_or("range is full")? as i32;
        self.plan.take_port(port);
        Ok(port)
    }
}
