//! Room that is kept on a node for a pod whose victims are on their way out.
//!
//! It is kept by counting the pod there, as one that is being bound: nobody else takes the room, but who has a higher
//! priority, to whom the pod is a victim like another. The pod itself is decided without it.

use super::Scheduling;
use crate::decision::Explanation;
use crate::plugins::{Plugin, Template};
use crate::pod::PodKey;
use crate::preemption::{self, Victim};
use crate::queue::{Event, Instant, Waiting};
use crate::snapshot::NodeIx;

/// What is done for a pod that no node can take.
pub(super) struct Room {
    /// What people are told.
    pub message: String,
    /// Where room is kept for it.
    pub node: Option<NodeIx>,
    /// Who has to be told to go for that.
    pub victims: Vec<Victim>,
}

impl Scheduling {
    /// Takes off the room that is kept for a pod, to decide for the pod without it; where that was.
    pub(super) fn set_aside(&mut self, key: &PodKey) -> Option<NodeIx> {
        let at = self.nominated.remove(key)?;
        self.snapshot.remove_pod(key);
        Some(at)
    }

    /// Gives up the room that is kept for a pod, if any is: others may have it.
    pub(super) fn give_up(&mut self, key: &PodKey) -> bool {
        let kept = self.nominated.contains_key(key);
        if kept {
            self.take_off(key);
        }
        kept
    }

    /// Of the room that was set aside for a decision, others may have what the pod did not come back to.
    pub(super) fn moved(&mut self, kept: Option<NodeIx>, now: Option<NodeIx>, key: &PodKey) {
        if let Some(node) = kept.filter(|kept| now != Some(*kept)) {
            let namespace = key.namespace.clone();
            self.happened(Event::Freed { node, namespace });
        }
    }

    /// Keeps room for a pod.
    pub(super) fn keep(&mut self, pod: &Waiting, at: NodeIx) {
        let (key, uid) = (pod.key.clone(), pod.uid.clone());
        if self.snapshot.assume(key, uid, pod.load.clone(), at) {
            self.nominated.insert(pod.key.clone(), at);
        }
    }

    /// Keeps the room that pods are known to wait for, before others are asked to go: `kept` until now.
    pub(super) fn make_room(
        &mut self,
        pod: &Waiting,
        template: &Template,
        explanation: &Explanation,
        kept: Option<NodeIx>,
    ) -> Room {
        let mut room = Room {
            message: explanation.message(),
            node: None,
            victims: Vec::new(),
        };
        if explanation.nodes() == 0 {
            return room;
        }
        let mut about = |about: &str| {
            room.message.push(' ');
            room.message.push_str(about);
        };
        if !pod.preempts {
            about("preemption: not eligible due to preemptionPolicy=Never.");
            return room;
        }
        if let Some(at) = kept.filter(|at| self.awaits_victims(*at, pod.priority)) {
            about("preemption: not eligible due to a terminating pod on the nominated node.");
            self.keep(pod, at);
            room.node = Some(at);
            return room;
        }
        let lowest = self.snapshot.lowest_priority();
        let chosen = lowest
            .filter(|lowest| *lowest < pod.priority)
            .and_then(|_| {
                let draw = self.draw();
                let (snapshot, budgets) = (&mut self.snapshot, &self.budgets);
                preemption::choose(snapshot, template, pod.priority, explanation, budgets, draw)
            });
        let Some(chosen) = chosen else {
            about(&explanation.nothing_to_preempt());
            return room;
        };
        for victim in chosen.victims {
            // Who only has room kept for it loses that, and is decided anew when something happens.
            if !self.give_up(&victim.key) {
                room.victims.push(victim);
            }
        }
        self.keep(pod, chosen.node);
        room.node = Some(chosen.node);
        room
    }

    /// The victims could not be told to go: the pod is tried again after a while.
    pub fn not_preempted(&mut self, key: &PodKey, uid: &str, now: Instant) {
        if self.queue.waiting(key).is_some_and(|pod| &*pod.uid == uid) {
            self.give_up(key);
            self.queue.failed(key, now);
        }
    }

    /// Lets pods try again to whom an event means more than that they may fit now: for whom room is kept where something
    /// happened (to the others their own room is taken), and who may have others go, now that less of them have to.
    pub(super) fn wake_by_priority(&mut self, events: &[Event], now: Instant) {
        let changed: Vec<NodeIx> = events
            .iter()
            .filter_map(|event| match event {
                Event::Node(node) | Event::Freed { node, .. } => Some(*node),
                Event::NodeGone | Event::Placed { .. } => None,
            })
            .collect();
        let Some(lowest) = self.snapshot.lowest_priority() else {
            return;
        };
        if changed.is_empty() {
            return;
        }
        let nominated = &self.nominated;
        // Without nodes nobody refused.
        let yields = |plugins: &[Plugin]| {
            plugins.is_empty() || plugins.iter().any(|plugin| plugin.yields_to_priority())
        };
        self.queue
            .wake_those(now, |pod, plugins| match nominated.get(&pod.key) {
                Some(at) => changed.contains(at),
                None => pod.preempts && pod.priority > lowest && yields(plugins),
            });
    }

    /// Whether pods of lower priority are on their way out of a node: nobody else has to go while they are.
    fn awaits_victims(&self, at: NodeIx, priority: i32) -> bool {
        let mut pods = self.snapshot.pods_on(at);
        pods.any(|(_, placed)| placed.load.terminating && placed.load.priority < priority)
    }
}
