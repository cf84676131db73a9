//! All pods of the node: a worker for each, found by UID. On start what containerd has is adopted; what should not be there is
//! ended like any deleted pod.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::core::v1::{Node, Pod, PodMut};
use api::tree::Tree;
use runtime::events::ObjectRef;
use runtime::informer::Object;
use runtime::{Informer, Key, Resource};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::admission;
use super::allocations::Allocations;
use super::lookup::Lookup;
use super::record::{self, PodRecord};
use super::status::is_over;
use super::worker::{Desired, Found, Handle, Message, Worker};
use crate::containerd::{Error, Event, Exit, TaskState};
use crate::context::Shared;

/// Between two tries to subscribe to containerd's events.
const RETRY: Duration = Duration::from_millis(500);
/// Everything is compared this often, should an event be lost.
const RESYNC: Duration = Duration::from_secs(60);
/// Between SIGTERM and SIGKILL, for containers whose pod's spec nobody knows any more.
const ORPHAN_GRACE_SECONDS: i64 = 1;

/// The pods of this node.
pub struct Manager {
    shared: Arc<Shared>,
    lookup: Lookup,
    allocations: Arc<Allocations>,
    pods: Informer<Tree>,
    /// This node alone.
    nodes: Informer<Tree>,
    workers: BTreeMap<String, Handle>,
    running: JoinSet<(String, bool)>,
    /// All tasks are being listed for the workers.
    _listing: Option<AbortOnDropHandle<()>>,
    /// What containerd had of pods whose worker has not begun.
    records: BTreeMap<String, PodRecord>,
    /// Cancelled once the pods that are here are known to whoever looks them up.
    adopted: CancellationToken,
    stop: CancellationToken,
}

impl Manager {
    /// A manager over the pods that `pods` shows, which are this node's alone, as `nodes` shows this node alone.
    pub fn new(
        shared: Arc<Shared>,
        lookup: Lookup,
        pods: Informer<Tree>,
        nodes: Informer<Tree>,
        stop: CancellationToken,
    ) -> Self {
        let node = Key::cluster(&shared.config.node_name);
        Self {
            allocations: Arc::new(Allocations::new(nodes.clone(), node)),
            shared,
            lookup,
            pods,
            nodes,
            workers: BTreeMap::new(),
            running: JoinSet::new(),
            _listing: None,
            records: BTreeMap::new(),
            adopted: CancellationToken::new(),
            stop,
        }
    }

    /// Cancelled once the pods that are here are known to whoever looks them up: who asked before would be told that there
    /// are none. No worker acts before, either: it would find room that is another's.
    pub fn adopted(&self) -> CancellationToken {
        self.adopted.clone()
    }

    /// Runs until the kubelet ends; containers run on.
    ///
    /// # Errors
    /// When containerd cannot be read at the start.
    pub async fn run(mut self) -> Result<(), Error> {
        let (changed, mut changes) = mpsc::channel::<Key>(1024);
        let overflow = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let lost = overflow.clone();
        self.pods.on_change(move |change| {
            // A full queue loses the key, not the change: all pods are compared then.
            if changed.try_send(change.latest().key.clone()).is_err() {
                lost.store(true, std::sync::atomic::Ordering::Release);
            }
        });
        let there = async {
            // Informers that end before they have synced never do.
            self.pods.synced().await;
            self.nodes.synced().await;
            let containerd = &self.shared.containerd;
            let (containers, tasks) = (containerd.containers().await?, containerd.tasks().await?);
            let views = containerd.kept_views(record::label::POD_UID).await?;
            Ok::<_, Error>((record::read(&containers, &tasks), views))
        };
        let Some(there) = self.stop.run_until_cancelled(there).await else {
            return Ok(());
        };
        let (records, views) = there?;
        self.records = records;
        self.compare_all();
        self.adopt_orphans(views.into_iter().map(|(uid, _)| uid).collect());
        self.adopted.cancel();

        let (sender, mut events) = mpsc::channel(256);
        tokio::spawn(watch(self.shared.clone(), sender, self.stop.clone()));
        let mut resync = tokio::time::interval(RESYNC);
        loop {
            if overflow.swap(false, std::sync::atomic::Ordering::AcqRel) {
                self.compare_all();
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                Some(key) = changes.recv() => self.compare(&key),
                Some(told) = events.recv() => match told {
                    Told::Event(event) => self.dispatch(event),
                    Told::Subscribed => self.list_tasks(),
                },
                Some(ended) = self.running.join_next() => {
                    if let Ok((uid, _)) = ended {
                        self.workers.remove(&uid);
                        self.allocations.remove(&uid);
                        // A pod that is still wanted (its worker panicked, say) gets another one.
                        self.compare_all();
                    }
                }
                _ = resync.tick() => {
                    self.compare_all();
                    self.list_tasks();
                }
            }
        }
        // Workers end at their next look; what they are in the midst of is finished first, within reason.
        let finish = async { while self.running.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(3), finish).await;
        Ok(())
    }

    fn compare_all(&mut self) {
        let mut all = self.pods.list();
        // What runs already keeps its room; of the others, who came first is served first.
        all.sort_by_cached_key(|object| {
            let created = Pod::of(&object.value).metadata().creation_timestamp();
            let begun = self.records.contains_key(&*object.uid);
            (!begun, created.map(|time| time.timestamp()))
        });
        for object in all {
            self.compare(&object.key);
        }
        let gone: Vec<String> = self
            .workers
            .iter()
            .filter(|(_, handle)| {
                let tree = handle.desired.borrow().pod.clone();
                let metadata = Pod::of(&tree).metadata();
                let key = Key::new(metadata.namespace(), metadata.name());
                self.pods
                    .get(&key)
                    .is_none_or(|object| *object.uid != *metadata.uid())
            })
            .map(|(uid, _)| uid.clone())
            .collect();
        gone.iter().for_each(|uid| self.mark_gone(uid));
    }

    /// Brings one pod's worker up to date.
    fn compare(&mut self, key: &Key) {
        let object = self.pods.get(key);
        // A predecessor of the same name is gone.
        let others: Vec<String> = self
            .workers
            .iter()
            .filter(|(uid, handle)| {
                let tree = handle.desired.borrow().pod.clone();
                let metadata = Pod::of(&tree).metadata();
                metadata.name() == key.name()
                    && metadata.namespace() == key.namespace()
                    && object.as_ref().is_none_or(|object| *object.uid != ***uid)
            })
            .map(|(uid, _)| uid.clone())
            .collect();
        others.iter().for_each(|uid| self.mark_gone(uid));
        let Some(object) = object else { return };
        match self.workers.get(&*object.uid) {
            Some(handle) => {
                let newer = Arc::new(object.value.clone());
                handle.desired.send_if_modified(|desired| {
                    let changed = Pod::of(&desired.pod).metadata().resource_version()
                        != &*object.resource_version;
                    if changed {
                        *desired = Desired {
                            pod: newer,
                            gone: false,
                        };
                    }
                    changed
                });
            }
            None => {
                let record = self.records.remove(&*object.uid).unwrap_or_default();
                let rejection = match record.attempts.is_empty() {
                    true => self.reject(&object),
                    false => None,
                };
                let found = Found {
                    gone: false,
                    record,
                    rejection,
                };
                self.spawn(
                    object.uid.to_string(),
                    Arc::new(object.value.clone()),
                    found,
                );
            }
        }
    }

    /// Why a pod that is new here cannot run beside those that are here, as reason and message. It is told.
    fn reject(&self, object: &Object<Tree>) -> Option<(String, String)> {
        let pod = Pod::of(&object.value);
        if pod.metadata().deletion_timestamp().is_some() || is_over(pod) {
            return None;
        }
        let node = self
            .nodes
            .get(&Key::cluster(&self.shared.config.node_name))?;
        let here: Vec<admission::Here> = self
            .workers
            .iter()
            .filter(|(_, handle)| !handle.rejected)
            .map(|(uid, handle)| (uid, handle.desired.borrow().clone()))
            .filter(|(_, desired)| !desired.gone)
            .map(|(uid, desired)| admission::Here {
                pod: desired.pod,
                granted: self.allocations.of(uid),
            })
            .collect();
        let rejection = admission::judge(pod, Node::of(&node.value), &here).err()?;
        let resource = Resource::of(Pod::TYPE);
        let reference = ObjectRef::new(&resource, &object.key, &object.uid);
        let (reason, message) = (&rejection.reason, &rejection.message);
        self.shared.recorder.warning(reference, reason, message);
        Some((
            rejection.reason.clone(),
            format!("Pod was rejected: {}", rejection.message),
        ))
    }

    fn mark_gone(&self, uid: &str) {
        if let Some(handle) = self.workers.get(uid) {
            handle
                .desired
                .send_if_modified(|desired| !std::mem::replace(&mut desired.gone, true));
        }
    }

    /// What containerd, the network or the disk have of pods that are not this node's any more is ended and taken away. `left`
    /// are the UIDs of pods of which containerd has anything beside containers.
    fn adopt_orphans(&mut self, mut left: Vec<String>) {
        let mut orphans = std::mem::take(&mut self.records);
        if let Some(network) = &self.shared.network {
            left.extend(network.attached().unwrap_or_default());
        }
        let dirs = std::fs::read_dir(self.shared.config.root_dir.join("pods"))
            .into_iter()
            .flatten()
            .flatten();
        left.extend(dirs.filter_map(|entry| entry.file_name().into_string().ok()));
        for uid in left {
            if !self.workers.contains_key(&uid) {
                orphans.entry(uid).or_default();
            }
        }
        for (uid, record) in orphans {
            tracing::info!(
                pod = record.name,
                namespace = record.namespace,
                uid,
                "not a pod of this node any more: taking it away"
            );
            let mut tree = Tree::new(Pod::TYPE);
            let mut pod = PodMut::of(&mut tree);
            let mut metadata = pod.metadata_mut();
            metadata.set_name(&record.name);
            metadata.set_namespace(&record.namespace);
            metadata.set_uid(&uid);
            // Nobody knows its spec any more: like upstream, it is not waited for.
            pod.spec_mut()
                .set_termination_grace_period_seconds(ORPHAN_GRACE_SECONDS);
            let found = Found {
                gone: true,
                record,
                rejection: None,
            };
            self.spawn(uid, Arc::new(tree), found);
        }
    }

    fn spawn(&mut self, uid: String, pod: Arc<Tree>, found: Found) {
        let (handle, task) = Worker::spawn(
            self.shared.clone(),
            self.lookup.clone(),
            self.allocations.clone(),
            pod,
            found,
            self.adopted.clone(),
            self.stop.clone(),
        );
        self.workers.insert(uid.clone(), handle);
        self.running.spawn(async move {
            let gone = task.await.unwrap_or_else(|error| {
                tracing::error!(uid, %error, "a pod's worker failed");
                false
            });
            (uid, gone)
        });
    }

    /// Lets every worker compare its containers with all tasks that there are. A containerd that hangs holds up nothing else.
    fn list_tasks(&mut self) {
        let shared = self.shared.clone();
        let inboxes: Vec<_> = self
            .workers
            .values()
            .map(|handle| handle.inbox.clone())
            .collect();
        // One that was begun before may have missed what this one is for.
        self._listing = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let at = shared.clock.now();
            let listed = match shared.containerd.tasks().await {
                Ok(listed) => listed,
                Err(error) => {
                    tracing::warn!(%error, "cannot list containerd's tasks");
                    return;
                }
            };
            let tasks = listed.into_iter().map(|task| match task.state {
                TaskState::Stopped(exit) => (task.id, Some(exit)),
                TaskState::Unknown => (task.id, Some(Exit { code: 255, at })),
                TaskState::Created | TaskState::Running => (task.id, None),
            });
            let tasks = Arc::new(tasks.collect());
            for inbox in inboxes {
                let tasks = Arc::clone(&tasks);
                let _ = inbox.try_send(Message::Tasks { at, tasks });
            }
        })));
    }

    /// An event names a container only: every worker whose it may be hears of it.
    fn dispatch(&self, event: Event) {
        if let Event::Exited { container, exit } = event {
            for handle in self.workers.values() {
                let message = Message::Exited {
                    container: container.clone(),
                    exit,
                };
                // A full inbox means that the worker is busy; it hears of it by the next listing.
                if handle.inbox.try_send(message).is_err() {
                    tracing::debug!(container, "a busy worker's inbox is full");
                }
            }
        }
    }
}

/// What the subscription tells.
enum Told {
    /// It stands: what happened before may have been missed.
    Subscribed,
    /// Something happened.
    Event(Event),
}

/// Subscribes to containerd's events as long as the kubelet runs. After each subscription, what may have been missed is told.
async fn watch(shared: Arc<Shared>, sender: mpsc::Sender<Told>, stop: CancellationToken) {
    loop {
        let watched = async {
            let mut events = shared
                .containerd
                .events(&shared.config.containerd_namespace)
                .await?;
            if sender.send(Told::Subscribed).await.is_err() {
                return Ok(());
            }
            loop {
                let event = events.next().await?;
                if sender.send(Told::Event(event)).await.is_err() {
                    return Ok::<(), Error>(());
                }
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            ended = watched => match ended {
                Ok(()) => return,
                Err(error) => tracing::warn!(%error, "lost containerd's events"),
            },
        }
        tokio::time::sleep(RETRY).await;
    }
}
