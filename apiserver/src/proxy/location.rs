//! Where a pod or a node is reached.

use std::net::{IpAddr, SocketAddr};

use api::Tree;
use api::core::v1::Pod;

use super::name::Name;
use crate::codec::object::decode;
use crate::kubelets::location;
use crate::registry::{Api, Call};
use crate::status::Status;

/// Where a request goes.
pub(super) enum Location {
    /// To a kubelet, as this server asks it.
    Kubelet(Tree),
    /// To an address, over TCP.
    Address {
        host: IpAddr,
        port: u16,
        /// By TLS, whatever certificate is shown.
        https: bool,
    },
}

impl Location {
    /// At `host` and `port`; the scheme's own port, if that is empty.
    pub fn at(host: IpAddr, port: &str, https: bool) -> Result<Location, Status> {
        let port = match port {
            "" if https => 443,
            "" => 80,
            port => port.parse().map_err(|_| {
                let port = api::field::quote(port);
                Status::service_unavailable(format!(
                    "error trying to reach service: dial tcp: lookup tcp/{port}: unknown port"
                ))
            })?,
        };
        Ok(Location::Address { host, port, https })
    }

    /// As a URL names the place; empty for a kubelet.
    pub fn authority(&self) -> String {
        match self {
            Location::Kubelet(_) => String::new(),
            Location::Address { host, port, .. } => SocketAddr::new(*host, *port).to_string(),
        }
    }
}

/// The address of a pod, at the port that is named, or at the first that one of its containers names.
pub(super) async fn of_pod(
    api: &Api,
    call: &Call<'_>,
    name: &Name<'_>,
) -> Result<Location, Status> {
    let key = call.kind.key(call.namespace(), name.name);
    let object = api
        .fresh(call.cx, call.kind, &key)
        .await?
        .ok_or_else(|| Status::not_found(call.kind.qualified(), name.name))?;
    let pod = decode(&call.kind.codec, &object)?;
    let pod = Pod::of(&pod);
    let first = || {
        let containers = pod.spec().containers();
        let port = containers.iter().find_map(|c| c.ports().iter().next());
        port.map(|port| port.container_port().to_string())
    };
    let port = match name.port {
        "" => first().unwrap_or_default(),
        port => port.to_owned(),
    };
    let host = proxied(pod.status().pod_ip())?;
    Location::at(host, &port, name.https)
}

/// The kubelet of a node, or another port of its host.
pub(super) async fn of_node(
    api: &Api,
    call: &Call<'_>,
    name: &Name<'_>,
) -> Result<Location, Status> {
    let object = api
        .fresh(call.cx, call.kind, name.name)
        .await?
        .ok_or_else(|| Status::not_found(call.kind.qualified(), name.name))?;
    let node = decode(&call.kind.codec, &object)?;
    let (host, port) = location(&node).map_err(Status::internal)?;
    let host = proxied(&host)?;
    if name.port.is_empty() || name.port == port.to_string() {
        return Ok(Location::Kubelet(node));
    }
    Location::at(host, name.port, name.https)
}

/// The address, if it is one of a host or pod: nobody is led to this server's own loopback, or to a link's own addresses
/// (upstream: Go's `IsGlobalUnicast`).
pub(super) fn proxied(address: &str) -> Result<IpAddr, Status> {
    let refused = || Status::bad_request("address not allowed");
    let address: IpAddr = address.parse().map_err(|_| refused())?;
    let local = match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let address = address.to_canonical();
    let none = address.is_unspecified() || address.is_loopback() || address.is_multicast();
    match local || none {
        true => Err(refused()),
        false => Ok(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_hosts_and_pods_are_proxied() {
        for address in ["10.1.2.3", "8.8.8.8", "fd00::1", "192.168.0.9"] {
            assert!(proxied(address).is_ok(), "{address}");
        }
        for address in [
            "",
            "web",
            "127.0.0.1",
            "::1",
            "0.0.0.0",
            "169.254.169.254",
            "fe80::1",
            "224.0.0.1",
            "255.255.255.255",
            "::ffff:127.0.0.1",
        ] {
            assert!(proxied(address).is_err(), "{address}");
        }
    }
}
