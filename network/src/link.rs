//! Links, addresses and routes through netlink.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd;

use futures::TryStreamExt;
use rtnetlink::packet_core::ErrorMessage;
use rtnetlink::packet_route::link::{InfoData, InfoVeth};
use rtnetlink::{Handle, LinkBridge, LinkBridgePort, LinkUnspec, LinkVeth, RouteMessageBuilder};

use crate::Error;

/// The name of a pod's interface inside its namespace.
const POD_INTERFACE: &str = "eth0";

/// A netlink connection of the namespace that it was made in, wherever its user goes.
#[derive(Clone, Debug)]
pub struct Links(Handle);

impl Links {
    /// Connects in the calling thread's namespace. Needs a running tokio runtime.
    pub fn connect() -> Result<Self, Error> {
        let (connection, handle, _) =
            rtnetlink::new_connection().map_err(Error::io(std::path::Path::new("netlink")))?;
        // Ends by itself when the last handle is dropped.
        tokio::spawn(connection);
        Ok(Self(handle))
    }

    /// The bridge's index, after making sure that it exists with its address, and is up.
    pub async fn ensure_bridge(
        &self,
        name: &str,
        address: Ipv4Addr,
        prefix_len: u8,
        mtu: Option<u32>,
    ) -> Result<u32, Error> {
        let index = match self.index(name).await? {
            Some(index) => index,
            None => {
                let mut bridge = LinkBridge::new(name);
                if let Some(mtu) = mtu {
                    bridge = bridge.mtu(mtu);
                }
                let made = self.0.link().add(bridge.build()).execute().await;
                made.map_err(Error::netlink(format!("make the bridge {name}")))?;
                self.index(name)
                    .await?
                    .ok_or_else(|| Error::Config(format!("the bridge {name} vanished")))?
            }
        };
        let up = LinkUnspec::new_with_index(index).up().build();
        self.0
            .link()
            .set(up)
            .execute()
            .await
            .map_err(Error::netlink(format!("set {name} up")))?;
        self.add_address(index, address, prefix_len).await?;
        Ok(index)
    }

    /// Whether there is an interface of this name.
    pub async fn exists(&self, name: &str) -> Result<bool, Error> {
        Ok(self.index(name).await?.is_some())
    }

    /// Deletes the interface; fine if there is none.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        let Some(index) = self.index(name).await? else {
            return Ok(());
        };
        match self.0.link().del(index).execute().await {
            Err(rtnetlink::Error::NetlinkError(message)) if is_gone(&message) => Ok(()),
            result => result.map_err(Error::netlink(format!("delete {name}"))),
        }
    }

    async fn index(&self, name: &str) -> Result<Option<u32>, Error> {
        match self
            .0
            .link()
            .get()
            .match_name(name)
            .execute()
            .try_next()
            .await
        {
            Ok(link) => Ok(link.map(|link| link.header.index)),
            Err(rtnetlink::Error::NetlinkError(message)) if is_gone(&message) => Ok(None),
            Err(error) => Err(Error::netlink(format!("look up {name}"))(error)),
        }
    }

    async fn add_address(
        &self,
        index: u32,
        address: Ipv4Addr,
        prefix_len: u8,
    ) -> Result<(), Error> {
        let request = self
            .0
            .address()
            .add(index, IpAddr::V4(address), prefix_len)
            .replace();
        request
            .execute()
            .await
            .map_err(Error::netlink(format!("add the address {address}")))
    }

    async fn set_up(&self, index: u32) -> Result<(), Error> {
        let up = LinkUnspec::new_with_index(index).up().build();
        self.0
            .link()
            .set(up)
            .execute()
            .await
            .map_err(Error::netlink("set a pod's link up"))
    }
}

/// A pod's link: one end on the bridge, the other in the pod's namespace.
#[derive(Debug)]
pub struct Veth {
    /// The end on the bridge.
    pub host_name: String,
    /// The bridge.
    pub bridge_index: u32,
    /// The pod's address.
    pub address: Ipv4Addr,
    /// The prefix length that the pod sees as its own network.
    pub prefix_len: u8,
    /// The pod's default route.
    pub gateway: Ipv4Addr,
    /// Bytes; the kernel's default if `None`.
    pub mtu: Option<u32>,
}

impl Veth {
    /// Connects the calling thread's namespace with the bridge, which is in the namespace of `outside`.
    pub async fn connect(self, outside: Links) -> Result<(), Error> {
        let path = std::path::Path::new("/proc/thread-self/ns/net");
        let here = std::fs::File::open(path).map_err(Error::io(path))?;

        // The pod's end is born in its namespace: moving it there would cost some 20 ms.
        let mut peer = LinkUnspec::new_with_name(POD_INTERFACE)
            .setns_by_fd(here.as_raw_fd())
            .address(hardware_address(self.address).to_vec());
        let mut veth = LinkVeth::new(&self.host_name, POD_INTERFACE)
            .controller(self.bridge_index)
            .up();
        if let Some(mtu) = self.mtu {
            (peer, veth) = (peer.mtu(mtu), veth.mtu(mtu));
        }
        let veth = veth
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build())))
            .build();
        let made = outside.0.link().add(veth).execute().await;
        made.map_err(Error::netlink(format!("make the link {}", self.host_name)))?;
        self.complete(outside).await
    }

    /// Does all that comes after the making of the link, as far as it is not done: for one that leads to the calling thread's
    /// namespace.
    pub async fn complete(self, outside: Links) -> Result<(), Error> {
        let inside = Links::connect()?;
        if let Some(index) = outside.index(&self.host_name).await? {
            // A pod reaches itself through its own host port or Service address.
            let hairpin = LinkBridgePort::new(index).hairpin(true).build();
            let set = outside.0.link().set_port(hairpin).execute().await;
            set.map_err(Error::netlink(format!("set hairpin on {}", self.host_name)))?;
        }

        if let Some(index) = inside.index("lo").await? {
            inside.set_up(index).await?;
        }
        let vanished = || Error::Config(format!("{POD_INTERFACE} is not in its namespace"));
        let index = inside.index(POD_INTERFACE).await?.ok_or_else(vanished)?;
        inside.set_up(index).await?;
        inside
            .add_address(index, self.address, self.prefix_len)
            .await?;
        let route = RouteMessageBuilder::<Ipv4Addr>::new()
            .gateway(self.gateway)
            .output_interface(index)
            .build();
        let added = inside.0.route().add(route).replace().execute().await;
        added.map_err(Error::netlink("add a pod's default route"))
    }
}

/// The host's end of the link of pod `id`: at most 15 bytes, different for each instance and pod.
pub fn interface_name(instance: &str, id: &str) -> String {
    // FNV-1a, 64 bits folded to 48; a collision makes the second pod fail to start, by name.
    let bytes = instance.bytes().chain([0]).chain(id.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("veth{:011x}", (hash ^ (hash >> 44)) & 0xfff_ffff_ffff)
}

/// Derived from the address, so that a neighbour's cached entry stays right when an address is used again.
fn hardware_address(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x0a, 0x58, a, b, c, d]
}

fn is_gone(message: &ErrorMessage) -> bool {
    let errno = message.raw_code().abs();
    errno == nix::errno::Errno::ENODEV as i32 || errno == nix::errno::Errno::ENOENT as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_names_fit_the_kernel_and_differ_by_instance_and_pod() {
        let names = [
            interface_name("a", "p1"),
            interface_name("a", "p2"),
            interface_name("b", "p1"),
        ];
        assert!(names.iter().all(|name| name.len() == 15), "{names:?}");
        assert!(names[0] != names[1] && names[0] != names[2]);
    }
}
