//! Services, Endpoints and EndpointSlices.

use super::{Rule, rules};
use crate::IntOrString;
use crate::core::v1::{EndpointPort, EndpointPortMut, Service, ServiceMut};
use crate::discovery::v1::{EndpointPort as SlicePort, EndpointPortMut as SlicePortMut};

pub(super) const RULES: &[Rule] = rules![
    EndpointPort => |mut port: EndpointPortMut<'_>| port.default_protocol("TCP"),
    Service => service,
    SlicePort => slice_port,
];

/// Three hours.
const AFFINITY_SECONDS: i32 = 10_800;

fn service(mut service: ServiceMut<'_>) {
    let mut spec = service.spec_mut();
    spec.default_session_affinity("None");
    match spec.view().session_affinity() {
        "None" => {
            spec.remove_session_affinity_config();
        }
        "ClientIP" => {
            let mut config = spec.session_affinity_config_mut();
            config
                .client_ip_mut()
                .default_timeout_seconds(AFFINITY_SECONDS);
        }
        _ => {}
    }
    spec.default_type("ClusterIP");
    for at in 0..spec.view().ports().len() {
        let mut port = spec.ports_mut(at);
        port.default_protocol("TCP");
        let target = port.view().target_port();
        if target == IntOrString::Int(0) || target == IntOrString::String(String::new()) {
            let number = port.view().port();
            port.set_target_port(IntOrString::Int(number));
        }
    }
    let view = spec.view();
    let (balanced, internal) = (
        view.type_() == "LoadBalancer",
        matches!(view.type_(), "ClusterIP" | "NodePort" | "LoadBalancer"),
    );
    let external = match view.type_() {
        "LoadBalancer" | "NodePort" => true,
        "ClusterIP" => !view.external_ips().is_empty(),
        _ => false,
    };
    if external {
        spec.default_external_traffic_policy("Cluster");
    }
    if internal {
        spec.default_internal_traffic_policy("Cluster");
    }
    if balanced {
        spec.default_allocate_load_balancer_node_ports(true);
        address_modes(service);
    }
}

fn address_modes(mut service: ServiceMut<'_>) {
    let count = service.view().status().load_balancer().ingress().len();
    for at in 0..count {
        let mut status = service.status_mut();
        let mut balancer = status.load_balancer_mut();
        let mut ingress = balancer.ingress_mut(at);
        if !ingress.view().ip().is_empty() {
            ingress.default_ip_mode("VIP");
        }
    }
}

fn slice_port(mut port: SlicePortMut<'_>) {
    port.default_name("");
    port.default_protocol("TCP");
}
