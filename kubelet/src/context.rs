//! What all parts of one kubelet share.

use std::path::PathBuf;

use api::tree::Tree;
use network::Network;
use runtime::events::Recorder;
use runtime::{Client, Informer, Random, SharedClock};

use crate::config::Config;
use crate::containerd::Containerd;
use crate::image::Images;
use crate::node::Capacity;
use crate::objects::Objects;
use crate::oci::Host;
use crate::pod_facts::Facts;

/// One kubelet's surroundings.
pub struct Shared {
    /// How it was started.
    pub config: Config,
    /// The API server.
    pub client: Client,
    /// The wall clock.
    pub clock: SharedClock,
    /// The source of randomness.
    pub random: Random,
    /// Where events are told.
    pub recorder: Recorder,
    /// What really runs.
    pub containerd: Containerd,
    /// The images of the node.
    pub images: Images,
    /// The pod network; `None` if this node only runs pods of the host's network.
    pub network: Option<Network>,
    /// What the machine lets us do.
    pub host: Host,
    /// ConfigMaps, Secrets, tokens.
    pub objects: Objects,
    /// The Services that containers' environment tells of.
    pub services: Informer<Tree>,
    /// What the machine has.
    pub capacity: Capacity,
    /// The binary that writes logs: our own.
    pub log_writer: PathBuf,
}

impl Shared {
    /// A pod's directory.
    pub fn pod_dir(&self, uid: &str) -> PathBuf {
        self.config.root_dir.join("pods").join(uid)
    }

    /// Where the pipes and sockets of a pod's processes are.
    pub fn exec_dir(&self, uid: &str) -> PathBuf {
        self.config.run_dir.join("exec").join(uid)
    }

    /// Where a container's attempts log.
    pub fn log_dir(&self, namespace: &str, name: &str, uid: &str, container: &str) -> PathBuf {
        self.pod_log_dir(namespace, name, uid).join(container)
    }

    /// Where a pod's containers log.
    pub fn pod_log_dir(&self, namespace: &str, name: &str, uid: &str) -> PathBuf {
        self.config
            .pod_logs_dir
            .join(format!("{namespace}_{name}_{uid}"))
    }

    /// What `fieldRef`s may ask for.
    pub fn facts(&self, pod_ip: &str) -> Facts {
        Facts {
            host_ip: self.config.node_ip.to_string(),
            pod_ip: pod_ip.to_owned(),
            allocatable_cpu_millis: self.capacity.cpu_millis,
            allocatable_memory: self.capacity.memory_bytes,
            now: self.clock.now(),
        }
    }
}
