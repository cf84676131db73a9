//! The API server's flags; upstream's names where upstream has the flag.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;

/// Flags of the API server.
// No group of its own: programs that flatten these have an `Options` too.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct Options {
    /// Where keys, kubeconfigs and the embedded store are kept.
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Port of the API, HTTPS only.
    #[arg(long, default_value_t = 6443)]
    pub secure_port: u16,
    /// Address to listen on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    pub bind_address: IpAddr,
    /// Address that other members of the cluster reach this server at; the machine's first address when not given.
    #[arg(long)]
    pub advertise_address: Option<IpAddr>,
    /// URLs of an etcd cluster, with commas; the embedded store when not given.
    #[arg(long, value_delimiter = ',', value_name = "URL")]
    pub etcd_servers: Vec<String>,
    /// What all keys in etcd begin with.
    #[arg(long, default_value = "/registry")]
    pub etcd_prefix: String,
    /// Authority of etcd's certificates, in PEM.
    #[arg(long, value_name = "FILE")]
    pub etcd_cafile: Option<PathBuf>,
    /// Client certificate for etcd, in PEM.
    #[arg(long, value_name = "FILE", requires = "etcd_keyfile")]
    pub etcd_certfile: Option<PathBuf>,
    /// Its key, in PEM.
    #[arg(long, value_name = "FILE", requires = "etcd_certfile")]
    pub etcd_keyfile: Option<PathBuf>,
    /// How often the store's history before the last time is forgotten; 0 never. Pages of a list can be read for that long.
    #[arg(long, default_value = "5m", value_name = "DURATION", value_parser = api::Duration::parse_unsigned)]
    pub etcd_compaction_interval: Duration,
    /// Addresses of Services; for two stacks, two ranges with a comma.
    #[arg(
        long,
        default_value = "10.96.0.0/16",
        value_delimiter = ',',
        value_name = "CIDR"
    )]
    pub service_cluster_ip_range: Vec<IpNet>,
    /// Node ports of Services.
    #[arg(long, default_value = "30000-32767", value_name = "FIRST-LAST", value_parser = port_range)]
    pub service_node_port_range: RangeInclusive<u16>,
    /// Authority of kubelets' serving certificates, in PEM; without it they are not verified.
    #[arg(long, value_name = "FILE")]
    pub kubelet_certificate_authority: Option<PathBuf>,
    /// Who issues service account tokens.
    #[arg(
        long,
        default_value = "https://kubernetes.default.svc.cluster.local",
        value_name = "URL"
    )]
    pub service_account_issuer: String,
    /// For whom tokens are good; the issuer when not given.
    #[arg(long, value_delimiter = ',')]
    pub api_audiences: Vec<String>,
    /// Requests that only read, at a time.
    #[arg(long, default_value_t = 400)]
    pub max_requests_inflight: usize,
    /// Requests that change something, at a time.
    #[arg(long, default_value_t = 200)]
    pub max_mutating_requests_inflight: usize,
    /// The cluster's DNS domain.
    #[arg(long, default_value = "cluster.local")]
    pub cluster_domain: String,
    /// Nodes whose client certificates and kubeconfigs (DIR/kubelet-NODE.conf) are made here; this machine when not given.
    #[arg(long = "node", value_name = "NAME")]
    pub nodes: Vec<String>,
}

impl Options {
    /// The nodes whose certificates are made here.
    pub fn node_names(&self) -> Vec<String> {
        if self.nodes.is_empty() {
            vec![hostname()]
        } else {
            self.nodes.clone()
        }
    }

    /// The Service `kubernetes`: the first address of the range.
    pub fn service_address(&self) -> IpAddr {
        match self.service_cluster_ip_range.first() {
            Some(IpNet::V4(range)) => {
                Ipv4Addr::from(u32::from(range.network()).saturating_add(1)).into()
            }
            Some(IpNet::V6(range)) => {
                Ipv6Addr::from(u128::from(range.network()).saturating_add(1)).into()
            }
            // The flag has a default.
            None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        }
    }

    /// Where the kubeconfigs that are made here find the server.
    pub fn local_url(&self, port: u16) -> String {
        let host = if self.bind_address.is_unspecified() {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        } else {
            self.bind_address
        };
        match host {
            IpAddr::V4(host) => format!("https://{host}:{port}"),
            IpAddr::V6(host) => format!("https://[{host}]:{port}"),
        }
    }

    /// The kubeconfig of a pair: `admin`, `scheduler`, `controllers`.
    pub fn kubeconfig(&self, pair: &str) -> PathBuf {
        kubeconfig(&self.data_dir, pair)
    }

    /// The kubeconfig of a node's kubelet.
    pub fn kubelet_kubeconfig(&self, node: &str) -> PathBuf {
        kubeconfig(&self.data_dir, &format!("kubelet-{node}"))
    }
}

fn port_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (first, last) = text
        .split_once('-')
        .ok_or("two port numbers with a hyphen between")?;
    let port = |text: &str| {
        text.parse::<u16>()
            .map_err(|error| format!("{text:?}: {error}"))
    };
    let (first, last) = (port(first)?, port(last)?);
    if first == 0 || first > last {
        return Err("the first port must be above 0, and not above the last".to_owned());
    }
    Ok(first..=last)
}

fn kubeconfig(data_dir: &Path, name: &str) -> PathBuf {
    data_dir.join(format!("{name}.conf"))
}

/// This machine's name, in lower case as nodes are named.
pub fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_lowercase())
        .unwrap_or_else(|_| "localhost".to_owned())
}

/// The address from which this machine reaches others: that of its default route, or else loopback.
///
/// Connecting a datagram socket sends nothing; the kernel only chooses the source address.
pub fn first_address() -> IpAddr {
    let chosen = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
        .and_then(|socket| {
            socket
                .connect((Ipv4Addr::new(192, 0, 2, 1), 9))
                .map(|()| socket)
        })
        .and_then(|socket| socket.local_addr());
    chosen.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(line: &[&str]) -> Options {
        Line::parse_from(["apiserver", "--data-dir", "/d"].iter().chain(line)).options
    }

    #[test]
    fn defaults_make_a_small_server() {
        let options = options(&[]);
        assert_eq!(options.service_address().to_string(), "10.96.0.1");
        assert_eq!(options.local_url(6443), "https://127.0.0.1:6443");
        assert_eq!(options.kubeconfig("admin"), PathBuf::from("/d/admin.conf"));
    }

    #[test]
    fn services_have_ranges_of_addresses_and_ports() {
        let two = options(&["--service-cluster-ip-range", "fd00::/112,10.0.0.0/24"]);
        assert_eq!(two.service_address().to_string(), "fd00::1");
        assert_eq!(two.service_cluster_ip_range.len(), 2);
        assert_eq!(port_range("30000-32767"), Ok(30000..=32767));
        for bad in ["", "1", "0-5", "6-5", "1-70000"] {
            assert!(port_range(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn etcds_key_goes_with_its_certificate() {
        assert!(
            Line::try_parse_from(["apiserver", "--data-dir", "/d", "--etcd-certfile", "c"])
                .is_err()
        );
        assert_eq!(
            options(&["--etcd-servers", "http://a:1,http://b:2"])
                .etcd_servers
                .len(),
            2
        );
    }
}
