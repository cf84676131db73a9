//! The instance's own nftables table: NAT for what leaves the pods, host ports. Applied in batches, each a transaction.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::{Config, Error};

/// A port of the node that leads to a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// The transport.
    pub protocol: Protocol,
    /// The node's address; all of them if unspecified.
    pub host_ip: Option<Ipv4Addr>,
    /// The port on the node.
    pub host_port: u16,
    /// The port in the pod.
    pub pod_port: u16,
}

/// A transport protocol that a host port can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

const ANY: &str = "host_ports";
const BY_ADDRESS: &str = "host_ports_by_address";

/// The name of the instance's table.
pub fn table(instance: &str) -> String {
    format!("gantry-{instance}")
}

/// Makes the table, its chains and rules; the maps keep the host ports that are in them.
pub async fn install(config: &Config) -> Result<(), Error> {
    run(&ruleset(config)).await
}

/// Removes the table.
pub async fn uninstall(instance: &str) -> Result<(), Error> {
    // `add` first: deleting what is not there is an error, and `destroy` is too new for Debian 12.
    let table = table(instance);
    run(&format!("add table ip {table}\ndelete table ip {table}\n")).await
}

/// Leads `ports` of the node to `address`. All or none; those that do so already stay.
pub async fn add_host_ports(
    instance: &str,
    address: Ipv4Addr,
    ports: &[HostPort],
) -> Result<(), Error> {
    run(&added(instance, address, ports)).await
}

/// Takes away every host port that leads to `address`.
pub async fn remove_host_ports(instance: &str, address: Ipv4Addr) -> Result<(), Error> {
    let table = table(instance);
    let mut batch = String::new();
    for map in [ANY, BY_ADDRESS] {
        let listed = json(&["list", "map", "ip", &table, map]).await?;
        for key in keys_to(&listed, address) {
            let _ = writeln!(batch, "delete element ip {table} {map} {{ {key} }}");
        }
    }
    if batch.is_empty() {
        Ok(())
    } else {
        run(&batch).await
    }
}

fn ruleset(config: &Config) -> String {
    let (table, bridge) = (table(&config.instance), &config.bridge);
    let (pods, cluster) = (config.pod_cidr, config.cluster_cidr);
    format!(
        "add table ip {table}
add map ip {table} {ANY} {{ type inet_proto . inet_service : ipv4_addr . inet_service; }}
add map ip {table} {BY_ADDRESS} {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }}
add chain ip {table} host-ports
add chain ip {table} guard {{ type filter hook prerouting priority raw; policy accept; }}
add chain ip {table} prerouting {{ type nat hook prerouting priority dstnat; policy accept; }}
add chain ip {table} output {{ type nat hook output priority -100; policy accept; }}
add chain ip {table} postrouting {{ type nat hook postrouting priority srcnat; policy accept; }}
flush chain ip {table} host-ports
flush chain ip {table} guard
flush chain ip {table} prerouting
flush chain ip {table} output
flush chain ip {table} postrouting
add rule ip {table} host-ports dnat ip to ip daddr . meta l4proto . th dport map @{BY_ADDRESS}
add rule ip {table} host-ports dnat ip to meta l4proto . th dport map @{ANY}
add rule ip {table} guard iifname \"{bridge}\" ip daddr 127.0.0.0/8 drop
add rule ip {table} prerouting fib daddr type local jump host-ports
add rule ip {table} output fib daddr type local jump host-ports
add rule ip {table} postrouting ip saddr {pods} ip daddr {pods} ct status dnat masquerade
add rule ip {table} postrouting ip saddr 127.0.0.0/8 oifname \"{bridge}\" masquerade
add rule ip {table} postrouting ip saddr {pods} ip daddr != {cluster} oifname != \"{bridge}\" masquerade
"
    )
}

fn added(instance: &str, address: Ipv4Addr, ports: &[HostPort]) -> String {
    let table = table(instance);
    ports.iter().fold(String::new(), |mut batch, port| {
        let (protocol, host_port, pod_port) = (port.protocol.name(), port.host_port, port.pod_port);
        let _ = match port.host_ip.filter(|ip| !ip.is_unspecified()) {
            Some(ip) => writeln!(
                batch,
                "add element ip {table} {BY_ADDRESS} {{ {ip} . {protocol} . {host_port} : {address} . {pod_port} }}"
            ),
            None => writeln!(batch, "add element ip {table} {ANY} {{ {protocol} . {host_port} : {address} . {pod_port} }}"),
        };
        batch
    })
}

/// The keys, as `nft` reads them, of a listed map's elements that lead to `address`.
fn keys_to(listed: &Value, address: Ipv4Addr) -> Vec<String> {
    let objects = listed["nftables"].as_array().into_iter().flatten();
    let elements = objects
        .filter_map(|object| object["map"]["elem"].as_array())
        .flatten();
    elements
        .filter(|element| element[1]["concat"][0] == address.to_string())
        .filter_map(|element| {
            let key = element[0]["concat"]
                .as_array()?
                .iter()
                .map(|part| match part {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                });
            Some(key.collect::<Vec<_>>().join(" . "))
        })
        .collect()
}

/// Applies a batch as one transaction.
pub async fn run(batch: &str) -> Result<(), Error> {
    nft(&["-f", "-"], Some(batch)).await.map(drop)
}

/// Asks something that is answered in JSON.
pub async fn json(arguments: &[&str]) -> Result<Value, Error> {
    let mut all = vec!["-j"];
    all.extend(arguments);
    let out = nft(&all, None).await?;
    serde_json::from_slice(&out).map_err(|error| Error::Nft(format!("unreadable answer: {error}")))
}

async fn nft(arguments: &[&str], input: Option<&str>) -> Result<Vec<u8>, Error> {
    let failed = |error: std::io::Error| Error::Nft(error.to_string());
    let mut child = tokio::process::Command::new("nft")
        .args(arguments)
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        stdin.write_all(input.as_bytes()).await.map_err(failed)?;
    }
    let output = child.wait_with_output().await.map_err(failed)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Error::Nft(
        String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back_as_nft_prints_them() {
        let listed = serde_json::json!({"nftables": [{"metainfo": {}}, {"map": {"name": "host_ports", "elem": [
            [{"concat": ["tcp", 8080]}, {"concat": ["10.1.2.3", 80]}],
            [{"concat": ["192.0.2.1", "udp", 53]}, {"concat": ["10.1.2.3", 53]}],
            [{"concat": ["tcp", 9090]}, {"concat": ["10.1.2.4", 80]}],
        ]}}]});
        assert_eq!(
            keys_to(&listed, Ipv4Addr::new(10, 1, 2, 3)),
            ["tcp . 8080", "192.0.2.1 . udp . 53"]
        );
    }

    #[test]
    fn a_host_address_selects_the_map_by_address() {
        let port = HostPort {
            protocol: Protocol::Tcp,
            host_ip: None,
            host_port: 1,
            pod_port: 2,
        };
        let bound = HostPort {
            host_ip: Some(Ipv4Addr::new(192, 0, 2, 1)),
            ..port
        };
        let batch = added("x", Ipv4Addr::new(10, 1, 2, 3), &[port, bound]);
        assert_eq!(
            batch,
            "add element ip gantry-x host_ports { tcp . 1 : 10.1.2.3 . 2 }\n\
             add element ip gantry-x host_ports_by_address { 192.0.2.1 . tcp . 1 : 10.1.2.3 . 2 }\n"
        );
    }
}
