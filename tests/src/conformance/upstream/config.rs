//! The files that tell upstream's containerd, kubelet and kube-proxy how to run here.

use std::path::Path;

use serde_json::{Value, json};

use super::super::hosts::{CLUSTER_CIDR, Host};
use super::DNS;

/// A containerd for one host.
pub struct Containerd<'a> {
    /// Its images and containers.
    pub root: &'a Path,
    /// What need not outlive it, and its socket.
    pub state: &'a Path,
    /// The image of pods' first processes.
    pub sandbox: &'a str,
    /// Where a `hosts.toml` says which registries are asked.
    pub registries: &'a Path,
    /// Network plugins.
    pub plugins: &'a Path,
    /// What those are told.
    pub network: &'a Path,
}

impl Containerd<'_> {
    /// Its socket.
    pub fn socket(&self) -> String {
        self.state.join("containerd.sock").display().to_string()
    }

    /// Its configuration.
    pub fn toml(&self) -> String {
        let quoted = |path: &Path| json!(path).to_string();
        let (root, state) = (quoted(self.root), quoted(self.state));
        let (plugins, network) = (quoted(self.plugins), quoted(self.network));
        let (socket, sandbox) = (json!(self.socket()), json!(self.sandbox));
        let registries = quoted(self.registries);
        let optional = quoted(&self.root.join("opt"));
        // A string of JSON without control characters is one of TOML. NRI is off, since its socket lies where the other host's
        // would. Without CAP_SYS_RESOURCE runc fails at a negative oom_score_adj unless it is raised to what may be set.
        format!(
            r#"version = 3
root = {root}
state = {state}
[grpc]
address = {socket}
[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = {sandbox}
[plugins."io.containerd.cri.v1.images".registry]
config_path = {registries}
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".containerd]
default_runtime_name = "runc"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = "runc"
SystemdCgroup = false
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = [{plugins}]
conf_dir = {network}
[plugins."io.containerd.internal.v1.opt"]
path = {optional}
[plugins."io.containerd.nri.v1.nri"]
disable = true
"#
        )
    }
}

/// The kubelet's: with its data in `data`, pods' cgroups below `cgroup`, and clients that `ca` vouches for.
pub fn kubelet(socket: &str, data: &Path, cgroup: &str, ca: &Path) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": format!("unix://{socket}"),
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": ca},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        // The machine may still have version 1.
        "failCgroupV1": false,
        "failSwapOn": false,
        "oomScoreAdj": 0,
        "clusterDomain": "cluster.local",
        "clusterDNS": [DNS],
        "podLogsDir": data.join("pod-logs"),
        "volumePluginDir": data.join("volume-plugins"),
        // However full the machine's disk is.
        "evictionHard": {"memory.available": "1Mi", "nodefs.available": "1%"},
        // No image that is gone can be had again.
        "imageGCHighThresholdPercent": 100,
    })
}

/// The kube-proxy's. The zeros keep it from setting the machine's parameters of connection tracking.
pub fn proxy(host: &Host, kubeconfig: &Path) -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": kubeconfig},
        "hostnameOverride": host.name,
        "clusterCIDR": CLUSTER_CIDR,
        "oomScoreAdj": 0,
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containerds_file_names_what_it_is_given() {
        let containerd = Containerd {
            root: Path::new("/d/root"),
            state: Path::new("/run/s"),
            sandbox: "host/pause:3",
            registries: Path::new("/d/certs.d"),
            plugins: Path::new("/d/p\"q"),
            network: Path::new("/d/net"),
        };
        let text = containerd.toml();
        for line in [
            "root = \"/d/root\"",
            "address = \"/run/s/containerd.sock\"",
            "sandbox = \"host/pause:3\"",
            "config_path = \"/d/certs.d\"",
            "bin_dirs = [\"/d/p\\\"q\"]",
            "conf_dir = \"/d/net\"",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
    }
}
