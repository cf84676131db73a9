//! Services, their endpoints, ingresses and network policies.

use super::{Warnings, address};
use crate::core::v1::{Endpoints, Pod, Service};
use crate::discovery::v1::EndpointSlice;
use crate::field::Path;
use crate::networking::v1::{Ingress, NetworkPolicy};

const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
const TOPOLOGY: &str = "service.kubernetes.io/topology-mode";
const INGRESS_CLASS: &str = "kubernetes.io/ingress.class";
/// The label of what controllers of upstream's make, whose addresses are written well.
const SLICE_MANAGER: &str = "endpointslice.kubernetes.io/managed-by";
const SLICE_MANAGERS: [&str; 2] = [
    "endpointslice-controller.k8s.io",
    "endpointslicemirroring-controller.k8s.io",
];
const ENDPOINTS_MANAGER: &str = "endpoints.kubernetes.io/managed-by";
const ENDPOINTS_CONTROLLER: &str = "endpoint-controller";
const EXTERNAL_NAME: &str = "ExternalName";
const NONE: &str = "None";

pub(super) fn service(out: &mut Warnings, service: Service<'_>) {
    let spec = service.spec();
    let path = Path::new("spec");
    if service.metadata().annotations().contains_key(HINTS) {
        out.push(format!(
            "annotation {HINTS} is deprecated, please use {TOPOLOGY} instead"
        ));
    }
    if !matches!(spec.cluster_ip(), "" | NONE) {
        let path = path.child("clusterIPs");
        for (at, ip) in spec.cluster_ips().iter().enumerate() {
            address::ip(out, &path.index(at), ip);
        }
    }
    let external_ips = spec.external_ips();
    let headless = spec.type_() == "ClusterIP" && spec.cluster_ip() == NONE;
    if headless {
        if !spec.load_balancer_ip().is_empty() {
            out.push("spec.loadBalancerIP is ignored for headless services".to_owned());
        }
        if !external_ips.is_empty() {
            out.push("spec.externalIPs is ignored for headless services".to_owned());
        }
        if spec.session_affinity() != NONE {
            out.push("spec.SessionAffinity is ignored for headless services".to_owned());
        }
    }
    let place = path.child("externalIPs");
    for (at, ip) in external_ips.iter().enumerate() {
        address::ip(out, &place.index(at), ip);
    }
    if !external_ips.is_empty() && !headless && spec.type_() != EXTERNAL_NAME {
        out.push(
            "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
                .to_owned(),
        );
    }
    if !spec.load_balancer_ip().is_empty() {
        address::ip(out, &path.child("loadBalancerIP"), spec.load_balancer_ip());
    }
    let place = path.child("loadBalancerSourceRanges");
    for (at, range) in spec.load_balancer_source_ranges().iter().enumerate() {
        address::cidr(out, &place.index(at), range);
    }
    if spec.type_() == EXTERNAL_NAME && !external_ips.is_empty() {
        out.push(format!(
            "spec.externalIPs is ignored when spec.type is \"{EXTERNAL_NAME}\""
        ));
    }
    if spec.type_() != EXTERNAL_NAME && !spec.external_name().is_empty() {
        out.push(format!(
            "spec.externalName is ignored when spec.type is not \"{EXTERNAL_NAME}\""
        ));
    }
    if spec.traffic_distribution() == Some("PreferClose") {
        out.push(
            r#"spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone""#
                .to_owned(),
        );
    }
}

pub(super) fn service_status(out: &mut Warnings, service: Service<'_>) {
    let ingress = service.status().load_balancer().ingress();
    addresses(out, ingress.iter().map(|point| point.ip()));
}

pub(super) fn ingress_status(out: &mut Warnings, ingress: Ingress<'_>) {
    let points = ingress.status().load_balancer().ingress();
    addresses(out, points.iter().map(|point| point.ip()));
}

fn addresses<'a>(out: &mut Warnings, ips: impl Iterator<Item = &'a str>) {
    let path = Path::new("status.loadBalancer.ingress");
    for (at, ip) in ips.enumerate() {
        if !ip.is_empty() {
            address::ip(out, &path.index(at), ip);
        }
    }
}

pub(super) fn ingress(out: &mut Warnings, ingress: Ingress<'_>) {
    let annotated = ingress.metadata().annotations().contains_key(INGRESS_CLASS);
    if annotated && ingress.spec().ingress_class_name().is_none() {
        out.push(format!(
            "annotation \"{INGRESS_CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"
        ));
    }
}

pub(super) fn pod_status(out: &mut Warnings, pod: Pod<'_>) {
    let status = pod.status();
    let path = Path::new("status.podIPs");
    for (at, ip) in status.pod_ips().iter().enumerate() {
        address::ip(out, &path.index(at).child("ip"), ip.ip());
    }
    let path = Path::new("status.hostIPs");
    for (at, ip) in status.host_ips().iter().enumerate() {
        address::ip(out, &path.index(at).child("ip"), ip.ip());
    }
}

pub(super) fn endpoints(out: &mut Warnings, endpoints: Endpoints<'_>) {
    if endpoints.metadata().labels().get(ENDPOINTS_MANAGER) == Some(ENDPOINTS_CONTROLLER) {
        return;
    }
    let path = Path::new("subsets");
    for (at, subset) in endpoints.subsets().iter().enumerate() {
        let path = path.index(at);
        for (field, list) in [
            ("addresses", subset.addresses()),
            ("notReadyAddresses", subset.not_ready_addresses()),
        ] {
            let path = path.child(field);
            for (at, one) in list.iter().enumerate() {
                address::ip(out, &path.index(at).child("ip"), one.ip());
            }
        }
    }
}

/// What only new slices get.
pub(super) fn address_type(out: &mut Warnings, slice: EndpointSlice<'_>) {
    if slice.address_type() == "FQDN" {
        out.push("spec.addressType: FQDN endpoints are deprecated".to_owned());
    }
}

pub(super) fn endpoint_slice(out: &mut Warnings, slice: EndpointSlice<'_>) {
    let manager = slice.metadata().labels().get(SLICE_MANAGER);
    if manager.is_some_and(|manager| SLICE_MANAGERS.contains(&manager)) {
        return;
    }
    let path = Path::new("endpoints");
    for (at, endpoint) in slice.endpoints().iter().enumerate() {
        let path = path.index(at);
        let path = path.child("addresses");
        for (at, one) in endpoint.addresses().iter().enumerate() {
            address::ip(out, &path.index(at), one);
        }
    }
}

pub(super) fn policy(out: &mut Warnings, policy: NetworkPolicy<'_>) {
    let spec = policy.spec();
    let blocks =
        |out: &mut Warnings, path: &Path<'_>, block: crate::networking::v1::IPBlock<'_>| {
            address::cidr(out, &path.child("cidr"), block.cidr());
            let path = path.child("except");
            for (at, range) in block.except().iter().enumerate() {
                address::cidr(out, &path.index(at), range);
            }
        };
    let path = Path::new("spec.ingress");
    for (at, rule) in spec.ingress().iter().enumerate() {
        let path = path.index(at);
        let path = path.child("from");
        for (at, peer) in rule.from().iter().enumerate() {
            if let Some(block) = peer.ip_block() {
                blocks(out, &path.index(at).child("ipBlock"), block);
            }
        }
    }
    let path = Path::new("spec.egress");
    for (at, rule) in spec.egress().iter().enumerate() {
        let path = path.index(at);
        let path = path.child("to");
        for (at, peer) in rule.to().iter().enumerate() {
            if let Some(block) = peer.ip_block() {
                blocks(out, &path.index(at).child("ipBlock"), block);
            }
        }
    }
}
