//! Ingresses, network policies and addresses.

use api::Tree;
use api::networking::v1::{
    IPAddress, Ingress, IngressClass, IngressRule, NetworkPolicy, ServiceCIDR,
};
use api::view::List;
use serde_json::Value;

use super::age::Now;
use super::cells;
use super::text::{NONE, format_selector, joined, or, set};

pub fn ingress(object: &Tree, now: Now) -> Vec<Value> {
    let ingress = Ingress::of(object);
    let (meta, spec) = (ingress.metadata(), ingress.spec());
    let given = ingress.status().load_balancer().ingress();
    let address = set(given
        .iter()
        .map(|i| or(i.ip(), i.hostname()))
        .filter(|text| !text.is_empty()));
    cells![
        meta.name(),
        spec.ingress_class_name().unwrap_or(NONE),
        hosts(spec.rules()),
        address,
        if spec.tls().is_empty() {
            "80"
        } else {
            "80, 443"
        },
        now.since(meta.creation_timestamp()),
    ]
}

fn hosts(rules: List<'_, IngressRule<'_>>) -> String {
    const MOST: usize = 3;
    let (mut shown, mut more) = (Vec::new(), false);
    for rule in rules.iter() {
        more |= shown.len() == MOST;
        if !more && !rule.host().is_empty() {
            shown.push(rule.host());
        }
    }
    match (shown.is_empty(), more) {
        (true, _) => "*".to_owned(),
        (false, false) => joined(shown),
        (false, true) => format!("{} + {} more...", joined(shown), rules.len() - MOST),
    }
}

pub fn ingress_class(object: &Tree, now: Now) -> Vec<Value> {
    let class = IngressClass::of(object);
    let meta = class.metadata();
    let is_default = meta
        .annotations()
        .get("ingressclass.kubernetes.io/is-default-class")
        == Some("true");
    let name = if is_default {
        format!("{} (default)", meta.name())
    } else {
        meta.name().to_owned()
    };
    let parameters = class.spec().parameters().map_or_else(
        || NONE.to_owned(),
        |parameters| match parameters.api_group() {
            Some(group) => format!("{}.{group}/{}", parameters.kind(), parameters.name()),
            None => format!("{}/{}", parameters.kind(), parameters.name()),
        },
    );
    cells![
        name,
        class.spec().controller(),
        parameters,
        now.since(meta.creation_timestamp())
    ]
}

pub fn network_policy(object: &Tree, now: Now) -> Vec<Value> {
    let policy = NetworkPolicy::of(object);
    let meta = policy.metadata();
    cells![
        meta.name(),
        format_selector(Some(policy.spec().pod_selector())),
        now.since(meta.creation_timestamp())
    ]
}

pub fn service_cidr(object: &Tree, now: Now) -> Vec<Value> {
    let cidr = ServiceCIDR::of(object);
    let meta = cidr.metadata();
    cells![
        meta.name(),
        joined(cidr.spec().cidrs().iter()),
        now.since(meta.creation_timestamp())
    ]
}

pub fn ip_address(object: &Tree, now: Now) -> Vec<Value> {
    let address = IPAddress::of(object);
    let meta = address.metadata();
    let parent = address.spec().parent_ref().map_or_else(
        || NONE.to_owned(),
        |parent| {
            let resource = match parent.group() {
                "" => parent.resource().to_owned(),
                group => format!("{}.{group}", parent.resource()),
            };
            let namespace = match parent.namespace() {
                "" => String::new(),
                namespace => format!("/{namespace}"),
            };
            format!("{}{namespace}/{}", resource.to_lowercase(), parent.name())
        },
    );
    cells![meta.name(), parent, now.since(meta.creation_timestamp())]
}
