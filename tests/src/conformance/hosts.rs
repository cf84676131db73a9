//! Two hosts on one machine: the network namespace that this process is in, and one beside it, joined by a cable.

use std::io;
use std::process::Command;

use super::packages::output;

/// One of the two.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// Its node's name.
    pub name: &'static str,
    /// Its address.
    pub address: &'static str,
    /// The addresses of its pods.
    pub pod_cidr: &'static str,
    /// The network namespace to enter for it, if it is not ours.
    namespace: Option<&'static str>,
}

/// The pods' addresses of both.
pub const CLUSTER_CIDR: &str = "10.244.0.0/16";

/// The hosts. The control plane is on the first.
pub const HOSTS: [Host; 2] = [
    Host {
        name: "node-1",
        address: "172.31.255.1",
        pod_cidr: "10.244.1.0/24",
        namespace: None,
    },
    Host {
        name: "node-2",
        address: "172.31.255.2",
        pod_cidr: "10.244.2.0/24",
        namespace: Some("node-2"),
    },
];

impl Host {
    /// A command that runs there.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let Some(namespace) = self.namespace else {
            return Command::new(program);
        };
        // Not `ip netns exec`: that would put it into a mount namespace, where nobody sees what it mounts.
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{namespace}"));
        command.arg(program);
        command
    }

    fn ip(&self, arguments: &str) -> io::Result<()> {
        output(self.command("ip").args(arguments.split(' '))).map(drop)
    }
}

/// Joins them. What is made vanishes with the network namespace of this process.
///
/// # Errors
/// When that is not a fresh one, or what `ip` said.
pub fn join() -> io::Result<()> {
    let links = output(Command::new("ip").args(["-oneline", "link"]))?;
    if links.lines().any(|line| !line.contains(" lo:")) {
        return Err(io::Error::other(
            "this is no network namespace of its own: start hack/conformance",
        ));
    }
    let [first, second] = &HOSTS;
    for namespace in HOSTS.iter().filter_map(|host| host.namespace) {
        first.ip(&format!("netns add {namespace}"))?;
        first.ip(&format!(
            "link add cable type veth peer name cable netns {namespace}"
        ))?;
    }
    for (host, other) in [(first, second), (second, first)] {
        host.ip("link set lo up")?;
        host.ip(&format!("address add {}/30 dev cable", host.address))?;
        host.ip("link set cable up")?;
        host.ip(&format!(
            "route add {} via {}",
            other.pod_cidr, other.address
        ))?;
        // What is of no host goes nowhere, but there is a way out, as on every machine.
        host.ip("link add outside type bridge")?;
        host.ip("link set outside up")?;
        host.ip("route add default dev outside")?;
    }
    Ok(())
}
