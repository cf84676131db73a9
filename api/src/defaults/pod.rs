//! Pods and their templates.

use super::{Rule, rules};
use crate::Quantity;
use crate::core::v1::{
    Pod, PodMut, PodSpec, PodSpecMut, PodStatus, PodStatusMut, ReplicationController,
    ReplicationControllerMut,
};
use crate::core::v1::{ResourceRequirements, ResourceRequirementsMut};
use crate::view::MapRef;

pub(super) const RULES: &[Rule] = rules![
    Pod => pod,
    PodSpec => spec,
    PodStatus => status,
    ReplicationController => replication_controller,
];

/// What holds for pods, and not for templates.
fn pod(mut pod: PodMut<'_>) {
    let mut spec = pod.spec_mut();
    if spec
        .view()
        .termination_grace_period_seconds()
        .is_some_and(|seconds| seconds < 0)
    {
        spec.set_termination_grace_period_seconds(1);
    }
    spec.default_enable_service_links(true);
    let host_network = spec.view().host_network();
    for at in 0..spec.view().containers().len() {
        let mut container = spec.containers_mut(at);
        if container.view().has_resources() {
            requests_from_limits(container.resources_mut());
        }
        if host_network {
            for at in 0..container.view().ports().len() {
                let mut port = container.ports_mut(at);
                let number = port.view().container_port();
                port.default_host_port(number);
            }
        }
    }
    for at in 0..spec.view().init_containers().len() {
        let mut container = spec.init_containers_mut(at);
        if container.view().has_resources() {
            requests_from_limits(container.resources_mut());
        }
        if host_network {
            for at in 0..container.view().ports().len() {
                let mut port = container.ports_mut(at);
                let number = port.view().container_port();
                port.default_host_port(number);
            }
        }
    }
}

/// A container that limits a resource asks for as much of it.
fn requests_from_limits(mut resources: ResourceRequirementsMut<'_>) {
    let view: ResourceRequirements<'_> = resources.view();
    let missing = missing(view.limits(), view.requests());
    for (name, quantity) in missing {
        resources.requests_mut().insert(&name, quantity);
    }
}

/// The entries of `from` whose keys `to` lacks.
pub(super) fn missing(
    from: MapRef<'_, Quantity>,
    to: MapRef<'_, Quantity>,
) -> Vec<(String, Quantity)> {
    from.iter()
        .filter(|(name, _)| !to.contains_key(name))
        .map(|(name, quantity)| (name.to_owned(), quantity))
        .collect()
}

fn spec(mut spec: PodSpecMut<'_>) {
    // serviceAccount is the old name of serviceAccountName, which wins where they differ.
    let name = spec.view().service_account_name();
    let old_name = spec.view().service_account();
    if name.is_empty() && !old_name.is_empty() {
        let name = old_name.to_owned();
        spec.set_service_account_name(&name);
    } else if name != old_name {
        let name = name.to_owned();
        spec.set_service_account(&name);
    }
    spec.default_dns_policy("ClusterFirst");
    spec.default_restart_policy("Always");
    spec.security_context_mut();
    spec.default_termination_grace_period_seconds(30);
    spec.default_scheduler_name("default-scheduler");
}

/// `podIP` is the first of `podIPs`; where they differ it wins.
fn status(mut status: PodStatusMut<'_>) {
    let ip = status.view().pod_ip();
    let first = status
        .view()
        .pod_ips()
        .first()
        .map(|first| first.ip())
        .unwrap_or_default();
    if ip == first {
        return;
    }
    if ip.is_empty() {
        let first = first.to_owned();
        status.set_pod_ip(&first);
    } else {
        let ip = ip.to_owned();
        status.remove_pod_ips();
        status.push_pod_ips().set_ip(&ip);
    }
}

/// A template's labels serve as selector and labels where there are none.
fn replication_controller(mut controller: ReplicationControllerMut<'_>) {
    let view = controller.view();
    let Some(template) = view.spec().template() else {
        return;
    };
    let labels: Vec<(String, String)> = template
        .metadata()
        .labels()
        .iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let (no_selector, no_labels) = (
        view.spec().selector().is_empty(),
        view.metadata().labels().is_empty(),
    );
    for (key, value) in &labels {
        if no_selector {
            controller.spec_mut().selector_mut().insert(key, value);
        }
        if no_labels {
            controller.metadata_mut().labels_mut().insert(key, value);
        }
    }
}
