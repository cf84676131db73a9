//! Which containers there are, for the node's HTTPS server.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
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
    /// Numbers of its attempts that were started, the oldest first.
    pub attempts: Vec<u32>,
    /// Whether the newest one runs.
    pub running: bool,
    /// The newest one has ended, and the next one is waited for.
    pub waiting: bool,
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
    /// Tells what a pod's containers are. Of one that is `gone` only as long as no other pod has its name.
    pub fn put(&self, namespace: &str, name: &str, pod: PodLookup, gone: bool) {
        let mut pods = self.0.write();
        match pods.entry((namespace.to_owned(), name.to_owned())) {
            Entry::Occupied(other) if gone && other.get().uid != pod.uid => {}
            entry => {
                entry.insert_entry(pod);
            }
        }
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

    /// Tells that nothing is left of a pod. Another one may have its name.
    pub fn remove(&self, namespace: &str, name: &str, uid: &str) {
        let mut pods = self.0.write();
        let key = (namespace.to_owned(), name.to_owned());
        if pods.get(&key).is_some_and(|pod| pod.uid == uid) {
            pods.remove(&key);
        }
    }

    /// The log of a container's newest attempt, or of the previous one: that of `lastState`, which is the newest one as long
    /// as the next is waited for.
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
            let newer = usize::from(!known.waiting);
            known.attempts.iter().rev().nth(newer).ok_or_else(|| {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(uid: &str, known: Known) -> PodLookup {
        PodLookup {
            uid: uid.into(),
            containers: [("c".to_owned(), known)].into(),
            ..Default::default()
        }
    }

    #[test]
    fn a_pod_that_is_gone_is_not_in_the_way_of_another_of_its_name() {
        let lookup = Lookup::default();
        let uid = || lookup.pod("ns", "p").map(|pod| pod.uid);
        let put = |uid: &str, gone| lookup.put("ns", "p", pod(uid, Known::default()), gone);
        put("old", false);
        put("old", true);
        assert_eq!(uid().unwrap(), "old");
        put("new", false);
        put("old", true);
        assert_eq!(uid().unwrap(), "new");
        lookup.remove("ns", "p", "old");
        assert_eq!(uid().unwrap(), "new");
        lookup.remove("ns", "p", "new");
        assert_eq!(uid(), None);
    }

    #[test]
    fn the_previous_log_is_that_of_the_last_state() {
        let previous = |attempts: &[u32], waiting| {
            let lookup = Lookup::default();
            let known = Known {
                attempts: attempts.to_vec(),
                waiting,
                ..Default::default()
            };
            lookup.put("ns", "p", pod("u", known), false);
            let log = lookup.log("ns", "p", "c", true);
            log.map(|log| log.path.display().to_string())
        };
        assert_eq!(previous(&[3, 4], false).unwrap(), "3.log");
        assert_eq!(previous(&[3, 4], true).unwrap(), "4.log");
        assert_eq!(previous(&[0], true).unwrap(), "0.log");
        assert!(previous(&[0], false).is_err());
    }
}
