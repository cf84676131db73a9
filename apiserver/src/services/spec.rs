//! The part of a Service's spec that allocation is about, as plain values.

use std::net::IpAddr;

use api::Tree;
use api::core::v1::{Service, ServiceMut};
use ipnet::IpNet;

/// What `clusterIP` says where there is to be none.
pub(super) const NONE: &str = "None";

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) fn of_net(net: &IpNet) -> Family {
        Family::of(net.addr())
    }

    pub(super) fn of(address: IpAddr) -> Family {
        if address.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        }
    }

    pub(super) fn parse(name: &str) -> Option<Family> {
        match name {
            "IPv4" => Some(Family::V4),
            "IPv6" => Some(Family::V6),
            _ => None,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        }
    }

    pub(super) fn other(self) -> Family {
        match self {
            Family::V4 => Family::V6,
            Family::V6 => Family::V4,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) name: String,
    pub(super) protocol: String,
    pub(super) port: i32,
    pub(super) node_port: i32,
}

/// See the module. Strings are empty, numbers 0 where nothing is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spec {
    pub(super) kind: String,
    pub(super) address: String,
    pub(super) addresses: Vec<String>,
    pub(super) families: Vec<String>,
    pub(super) policy: Option<String>,
    pub(super) ports: Vec<Port>,
    pub(super) health_port: i32,
    pub(super) external_policy: String,
    /// Whether traffic from within may leave the node.
    pub(super) internal_policy: Option<String>,
    /// `allocateLoadBalancerNodePorts`.
    pub(super) balancer_ports: Option<bool>,
    /// `loadBalancerClass`.
    pub(super) balancer_class: Option<String>,
    pub(super) selects: bool,
}

impl Spec {
    pub(super) fn read(service: &Tree) -> Spec {
        let spec = Service::of(service).spec();
        let port = |p: api::core::v1::ServicePort<'_>| Port {
            name: p.name().to_owned(),
            protocol: p.protocol().to_owned(),
            port: p.port(),
            node_port: p.node_port(),
        };
        Spec {
            kind: spec.type_().to_owned(),
            address: spec.cluster_ip().to_owned(),
            addresses: spec.cluster_ips().iter().map(str::to_owned).collect(),
            families: spec.ip_families().iter().map(str::to_owned).collect(),
            policy: spec.ip_family_policy().map(str::to_owned),
            ports: spec.ports().iter().map(port).collect(),
            health_port: spec.health_check_node_port(),
            external_policy: spec.external_traffic_policy().to_owned(),
            internal_policy: spec.internal_traffic_policy().map(str::to_owned),
            balancer_ports: spec.allocate_load_balancer_node_ports(),
            balancer_class: spec.load_balancer_class().map(str::to_owned),
            selects: !spec.selector().is_empty(),
        }
    }

    /// Writes back what differs.
    pub(super) fn write(&self, service: &mut Tree) {
        let before = Spec::read(service);
        let mut view = ServiceMut::of(service);
        let mut spec = view.spec_mut();
        if self.is_external_name() {
            // Has no meaning there; upstream stores it and never shows it.
            // What it could not be is left for validation to refuse.
            if matches!(before.internal_policy.as_deref(), Some("Cluster" | "Local")) {
                spec.remove_internal_traffic_policy();
            }
        }
        if before.address != self.address {
            match self.address.as_str() {
                "" => drop(spec.remove_cluster_ip()),
                address => spec.set_cluster_ip(address),
            }
        }
        if before.addresses != self.addresses {
            spec.remove_cluster_ips();
            self.addresses
                .iter()
                .for_each(|address| spec.push_cluster_ips(address));
        }
        if before.families != self.families {
            spec.remove_ip_families();
            self.families
                .iter()
                .for_each(|family| spec.push_ip_families(family));
        }
        if before.policy != self.policy {
            match &self.policy {
                None => drop(spec.remove_ip_family_policy()),
                Some(policy) => spec.set_ip_family_policy(policy),
            }
        }
        for (index, port) in self.ports.iter().enumerate() {
            if before.ports.get(index).map(|p| p.node_port) != Some(port.node_port) {
                let mut out = spec.ports_mut(index);
                match port.node_port {
                    0 => drop(out.remove_node_port()),
                    number => out.set_node_port(number),
                }
            }
        }
        if before.health_port != self.health_port {
            match self.health_port {
                0 => drop(spec.remove_health_check_node_port()),
                port => spec.set_health_check_node_port(port),
            }
        }
        if before.external_policy != self.external_policy {
            match self.external_policy.as_str() {
                "" => drop(spec.remove_external_traffic_policy()),
                policy => spec.set_external_traffic_policy(policy),
            }
        }
        if before.balancer_ports != self.balancer_ports && self.balancer_ports.is_none() {
            spec.remove_allocate_load_balancer_node_ports();
        }
        if before.balancer_class != self.balancer_class && self.balancer_class.is_none() {
            spec.remove_load_balancer_class();
        }
    }

    /// Whether it is only a name for something elsewhere.
    pub(super) fn is_external_name(&self) -> bool {
        self.kind == "ExternalName"
    }

    /// Whether it wants no address.
    pub(super) fn is_headless(&self) -> bool {
        self.addresses
            .first()
            .is_some_and(|address| address == NONE)
    }

    /// Whether its type has node ports at all.
    pub(super) fn may_have_node_ports(&self) -> bool {
        matches!(self.kind.as_str(), "NodePort" | "LoadBalancer")
    }

    /// Whether each of its ports is to get a node port.
    pub(super) fn wants_node_ports(&self) -> bool {
        self.kind == "NodePort" || self.is_balancer() && self.balancer_ports.unwrap_or(true)
    }

    pub(super) fn is_balancer(&self) -> bool {
        self.kind == "LoadBalancer"
    }

    /// Whether load balancers ask nodes if they have a local endpoint.
    pub(super) fn wants_health_port(&self) -> bool {
        self.is_balancer() && self.external_policy == "Local"
    }

    pub(super) fn policy(&self) -> &str {
        self.policy.as_deref().unwrap_or_default()
    }

    /// The addresses that it has taken.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let none = self.is_external_name() || self.is_headless();
        self.addresses
            .iter()
            .filter(move |_| !none)
            .filter_map(|address| address.parse().ok())
    }

    /// The node ports that it has taken, each once.
    pub(super) fn node_ports(&self) -> impl Iterator<Item = i32> {
        let health = Some(self.health_port).filter(|_| self.wants_health_port());
        let mut all: Vec<i32> = self
            .ports
            .iter()
            .map(|p| p.node_port)
            .chain(health)
            .filter(|p| *p > 0)
            .collect();
        all.sort_unstable();
        all.dedup();
        all.into_iter()
    }
}
