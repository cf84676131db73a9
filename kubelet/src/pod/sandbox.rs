//! What the containers of a pod share: its directory, addresses and namespaces, cgroup, name resolution, shared memory.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use api::core::v1::Pod;
use network::{HostPort, Protocol};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::resources;
use crate::config::Config;
use crate::context::Shared;
use crate::oci::Namespaces;
use crate::oci::cgroup::{self, PodLimits};

/// A pod's sandbox, as its containers need it.
#[derive(Clone, Debug, Default)]
pub struct Sandbox {
    /// The pod's address: the node's for pods of the host's network.
    pub address: Option<IpAddr>,
    /// What containers join.
    pub namespaces: Namespaces,
    /// The pod's hostname.
    pub hostname: String,
}

/// Makes whatever of the sandbox is missing; all containers together may use `limits`.
///
/// # Errors
/// The reason, for the event.
pub async fn ensure(shared: &Shared, pod: Pod<'_>, limits: PodLimits) -> Result<Sandbox, String> {
    let (metadata, spec) = (pod.metadata(), pod.spec());
    let uid = metadata.uid();
    let (short, full) = names(&shared.config, pod);
    let hostname = match &full {
        Some(full) if spec.set_hostname_as_fqdn() == Some(true) => full.clone(),
        _ => short.clone(),
    };
    let (address, network) = if spec.host_network() {
        (Some(shared.config.node_ip), None)
    } else {
        let network = shared
            .network
            .as_ref()
            .ok_or("the node has no pod network: it has no pod CIDR")?;
        let attachment = network
            .attach(uid, &host_ports(pod)?)
            .await
            .map_err(|error| error.to_string())?;
        (Some(IpAddr::V4(attachment.address)), Some(attachment.netns))
    };
    let pins = pins(shared, uid);
    let ipc = (!spec.host_ipc()).then(|| pins.0.clone());
    let uts = (!spec.host_network()).then(|| pins.1.clone());
    let dir = shared.pod_dir(uid);
    let hosts = hosts(pod, address, &short, full.as_deref());
    let resolv = resolv_conf(shared, pod);
    let path = resources::cgroup(&shared.config.cgroup_root, pod);
    let (mode, name) = (shared.host.cgroups, hostname.clone());
    let (ipc_pin, uts_pin) = (ipc.clone(), uts.clone());
    let made = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        fs::create_dir_all(&dir)?;
        replace(&dir.join("etc-hosts"), &hosts)?;
        replace(&dir.join("resolv.conf"), &resolv)?;
        replace(&dir.join("hostname"), &format!("{name}\n"))?;
        shm(&dir.join("shm"))?;
        pin(ipc_pin.as_deref(), uts_pin.as_deref(), &name)?;
        cgroup::create(mode, &path, &limits)
    });
    made.await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    let namespaces = Namespaces {
        network,
        ipc,
        uts,
        pid: None,
        host_pid: spec.host_pid(),
    };
    Ok(Sandbox {
        address,
        namespaces,
        hostname,
    })
}

/// Takes the sandbox away, its volumes excepted. Fine if there is none.
///
/// # Errors
/// When something is still in use.
pub async fn remove(shared: &Shared, uid: &str, cgroup_path: Option<&str>) -> Result<(), String> {
    if let Some(network) = &shared.network {
        network
            .detach(uid)
            .await
            .map_err(|error| error.to_string())?;
    }
    let (ipc, uts) = pins(shared, uid);
    let dir = shared.pod_dir(uid);
    let mode = shared.host.cgroups;
    let cgroup_path = cgroup_path.map(str::to_owned);
    let removed = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        for pinned in [ipc, uts] {
            unpin(&pinned)?;
        }
        crate::volume::remove_tree(&dir)?;
        match cgroup_path {
            Some(path) => cgroup::remove(mode, &path),
            None => Ok(()),
        }
    });
    removed
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())
}

fn pins(shared: &Shared, uid: &str) -> (PathBuf, PathBuf) {
    let dir = shared.config.run_dir.join("namespaces");
    (
        dir.join(format!("{uid}.ipc")),
        dir.join(format!("{uid}.uts")),
    )
}

/// Makes and pins the namespaces, on a thread that ends with it.
fn pin(ipc: Option<&Path>, uts: Option<&Path>, hostname: &str) -> std::io::Result<()> {
    let missing = |path: &Option<&Path>| path.is_some_and(|path| !is_pinned(path));
    if !missing(&ipc) && !missing(&uts) {
        return Ok(());
    }
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| -> std::io::Result<()> {
            unshare(CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS)?;
            nix::unistd::sethostname(hostname)?;
            for (path, name) in [(ipc, "ipc"), (uts, "uts")] {
                let Some(path) = path.filter(|path| !is_pinned(path)) else {
                    continue;
                };
                if let Some(dir) = path.parent() {
                    fs::create_dir_all(dir)?;
                }
                fs::File::create(path)?;
                let source = format!("/proc/thread-self/ns/{name}");
                mount(
                    Some(source.as_str()),
                    path,
                    None::<&str>,
                    MsFlags::MS_BIND,
                    None::<&str>,
                )?;
            }
            Ok(())
        });
        thread.join().unwrap_or_else(|_| {
            Err(std::io::Error::other(
                "the thread that makes namespaces panicked",
            ))
        })
    })
}

fn is_pinned(path: &Path) -> bool {
    nix::sys::statfs::statfs(path)
        .is_ok_and(|fs| fs.filesystem_type() == nix::sys::statfs::NSFS_MAGIC)
}

fn unpin(path: &Path) -> std::io::Result<()> {
    while is_pinned(path) {
        nix::mount::umount2(path, nix::mount::MntFlags::MNT_DETACH)?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// 64 MiB of shared memory for all containers, as upstream's sandbox has.
fn shm(path: &Path) -> std::io::Result<()> {
    fs::create_dir_all(path)?;
    let mounted =
        nix::sys::statfs::statfs(path)?.filesystem_type() == nix::sys::statfs::TMPFS_MAGIC;
    if !mounted {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC | MsFlags::MS_NODEV;
        mount(
            Some("shm"),
            path,
            Some("tmpfs"),
            flags,
            Some("mode=1777,size=67108864"),
        )?;
    }
    Ok(())
}

/// Writes a file that containers have bound: in place, so that they see it.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        Ok(())
    } else {
        fs::write(path, text)
    }
}

/// The pod's name among hosts: at most 63 characters of `spec.hostname` or the pod's name, the node's for pods of the host's
/// network; and its full name in the cluster's domain, if it has a subdomain.
fn names(config: &Config, pod: Pod<'_>) -> (String, Option<String>) {
    let (metadata, spec) = (pod.metadata(), pod.spec());
    if spec.host_network() {
        return (config.node_name.clone(), None);
    }
    let name = if spec.hostname().is_empty() {
        metadata.name()
    } else {
        spec.hostname()
    };
    let name = name.get(..63).unwrap_or(name).trim_end_matches(['-', '.']);
    let full = (!spec.subdomain().is_empty()).then(|| {
        let (subdomain, namespace) = (spec.subdomain(), metadata.namespace());
        format!(
            "{name}.{subdomain}.{namespace}.svc.{}",
            config.cluster_domain
        )
    });
    (name.to_owned(), full)
}

fn host_ports(pod: Pod<'_>) -> Result<Vec<HostPort>, String> {
    let ports = pod
        .spec()
        .containers()
        .iter()
        .chain(pod.spec().init_containers())
        .flat_map(|container| container.ports());
    ports
        .filter(|port| port.host_port() > 0)
        .map(|port| {
            let number = |value: i32| u16::try_from(value).map_err(|_| format!("port {value}"));
            let protocol = match port.protocol() {
                "UDP" => Protocol::Udp,
                "SCTP" => Protocol::Sctp,
                _ => Protocol::Tcp,
            };
            let host_ip = match port.host_ip() {
                "" => None,
                ip => Some(
                    ip.parse()
                        .map_err(|_| format!("hostIP {ip}: only IPv4 addresses are supported"))?,
                ),
            };
            Ok(HostPort {
                protocol,
                host_ip,
                host_port: number(port.host_port())?,
                pod_port: number(port.container_port())?,
            })
        })
        .collect()
}

fn hosts(pod: Pod<'_>, address: Option<IpAddr>, short: &str, full: Option<&str>) -> String {
    let mut text = if pod.spec().host_network() {
        format!(
            "# Kubernetes-managed hosts file (host network).\n{}",
            fs::read_to_string("/etc/hosts").unwrap_or_default()
        )
    } else {
        let names = full.map_or(short.to_owned(), |full| format!("{full}\t{short}"));
        let own = address
            .map(|address| format!("{address}\t{names}\n"))
            .unwrap_or_default();
        format!(
            "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
             fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n{own}"
        )
    };
    let aliases = pod.spec().host_aliases();
    if !aliases.is_empty() {
        text += "\n# Entries added by HostAliases.\n";
    }
    for alias in aliases {
        let names: Vec<&str> = alias.hostnames().iter().collect();
        text += &format!("{}\t{}\n", alias.ip(), names.join("\t"));
    }
    text
}

/// By the pod's `dnsPolicy` and `dnsConfig`. Without a cluster DNS, `ClusterFirst` is the node's own, as upstream does.
fn resolv_conf(shared: &Shared, pod: Pod<'_>) -> String {
    let spec = pod.spec();
    let node = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let of_node = |keyword: &str| -> Vec<String> {
        let lines = node
            .lines()
            .filter_map(|line| line.split_once(char::is_whitespace))
            .filter(|(first, _)| *first == keyword);
        lines
            .flat_map(|(_, rest)| rest.split_whitespace())
            .map(str::to_owned)
            .collect()
    };
    let policy = match spec.dns_policy() {
        "ClusterFirst" | "" if spec.host_network() => "Default",
        "ClusterFirstWithHostNet" => "ClusterFirst",
        "" => "ClusterFirst",
        policy => policy,
    };
    let policy = if policy == "ClusterFirst" && shared.config.cluster_dns.is_empty() {
        "Default"
    } else {
        policy
    };
    let (mut servers, mut searches, mut options) = match policy {
        "None" => (Vec::new(), Vec::new(), Vec::new()),
        "ClusterFirst" => {
            let (namespace, domain) = (pod.metadata().namespace(), &shared.config.cluster_domain);
            let mut searches = vec![
                format!("{namespace}.svc.{domain}"),
                format!("svc.{domain}"),
                domain.clone(),
            ];
            searches.extend(of_node("search"));
            (
                shared
                    .config
                    .cluster_dns
                    .iter()
                    .map(IpAddr::to_string)
                    .collect(),
                searches,
                vec!["ndots:5".to_owned()],
            )
        }
        _ => (of_node("nameserver"), of_node("search"), of_node("options")),
    };
    if let Some(config) = spec.dns_config() {
        servers.extend(config.nameservers().iter().map(str::to_owned));
        searches.extend(config.searches().iter().map(str::to_owned));
        for option in config.options() {
            options.retain(|known| known.split(':').next() != Some(option.name()));
            options.push(match option.value() {
                Some(value) if !value.is_empty() => format!("{}:{value}", option.name()),
                _ => option.name().to_owned(),
            });
        }
    }
    let mut text: String = servers
        .iter()
        .map(|server| format!("nameserver {server}\n"))
        .collect();
    for (keyword, words) in [("search", searches), ("options", options)] {
        if !words.is_empty() {
            text += &format!("{keyword} {}\n", words.join(" "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use api::codec::json::{self, Strict};
    use api::schema::Schema;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_pod_of_a_subdomain_has_its_full_name_among_the_hosts() {
        let address = IpAddr::from([10, 1, 2, 3]);
        let config = Config::new("n1", address);
        let last = |spec: Value| {
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "namespace": "shop"}, "spec": spec});
            let bytes = bytes::Bytes::from(pod.to_string());
            let tree = json::decode(Schema::builtin(), Pod::TYPE, bytes, &mut Strict::default());
            let tree = tree.unwrap();
            let (short, full) = names(&config, Pod::of(&tree));
            let text = hosts(Pod::of(&tree), Some(address), &short, full.as_deref());
            text.lines().last().unwrap_or_default().to_owned()
        };
        assert_eq!(last(json!({})), "10.1.2.3\tweb-0");
        for with_hostname in [json!(null), json!(true)] {
            let spec = json!({"subdomain": "web", "setHostnameAsFQDN": with_hostname});
            assert_eq!(
                last(spec),
                "10.1.2.3\tweb-0.web.shop.svc.cluster.local\tweb-0"
            );
        }
        assert_eq!(
            last(json!({"hostname": "h", "subdomain": "web"})),
            "10.1.2.3\th.web.shop.svc.cluster.local\th"
        );
    }
}
