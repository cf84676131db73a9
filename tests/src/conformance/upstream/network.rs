//! The pods' network of one host: plugins of Debian's package, and what they are told.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::hosts::Host;
use super::super::packages;

/// The Debian package that holds the plugins.
const PACKAGE: &str = "containernetworking-plugins";

/// Unpacks the plugins below a run's data directory, from packages that are kept in `cache`. It needs the network.
///
/// # Errors
/// What apt or dpkg-deb said.
pub fn fetch_plugins(cache: &Path, data: &Path) -> io::Result<()> {
    let root = root(data);
    std::fs::create_dir_all(&root)?;
    let begin = format!("{PACKAGE}_");
    for package in packages::fetch(&cache.join("packages"), &[PACKAGE])? {
        // What they depend on is on this machine: they are run here, in no container.
        let file = package.file_name().unwrap_or_default();
        if file.to_string_lossy().starts_with(&begin) {
            packages::unpack(&package, &root)?;
        }
    }
    Ok(())
}

fn root(data: &Path) -> PathBuf {
    data.join("plugins")
}

/// Where the plugins are.
pub fn plugins(data: &Path) -> PathBuf {
    root(data).join("usr/lib/cni")
}

/// A cable for each pod, with routes on the host: unlike on a bridge, all that a pod sends passes the host's rules, so that
/// Services work between the pods of a node whatever the kernel does with bridged packets.
pub fn pods(host: &Host, state: &Path) -> Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {
                "type": "ptp",
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": host.pod_cidr}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                    "dataDir": state,
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true},
        ],
    })
}
