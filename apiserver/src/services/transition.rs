//! Fields of a Service that hang together: what a client left out is what it was, what no longer applies goes (upstream:
//! `normalizeClusterIPs`, `patchAllocatedValues`, `dropTypeDependentFields`).

use std::collections::BTreeSet;

use super::spec::Spec;

/// Keeps `clusterIP` and `clusterIPs` in step for clients that know the singular only.
pub(super) fn normalize(new: &mut Spec, old: Option<&Spec>) {
    let Some(old) = old else {
        if !new.address.is_empty() && new.addresses.is_empty() {
            new.addresses = vec![new.address.clone()];
        }
        return;
    };
    if !old.addresses.is_empty() && new.addresses.is_empty() && old.address == new.address {
        new.addresses.clone_from(&old.addresses);
    }
    if old.address != new.address && old.addresses == new.addresses {
        // The singular was changed alone: the plural follows.
        new.addresses = match (old.address.is_empty(), new.address.is_empty()) {
            (false, true) => Vec::new(),
            _ => vec![new.address.clone()],
        };
    }
}

/// A client that sends what it created a Service from does not take away what was allocated since.
pub(super) fn keep_allocated(new: &mut Spec, old: &Spec) {
    if !old.is_external_name() && !new.is_external_name() {
        if new.address.is_empty() {
            new.address.clone_from(&old.address);
        }
        if new.addresses.is_empty() {
            new.addresses.clone_from(&old.addresses);
        }
    }
    if old.wants_node_ports() && new.wants_node_ports() {
        let in_both: BTreeSet<i32> = taken(old).intersection(&taken(new)).copied().collect();
        for port in new.ports.iter_mut().filter(|p| p.node_port == 0) {
            let before = old
                .ports
                .iter()
                .rev()
                .find(|p| p.name == port.name)
                .map_or(0, |p| p.node_port);
            if !in_both.contains(&before) {
                port.node_port = before;
            }
        }
    }
    if old.wants_health_port() && new.wants_health_port() && new.health_port == 0 {
        new.health_port = old.health_port;
    }
}

fn taken(spec: &Spec) -> BTreeSet<i32> {
    spec.ports
        .iter()
        .map(|p| p.node_port)
        .filter(|p| *p != 0)
        .collect()
}

/// A change of type takes away what the new type has no use for, unless the client changed that as well.
pub(super) fn drop_what_does_not_apply(new: &mut Spec, old: &Spec) {
    if !old.is_external_name() && new.is_external_name() {
        if (&new.address, &new.addresses) == (&old.address, &old.addresses) {
            new.address.clear();
            new.addresses.clear();
        }
        if new.families == old.families {
            new.families.clear();
        }
        if new.policy == old.policy {
            new.policy = None;
        }
    }
    if old.may_have_node_ports() && !new.may_have_node_ports() && taken(new).is_subset(&taken(old))
    {
        new.ports.iter_mut().for_each(|port| port.node_port = 0);
    }
    if old.wants_health_port() && !new.wants_health_port() && new.health_port == old.health_port {
        new.health_port = 0;
    }
    if old.is_balancer() && !new.is_balancer() {
        if new.balancer_ports == old.balancer_ports {
            new.balancer_ports = None;
        }
        if new.balancer_class == old.balancer_class {
            new.balancer_class = None;
        }
    }
    if old.may_have_node_ports()
        && !new.may_have_node_ports()
        && new.external_policy == old.external_policy
    {
        new.external_policy.clear();
    }
}
