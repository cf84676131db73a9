//! One node's data path for pods: a bridge, an address for each pod out of the node's CIDR, a network namespace for each
//! pod pinned by a bind mount, host ports and outbound NAT.
//!
//! Several clusters can share a machine: everything that this crate makes carries the [`Config::instance`] name or the
//! bridge's name, and [`Network::teardown`] removes exactly that.
//!
//! It must not know what a container is, nor who decided that a pod runs here: callers name a pod by an opaque id.
//! It speaks netlink itself and executes one program only, `nft`, and that in batches.

mod addresses;
mod connect;
mod error;
mod forwarding;
mod link;
mod netns;
mod nft;
mod sysctl;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use ipnet::Ipv4Net;
use tokio::sync::Mutex;

pub use addresses::AddressPool;
pub use connect::connect;
pub use error::Error;
pub use forwarding::ForwardPolicy;
pub use nft::{HostPort, Protocol};

/// What a node's pod network is made from.
#[derive(Clone, Debug)]
pub struct Config {
    /// Names the nftables table and marks foreign rules as ours: letters, digits, `-` and `_`.
    pub instance: String,
    /// The bridge's interface name, at most 15 bytes.
    pub bridge: String,
    /// The node's share of the pod addresses. The first host address is the bridge's own.
    pub pod_cidr: Ipv4Net,
    /// Addresses that are reached without NAT: those of all pods of the cluster.
    pub cluster_cidr: Ipv4Net,
    /// Where allocations are persisted; a directory of this crate's own.
    pub data_dir: PathBuf,
    /// Where network namespaces are pinned; a directory of this crate's own, best on a tmpfs such as `/run`.
    pub netns_dir: PathBuf,
    /// The links' MTU in bytes; the kernel's default if `None`.
    pub mtu: Option<u32>,
}

/// A pod's place in the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The pod's address.
    pub address: Ipv4Addr,
    /// The bind mount which pins its network namespace.
    pub netns: PathBuf,
}

/// A node's pod network. Operations on different pods run side by side.
#[derive(Debug)]
pub struct Network {
    config: Config,
    gateway: Ipv4Addr,
    bridge_index: u32,
    addresses: AddressPool,
    links: link::Links,
    /// One `nft` at a time: a transaction of two batches must not interleave.
    nft: Mutex<()>,
    forwarding: ForwardPolicy,
}

impl Network {
    /// Makes whatever of the bridge, the rules and the sysctls is missing. Safe to repeat: pods that are attached stay so.
    ///
    /// # Errors
    /// When the configuration cannot be served, or the kernel or `nft` refuses a step.
    pub async fn setup(config: Config) -> Result<Self, Error> {
        validate(&config)?;
        let gateway = config
            .pod_cidr
            .hosts()
            .next()
            .ok_or_else(|| Error::Config(format!("{} holds no address", config.pod_cidr)))?;
        std::fs::create_dir_all(&config.data_dir).map_err(Error::io(&config.data_dir))?;
        std::fs::create_dir_all(&config.netns_dir).map_err(Error::io(&config.netns_dir))?;
        let addresses =
            AddressPool::open(config.data_dir.join("addresses"), config.pod_cidr, gateway)?;

        let links = link::Links::connect()?;
        let bridge_index = links
            .ensure_bridge(
                &config.bridge,
                gateway,
                config.pod_cidr.prefix_len(),
                config.mtu,
            )
            .await?;
        sysctl::enable(&config.data_dir, "net/ipv4/ip_forward")?;
        // Lets the node reach host ports at 127.0.0.1; the rules drop what pods would send there. Goes with the bridge.
        sysctl::write(
            &format!("net/ipv4/conf/{}/route_localnet", config.bridge),
            "1",
        )?;
        nft::install(&config).await?;
        let forwarding = forwarding::ensure(&config.instance, &config.bridge).await?;
        Ok(Self {
            config,
            gateway,
            bridge_index,
            addresses,
            links,
            nft: Mutex::new(()),
            forwarding,
        })
    }

    /// Whether the host's own firewall lets pods' packets through.
    pub fn forward_policy(&self) -> &ForwardPolicy {
        &self.forwarding
    }

    /// The bridge's address, which pods reach the node by.
    pub fn gateway(&self) -> Ipv4Addr {
        self.gateway
    }

    /// Where the namespace of pod `id` is pinned, whether it exists or not.
    pub fn netns_path(&self, id: &str) -> PathBuf {
        self.config.netns_dir.join(id)
    }

    /// The attachment of pod `id`, if it has a namespace and an address.
    pub fn attachment(&self, id: &str) -> Option<Attachment> {
        let netns = self.netns_path(id);
        let address = self.addresses.get(id)?;
        netns::is_pinned(&netns).then_some(Attachment { address, netns })
    }

    /// Gives pod `id` a network namespace, an address, a default route and its host ports. Repeating it makes good what was
    /// interrupted, and changes nothing else.
    ///
    /// # Errors
    /// When no address is free or the kernel refuses a step; of what was not there before nothing half-made remains then.
    pub async fn attach(&self, id: &str, ports: &[HostPort]) -> Result<Attachment, Error> {
        validate_id(id)?;
        if let Some(attachment) = self.attachment(id)
            && self.links.exists(&self.interface(id)).await?
        {
            // All that is made first is there; whoever made it may have come no further.
            let (veth, netns) = (self.veth(id, attachment.address), attachment.netns.clone());
            netns::enter(netns, move |outside| veth.complete(outside)).await?;
            self.add_host_ports(attachment.address, ports).await?;
            return Ok(attachment);
        }
        self.detach(id).await?;
        let attached = self.attach_anew(id, ports).await;
        if attached.is_err() {
            self.detach(id).await?;
        }
        attached
    }

    async fn attach_anew(&self, id: &str, ports: &[HostPort]) -> Result<Attachment, Error> {
        let address = self.addresses.allocate(id)?;
        let netns = self.netns_path(id);
        let veth = self.veth(id, address);
        netns::create(netns.clone(), move |outside| veth.connect(outside)).await?;
        self.add_host_ports(address, ports).await?;
        Ok(Attachment { address, netns })
    }

    fn veth(&self, id: &str, address: Ipv4Addr) -> link::Veth {
        link::Veth {
            host_name: self.interface(id),
            bridge_index: self.bridge_index,
            address,
            prefix_len: self.config.pod_cidr.prefix_len(),
            gateway: self.gateway,
            mtu: self.config.mtu,
        }
    }

    async fn add_host_ports(&self, address: Ipv4Addr, ports: &[HostPort]) -> Result<(), Error> {
        if ports.is_empty() {
            return Ok(());
        }
        let _serial = self.nft.lock().await;
        nft::add_host_ports(&self.config.instance, address, ports).await
    }

    /// Takes away everything that [`Network::attach`] made for pod `id`; fine if there is nothing.
    ///
    /// # Errors
    /// When the kernel refuses a step.
    pub async fn detach(&self, id: &str) -> Result<(), Error> {
        validate_id(id)?;
        if let Some(address) = self.addresses.get(id) {
            let _serial = self.nft.lock().await;
            nft::remove_host_ports(&self.config.instance, address).await?;
        }
        // The host's end first: it takes the pod's end with it at once, while a namespace is torn down later.
        self.links.delete(&self.interface(id)).await?;
        netns::remove(self.netns_path(id)).await?;
        self.addresses.release(id)
    }

    /// The ids of the pods that hold a namespace or an address.
    ///
    /// # Errors
    /// When the directory of namespaces cannot be read.
    pub fn attached(&self) -> Result<Vec<String>, Error> {
        let mut ids = self.addresses.owners();
        ids.extend(netns::pinned(&self.config.netns_dir)?);
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// Removes everything that this instance made on this machine: pods' attachments, bridge, rules, directories; sysctls
    /// get the values that they had.
    ///
    /// # Errors
    /// When a step is refused; what could be removed is.
    pub async fn teardown(self) -> Result<(), Error> {
        for id in self.attached()? {
            self.detach(&id).await?;
        }
        forwarding::remove(&self.config.instance).await?;
        nft::uninstall(&self.config.instance).await?;
        self.links.delete(&self.config.bridge).await?;
        sysctl::restore(&self.config.data_dir)?;
        remove_dir(&self.config.netns_dir)?;
        remove_dir(&self.config.data_dir)
    }

    /// The host's end of the veth of pod `id`.
    fn interface(&self, id: &str) -> String {
        link::interface_name(&self.config.instance, id)
    }
}

fn remove_dir(path: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path)(error)),
        _ => Ok(()),
    }
}

fn validate(config: &Config) -> Result<(), Error> {
    let name = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if !name(&config.instance) {
        return Err(Error::Config(format!(
            "instance name {:?}: letters, digits, - and _ only",
            config.instance
        )));
    }
    if !name(&config.bridge) || config.bridge.len() > 15 {
        return Err(Error::Config(format!(
            "bridge name {:?}: at most 15 letters, digits, - and _",
            config.bridge
        )));
    }
    if config.pod_cidr.prefix_len() > 30 {
        return Err(Error::Config(format!(
            "pod CIDR {} is too small: at least a /30 is needed",
            config.pod_cidr
        )));
    }
    Ok(())
}

/// Ids become file names.
fn validate_id(id: &str) -> Result<(), Error> {
    let fine = !id.is_empty()
        && id.len() <= 128
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if fine {
        Ok(())
    } else {
        Err(Error::Config(format!(
            "pod id {id:?}: letters, digits, - and _ only"
        )))
    }
}
