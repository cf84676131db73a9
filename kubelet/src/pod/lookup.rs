//! Which containers there are, for the node's HTTPS server.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::RwLock;

/// A container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerLog {
    /// Its current file.
    pub path: PathBuf,
    /// More may come.
    pub running: bool,
}

/// One container: where its attempts log, and which they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The directory of its logs.
    pub dir: PathBuf,
    /// Numbers of its attempts, the oldest first.
    pub attempts: Vec<u32>,
    /// Whether the newest one runs.
    pub running: bool,
    /// The newest one in containerd.
    pub id: String,
    /// What its spec says of its input and terminal.
    pub stdin: bool,
    /// The first client that attaches its input also ends it.
    pub stdin_once: bool,
    /// It has a terminal.
    pub tty: bool,
}

/// A pod of this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodLookup {
    /// Its UID.
    pub uid: String,
    /// It has the node's network.
    pub host_network: bool,
    /// Its containers.
    pub containers: BTreeMap<String, Known>,
}

/// A container that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its pod's UID.
    pub uid: String,
    /// The container.
    pub known: Known,
}

type Pods = BTreeMap<(String, String), PodLookup>;

/// What workers tell and the server asks. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Lookup(Arc<RwLock<Pods>>);

impl Lookup {
    /// Tells what a pod's containers are.
    pub fn put(&self, namespace: &str, name: &str, pod: PodLookup) {
        self.0
            .write()
            .insert((namespace.to_owned(), name.to_owned()), pod);
    }

    /// A pod.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<PodLookup> {
        let key = (namespace.to_owned(), name.to_owned());
        self.0.read().get(&key).cloned()
    }

    /// A container that runs; `None` if there is no such container, or it does not run.
    pub fn running(&self, namespace: &str, name: &str, container: &str) -> Option<Running> {
        let pods = self.0.read();
        let pod = pods.get(&(namespace.to_owned(), name.to_owned()))?;
        let known = pod.containers.get(container).filter(|known| known.running);
        Some(Running {
            uid: pod.uid.clone(),
            known: known?.clone(),
        })
    }

    /// Tells that a pod is gone.
    pub fn remove(&self, namespace: &str, name: &str) {
        self.0
            .write()
            .remove(&(namespace.to_owned(), name.to_owned()));
    }

    /// The log of a container's newest attempt, or of the one before it.
    ///
    /// # Errors
    /// Why there is none, in upstream's words.
    pub fn log(
        &self,
        namespace: &str,
        name: &str,
        container: &str,
        previous: bool,
    ) -> Result<ContainerLog, String> {
        let pods = self.0.read();
        let pod = pods
            .get(&(namespace.to_owned(), name.to_owned()))
            .ok_or_else(|| format!("pod {name:?} in namespace {namespace:?} not found"))?;
        let known = pod
            .containers
            .get(container)
            .ok_or_else(|| format!("container {container:?} in pod {name:?} is not available"))?;
        let attempt = if previous {
            known.attempts.iter().rev().nth(1).ok_or_else(|| {
                format!("previous terminated container {container:?} in pod {name:?} not found")
            })?
        } else {
            known.attempts.last().ok_or_else(|| {
                format!(
                    "container {container:?} in pod {name:?} is waiting to start: ContainerCreating"
                )
            })?
        };
        Ok(ContainerLog {
            path: known.dir.join(format!("{attempt}.log")),
            running: known.running && !previous,
        })
    }
}
