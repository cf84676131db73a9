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
use crate::queue::{Event, Instant, Queue, Waiting};
use crate::snapshot::{NodeChange, NodeShape, Snapshot};
use crate::text::Text;
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
            let namespace = key.namespace.clone();
            let (at, before) =
                self.snapshot
                    .place(key.clone(), pod.uid.clone(), pod.load.clone(), node);
            if let Some(before) = before
                .as_ref()
                .filter(|before| before.node != at || before.load != pod.load)
            {
                self.happened(Event::Freed {
                    node: before.node,
                    namespace: namespace.clone(),
                });
            }
            if before.is_none_or(|before| before.node != at || before.load != pod.load) {
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
            if !assumed {
                self.queue.remove(key);
            }
        } else if known || !assumed {
            self.queue.set(
                Waiting {
                    key: key.clone(),
                    uid: pod.uid.clone(),
                    spec: spec.clone(),
                    load: pod.load.clone(),
                    priority: pod.load.priority,
                    preempts: pod.preempts,
                    gated: pod.gated,
                },
                now,
            );
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
        let (key, uid) = (pod.key, pod.uid);
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
            return Some(Next::Refuse { key, uid, message });
        }
        let template = self.workloads.template(&pod.spec);
        let draw = self.draw();
        let decision = self.engine.decide(&self.snapshot, &template, draw);
        match decision.node {
            Some(node) => {
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
                let mut message = decision.explanation.message();
                if decision.explanation.nodes() > 0 {
                    message.push(' ');
                    message.push_str(&self.about_preemption(
                        &decision.explanation,
                        pod.priority,
                        pod.preempts,
                    ));
                }
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
                Some(Next::Refuse { key, uid, message })
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

    fn about_preemption(
        &self,
        explanation: &crate::decision::Explanation,
        priority: i32,
        preempts: bool,
    ) -> String {
        if !preempts {
            return "preemption: not eligible due to preemptionPolicy=Never.".into();
        }
        let lower = self
            .snapshot
            .lowest_priority()
            .is_some_and(|lowest| lowest < priority);
        if lower && explanation.resolvable() > 0 {
            return "preemption: this scheduler does not support preempting pods of lower priority.".into();
        }
        explanation.nothing_to_preempt()
    }

    fn take_off(&mut self, key: &PodKey) {
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

#[cfg(test)]
mod tests;
