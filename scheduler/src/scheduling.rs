//! The scheduler without the world around it: what the API shows goes in, bindings and refusals come out.
//!
//! It is level-triggered: [`Scheduling::observe_pod`] and [`Scheduling::observe_node`] are told how things are, not what
//! happened, and may be told twice, late, or only the last of several states. Everything is synchronous and has one
//! caller; while a decision is made, nothing changes, so no event can fall between a refusal and the wait for an event.
//!
//! It must not know the API's wire form, clocks or tasks.

use std::sync::Arc;

use crate::decision::Engine;
use crate::decisions::{Decisions, Outcome, Record};
use crate::pod::{Load, PodKey, PodSpec};
use crate::preemption::{Budget, Budgets, Victim};
use crate::queue::{Event, Instant, Queue, Waiting};
use crate::snapshot::{NodeChange, NodeIx, NodeShape, Placed, Snapshot};
use crate::text::{Map, Text};
use crate::workloads::Workloads;

/// A pod as the API shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct PodView {
    /// `metadata.uid`.
    pub uid: Text,
    /// `spec.nodeName`, when it has one.
    pub node: Option<Text>,
    /// `spec.schedulerName`.
    pub scheduler_name: Text,
    /// What decides where it goes; None when that is decided.
    pub spec: Option<Arc<PodSpec>>,
    /// What it takes of its node.
    pub load: Arc<Load>,
    /// It has scheduling gates.
    pub gated: bool,
    /// Its preemption policy is not `Never`.
    pub preempts: bool,
    /// It has succeeded or failed, and takes nothing any more.
    pub finished: bool,
    /// `status.nominatedNodeName`, when it has one: room is kept for it there.
    pub nominated: Option<Text>,
    /// When it was created, in seconds of the Unix epoch: of two alike, the newer one is preempted.
    pub created: i64,
}

/// What to do next.
#[derive(Clone, Debug)]
pub enum Next {
    /// Tell the API that the pod goes to this node.
    Bind {
        /// The pod.
        key: PodKey,
        /// Its uid.
        uid: Text,
        /// The node.
        node: Text,
    },
    /// Tell the API why the pod cannot be placed.
    Refuse {
        /// The pod.
        key: PodKey,
        /// Its uid.
        uid: Text,
        /// Upstream's message.
        message: String,
        /// The node on which room is kept for it.
        nominated: Option<Text>,
    },
    /// Tell pods of lower priority to go, and the API that the pod waits for their room.
    Preempt {
        /// The pod.
        key: PodKey,
        /// Its uid.
        uid: Text,
        /// Upstream's message.
        message: String,
        /// Where the room is.
        node: Text,
        /// Who has to go.
        victims: Vec<Victim>,
    },
}

/// The scheduler's state.
#[derive(Debug)]
pub struct Scheduling {
    scheduler_name: Text,
    snapshot: Snapshot,
    workloads: Workloads,
    queue: Queue,
    engine: Engine,
    budgets: Budgets,
    /// Where room is kept for pods that wait.
    nominated: Map<PodKey, NodeIx>,
    events: Vec<Event>,
    seed: u64,
    draws: u64,
}

impl Scheduling {
    /// A scheduler for pods with this `spec.schedulerName`; `seed` breaks ties between nodes.
    pub fn new(scheduler_name: &str, seed: u64) -> Scheduling {
        Scheduling {
            scheduler_name: scheduler_name.into(),
            snapshot: Snapshot::default(),
            workloads: Workloads::default(),
            queue: Queue::default(),
            engine: Engine::default(),
            budgets: Budgets::default(),
            nominated: Map::default(),
            events: Vec::new(),
            seed,
            draws: 0,
        }
    }

    /// The cluster as it is known.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The pods that wait.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Services and controllers, to be told of theirs.
    pub fn workloads(&mut self) -> &mut Workloads {
        &mut self.workloads
    }

    /// The disruption budget of this name is so, or is gone.
    pub fn set_budget(&mut self, namespace: &str, name: &str, budget: Option<Budget>) {
        self.budgets.set(namespace, name, budget);
    }

    /// The node of this name is so, or is gone.
    pub fn observe_node(&mut self, name: &str, shape: Option<NodeShape>) {
        match shape {
            Some(shape) => match self.snapshot.set_node(shape) {
                NodeChange::None => {}
                NodeChange::Added(at) | NodeChange::Changed(at) => self.happened(Event::Node(at)),
            },
            None => {
                if self.snapshot.remove_node(name).is_some() {
                    self.happened(Event::NodeGone);
                }
            }
        }
    }

    /// The pod is so, or is gone.
    pub fn observe_pod(&mut self, key: &PodKey, pod: Option<&PodView>, now: Instant) {
        let Some(pod) = pod.filter(|pod| !pod.finished) else {
            self.queue.remove(key);
            return self.take_off(key);
        };
        if let Some(node) = &pod.node {
            self.queue.remove(key);
            self.nominated.remove(key);
            let namespace = key.namespace.clone();
            let (at, before) =
                self.snapshot
                    .place(key.clone(), pod.uid.clone(), pod.load.clone(), node);
            self.snapshot.set_since(key, pod.created);
            if let Some(before) = before
                .as_ref()
                .filter(|before| before.node != at || before.load != pod.load)
            {
                self.happened(Event::Freed {
                    node: before.node,
                    namespace: namespace.clone(),
                });
            }
            // That it was assumed there told nobody.
            let is_new =
                |before: Placed| before.assumed || before.node != at || before.load != pod.load;
            if before.is_none_or(is_new) {
                self.happened(Event::Placed { namespace });
            }
            return;
        }
        // What is on a node under this name is an earlier pod, unless we put this one there.
        let assumed = match self.snapshot.pod(key) {
            Some(placed) if placed.assumed && placed.uid == pod.uid => true,
            Some(_) => {
                self.take_off(key);
                false
            }
            None => false,
        };
        let known = self
            .queue
            .waiting(key)
            .is_some_and(|waiting| waiting.uid == pod.uid);
        let Some(spec) = &pod.spec else { return };
        if pod.scheduler_name != self.scheduler_name || pod.load.terminating {
            // A pod on its way out is not placed any more; one that is being bound is left to the binding.
            if self.give_up(key) || !assumed {
                self.queue.remove(key);
            }
        } else if known || !assumed {
            let waiting = Waiting {
                key: key.clone(),
                uid: pod.uid.clone(),
                spec: spec.clone(),
                load: pod.load.clone(),
                priority: pod.load.priority,
                preempts: pod.preempts,
                gated: pod.gated,
            };
            // Room that a scheduler before this one has kept.
            let nodes = self.snapshot.nodes();
            let nominated = pod.nominated.as_ref().filter(|_| !known);
            if let Some(at) = nominated.and_then(|name| nodes.find(name)) {
                self.keep(&waiting, at);
            }
            self.queue.set(waiting, now);
        }
    }

    /// Lets pods try again whom that what happened since may help.
    pub fn wake(&mut self, now: Instant) {
        let mut events = std::mem::take(&mut self.events);
        if events.is_empty() {
            return;
        }
        events.sort();
        events.dedup();
        self.wake_by_priority(&events, now);
        let (workloads, nodes) = (&mut self.workloads, self.snapshot.nodes());
        self.queue.wake(now, |spec, plugins| {
            // What is not supported does not become so by what happens to nodes.
            spec.unsupported.is_empty() && {
                let template = workloads.template(spec);
                events
                    .iter()
                    .any(|event| event.helps(&template, &spec.namespace, plugins, nodes))
            }
        });
    }

    /// Decides for the next pod, if one is to be tried. The decision is remembered in `decisions`.
    pub fn next(
        &mut self,
        now: Instant,
        at: jiff::Timestamp,
        decisions: &mut Decisions,
    ) -> Option<Next> {
        let pod = self.queue.pop(now)?;
        let (key, uid) = (pod.key.clone(), pod.uid.clone());
        if !pod.spec.unsupported.is_empty() {
            let message = format!(
                "this scheduler does not support: {}",
                pod.spec.unsupported.join(", ")
            );
            self.queue.unschedulable(&key, Vec::new(), now);
            let outcome = Outcome::Unsupported {
                fields: pod.spec.unsupported.clone(),
            };
            decisions.record(
                key.clone(),
                Record {
                    uid: uid.clone(),
                    at,
                    outcome,
                },
            );
            self.give_up(&key);
            return Some(Next::Refuse {
                key,
                uid,
                message,
                nominated: None,
            });
        }
        let kept = self.set_aside(&key);
        let template = self.workloads.template(&pod.spec);
        let draw = self.draw();
        let decision = self.engine.decide(&self.snapshot, &template, draw);
        match decision.node {
            Some(node) => {
                self.moved(kept, Some(node), &key);
                self.snapshot
                    .assume(key.clone(), uid.clone(), pod.load, node);
                let name = self.snapshot.nodes().name(node).clone();
                let outcome = Outcome::Placed {
                    node: name.clone(),
                    decision,
                };
                decisions.record(
                    key.clone(),
                    Record {
                        uid: uid.clone(),
                        at,
                        outcome,
                    },
                );
                Some(Next::Bind {
                    key,
                    uid,
                    node: name,
                })
            }
            None => {
                let explanation = &decision.explanation;
                let room = self.make_room(&pod, &template, explanation, kept);
                self.moved(kept, room.node, &key);
                let message = room.message;
                self.queue
                    .unschedulable(&key, decision.explanation.refusing_plugins(), now);
                let outcome = Outcome::Refused {
                    message: message.clone(),
                    decision,
                };
                decisions.record(
                    key.clone(),
                    Record {
                        uid: uid.clone(),
                        at,
                        outcome,
                    },
                );
                let nominated = room.node.map(|at| self.snapshot.nodes().name(at).clone());
                Some(match nominated {
                    Some(node) if !room.victims.is_empty() => Next::Preempt {
                        key,
                        uid,
                        message,
                        node,
                        victims: room.victims,
                    },
                    nominated => Next::Refuse {
                        key,
                        uid,
                        message,
                        nominated,
                    },
                })
            }
        }
    }

    /// The API has the binding: the pod waits no longer. That it is on its node is confirmed when the API shows it.
    pub fn bound(&mut self, key: &PodKey, uid: &str) {
        if self.queue.waiting(key).is_some_and(|pod| &*pod.uid == uid) {
            self.queue.remove(key);
        }
    }

    /// The API has not the binding: the node is free again, and the pod is tried again after a while.
    pub fn not_bound(&mut self, key: &PodKey, uid: &str, now: Instant) {
        if let Some(placed) = self.snapshot.forget(key, uid) {
            self.happened(Event::Freed {
                node: placed.node,
                namespace: key.namespace.clone(),
            });
        }
        if self.queue.waiting(key).is_some_and(|pod| &*pod.uid == uid) {
            self.queue.failed(key, now);
        }
    }

    fn take_off(&mut self, key: &PodKey) {
        self.nominated.remove(key);
        if let Some(placed) = self.snapshot.remove_pod(key) {
            self.happened(Event::Freed {
                node: placed.node,
                namespace: key.namespace.clone(),
            });
        }
    }

    fn happened(&mut self, event: Event) {
        self.events.push(event);
    }

    /// SplitMix64 over a counter.
    fn draw(&mut self) -> u64 {
        self.draws += 1;
        let mut z = self
            .seed
            .wrapping_add(self.draws.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

mod nominations;
#[cfg(test)]
mod tests;
