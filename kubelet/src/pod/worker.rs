//! One pod's worker. It is level-triggered: whatever wakes it (a change of the pod, a container's end, a probe, a timer), it
//! compares what should be with what is, makes the steps that are possible now, and sleeps until something else happens.

mod ending;
mod ephemeral;
mod image_volumes;
mod images;
mod last_words;
mod probing;
mod publish;
mod resizing;
mod starting;
mod stopping;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use api::core::v1::Pod;
use api::tree::Tree;
use runtime::events::ObjectRef;
use runtime::{Key, Resource};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::image_volumes::Resolved;
use self::images::Pull;
use self::publish::Publisher;
use self::stopping::{Grace, Stopping};
use super::allocation::Allocation;
use super::allocations::Allocations;
use super::back_off::BackOff;
use super::lookup::{Known, Lookup, PodLookup};
use super::record::{Attempt, Ended, Phase, PodRecord};
use super::role::{Role, find};
use super::sandbox::Sandbox;
use super::status::Observed;
use crate::containerd::Exit;
use crate::context::Shared;
use crate::image::ImageInfo;
use crate::oci::cgroup::PodLimits;
use crate::probe::{Report, Target};
use crate::volume::Volumes;

/// What is wrong now may be right then.
const RETRY: Duration = Duration::from_secs(2);
/// Messages that wait for the worker; who tells more waits.
const INBOX: usize = 64;

/// Where a pod's life on this node stands. Each state's way back in after a crash of the kubelet is the same: what containerd
/// has is read, and the worker begins with [`State::Running`] again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its sandbox, volumes and containers are made, kept and restarted as its spec says.
    Running,
    /// It is deleted, or failed as a whole: its containers are being ended.
    Ending,
    /// It is over and none of its containers runs or will: only their logs and exit codes are kept, until it is deleted.
    Over,
    /// Nothing of it is left on this node, and its object was told to go: a finalizer may keep it, with the status it has.
    Released,
    /// Its object is gone too.
    Gone,
}

/// What the API server wants.
#[derive(Clone, Debug)]
pub struct Desired {
    /// The pod as last seen.
    pub pod: Arc<Tree>,
    /// It is not in the API any more.
    pub gone: bool,
}

/// What wakes a worker, beside changes of the pod.
#[derive(Debug)]
pub enum Message {
    /// A container's process ended.
    Exited {
        /// In containerd.
        container: String,
        /// How.
        exit: Exit,
    },
    /// All tasks that containerd has, listed after `at`, with the ends of those that ended.
    Tasks {
        /// When the listing began.
        at: jiff::Timestamp,
        /// By container.
        tasks: Arc<BTreeMap<String, Option<Exit>>>,
    },
    /// A probe found something.
    Probe(Report),
    /// A pull is done.
    Pulled {
        /// As in the pod.
        image: String,
        /// What came of it.
        result: Result<ImageInfo, String>,
    },
}

/// How to reach a worker.
#[derive(Debug)]
pub struct Handle {
    /// What the API server wants.
    pub desired: watch::Sender<Desired>,
    /// What happens.
    pub inbox: mpsc::Sender<Message>,
    /// It takes no room on the node.
    pub rejected: bool,
}

/// How a pod is found when its worker begins.
#[derive(Debug, Default)]
pub struct Found {
    /// It is not in the API any more.
    pub gone: bool,
    /// What containerd has of it.
    pub record: PodRecord,
    /// Why it cannot run here: reason and message.
    pub rejection: Option<(String, String)>,
}

pub(super) struct Worker {
    shared: Arc<Shared>,
    lookup: Lookup,
    allocations: Arc<Allocations>,
    /// Others' allocations have changed.
    room: watch::Receiver<()>,
    /// What it is allowed.
    allocation: Allocation,
    /// What its cgroup is limited to.
    limits: PodLimits,
    key: Key,
    uid: String,
    resource: Resource,
    desired: watch::Receiver<Desired>,
    inbox: mpsc::Receiver<Message>,
    sender: mpsc::Sender<Message>,
    publisher: Publisher,
    state: State,
    observed: Observed,
    sandbox: Option<Sandbox>,
    volumes: Volumes,
    back_offs: BTreeMap<String, BackOff>,
    /// When each container's newest attempt was seen to have ended.
    ended_at: BTreeMap<String, Instant>,
    pulls: BTreeMap<String, Pull>,
    /// What image volumes show, by the volume's name.
    image_volumes: BTreeMap<String, Resolved>,
    probes: BTreeMap<String, CancellationToken>,
    /// Attempts that are being ended, by their id.
    stops: BTreeMap<String, Stopping>,
    /// What all of the pod's containers have together, once they are being ended.
    grace: Option<Grace>,
    /// What started before was started by an earlier kubelet.
    begun: jiff::Timestamp,
    told: BTreeSet<String>,
}

impl Desired {
    /// It is to be ended, or not wanted any more.
    fn is_deleted(&self) -> bool {
        self.gone || Pod::of(&self.pod).metadata().deletion_timestamp().is_some()
    }
}

impl Worker {
    /// Starts a worker for a pod as it was found; it acts once all pods that were found are `adopted`.
    pub fn spawn(
        shared: Arc<Shared>,
        lookup: Lookup,
        allocations: Arc<Allocations>,
        pod: Arc<Tree>,
        found: Found,
        adopted: CancellationToken,
        stop: CancellationToken,
    ) -> (Handle, tokio::task::JoinHandle<bool>) {
        let Found {
            gone,
            record,
            rejection,
        } = found;
        let rejected = rejection.is_some();
        let view = Pod::of(&pod);
        let (key, uid) = (
            Key::new(view.metadata().namespace(), view.metadata().name()),
            view.metadata().uid().to_owned(),
        );
        let start_time = view.status().start_time().map(|time| time.timestamp());
        let (desired_sender, desired) = watch::channel(Desired {
            pod: pod.clone(),
            gone,
        });
        let (sender, inbox) = mpsc::channel(INBOX);
        let resource = Resource::of(Pod::TYPE);
        let publisher =
            Publisher::start(shared.clone(), resource.clone(), key.clone(), uid.clone());
        let observed = Observed {
            attempts: record.attempts,
            node_ip: Some(shared.config.node_ip),
            start_time: Some(start_time.unwrap_or_else(|| shared.clock.now())),
            failed: rejection,
            rejected,
            ..Default::default()
        };
        let dir = shared.pod_dir(&uid);
        let volumes = Volumes::new(&dir);
        let allocation = Allocation::restore(&dir, view, &observed.attempts);
        let room = allocations.subscribe();
        let begun = shared.clock.now();
        let worker = Worker {
            shared,
            lookup,
            allocations,
            room,
            allocation,
            limits: PodLimits::default(),
            key,
            uid,
            resource,
            desired,
            inbox,
            sender: sender.clone(),
            publisher,
            state: State::Running,
            observed,
            sandbox: None,
            volumes,
            back_offs: BTreeMap::new(),
            ended_at: BTreeMap::new(),
            pulls: BTreeMap::new(),
            image_volumes: BTreeMap::new(),
            probes: BTreeMap::new(),
            stops: BTreeMap::new(),
            grace: None,
            begun,
            told: BTreeSet::new(),
        };
        worker.tell();
        // Whoever is judged next finds it.
        worker.tell_allocation(&pod);
        (
            Handle {
                desired: desired_sender,
                inbox: sender,
                rejected,
            },
            tokio::spawn(async move {
                adopted.cancelled().await;
                worker.run(stop).await
            }),
        )
    }

    /// Until the pod is gone from this node (true), or the kubelet ends (false): its containers run on then.
    async fn run(mut self, stop: CancellationToken) -> bool {
        loop {
            let next = self.step().await;
            if self.state == State::Gone {
                let (namespace, name) = (self.key.namespace(), self.key.name());
                self.lookup.remove(namespace, name, &self.uid);
                break;
            }
            self.tell();
            let timer = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                message = self.inbox.recv() => match message {
                    Some(message) => self.note(message),
                    None => break,
                },
                changed = self.desired.changed() => if changed.is_err() { break },
                // The sender is the worker's own: it is there as long as this is.
                _ = self.room.changed(), if self.observed.resize.pending.is_some() => {}
                () = timer => {}
            }
            // What else has happened is looked at in the same step.
            while let Ok(message) = self.inbox.try_recv() {
                self.note(message);
            }
        }
        for token in self.probes.values() {
            token.cancel();
        }
        self.state == State::Gone
    }

    /// One look at everything; when to look again at the latest.
    async fn step(&mut self) -> Option<Instant> {
        let desired = self.desired.borrow_and_update().clone();
        let deleting = desired.is_deleted();
        let Desired { pod: wanted, gone } = desired;
        let deferred = self.allocate(&wanted, gone);
        let tree = self.allocation.apply(&wanted);
        let pod = Pod::of(&tree);
        let unrecorded = self.record_ends(pod).await;
        match self.state {
            State::Running if deleting || self.observed.failed.is_some() => {
                self.state = State::Ending
            }
            State::Over if deleting => self.state = State::Ending,
            State::Released if gone => self.state = State::Gone,
            _ => {}
        }
        let next = match self.state {
            State::Running => starting::earlier(deferred, self.keep_running(pod).await),
            State::Ending => self.end(pod, gone).await,
            State::Over | State::Released | State::Gone => None,
        };
        let next = starting::earlier(unrecorded, next);
        self.tell_allocation(&wanted);
        if !gone {
            self.publish(pod);
        }
        next
    }

    /// Has the pod's status written, unless nothing is known here of what its object tells.
    fn publish(&self, pod: Pod<'_>) {
        if matches!(self.state, State::Released | State::Gone) || self.was_over(pod) {
            return;
        }
        let status = super::status::compute(pod, &self.observed, self.shared.clock.now());
        self.publisher.put(status);
    }

    fn note(&mut self, message: Message) {
        match message {
            Message::Exited { container, exit } => {
                let attempts = self.observed.attempts.values().flatten();
                let mut attempts = attempts.filter(|attempt| attempt.id == container);
                if attempts.any(|attempt| attempt.may_have_ended(exit.at)) {
                    self.note_exit(&container, exit);
                }
            }
            Message::Tasks { at, tasks } => {
                // Whatever events were lost on the way: what has ended, or is not there any more.
                let running = self
                    .observed
                    .attempts
                    .values()
                    .flatten()
                    .filter(|a| a.is_running() && a.started.is_none_or(|started| started < at));
                let lost = Exit { code: 255, at };
                let ended: Vec<(String, Exit)> = running
                    .filter_map(|attempt| match tasks.get(&attempt.id) {
                        Some(exit) => exit.map(|exit| (attempt.id.clone(), exit)),
                        None => Some((attempt.id.clone(), lost)),
                    })
                    .collect();
                for (container, exit) in ended {
                    self.note_exit(&container, exit);
                }
            }
            Message::Probe(report) => self.note_report(report),
            Message::Pulled { image, result } => self.note_pulled(&image, result),
        }
    }

    fn note_exit(&mut self, container: &str, exit: Exit) {
        let attempt = self
            .observed
            .attempts
            .values_mut()
            .flatten()
            .find(|attempt| attempt.id == container);
        if let Some(attempt) = attempt.filter(|attempt| attempt.ended().is_none()) {
            let code = i32::try_from(exit.code).unwrap_or(255);
            attempt.phase = Phase::Ended(Ended {
                code,
                reason: String::new(),
                message: String::new(),
                at: exit.at,
            });
            attempt.unrecorded = true;
        }
    }

    /// What the node's HTTPS server wants to know.
    fn tell(&self) {
        let (namespace, name) = (self.key.namespace(), self.key.name());
        let Desired { pod, gone } = self.desired.borrow().clone();
        let pod = Pod::of(&pod);
        let containers = self.observed.attempts.iter().map(|(container, attempts)| {
            let newest = attempts.last();
            let made = |attempt: &Attempt| attempt.phase == Phase::Created;
            let waits = self.observed.waiting.contains_key(container);
            let spec = find(pod, container).map(|(spec, _)| spec);
            let known = Known {
                dir: self.shared.log_dir(namespace, name, &self.uid, container),
                attempts: attempts
                    .iter()
                    .filter(|attempt| !made(attempt))
                    .map(|attempt| attempt.number)
                    .collect(),
                running: newest.is_some_and(Attempt::is_running),
                waiting: newest
                    .is_some_and(|attempt| made(attempt) || waits && !attempt.is_running()),
                id: newest.map(|attempt| attempt.id.clone()).unwrap_or_default(),
                stdin: spec.is_some_and(|spec| spec.stdin()),
                stdin_once: spec.is_some_and(|spec| spec.stdin_once()),
                tty: spec.is_some_and(|spec| spec.tty()),
            };
            (container.clone(), known)
        });
        let known = PodLookup {
            uid: self.uid.clone(),
            host_network: pod.spec().host_network(),
            containers: containers.collect(),
        };
        self.lookup.put(namespace, name, known, gone);
    }

    fn reference(&self) -> ObjectRef {
        ObjectRef::new(&self.resource, &self.key, &self.uid)
    }

    fn container_reference(&self, container: &str, role: Role) -> ObjectRef {
        let list = role.field();
        self.reference()
            .field(format!("spec.{list}{{{container}}}"))
    }

    /// Tells an event once as long as it is the same.
    fn warn_once(&mut self, reason: &str, message: &str) {
        if self.told.insert(format!("{reason}/{message}")) {
            self.shared
                .recorder
                .warning(self.reference(), reason, message);
        }
    }

    fn target(&self, attempt: &str) -> Target {
        let address = self.observed.address.unwrap_or(self.shared.config.node_ip);
        Target {
            address,
            container: attempt.to_owned(),
            dir: self.shared.exec_dir(&self.uid),
        }
    }
}
