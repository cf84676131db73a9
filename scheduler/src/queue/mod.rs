//! Pods that wait for a node, and when each is tried next.
//!
//! A pod is in one [`State`] at a time:
//!
//! ```text
//!            ┌─────────── update ────────────┐
//!   new ─► Active ─► Deciding ─► (bound)     │      Gated: spec.schedulingGates is not empty
//!            ▲  ▲        │ └─► Unschedulable ┤        (left when the last gate goes)
//!            │  └ over ─ Backoff ◄───────────┘
//!            └─ gates gone      event that helps, or 5 minutes
//! ```
//!
//! - **Active**: tried as soon as its turn comes; higher priority first, then who came first.
//! - **Deciding**: taken out; its decision is made, or its binding on the way.
//! - **Unschedulable**: no node could take it. It stays until something happens that may change that ([`Event::helps`]),
//!   at the latest five minutes.
//! - **Backoff**: it may be tried again, but not before its time: 1 s after its first attempt, doubling up to 10 s.
//!   When nothing is active, pods that were merely unschedulable are taken before their time: there is nothing better
//!   to do. Pods whose binding failed wait.
//!
//! Time is given to it. It knows specs and plugins' names, and must not know nodes, the API or clocks.

mod event;

pub use event::Event;

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::plugins::Plugin;
use crate::pod::{Load, PodKey, PodSpec};
use crate::text::{Map, Text};

/// How long a pod waits after its first failed attempt.
pub const INITIAL_BACKOFF: Duration = Duration::from_secs(1);
/// How long it waits at most.
pub const MAX_BACKOFF: Duration = Duration::from_secs(10);
/// How long a pod stays unschedulable if nothing happens.
pub const MAX_UNSCHEDULABLE: Duration = Duration::from_secs(5 * 60);

/// Time since an epoch of the caller's choice.
pub type Instant = Duration;

/// A pod that waits.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Its key.
    pub key: PodKey,
    /// Its uid.
    pub uid: Text,
    /// What decides where it goes.
    pub spec: Arc<PodSpec>,
    /// What it will take of its node.
    pub load: Arc<Load>,
    /// Its priority.
    pub priority: i32,
    /// Whether it would have pods of lower priority make room (`spec.preemptionPolicy` is not `Never`).
    pub preempts: bool,
    /// Whether it has scheduling gates.
    pub gated: bool,
}

/// Where a pod is in its way to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It has scheduling gates.
    Gated,
    /// It is tried when its turn comes.
    Active,
    /// It is being decided or bound.
    Deciding,
    /// It waits for its time.
    Backoff {
        /// When it is over.
        until: Instant,
        /// Whether it failed for an error, rather than for want of a node.
        error: bool,
    },
    /// It waits for something to happen.
    Unschedulable {
        /// Since when.
        since: Instant,
        /// Who refused it.
        plugins: Box<[Plugin]>,
    },
}

#[derive(Debug)]
struct Entry {
    pod: Waiting,
    state: State,
    attempts: u32,
    /// When it was last tried, or came: its place among equals.
    since: Instant,
    turn: u64,
}

/// The pods that wait.
#[derive(Debug, Default)]
pub struct Queue {
    entries: Map<PodKey, Entry>,
    active: BTreeSet<(Reverse<i32>, Instant, u64, PodKey)>,
    backoff: BTreeSet<(Instant, PodKey)>,
    /// Unschedulable ones by spec: an event is judged once for all pods alike.
    unschedulable: Map<Arc<PodSpec>, BTreeSet<PodKey>>,
    unschedulable_since: BTreeSet<(Instant, PodKey)>,
    turns: u64,
}

impl Queue {
    /// How many pods wait, in whatever state.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Where the pod is.
    pub fn state(&self, key: &PodKey) -> Option<&State> {
        self.entries.get(key).map(|entry| &entry.state)
    }

    /// The pod as it was last shown.
    pub fn waiting(&self, key: &PodKey) -> Option<&Waiting> {
        self.entries.get(key).map(|entry| &entry.pod)
    }

    /// How often it was tried.
    pub fn attempts(&self, key: &PodKey) -> u32 {
        self.entries.get(key).map_or(0, |entry| entry.attempts)
    }

    /// A pod waits: it is new, or it changed.
    pub fn set(&mut self, pod: Waiting, now: Instant) {
        let key = pod.key.clone();
        let same_pod = self
            .entries
            .get(&key)
            .is_some_and(|entry| entry.pod.uid == pod.uid);
        if !same_pod {
            self.remove(&key);
            let state = State::Unschedulable {
                since: now,
                plugins: Box::new([]),
            };
            self.turns += 1;
            let entry = Entry {
                pod,
                state,
                attempts: 0,
                since: now,
                turn: self.turns,
            };
            let gated = entry.pod.gated;
            self.entries.insert(key.clone(), entry);
            self.enter(&key, if gated { State::Gated } else { State::Active });
            return;
        }
        let Some(entry) = self.entries.get(&key) else {
            return;
        };
        let changed = entry.pod.spec != pod.spec;
        let (was_gated, gated) = (entry.pod.gated, pod.gated);
        if entry.pod.priority == pod.priority && !changed && was_gated == gated {
            return;
        }
        // Places in the orders depend on what changes.
        let state = self.leave(&key);
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.pod = pod;
        }
        match state {
            Some(State::Deciding) | None => {}
            Some(_) if gated => self.enter(&key, State::Gated),
            Some(State::Gated) => self.enter(&key, State::Active),
            Some(State::Unschedulable { .. }) if changed => self.retry(&key, now, false),
            Some(state) => self.enter(&key, state),
        }
    }

    /// A pod waits no longer: it is on a node, or gone.
    pub fn remove(&mut self, key: &PodKey) -> Option<Waiting> {
        self.leave(key);
        self.entries.remove(key).map(|entry| entry.pod)
    }

    /// The next pod to be tried, if there is one.
    pub fn pop(&mut self, now: Instant) -> Option<Waiting> {
        self.let_in(now);
        let key = match self.active.first() {
            Some((.., key)) => key.clone(),
            None => self
                .backoff
                .iter()
                .map(|(_, key)| key)
                .find(|key| self.may_go_early(key))?
                .clone(),
        };
        self.leave(&key);
        let entry = self.entries.get_mut(&key)?;
        entry.state = State::Deciding;
        entry.attempts += 1;
        Some(entry.pod.clone())
    }

    /// No node could take it; these plugins refused.
    pub fn unschedulable(&mut self, key: &PodKey, plugins: Vec<Plugin>, now: Instant) {
        self.end_attempt(key, now, |queue| {
            queue.enter(
                key,
                State::Unschedulable {
                    since: now,
                    plugins: plugins.into(),
                },
            );
        });
    }

    /// Something went wrong: it is tried again after its backoff.
    pub fn failed(&mut self, key: &PodKey, now: Instant) {
        self.end_attempt(key, now, |queue| queue.retry(key, now, true));
    }

    /// Lets those try again whom `helps` says may find a node now, by their spec and who refused them. Returns how many.
    pub fn wake(
        &mut self,
        now: Instant,
        mut helps: impl FnMut(&Arc<PodSpec>, &[Plugin]) -> bool,
    ) -> usize {
        let mut woken = Vec::new();
        for (spec, keys) in &self.unschedulable {
            // Pods of one spec were refused for the same reasons, unless they were tried at different times.
            let mut judged: Vec<(&[Plugin], bool)> = Vec::new();
            for key in keys {
                let Some(Entry {
                    state: State::Unschedulable { plugins, .. },
                    ..
                }) = self.entries.get(key)
                else {
                    continue;
                };
                let known = judged
                    .iter()
                    .find(|(known, _)| *known == &**plugins)
                    .map(|(_, helped)| *helped);
                let helped = known.unwrap_or_else(|| {
                    let helped = helps(spec, plugins);
                    judged.push((plugins, helped));
                    helped
                });
                if helped {
                    woken.push(key.clone());
                }
            }
        }
        let number = woken.len();
        self.retry_all(woken, now);
        number
    }

    /// Lets those try again, of the pods that wait for something to happen, of whom `helped` says so by who refused them.
    pub fn wake_those(
        &mut self,
        now: Instant,
        mut helped: impl FnMut(&Waiting, &[Plugin]) -> bool,
    ) {
        let waiting = self.unschedulable_since.iter().map(|(_, key)| key);
        let woken: Vec<PodKey> = waiting
            .filter(|key| match self.entries.get(*key) {
                Some(Entry {
                    pod,
                    state: State::Unschedulable { plugins, .. },
                    ..
                }) => helped(pod, plugins),
                _ => false,
            })
            .cloned()
            .collect();
        self.retry_all(woken, now);
    }

    /// In the order of their keys: a map has none that would be the same each time.
    fn retry_all(&mut self, mut woken: Vec<PodKey>, now: Instant) {
        woken.sort();
        for key in &woken {
            self.leave(key);
            self.retry(key, now, false);
        }
    }

    /// When something changes by itself next: a backoff is over, or a pod was unschedulable for long enough.
    pub fn next_change(&self) -> Option<Instant> {
        let backoff = self.backoff.first().map(|(until, _)| *until);
        let stale = self
            .unschedulable_since
            .first()
            .map(|(since, _)| *since + MAX_UNSCHEDULABLE);
        backoff.into_iter().chain(stale).min()
    }

    /// Whether a pod can be taken out now.
    pub fn is_ready(&self, now: Instant) -> bool {
        !self.active.is_empty()
            || self.next_change().is_some_and(|at| at <= now)
            || self.backoff.iter().any(|(_, key)| self.may_go_early(key))
    }

    fn may_go_early(&self, key: &PodKey) -> bool {
        matches!(self.state(key), Some(State::Backoff { error: false, .. }))
    }

    /// Whose time has come.
    fn let_in(&mut self, now: Instant) {
        while let Some((since, key)) = self.unschedulable_since.first().cloned() {
            if since + MAX_UNSCHEDULABLE > now {
                break;
            }
            self.leave(&key);
            self.retry(&key, now, false);
        }
        while let Some((until, key)) = self.backoff.first().cloned() {
            if until > now {
                break;
            }
            self.leave(&key);
            self.enter(&key, State::Active);
        }
    }

    fn end_attempt(&mut self, key: &PodKey, now: Instant, next: impl FnOnce(&mut Queue)) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        if entry.state != State::Deciding {
            return;
        }
        entry.since = now;
        if entry.pod.gated {
            self.enter(key, State::Gated);
        } else {
            next(self);
        }
    }

    /// To Active if its backoff is over, to Backoff otherwise. The caller has taken it out of where it was.
    fn retry(&mut self, key: &PodKey, now: Instant, error: bool) {
        let Some(entry) = self.entries.get(key) else {
            return;
        };
        let until = entry.since + backoff(entry.attempts);
        self.enter(
            key,
            if until <= now {
                State::Active
            } else {
                State::Backoff { until, error }
            },
        );
    }

    fn enter(&mut self, key: &PodKey, state: State) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        match &state {
            State::Active => {
                self.active.insert((
                    Reverse(entry.pod.priority),
                    entry.since,
                    entry.turn,
                    key.clone(),
                ));
            }
            State::Backoff { until, .. } => {
                self.backoff.insert((*until, key.clone()));
            }
            State::Unschedulable { since, .. } => {
                self.unschedulable
                    .entry(entry.pod.spec.clone())
                    .or_default()
                    .insert(key.clone());
                self.unschedulable_since.insert((*since, key.clone()));
            }
            State::Gated | State::Deciding => {}
        }
        entry.state = state;
    }

    /// Takes it out of the order it is in; the caller gives it its next state.
    fn leave(&mut self, key: &PodKey) -> Option<State> {
        let entry = self.entries.get(key)?;
        match &entry.state {
            State::Active => {
                self.active.remove(&(
                    Reverse(entry.pod.priority),
                    entry.since,
                    entry.turn,
                    key.clone(),
                ));
            }
            State::Backoff { until, .. } => {
                self.backoff.remove(&(*until, key.clone()));
            }
            State::Unschedulable { since, .. } => {
                self.unschedulable_since.remove(&(*since, key.clone()));
                if let Some(alike) = self.unschedulable.get_mut(&entry.pod.spec) {
                    alike.remove(key);
                    if alike.is_empty() {
                        self.unschedulable.remove(&entry.pod.spec);
                    }
                }
            }
            State::Gated | State::Deciding => {}
        }
        Some(entry.state.clone())
    }
}

/// How long a pod waits after so many attempts.
fn backoff(attempts: u32) -> Duration {
    if attempts == 0 {
        return Duration::ZERO;
    }
    INITIAL_BACKOFF
        .saturating_mul(1u32.checked_shl(attempts - 1).unwrap_or(u32::MAX))
        .min(MAX_BACKOFF)
}

#[cfg(test)]
mod tests;
