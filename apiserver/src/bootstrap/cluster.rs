//! What says where this server is, and whom it trusts: the Service `kubernetes` and its endpoints, the ConfigMap
//! `extension-apiserver-authentication`.

use std::net::IpAddr;

use api::field::{ErrorList, Path};
use api::validation;
use serde_json::{Value, json};

use super::Seed;

/// Where this server is, and whom it trusts.
#[derive(Clone, Debug)]
pub struct ClusterInfo {
    /// The first address of the Service range.
    pub service_address: IpAddr,
    /// The address that this server is reached by.
    pub advertise_address: IpAddr,
    /// Its port.
    pub secure_port: u16,
    /// The authority of client certificates, in PEM.
    pub client_ca: String,
    /// The authority of the front proxy's certificate, in PEM.
    pub front_proxy_ca: String,
}

impl ClusterInfo {
    pub(super) fn seeds(&self) -> Vec<Seed> {
        let mut seeds = vec![self.service(), self.authentication()];
        if self.is_reachable() {
            seeds.extend([self.endpoints(), self.slice()]);
        }
        seeds
    }

    /// Whether the address may stand in endpoints. Loopback may not, which is advertised where a machine has no network: that
    /// server is for its own machine alone, and names no endpoints (upstream's does not start).
    fn is_reachable(&self) -> bool {
        let mut errors = ErrorList::new();
        let address = self.advertise_address.to_string();
        validation::endpoint_ip(&mut errors, &Path::new("ip"), &address);
        errors.is_empty()
    }

    fn service(&self) -> Seed {
        let address = self.service_address.to_string();
        let object = json!({
            "metadata": {
                "name": "kubernetes",
                "namespace": "default",
                "labels": { "component": "apiserver", "provider": "kubernetes" },
            },
            "spec": {
                "type": "ClusterIP",
                "clusterIP": address,
                "clusterIPs": [address],
                "ipFamilies": [self.family()],
                "ipFamilyPolicy": "SingleStack",
                "sessionAffinity": "None",
                "ports": [{ "name": "https", "port": 443, "protocol": "TCP", "targetPort": self.secure_port }],
            },
        });
        Seed::new(
            "/api/v1/namespaces/default/services",
            "services/specs/",
            object,
        )
    }

    fn family(&self) -> &'static str {
        if self.service_address.is_ipv4() {
            "IPv4"
        } else {
            "IPv6"
        }
    }

    fn endpoints(&self) -> Seed {
        let object = json!({
            "metadata": {
                "name": "kubernetes",
                "namespace": "default",
                "labels": { "endpointslice.kubernetes.io/skip-mirror": "true" },
            },
            "subsets": [{
                "addresses": [{ "ip": self.advertise_address.to_string() }],
                "ports": [{ "name": "https", "port": self.secure_port, "protocol": "TCP" }],
            }],
        });
        Seed::new(
            "/api/v1/namespaces/default/endpoints",
            "services/endpoints/",
            object,
        )
    }

    fn slice(&self) -> Seed {
        let object = json!({
            "metadata": {
                "name": "kubernetes",
                "namespace": "default",
                "labels": { "kubernetes.io/service-name": "kubernetes" },
            },
            "addressType": if self.advertise_address.is_ipv4() { "IPv4" } else { "IPv6" },
            "endpoints": [{ "addresses": [self.advertise_address.to_string()], "conditions": { "ready": true } }],
            "ports": [{ "name": "https", "port": self.secure_port, "protocol": "TCP" }],
        });
        Seed::new(
            "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
            "endpointslices/",
            object,
        )
    }

    fn authentication(&self) -> Seed {
        let list = |items: &[&str]| Value::from(items).to_string();
        let object = json!({
            "metadata": { "name": "extension-apiserver-authentication", "namespace": "kube-system" },
            "data": {
                "client-ca-file": self.client_ca,
                "requestheader-client-ca-file": self.front_proxy_ca,
                "requestheader-allowed-names": list(&["front-proxy-client"]),
                "requestheader-extra-headers-prefix": list(&["X-Remote-Extra-"]),
                "requestheader-group-headers": list(&["X-Remote-Group"]),
                "requestheader-uid-headers": list(&["X-Remote-Uid"]),
                "requestheader-username-headers": list(&["X-Remote-User"]),
            },
        });
        Seed::new(
            "/api/v1/namespaces/kube-system/configmaps",
            "configmaps/",
            object,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_named_where_others_reach_them() {
        let seeds = |address: &str| {
            let info = ClusterInfo {
                service_address: "10.96.0.1".parse().unwrap(),
                advertise_address: address.parse().unwrap(),
                secure_port: 6443,
                client_ca: String::new(),
                front_proxy_ca: String::new(),
            };
            info.seeds().len()
        };
        assert_eq!(seeds("10.0.0.1"), 4);
        assert_eq!(seeds("2001:db8::1"), 4);
        assert_eq!(seeds("127.0.0.1"), 2);
    }
}
