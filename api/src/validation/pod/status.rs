//! What a kubelet may write into a pod's status.

use super::super::check::{each, immutable_text};
use super::super::format;
use super::annotations;
use crate::core::v1::{Container, ContainerStatus, Pod, PodSpec};
use crate::field::{BadValue, Error, ErrorList, Path};
use crate::view::List;

const STATUS: Path<'static> = Path::new("status");

/// A pod whose status changes, its metadata apart.
pub(crate) fn update(errors: &mut ErrorList, new: Pod<'_>, old: Pod<'_>) {
    annotations::update(errors, new, old);
    let (status, before) = (new.status(), old.status());
    let place = STATUS.child("conditions");
    for (at, condition) in status.conditions().iter().enumerate() {
        let kind = condition.type_();
        let place = place.index(at);
        if condition.observed_generation() < 0 {
            errors.push(Error::invalid(
                &place.child("observedGeneration"),
                condition.observed_generation(),
                "must be a non-negative integer",
            ));
        }
        each(errors, &place.child("Type"), kind, format::label_key(kind));
    }
    if new.spec().node_name() != old.spec().node_name() {
        errors.push(Error::forbidden(
            &STATUS.child("nodeName"),
            "may not be changed directly",
        ));
    }
    nominated_node(errors, new, old);
    if status.observed_generation() < 0 {
        errors.push(Error::invalid(
            &STATUS.child("observedGeneration"),
            status.observed_generation(),
            "must be a non-negative integer",
        ));
    }
    immutable_text(
        errors,
        &STATUS.child("qosClass"),
        status.qos_class(),
        before.qos_class(),
    );
    let spec = old.spec();
    for (field, now, before, containers) in [
        (
            "containerStatuses",
            status.container_statuses(),
            before.container_statuses(),
            spec.containers(),
        ),
        (
            "initContainerStatuses",
            status.init_container_statuses(),
            before.init_container_statuses(),
            spec.init_containers(),
        ),
    ] {
        restarts(errors, &STATUS.child(field), now, before, containers, spec);
    }
    addresses(errors, new, old);
}

fn nominated_node(errors: &mut ErrorList, new: Pod<'_>, old: Pod<'_>) {
    let node = new.status().nominated_node_name();
    if node.is_empty() || node == old.status().nominated_node_name() {
        return;
    }
    let place = STATUS.child("nominatedNodeName");
    each(errors, &place, node, format::dns_subdomain(node));
    if !old.spec().node_name().is_empty() {
        errors.push(Error::forbidden(
            &place,
            "may not be set on pods that are already bound to a node",
        ));
    }
}

/// Whether a container that ended with this code starts again.
fn starts_again(container: Container<'_>, spec: PodSpec<'_>, code: i32) -> bool {
    for rule in container.restart_policy_rules() {
        let Some(codes) = rule.exit_codes() else {
            continue;
        };
        let listed = codes.values().iter().any(|listed| listed == code);
        if listed == (codes.operator() == "In") {
            return matches!(rule.action(), "Restart" | "RestartAllContainers");
        }
    }
    match container.restart_policy().unwrap_or(spec.restart_policy()) {
        "Never" => false,
        "OnFailure" => code != 0,
        _ => true,
    }
}

/// Whether some rule can start all containers anew.
fn all_may_restart(spec: PodSpec<'_>) -> bool {
    spec.containers()
        .iter()
        .chain(spec.init_containers())
        .flat_map(|container| container.restart_policy_rules())
        .any(|rule| rule.action() == "RestartAllContainers")
}

/// A container that has ended does not run again, unless it is to be started again.
fn restarts(
    errors: &mut ErrorList,
    path: &Path<'_>,
    new: List<'_, ContainerStatus<'_>>,
    old: List<'_, ContainerStatus<'_>>,
    containers: List<'_, Container<'_>>,
    spec: PodSpec<'_>,
) {
    if all_may_restart(spec) {
        return;
    }
    for (at, before) in old.iter().enumerate() {
        let Some(ended) = before.state().terminated() else {
            continue;
        };
        let runs = new
            .iter()
            .any(|now| now.name() == before.name() && now.state().terminated().is_none());
        let allowed = containers
            .iter()
            .find(|container| container.name() == before.name())
            .is_some_and(|container| starts_again(container, spec, ended.exit_code()));
        if runs && !allowed {
            errors.push(Error::forbidden(
                &path.index(at).child("state"),
                "may not be transitioned to non-terminated state",
            ));
        }
    }
}

fn addresses(errors: &mut ErrorList, new: Pod<'_>, old: Pod<'_>) {
    let (status, before) = (new.status(), old.status());
    let place = STATUS.child("podIPs");
    for (at, address) in status.pod_ips().iter().enumerate() {
        let ip = address.ip();
        if !before.pod_ips().iter().any(|known| known.ip() == ip) {
            each(errors, &place.index(at), ip, format::ip(ip));
        }
    }
    let families = families(status.pod_ips().iter().map(|address| address.ip()));
    if status.pod_ips().len() > 1 && families != Some((1, 1)) {
        let list: Vec<String> = status
            .pod_ips()
            .iter()
            .map(|address| format!("{{\"IP\":{}}}", crate::field::quote(address.ip())))
            .collect();
        errors.push(Error::invalid(
            &place,
            BadValue::Json(format!("[{}]", list.join(","))),
            "may specify no more than one IP for each IP family",
        ));
    }
    let place = STATUS.child("hostIPs");
    let hosts = status.host_ips();
    if let Some(first) = hosts.first()
        && first.ip() != status.host_ip()
    {
        errors.push(Error::invalid(
            &place.index(0).child("ip"),
            first.ip(),
            "must be equal to `hostIP`",
        ));
    }
    for (at, address) in hosts.iter().enumerate() {
        let ip = address.ip();
        if !before.host_ips().iter().any(|known| known.ip() == ip) {
            each(errors, &place.index(at), ip, format::ip(ip));
        }
    }
}

/// How many addresses there are of each family; none if one is no address.
fn families<'a>(addresses: impl Iterator<Item = &'a str>) -> Option<(usize, usize)> {
    let mut count = (0, 0);
    for address in addresses {
        match address.parse::<std::net::IpAddr>().ok()? {
            std::net::IpAddr::V4(_) => count.0 += 1,
            std::net::IpAddr::V6(_) => count.1 += 1,
        }
    }
    Some(count)
}
