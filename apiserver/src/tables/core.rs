//! The core group, but for pods, events and volumes.

use api::Tree;
use api::core::v1::{
    ComponentStatus, ConfigMap, Endpoints, LoadBalancerStatus, Namespace, Node, PodTemplate,
    ReplicationController, ResourceQuota, Secret, Service, ServicePort,
};
use api::view::List;
use serde_json::Value;

use super::age::Now;
use super::cells;
use super::text::{NONE, containers, first_of, joined, labels, or, set};

pub fn component_status(object: &Tree, _: Now) -> Vec<Value> {
    let status = ComponentStatus::of(object);
    let healthy = status.conditions().iter().find(|c| c.type_() == "Healthy");
    let word = healthy.map_or("Unknown", |c| {
        if c.status() == "True" {
            "Healthy"
        } else {
            "Unhealthy"
        }
    });
    let (message, error) = healthy.map_or(("", ""), |c| (c.message(), c.error()));
    cells![status.metadata().name(), word, message, error]
}

pub fn config_map(object: &Tree, now: Now) -> Vec<Value> {
    let map = ConfigMap::of(object);
    let keys = map.data().len() + map.binary_data().len();
    cells![
        map.metadata().name(),
        keys,
        now.since(map.metadata().creation_timestamp())
    ]
}

pub fn endpoints(object: &Tree, now: Now) -> Vec<Value> {
    let endpoints = Endpoints::of(object);
    let mut addresses = Vec::new();
    for subset in endpoints.subsets().iter() {
        if subset.ports().is_empty() {
            // Headless services may have no ports.
            addresses.extend(
                subset
                    .addresses()
                    .iter()
                    .map(|address| address.ip().to_owned()),
            );
        }
        for port in subset.ports().iter() {
            addresses.extend(
                subset
                    .addresses()
                    .iter()
                    .map(|address| host_port(address.ip(), port.port())),
            );
        }
    }
    let shown = match endpoints.subsets().is_empty() {
        true => NONE.to_owned(),
        false => first_of(addresses, 3).unwrap_or_default(),
    };
    cells![
        endpoints.metadata().name(),
        shown,
        now.since(endpoints.metadata().creation_timestamp())
    ]
}

fn host_port(host: &str, port: i32) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

pub fn namespace(object: &Tree, now: Now) -> Vec<Value> {
    let namespace = Namespace::of(object);
    let meta = namespace.metadata();
    cells![
        meta.name(),
        namespace.status().phase(),
        now.since(meta.creation_timestamp())
    ]
}

pub fn node(object: &Tree, now: Now) -> Vec<Value> {
    let node = Node::of(object);
    let (meta, info) = (node.metadata(), node.status().node_info());
    // The last of a type counts, should there be several.
    let ready = node
        .status()
        .conditions()
        .iter()
        .rfind(|c| c.type_() == "Ready");
    let mut status = ready
        .map_or("Unknown", |c| {
            if c.status() == "True" {
                "Ready"
            } else {
                "NotReady"
            }
        })
        .to_owned();
    if node.spec().unschedulable() {
        status.push_str(",SchedulingDisabled");
    }
    let roles = set(meta.labels().iter().filter_map(|(key, value)| {
        match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role).filter(|role| !role.is_empty()),
            None => Some(value).filter(|value| key == "kubernetes.io/role" && !value.is_empty()),
        }
    }));
    let address = |kind: &str| {
        let found = node
            .status()
            .addresses()
            .iter()
            .find(|address| address.type_() == kind);
        found.map_or(NONE, |address| address.address())
    };
    let known = |text| or(text, "<unknown>");
    let mut kernel = known(info.kernel_version()).to_owned();
    if !info.architecture().is_empty() {
        kernel = format!("{kernel} ({})", info.architecture());
    }
    cells![
        meta.name(),
        status,
        or(&roles, NONE),
        now.since(meta.creation_timestamp()),
        info.kubelet_version(),
        address("InternalIP"),
        address("ExternalIP"),
        known(info.os_image()),
        kernel,
        known(info.container_runtime_version()),
    ]
}

pub fn pod_template(object: &Tree, _: Now) -> Vec<Value> {
    let template = PodTemplate::of(object);
    let [names, images] = containers(template.template().spec().containers());
    cells![
        template.metadata().name(),
        names,
        images,
        labels(template.template().metadata().labels())
    ]
}

pub fn replication_controller(object: &Tree, now: Now) -> Vec<Value> {
    let controller = ReplicationController::of(object);
    let (meta, spec, status) = (
        controller.metadata(),
        controller.spec(),
        controller.status(),
    );
    let [names, images] = spec.template().map_or_else(Default::default, |template| {
        containers(template.spec().containers())
    });
    cells![
        meta.name(),
        spec.replicas().unwrap_or_default(),
        status.replicas(),
        status.ready_replicas(),
        now.since(meta.creation_timestamp()),
        names,
        images,
        labels(spec.selector()),
    ]
}

pub fn resource_quota(object: &Tree, now: Now) -> Vec<Value> {
    let quota = ResourceQuota::of(object);
    let (meta, used) = (quota.metadata(), quota.status().used());
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    for (name, hard) in quota.status().hard().iter() {
        let used = used
            .get(name)
            .map_or_else(|| "0".to_owned(), |used| used.to_string());
        let column = if name.starts_with("limits.") {
            &mut limits
        } else {
            &mut requests
        };
        column.push(format!("{name}: {used}/{hard}"));
    }
    let line = |column: Vec<String>| column.join(", ");
    cells![
        meta.name(),
        line(requests),
        line(limits),
        now.since(meta.creation_timestamp())
    ]
}

pub fn secret(object: &Tree, now: Now) -> Vec<Value> {
    let secret = Secret::of(object);
    let meta = secret.metadata();
    cells![
        meta.name(),
        secret.type_(),
        secret.data().len(),
        now.since(meta.creation_timestamp())
    ]
}

pub fn service(object: &Tree, now: Now) -> Vec<Value> {
    let service = Service::of(object);
    let (meta, spec) = (service.metadata(), service.spec());
    let ports = joined(spec.ports().iter().map(port));
    cells![
        meta.name(),
        spec.type_(),
        spec.cluster_ips().first().unwrap_or(NONE),
        external_addresses(service),
        or(&ports, NONE),
        now.since(meta.creation_timestamp()),
        labels(spec.selector()),
    ]
}

fn port(port: ServicePort<'_>) -> String {
    match port.node_port() {
        1.. => format!("{}:{}/{}", port.port(), port.node_port(), port.protocol()),
        _ => format!("{}/{}", port.port(), port.protocol()),
    }
}

fn external_addresses(service: Service<'_>) -> String {
    let spec = service.spec();
    let external: List<'_, str> = spec.external_ips();
    let listed = |otherwise: &str| {
        if external.is_empty() {
            otherwise.to_owned()
        } else {
            joined(external.iter())
        }
    };
    match spec.type_() {
        "ClusterIP" | "NodePort" => listed(NONE),
        "LoadBalancer" => {
            let given = load_balancer(service.status().load_balancer());
            match (given.is_empty(), external.is_empty()) {
                (true, _) => listed("<pending>"),
                (false, true) => given,
                (false, false) => format!("{given},{}", joined(external.iter())),
            }
        }
        "ExternalName" => spec.external_name().to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

fn load_balancer(status: LoadBalancerStatus<'_>) -> String {
    set(status
        .ingress()
        .iter()
        .map(|ingress| or(ingress.ip(), ingress.hostname()))
        .filter(|text| !text.is_empty()))
}
